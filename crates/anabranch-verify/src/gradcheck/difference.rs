//! Central differences of the production loss.

use super::production::Production;
use crate::reference::Network;

/// Steps, times max(1, |v|) for a parameter v. Rounding of the loss calls for a large step,
/// curvature for a small one: a BatchNorm unit with σ near √ε bends within 1e-3.
const STEPS: [f64; 4] = [1e-2, 1e-3, 1e-4, 1e-5];

/// Roundings in a loss, in units of its terms' rounding.
const ROUNDINGS: f64 = 16.0;

/// A derivative and by how much it may be off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Difference {
    pub(super) value: f64,
    pub(super) noise: f64,
}

/// The production loss as a function of one parameter at a time.
pub(super) struct Differences<'a, 'e> {
    /// Unfused, so that the corners can be seen.
    production: Production<'e, f64>,
    network: &'a Network,
    /// The sides of corners at the parameters themselves.
    sides: Vec<bool>,
    /// Size of the terms of the loss.
    loss_terms: f64,
}

impl<'a, 'e> Differences<'a, 'e> {
    pub(super) fn new(
        mut production: Production<'e, f64>,
        network: &'a Network,
        loss_terms: f64,
    ) -> Self {
        production.losses();
        let sides = production.sides(network).collect();
        Self { production, network, sides, loss_terms }
    }

    /// dL/d(parameter `index`) by central differences; `None` if a ReLU or a loss passes a corner
    /// at every step size: a quotient across it says nothing about the derivative.
    ///
    /// With D(h) = (L(v+h) − L(v−h))/2h = L′ + ah² + bh⁴ + …, Richardson's R(h) = (4D(h/2) −
    /// D(h))/3 is exact to O(h⁴), and (16R(h/2) − R(h))/15 to O(h⁶). By how much that differs from
    /// R(h/2), and the rounding of L over h, tell how far off it may be. The first step where that
    /// is below `enough` will do, else the one where it is smallest.
    pub(super) fn at(&mut self, index: usize, enough: f64) -> Option<Difference> {
        let v = self.production.params_mut()[index];
        let mut best: Option<Difference> = None;
        for step in STEPS {
            let h = step * v.abs().max(1.0);
            let Some(difference) = self.extrapolate(index, v, h) else { continue };
            // Written so that NaN is never better.
            if best.is_none_or(|best| difference.noise < best.noise) {
                best = Some(difference);
            }
            if difference.noise <= enough {
                break;
            }
        }
        self.production.params_mut()[index] = v;
        best
    }

    fn extrapolate(&mut self, index: usize, v: f64, h: f64) -> Option<Difference> {
        let whole = self.quotient(index, v, h)?;
        let half = self.quotient(index, v, h / 2.0)?;
        let quarter = self.quotient(index, v, h / 4.0)?;
        let first = (4.0 * half - whole) / 3.0;
        let second = (4.0 * quarter - half) / 3.0;
        let value = (16.0 * second - first) / 15.0;
        let rounding = ROUNDINGS * f64::EPSILON * self.loss_terms / h;
        Some(Difference { value, noise: (value - second).abs() + rounding })
    }

    /// D(h) at parameter `index`, whose value is `v`, if no corner is passed.
    fn quotient(&mut self, index: usize, v: f64, h: f64) -> Option<f64> {
        let (above, below) = (v + h, v - h);
        let mut loss_at = |value: f64| {
            self.production.params_mut()[index] = value;
            let loss: f64 = self.production.losses().iter().sum();
            let is_same_side = self.production.sides(self.network).eq(self.sides.iter().copied());
            is_same_side.then_some(loss)
        };
        // Divided by what was really added and subtracted, after rounding.
        Some((loss_at(above)? - loss_at(below)?) / (above - below))
    }
}
