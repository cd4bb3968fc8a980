//! Cross-entropy of a softmax.

use anabranch_tensor::lanes::LANES;
use anabranch_tensor::rows::row_sums;
use anabranch_tensor::{Scalar, flat};

use crate::error::LayerError;
use crate::loss::{Loss, LossGradient};
use crate::softmax::{SOFTMAX_ROWS, shifted_exp};
use crate::target::{Target, TargetKind};

/// ℓ = −Σ_j t_j·log ŷ_j with ŷ = softmax(z), for one class of several; z are scores.
///
/// The target is t_j = w_j·((1 − ε)·y_j + ε/K), where y_j is the class's probability, or 1 for the
/// class of the row and 0 for the others, ε the label smoothing, K the number of classes and w_j
/// the weight of a class. Without smoothing and weights, t = y.
///
/// # Derivation
/// Since log ŷ_j = z_j − log Σ_k e^(z_k), a row costs S·log Σ_k e^(z_k) − Σ_j t_j·z_j with S = Σ_j
/// t_j, and with softmax's ∂ŷ_k/∂z_k = ŷ_k·(1 − ŷ_k), ∂ŷ_j/∂z_k = −ŷ_j·ŷ_k,
///
/// ```text
/// ∂ℓ/∂z_k = −Σ_j t_j/ŷ_j·∂ŷ_j/∂z_k = −(t_k/ŷ_k)·ŷ_k·(1 − ŷ_k) + Σ_{j≠k} (t_j/ŷ_j)·ŷ_j·ŷ_k
///         = −t_k + ŷ_k·Σ_j t_j = S·ŷ_k − t_k
/// ```
///
/// which is ŷ − y in the plain case, where S = 1. Nothing is divided by ŷ and its logarithm is not
/// taken, so scores may be of any size.
///
/// A batch's loss is the mean over its rows even if classes have weights; PyTorch's, with class
/// indices, divides by the sum of the rows' weights instead.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CrossEntropy {
    /// ε, in [0, 1).
    pub label_smoothing: f64,
    /// w, one weight of at least 0 per class; empty for weights of 1.
    pub class_weights: Vec<f64>,
}

impl CrossEntropy {
    fn is_plain(&self) -> bool {
        self.label_smoothing == 0.0 && self.class_weights.is_empty()
    }

    /// Weight of a class.
    fn weight(&self, class: usize) -> f64 {
        self.class_weights.get(class).copied().unwrap_or(1.0)
    }
}

impl<T: Scalar> Loss<T> for CrossEntropy {
    fn target_kind(&self) -> TargetKind {
        TargetKind::Classes
    }

    fn gradient(&self, cx: LossGradient<'_, '_, T>) {
        let (n_rows, width) = cx.prediction.dim();
        let (z, scale) = (flat(cx.prediction), cx.scale);
        match cx.target {
            Target::Classes(classes) => {
                assert!(classes.len() == n_rows, "{} classes for {n_rows} rows", classes.len());
                cx.for_each_chunk(
                    #[inline(always)]
                    |span, d, losses| {
                        let classes = &classes[span.start / width..span.end / width];
                        let z = &z[span];
                        softmax_rows(z, scale, d, losses);
                        if self.is_plain() {
                            subtract_classes(z, classes, scale, d, losses);
                        } else {
                            self.subtract(z, scale, d, losses, |row, class| {
                                if classes[row] as usize == class { 1.0 } else { 0.0 }
                            });
                        }
                    },
                );
            }
            Target::Probabilities(y) if y.dim() == (n_rows, width) => {
                let y = flat(y);
                cx.for_each_chunk(
                    #[inline(always)]
                    |span, d, losses| {
                        let (z, y) = (&z[span.clone()], &y[span]);
                        softmax_rows(z, scale, d, losses);
                        if self.is_plain() {
                            subtract_probabilities(z, y, scale, d, losses);
                        } else {
                            let of = |row: usize, class: usize| y[row * width + class].to_f64();
                            self.subtract(z, scale, d, losses, of);
                        }
                    },
                );
            }
            target => {
                panic!("classes of {n_rows} rows and {width} outputs expected, got {target:?}")
            }
        }
    }

    fn describe(&self) -> String {
        let mut words = String::from("cross-entropy");
        if self.label_smoothing != 0.0 {
            words += &format!(" label smoothing={}", self.label_smoothing);
        }
        if !self.class_weights.is_empty() {
            words += ", class weights";
        }
        words
    }

    fn check(&self, outputs: usize) -> Result<(), LayerError> {
        let layer = "cross-entropy";
        let range = |name, expected, value| Err(LayerError::Range { layer, name, expected, value });
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return range("label smoothing", "at least 0 and below 1", self.label_smoothing);
        }
        let n_weights = self.class_weights.len();
        if n_weights != 0 && n_weights != outputs {
            let (expected, got) = ([1, outputs], [1, n_weights]);
            return Err(LayerError::Shape { what: "the class weights", expected, got });
        }
        match self.class_weights.iter().find(|w| !(**w >= 0.0 && w.is_finite())) {
            Some(weight) => range("a class weight", "finite and at least 0", *weight),
            None => Ok(()),
        }
    }
}

impl CrossEntropy {
    /// Turns softmax(z)·scale and log Σ e^z into (S·softmax(z) − t)·scale and S·log Σ e^z − Σ t·z,
    /// where `y(row, class)` is the target before smoothing and weights.
    #[inline(always)]
    fn subtract<T: Scalar>(
        &self,
        z: &[T],
        scale: T,
        d: &mut [T],
        losses: &mut [T],
        y: impl Fn(usize, usize) -> f64,
    ) {
        let width = d.len() / losses.len();
        let (keep, spread) = (1.0 - self.label_smoothing, self.label_smoothing / width as f64);
        let t = |row, class| self.weight(class) * (keep * y(row, class) + spread);
        let rows = d.chunks_exact_mut(width).zip(z.chunks_exact(width)).zip(losses);
        for (row, ((d, z), loss)) in rows.enumerate() {
            let sum = T::from_f64((0..width).map(|class| t(row, class)).sum());
            *loss *= sum;
            for class in 0..width {
                let t = T::from_f64(t(row, class));
                d[class] = d[class] * sum - scale * t;
                *loss -= t * z[class];
            }
        }
    }
}

/// Writes softmax(z)·scale to `d`, and log Σ e^z of each row to `losses`.
#[inline(always)]
fn softmax_rows<T: Scalar>(z: &[T], scale: T, d: &mut [T], losses: &mut [T]) {
    let width = d.len() / losses.len();
    let block = SOFTMAX_ROWS * width;
    let rows = z.chunks(block).zip(d.chunks_mut(block)).zip(losses.chunks_mut(SOFTMAX_ROWS));
    let mut classes = [[T::ZERO; SOFTMAX_ROWS]; LANES];
    for ((z, d), losses) in rows {
        if width < LANES {
            softmax_narrow_rows(z, scale, d, losses, &mut classes[..width]);
        } else {
            softmax_wide_rows(z, scale, d, losses);
        }
    }
}

/// [`softmax_rows`] of at most [`SOFTMAX_ROWS`] rows.
#[inline(always)]
fn softmax_wide_rows<T: Scalar>(z: &[T], scale: T, d: &mut [T], losses: &mut [T]) {
    let width = d.len() / losses.len();
    let mut maxima = [T::ZERO; SOFTMAX_ROWS];
    // Missing rows have the sum 1.
    let mut sums = [T::ONE; SOFTMAX_ROWS];
    shifted_exp(z, d, &mut maxima[..losses.len()]);
    row_sums(d, width, &mut sums[..losses.len()]);
    let factors = finish_softmax(scale, &mut maxima, &sums, losses);
    for (d, factor) in d.chunks_exact_mut(width).zip(&factors) {
        d.iter_mut().for_each(|d| *d *= *factor);
    }
}

/// The same for rows of fewer than [`LANES`] classes, class by class, since rows that short would
/// leave vectors partly empty. The scores of missing rows in `classes` are unspecified.
#[inline(always)]
fn softmax_narrow_rows<T: Scalar>(
    z: &[T],
    scale: T,
    d: &mut [T],
    losses: &mut [T],
    classes: &mut [[T; SOFTMAX_ROWS]],
) {
    let (n_rows, width) = (losses.len(), classes.len());
    for (c, class) in classes.iter_mut().enumerate() {
        for i in 0..n_rows {
            class[i] = z[i * width + c];
        }
    }
    let mut maxima = [T::NEG_INFINITY; SOFTMAX_ROWS];
    for class in classes.iter() {
        for i in 0..SOFTMAX_ROWS {
            // NaN is ignored, as in a row's maximum.
            maxima[i] = if class[i] > maxima[i] { class[i] } else { maxima[i] };
        }
    }
    let mut sums = [T::ZERO; SOFTMAX_ROWS];
    for class in classes.iter_mut() {
        for i in 0..SOFTMAX_ROWS {
            class[i] = T::exp(class[i] - maxima[i]);
            sums[i] += class[i];
        }
    }
    let factors = finish_softmax(scale, &mut maxima, &sums, losses);
    for (c, class) in classes.iter_mut().enumerate() {
        for i in 0..SOFTMAX_ROWS {
            class[i] *= factors[i];
        }
        for i in 0..n_rows {
            d[i * width + c] = class[i];
        }
    }
}

/// Writes log Σ e^z of each row to `losses`; returns the factors from e^(z − max) to
/// softmax(z)·scale.
#[inline(always)]
fn finish_softmax<T: Scalar>(
    scale: T,
    maxima: &mut [T; SOFTMAX_ROWS],
    sums: &[T; SOFTMAX_ROWS],
    losses: &mut [T],
) -> [T; SOFTMAX_ROWS] {
    let mut factors = [T::ZERO; SOFTMAX_ROWS];
    for i in 0..SOFTMAX_ROWS {
        factors[i] = scale / sums[i];
        maxima[i] += T::ln(sums[i]);
    }
    losses.copy_from_slice(&maxima[..losses.len()]);
    factors
}

/// Turns softmax(z)·scale and log Σ e^z into (softmax(z) − y)·scale and −log softmax(z)[class],
/// where y is 1 for the class of a row and 0 for the others.
#[inline(always)]
fn subtract_classes<T: Scalar>(z: &[T], classes: &[u32], scale: T, d: &mut [T], losses: &mut [T]) {
    let width = d.len() / losses.len();
    for (row, (class, loss)) in classes.iter().zip(losses).enumerate() {
        // An invalid class must not reach into the next row.
        let i = row * width + (*class as usize);
        assert!((*class as usize) < width, "class {class} of {width}");
        d[i] -= scale;
        *loss -= z[i];
    }
}

/// The same for soft labels y: the loss of a row is Σ y·(log Σ e^z − z).
#[inline(always)]
fn subtract_probabilities<T: Scalar>(z: &[T], y: &[T], scale: T, d: &mut [T], losses: &mut [T]) {
    let width = d.len() / losses.len();
    let rows = z.chunks_exact(width).zip(y.chunks_exact(width));
    for ((d, (z, y)), loss) in d.chunks_exact_mut(width).zip(rows).zip(losses) {
        let log_sum = *loss;
        *loss = T::ZERO;
        for ((d, z), y) in d.iter_mut().zip(z).zip(y) {
            *d -= scale * *y;
            *loss += *y * (log_sum - *z);
        }
    }
}
