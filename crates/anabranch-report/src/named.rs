//! Metrics by their names.

use anabranch_data::{ClassTarget, Labels, TaskTarget};
use anabranch_train::{ClassificationMetrics, RegressionMetrics, TaskMetrics};

use Better::{Higher, Lower};

/// So many of the metrics of a column come first and say most.
pub const HEADLINES: usize = 3;

/// A metric with its names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Named {
    /// In programs: `rmse`, `log_loss` …
    pub key: &'static str,
    /// In words.
    pub name: &'static str,
    /// Which way it is better.
    pub better: Better,
    /// Its value, if it is defined.
    pub value: Option<f64>,
}

/// Which way a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// An error.
    Lower,
    /// A share that is right.
    Higher,
}

/// The metrics of each column of a task, those that say most first.
pub fn named(target: &TaskTarget, metrics: &TaskMetrics) -> Vec<Vec<Named>> {
    match metrics {
        TaskMetrics::Regression(columns) => columns.iter().map(of_number).collect(),
        TaskMetrics::Classification(class) => vec![of_class(class, Order::of(target))],
        TaskMetrics::Binary(columns) => {
            columns.iter().map(|column| of_class(column, Order::None)).collect()
        }
    }
}

/// Whether a metric, by its key, is one of the [`HEADLINES`] of some column.
pub fn is_headline(key: &str) -> bool {
    let number = of_number(&RegressionMetrics::default());
    let class = of_class(&ClassificationMetrics::default(), Order::None);
    let mut headlines = [number, class].into_iter().flat_map(|all| all.into_iter().take(HEADLINES));
    headlines.any(|metric| metric.key == key)
}

/// Whether the classes of a column have an order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Numbers,
    None,
}

impl Order {
    fn of(target: &TaskTarget) -> Self {
        match target {
            TaskTarget::Classification(ClassTarget { compared_as: Labels::Numbers, .. }) => {
                Self::Numbers
            }
            _ => Self::None,
        }
    }
}

fn of_number(m: &RegressionMetrics) -> Vec<Named> {
    let named = [
        ("rmse", "RMSE", Lower, m.rmse),
        ("mae", "MAE", Lower, m.mae),
        ("r2", "R²", Higher, m.r2),
        ("median_absolute_error", "median error", Lower, m.median_absolute_error),
        ("mape", "MAPE", Lower, m.mape),
        ("explained_variance", "explained variance", Higher, m.explained_variance),
    ];
    named.map(|(key, name, better, value)| Named { key, name, better, value }).into()
}

fn of_class(m: &ClassificationMetrics, order: Order) -> Vec<Named> {
    // How far two classes are apart is a question for numbers only.
    let kappa = m.quadratic_kappa.filter(|_| order == Order::Numbers);
    let named = [
        ("accuracy", "accuracy", Higher, m.accuracy),
        ("log_loss", "log-loss", Lower, m.log_loss),
        ("macro_f1", "macro-F1", Higher, m.macro_f1),
        ("balanced_accuracy", "balanced accuracy", Higher, m.balanced_accuracy),
        ("auroc", "AUROC", Higher, m.auroc),
        ("average_precision", "average precision", Higher, m.average_precision),
        ("brier", "Brier score", Lower, m.brier),
        ("calibration_error", "calibration error", Lower, m.calibration_error),
        ("quadratic_kappa", "quadratic kappa", Higher, kappa),
    ];
    named.map(|(key, name, better, value)| Named { key, name, better, value }).into()
}
