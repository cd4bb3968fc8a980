//! The update: what the optimizer makes of the gradient in its first step.

use anabranch_optim::OptimizerKind;
use anabranch_optim::rules::{Adagrad, Adam, AdamW, Lion, Momentum, Nesterov, RmsProp};

use super::check::{Check, Sum};
use super::error::ExplainError;
use super::explanation::{Origin, Part, Quantity};
use super::names::Names;
use super::numbers::Numbers;

/// The first update of a run.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    /// The rule.
    pub optimizer: OptimizerKind,
    /// The learning rate of this step.
    pub lr: f64,
    /// The factor by which the gradient was clipped; 1 if it was not.
    pub clip: f64,
    /// Weight decay of the weights; biases and normalisations have none.
    pub decay: f64,
    /// The parameters after the step.
    pub after: &'a [f64],
}

impl Update<'_> {
    /// Every learned array after the step.
    pub(super) fn part(&self, n: &Numbers, names: &Names) -> Result<Part, ExplainError> {
        let expected = n.params.iter().map(|param| param.value.len()).sum();
        let found = self.after.len();
        if expected != found {
            return Err(ExplainError::Len { what: "updated parameters", expected, found });
        }
        let mut rest = self.after;
        let mut quantities = Vec::new();
        for param in &n.params {
            let symbol = param.symbol();
            let (values, behind) = rest.split_at(param.value.len());
            rest = behind;
            let decay = if is_weight(&param.name) { self.decay } else { 0.0 };
            let before = param.value.iter().zip(&param.grad).zip(values);
            let sides = before.map(|((p, g), after)| {
                let (start, change) = self.change(*p, self.clip * g, decay);
                (Sum::from(*after), Sum::from(start).plus(Sum::from(-change)))
            });
            let equation = format!(r"{symbol}' = \text{{the rule, by hand}}");
            let checks = vec![Check::new(equation, sides)];
            let (rows, columns) = param.labels(names);
            quantities.push(Quantity {
                symbol,
                formula: format!(r"{symbol} \leftarrow {}", self.formula(decay)),
                about: format!("{}, after the step.", param.name),
                origin: Origin::Production,
                rows,
                columns,
                values: ndarray::Array2::from_shape_vec(param.value.dim(), values.to_vec())
                    .expect("split off in this size"),
                checks,
            });
        }
        Ok(Part {
            title: "Update",
            text: "The optimizer's first step. In it, all moments are 0 before, and g is the gradient, \
                   clipped, with weight decay where it is added to the gradient.",
            quantities,
        })
    }

    /// Where the rule starts from, and what it subtracts, for one parameter.
    fn change(&self, p: f64, g: f64, decay: f64) -> (f64, f64) {
        let lr = self.lr;
        // The bias corrections make m = g and v = g² in the first step, apart from ε.
        let adam = |g: f64, Adam { eps, .. }: Adam| lr * g / (g.abs() + eps);
        let l2 = g + decay * p;
        let shrunk = p * (1.0 - lr * decay);
        match self.optimizer {
            OptimizerKind::Momentum(Momentum { .. }) | OptimizerKind::Sgd => (p, lr * l2),
            OptimizerKind::Nesterov(Nesterov { momentum }) => (p, lr * (l2 + momentum * l2)),
            OptimizerKind::Adam(rule) => (p, adam(l2, rule)),
            OptimizerKind::AdamW(AdamW(rule)) => (shrunk, adam(g, rule)),
            OptimizerKind::RmsProp(RmsProp { alpha, eps }) => {
                (p, lr * l2 / (((1.0 - alpha) * l2 * l2).sqrt() + eps))
            }
            OptimizerKind::Adagrad(Adagrad { eps }) => (p, lr * l2 / (l2.abs() + eps)),
            OptimizerKind::Lion(Lion { .. }) => {
                (shrunk, if g == 0.0 { 0.0 } else { lr * g.signum() })
            }
            // A rule that is not known by hand: its check cannot hold.
            _ => (f64::NAN, 0.0),
        }
    }

    /// The right side of the rule, for arrays with this weight decay.
    fn formula(&self, decay: f64) -> String {
        let lr = self.lr;
        let l2 = match decay {
            0.0 => "g".to_owned(),
            decay => format!(r"(g + {decay}\,p)"),
        };
        let shrunk = match decay {
            0.0 => "p".to_owned(),
            decay => format!(r"(1 - {lr}\cdot{decay})\,p"),
        };
        let over = |start: &str, g: &str, eps: f64| {
            format!(r"{start} - {lr}\,\frac{{{g}}}{{\sqrt{{{g}^2}} + {}}}", plain(eps))
        };
        match self.optimizer {
            OptimizerKind::Sgd | OptimizerKind::Momentum(_) => format!(r"p - {lr}\,{l2}"),
            OptimizerKind::Nesterov(Nesterov { momentum }) => {
                format!(r"p - {lr}\,(1 + {momentum})\,{l2}")
            }
            OptimizerKind::Adam(Adam { eps, .. }) | OptimizerKind::Adagrad(Adagrad { eps }) => {
                over("p", &l2, eps)
            }
            OptimizerKind::AdamW(AdamW(Adam { eps, .. })) => over(&shrunk, "g", eps),
            OptimizerKind::RmsProp(RmsProp { alpha, eps }) => {
                format!(r"p - {lr}\,\frac{{{l2}}}{{\sqrt{{(1 - {alpha}){l2}^2}} + {}}}", plain(eps))
            }
            OptimizerKind::Lion(_) => format!(r"{shrunk} - {lr}\,\text{{sign}}(g)"),
            _ => self.optimizer.to_string(),
        }
    }
}

/// Whether weight decay applies to an array.
fn is_weight(name: &str) -> bool {
    name.ends_with(".weight") && !name.starts_with("bn")
}

/// A small number in LaTeX: `1e-8` is 10^{-8}.
fn plain(x: f64) -> String {
    match format!("{x:e}").split_once('e') {
        Some(("1", exponent)) => format!("10^{{{exponent}}}"),
        Some((digits, exponent)) if exponent != "0" => format!(r"{digits}\cdot 10^{{{exponent}}}"),
        _ => x.to_string(),
    }
}
