//! A column of numbers that is to be predicted: its scale, and what an output of a network means.

use serde::{Deserialize, Serialize};

use crate::column::mean_and_std;
use crate::column_kind::ColumnKind;
use crate::missing::MissingMarkers;
use crate::number::NumberFormat;
use crate::schema::ColumnSchema;
use crate::target_scale::{ScaleKind, TargetScale, bounds};

/// A column of numbers, scaled by the training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegressionTarget {
    /// The column's name.
    pub column: String,
    /// How numbers are transformed first.
    #[serde(default, skip_serializing_if = "TargetScale::is_standard")]
    pub scale: TargetScale,
    /// Mean of the training rows, transformed; 0 for [`TargetScale::None`].
    pub mean: f64,
    /// Their population standard deviation, or 1 where it is 0, and for [`TargetScale::None`].
    pub std: f64,
    /// Mean of the training rows in the column's units, which the simplest prediction is; not known
    /// in model files of format 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub center: Option<f64>,
    /// The least and the largest number of the training rows, near which predictions stay; not
    /// known in model files of format 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// How the column's numbers are written.
    #[serde(default, skip_serializing_if = "NumberFormat::is_plain")]
    pub format: NumberFormat,
    /// What stands for a missing value.
    #[serde(default = "MissingMarkers::format_1")]
    pub missing_markers: MissingMarkers,
}

impl RegressionTarget {
    /// A column whose scale is not known yet.
    pub(crate) fn unscaled(schema: &ColumnSchema) -> Self {
        let format = match &schema.kind {
            ColumnKind::Number { format } => format.clone(),
            _ => NumberFormat::default(),
        };
        let (column, missing_markers) = (schema.name.clone(), schema.missing_markers.clone());
        let (scale, range) = (TargetScale::Standard, None);
        let (mean, std, center) = (0.0, 1.0, None);
        Self { column, scale, mean, std, center, range, format, missing_markers }
    }

    /// The column with the scale of training values.
    pub(crate) fn scaled(
        &self,
        kind: ScaleKind,
        values: impl Iterator<Item = f64> + Clone,
    ) -> Self {
        let scale = kind.fit(values.clone());
        let (mean, std) = match scale {
            TargetScale::None => (0.0, 1.0),
            _ => mean_and_std(values.clone().map(|value| scale.forward(value))),
        };
        let center = Some(mean_and_std(values.clone()).0);
        let range =
            values.map(|value| [value, value]).reduce(|a, b| [a[0].min(b[0]), a[1].max(b[1])]);
        Self { scale, mean, std, center, range, ..self.clone() }
    }

    /// From the column's units to the network's: (value − mean)/std of the transformed value.
    pub fn standardise(&self, value: f64) -> f64 {
        (self.scale.forward(value) - self.mean) / self.std
    }

    /// From the network's units to the column's.
    pub fn unscale(&self, z: f64) -> f64 {
        self.scale.backward(z * self.std + self.mean)
    }

    /// The least and the largest number that is predicted; not known if the range is not.
    pub fn bounds(&self) -> Option<[f64; 2]> {
        self.range.map(bounds)
    }

    /// The prediction that an output of the network means: [`unscale`](Self::unscale)d, and no
    /// farther from what training saw than [`MARGIN`](crate::MARGIN) times its width, nor on the
    /// other side of 0 if that saw none there ([`bounds`](Self::bounds)). What is infinite or
    /// NaN becomes NaN.
    pub fn predicted(&self, z: f64) -> f64 {
        if !z.is_finite() {
            return f64::NAN;
        }
        let value = self.unscale(z);
        match self.bounds() {
            Some([low, high]) => value.max(low).min(high),
            None => value,
        }
    }

    /// A true number and the predicted one, from the network's units to those in which their
    /// distance is judged, of which one is [`unit`](Self::unit) in the column's.
    pub fn judged(&self, z: f64, output: f64) -> [f64; 2] {
        if !self.scale.is_linear() {
            return [self.unscale(z), self.predicted(output)];
        }
        match self.bounds() {
            // As the training has it: the distance of two numbers near each other loses nothing.
            Some([low, high]) if output.is_finite() => {
                let [low, high] = [low, high].map(|bound| self.standardise(bound));
                [z, output.max(low).min(high)]
            }
            _ => [z, output],
        }
    }

    /// From [`judged`](Self::judged) numbers to the column's units.
    pub fn from_judged(&self, number: f64) -> f64 {
        if self.scale.is_linear() { self.unscale(number) } else { number }
    }

    /// What one unit of [`judged`](Self::judged) numbers is in the column's units.
    pub fn unit(&self) -> f64 {
        if self.scale.is_linear() { self.std } else { 1.0 }
    }

    /// Where the column's 0 is among [`judged`](Self::judged) numbers.
    pub fn zero(&self) -> f64 {
        if self.scale.is_linear() { self.standardise(0.0) } else { 0.0 }
    }
}
