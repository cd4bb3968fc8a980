//! How quantities change along random directions.

use std::collections::HashMap;

use super::{PARAMS, Scope, Truth};
use crate::eval::Direction;
use crate::matrix::Matrix;
use crate::quantity::{Kind, Quantity};
use crate::reference::{Params, Random, dual_along};
use crate::truth::MaskReading;
use crate::value::Value;

impl Truth {
    /// The quantity's change along a direction, as `scope` sees it; `None` for what does not vary.
    pub(crate) fn varied(
        &self,
        of: &'static Quantity,
        scope: Scope,
        direction: Direction,
    ) -> Option<Value> {
        let all = self.differential(of.name)?;
        let value = match direction {
            Direction::Parameters => all.clone(),
            Direction::Of(name) if name == of.name => self.random_like(of, all),
            Direction::Of(_) => Matrix::filled(all.rows(), all.cols(), 0.0),
        };
        self.seen(of, &Value::Matrix(value), scope, MaskReading::Scaled)
    }

    /// The change of a quantity along one direction of all parameters.
    pub(crate) fn differential(&self, name: &str) -> Option<&Matrix> {
        self.differentials.get_or_init(|| self.along_parameters()).get(name)
    }

    /// The change of the loss where this quantity alone varies.
    pub(crate) fn loss_along(&self, of: &'static Quantity) -> Option<f64> {
        let gradient = self.matrix(of.gradient()?)?;
        let direction = self.random_like(of, self.differential(of.name)?);
        Some(gradient.data().iter().zip(direction.data()).map(|(g, d)| g * d).sum())
    }

    /// A random direction of its own.
    fn random_like(&self, of: &Quantity, shape: &Matrix) -> Matrix {
        let seed = of
            .name
            .bytes()
            .fold(self.seed, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let mut random = Random::new(seed);
        Matrix::from_fn(shape.rows(), shape.cols(), |_, _| random.normal())
    }

    fn along_parameters(&self) -> HashMap<&'static str, Matrix> {
        let mut random = Random::new(self.seed.wrapping_add(0xd1ff));
        let direction = Params::from_fn(&self.net, |_, _, _| random.normal());
        let mut all: HashMap<&'static str, Matrix> =
            PARAMS.iter().map(|(param, name, _)| (*name, direction[*param].clone())).collect();
        let (values, loss) = dual_along(&self.net, &self.params, &self.batch, &direction);
        all.insert("loss", Matrix::filled(1, 1, loss));
        for quantity in Quantity::all().filter(|of| matches!(of.kind, Kind::Rows | Kind::Vector)) {
            all.extend(values(quantity.name).map(|value| (quantity.name, value)));
        }
        all
    }
}
