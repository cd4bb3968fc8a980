//! The names that a formula may use, and those that a formula can be for.

use std::fmt;

use serde::{Serialize, Serializer};

/// How a quantity depends on the batch, and so what it becomes when a formula is read row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `[m, n]`, one row per sample; row by row the column vector `[n, 1]` of one sample.
    Rows,
    /// `[1, n]`, the same for every sample; row by row `[n, 1]`.
    Vector,
    /// A matrix that is the same for every sample.
    Weight,
    /// A number.
    Scalar,
    /// One square matrix for each sample.
    RowJacobian,
    /// A matrix for each sample, in the form of a weight.
    RowWeight,
    /// One `[m, m]` matrix for each unit of branch B.
    UnitJacobian,
}

/// Where the hidden units of branch B are in a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Units {
    Nowhere,
    Columns,
    Rows,
}

/// A named quantity of the network.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Quantity {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) units: Units,
}

const fn quantity(name: &'static str, kind: Kind, units: Units) -> Quantity {
    Quantity { name, kind, units }
}

/// Every quantity; the first [`N_TARGETS`] are targets too.
pub(crate) static QUANTITIES: [Quantity; 106] = {
    use Kind::{RowJacobian, RowWeight, Rows, Scalar, UnitJacobian, Vector, Weight};
    use Units::{Columns, Nowhere};
    [
        quantity("d_theta_1a", Weight, Nowhere),
        quantity("d_b_1a", Vector, Nowhere),
        quantity("d_theta_2a", Weight, Nowhere),
        quantity("d_b_2a", Vector, Nowhere),
        quantity("d_theta_1b", Weight, Units::Rows),
        quantity("d_b_1b", Vector, Columns),
        quantity("d_gamma", Vector, Columns),
        quantity("d_beta", Vector, Columns),
        quantity("d_theta_j", Weight, Units::Rows),
        quantity("d_theta_2b", Weight, Columns),
        quantity("d_b_2b", Vector, Nowhere),
        quantity("delta_2b", Rows, Nowhere),
        quantity("delta_2a", Rows, Nowhere),
        quantity("delta_1b", Rows, Columns),
        quantity("delta_1a", Rows, Nowhere),
        quantity("d_s", Rows, Columns),
        quantity("d_a", Rows, Columns),
        quantity("d_y_b_hat", Rows, Nowhere),
        quantity("d_bn", Rows, Columns),
        quantity("d_a_hat", Rows, Columns),
        quantity("d_mu", Vector, Columns),
        quantity("d_var", Vector, Columns),
        quantity("d_h", Rows, Nowhere),
        quantity("d_a_1a", Rows, Nowhere),
        // Of one sample's loss.
        quantity("d_theta_1a_row", RowWeight, Nowhere),
        quantity("d_b_1a_row", Rows, Nowhere),
        quantity("d_theta_2a_row", RowWeight, Nowhere),
        quantity("d_b_2a_row", Rows, Nowhere),
        quantity("d_gamma_row", Rows, Columns),
        quantity("d_beta_row", Rows, Columns),
        quantity("d_theta_j_row", RowWeight, Units::Rows),
        quantity("d_theta_2b_row", RowWeight, Columns),
        quantity("d_b_2b_row", Rows, Nowhere),
        quantity("dy_dgamma", Rows, Columns),
        quantity("dy_dbeta", Rows, Columns),
        quantity("dmu_da", Rows, Columns),
        quantity("dvar_da", Rows, Columns),
        quantity("da_hat_dmu", Rows, Columns),
        quantity("da_hat_dvar", Rows, Columns),
        // With the statistics held fixed.
        quantity("da_hat_da", Rows, Columns),
        quantity("dz_dtheta_1a", Rows, Nowhere),
        quantity("dy_dtheta_2a", Rows, Nowhere),
        quantity("dz_dtheta_1b", Rows, Nowhere),
        quantity("dz_dtheta_2b", Rows, Columns),
        quantity("jacobian_dropout", RowJacobian, Nowhere),
        quantity("jacobian_batchnorm", UnitJacobian, Nowhere),
        quantity("jacobian_softmax", RowJacobian, Nowhere),
        quantity("dlog_y_dz_2b", RowJacobian, Nowhere),
        quantity("dz_db_1a", RowJacobian, Nowhere),
        quantity("dy_db_2a", RowJacobian, Nowhere),
        quantity("dz_db_1b", RowJacobian, Nowhere),
        quantity("dz_db_2b", RowJacobian, Nowhere),
        quantity("da_dz_1a", RowJacobian, Nowhere),
        quantity("dh_dz_1a", RowJacobian, Nowhere),
        quantity("dy_dh_2a", RowJacobian, Nowhere),
        quantity("dy_da_2a", RowJacobian, Nowhere),
        quantity("da_dz_1b", RowJacobian, Nowhere),
        quantity("dbn_da_hat", RowJacobian, Nowhere),
        quantity("ds_dbn", RowJacobian, Nowhere),
        quantity("ds_dy_a", RowJacobian, Nowhere),
        quantity("dz_ds_2b", RowJacobian, Nowhere),
        quantity("dz_dbn_2b", RowJacobian, Nowhere),
        quantity("dz_dy_a", RowJacobian, Nowhere),
        quantity("y_a_hat", Rows, Nowhere),
        quantity("y_b_hat", Rows, Nowhere),
        quantity("s", Rows, Columns),
        quantity("z_1a", Rows, Nowhere),
        quantity("a_1a", Rows, Nowhere),
        quantity("h", Rows, Nowhere),
        quantity("z_1b", Rows, Columns),
        quantity("a_1b", Rows, Columns),
        quantity("a_hat", Rows, Columns),
        quantity("bn", Rows, Columns),
        quantity("mu", Vector, Columns),
        quantity("var", Vector, Columns),
        quantity("z_2b", Rows, Nowhere),
        quantity("loss_row", Rows, Nowhere),
        quantity("loss_a", Scalar, Nowhere),
        quantity("loss_b", Scalar, Nowhere),
        quantity("loss", Scalar, Nowhere),
        quantity("x", Rows, Nowhere),
        quantity("y_a", Rows, Nowhere),
        quantity("y_b", Rows, Nowhere),
        quantity("theta_1a", Weight, Nowhere),
        quantity("b_1a", Vector, Nowhere),
        quantity("theta_2a", Weight, Nowhere),
        quantity("b_2a", Vector, Nowhere),
        quantity("theta_1b", Weight, Units::Rows),
        quantity("b_1b", Vector, Columns),
        quantity("gamma", Vector, Columns),
        quantity("beta", Vector, Columns),
        quantity("theta_j", Weight, Units::Rows),
        quantity("theta_2b", Weight, Columns),
        quantity("b_2b", Vector, Nowhere),
        quantity("M", Rows, Nowhere),
        // The draw that dropout keeps a value by: r >= p.
        quantity("r", Rows, Nowhere),
        // A one for each sample.
        quantity("ones_m", Rows, Nowhere),
        // The logarithm of y_b_hat, to be differentiated.
        quantity("log_y_b_hat", Rows, Nowhere),
        // BatchNorm's Jacobian with gamma.
        quantity("jacobian_bn", UnitJacobian, Nowhere),
        quantity("mu_run", Vector, Columns),
        quantity("var_run", Vector, Columns),
        quantity("m", Scalar, Nowhere),
        quantity("p", Scalar, Nowhere),
        quantity("eps", Scalar, Nowhere),
        quantity("w_a", Scalar, Nowhere),
        quantity("w_b", Scalar, Nowhere),
    ]
};

/// The Jacobians, each with the quantity that is differentiated and the one it is differentiated
/// by.
pub(crate) const JACOBIANS: [(&str, &str, &str); 17] = [
    ("jacobian_dropout", "h", "a_1a"),
    ("jacobian_softmax", "y_b_hat", "z_2b"),
    ("jacobian_batchnorm", "a_hat", "a_1b"),
    ("jacobian_bn", "bn", "a_1b"),
    ("dy_dgamma", "bn", "gamma"),
    ("dy_dbeta", "bn", "beta"),
    ("da_dz_1a", "a_1a", "z_1a"),
    ("dh_dz_1a", "h", "z_1a"),
    ("dy_dh_2a", "y_a_hat", "h"),
    ("dy_da_2a", "y_a_hat", "a_1a"),
    ("da_dz_1b", "a_1b", "z_1b"),
    ("dbn_da_hat", "bn", "a_hat"),
    ("ds_dbn", "s", "bn"),
    ("ds_dy_a", "s", "y_a_hat"),
    ("dz_ds_2b", "z_2b", "s"),
    ("dz_dbn_2b", "z_2b", "bn"),
    ("dz_dy_a", "z_2b", "y_a_hat"),
];

/// Derivatives that are targets, and no more than that: factors of a chain keep their own letters.
/// Each with the quantity that is differentiated and the one it is differentiated by.
pub(crate) const LOCAL: [(&str, &str, &str); 13] = [
    ("dmu_da", "mu", "a_1b"),
    ("dvar_da", "var", "a_1b"),
    ("da_hat_dmu", "a_hat", "mu"),
    ("da_hat_dvar", "a_hat", "var"),
    ("dlog_y_dz_2b", "log_y_b_hat", "z_2b"),
    ("dz_dtheta_1a", "z_1a", "theta_1a"),
    ("dy_dtheta_2a", "y_a_hat", "theta_2a"),
    ("dz_dtheta_1b", "z_1b", "theta_1b"),
    ("dz_dtheta_2b", "z_2b", "theta_2b"),
    ("dz_db_1a", "z_1a", "b_1a"),
    ("dy_db_2a", "y_a_hat", "b_2a"),
    ("dz_db_1b", "z_1b", "b_1b"),
    ("dz_db_2b", "z_2b", "b_2b"),
];

const N_TARGETS: usize = 80;

impl Quantity {
    pub(crate) fn all() -> impl Iterator<Item = &'static Self> {
        QUANTITIES.iter()
    }

    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        QUANTITIES.iter().find(|quantity| quantity.name == name)
    }

    /// The derivative of one sample's loss, where this is one of the loss by a parameter that has
    /// one: BatchNorm couples the samples of what is before it.
    pub(crate) fn of_sample(&self) -> Option<&'static Self> {
        Self::named(&format!("{}_row", self.name))
    }

    /// Whether each sample has its own.
    pub(crate) fn is_of_a_sample(&self) -> bool {
        matches!(self.kind, Kind::Rows | Kind::RowJacobian | Kind::RowWeight)
    }

    /// Whether it is a target alone, never printed as a quantity for another.
    pub(crate) fn is_target_alone(&self) -> bool {
        matches!(self.name, "da_hat_da" | "log_y_b_hat")
            || (self.name.starts_with("d_") && self.name.ends_with("_row"))
            || LOCAL.iter().any(|(name, ..)| *name == self.name)
    }

    /// The derivative of the loss with respect to it.
    pub(crate) fn gradient(&self) -> Option<&'static Self> {
        let name = match self.name {
            "z_1a" => "delta_1a",
            "y_a_hat" => "delta_2a",
            "z_1b" => "delta_1b",
            "z_2b" => "delta_2b",
            "a_1b" => "d_a",
            name => return Self::named(&format!("d_{name}")),
        };
        Self::named(name)
    }
}

/// What a formula can be for: a gradient, a δ, a Jacobian, or anything that the forward pass
/// computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target(pub(crate) &'static Quantity);

impl Target {
    /// Every target.
    pub fn all() -> impl Iterator<Item = Self> {
        QUANTITIES[..N_TARGETS].iter().map(Self)
    }

    /// The target of this name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|target| target.name() == name)
    }

    /// Whether it is a derivative of the loss.
    pub(crate) fn is_gradient(self) -> bool {
        self.name().starts_with("d_") || self.name().starts_with("delta_")
    }

    /// Its name in formula files.
    pub fn name(self) -> &'static str {
        self.0.name
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// ` (did you mean …?)` for the nearest of `names`, or nothing if none is near.
pub(crate) fn suggestion<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> String {
    if wrong.len() > 40 {
        return String::new();
    }
    names
        .map(|name| (edit_distance(wrong, name), name))
        .min()
        .filter(|(distance, name)| *distance <= 2 && *distance < name.len())
        .map_or_else(String::new, |(_, name)| format!(" (did you mean `{name}`?)"))
}

/// The least number of letters to insert, delete or replace: Levenshtein's distance.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, b) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_target_is_the_loss_and_names_are_unique() {
        assert_eq!(Target::all().last().map(Target::name), Some("loss"));
        for (i, quantity) in QUANTITIES.iter().enumerate() {
            assert!(QUANTITIES[..i].iter().all(|other| other.name != quantity.name));
        }
        assert_eq!(Target::named("x"), None);
    }

    #[test]
    fn a_near_name_is_suggested() {
        let names = || QUANTITIES.iter().map(|quantity| quantity.name);
        assert_eq!(suggestion("theta_2", names()), " (did you mean `theta_2a`?)");
        assert_eq!(suggestion("delta2b", names()), " (did you mean `delta_2b`?)");
        assert_eq!(suggestion("nonsense", names()), "");
    }
}
