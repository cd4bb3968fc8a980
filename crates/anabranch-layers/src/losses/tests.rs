use super::*;
use crate::error::LayerError;
use crate::loss::{Loss, LossGradient, mean_loss};
use crate::target::{Target, TargetKind};
use anabranch_tensor::{Executor, matrix};
use ndarray::Array2;

/// The loss of a batch with this weight, and its derivative.
fn gradient(
    loss: &dyn Loss<f64>,
    weight: f64,
    z: &[f64],
    rows: usize,
    target: Target<'_, f64>,
) -> (f64, Vec<f64>) {
    let width = z.len() / rows;
    let mut d = Array2::from_elem((rows, width), f64::NAN);
    let mut row_losses = vec![f64::NAN; rows];
    loss.gradient(LossGradient {
        exec: &Executor::serial(),
        prediction: matrix(z, rows, width),
        target,
        scale: weight / rows as f64,
        d: d.view_mut(),
        row_losses: &mut row_losses,
    });
    (mean_loss(weight, &row_losses), d.into_raw_vec_and_offset().0)
}

#[test]
fn squared_error_by_hand() {
    let y = [1.0, 0.0, 0.0, 4.0];
    let target = Target::Values(matrix(&y, 2, 2));
    let (value, d) = gradient(&HalfSquaredError, 2.0, &[2.0, 0.0, 3.0, 2.0], 2, target);
    // 2/2·½·(1 + 0 + 9 + 4), and 2·(ŷ − y)/2.
    assert_eq!((value, d), (7.0, vec![1.0, 0.0, 3.0, -2.0]));
}

#[test]
fn robust_losses_by_hand() {
    // Errors of 2, 0, ½ and −3 in two rows.
    let z = [2.0, 0.0, 0.5, 1.0];
    let y = [0.0, 0.0, 0.0, 4.0];
    let target = Target::Values(matrix(&y, 2, 2));
    let of = |loss: &dyn Loss<f64>| gradient(loss, 2.0, &z, 2, target);
    assert_eq!(of(&AbsoluteError), (5.5, vec![1.0, 0.0, 1.0, -1.0]));
    // 1·(2 − ½) + 0 + ½·¼ + 1·(3 − ½).
    assert_eq!(of(&Huber { delta: 1.0 }), (4.125, vec![1.0, 0.0, 0.5, -1.0]));
    // A quarter of the errors of targets above, three quarters of those below.
    assert_eq!(of(&Pinball { quantile: 0.25 }), (2.625, vec![0.75, 0.0, 0.75, -0.25]));
}

#[test]
fn the_best_constant_of_the_pinball_loss_is_the_quantile() {
    let y: Vec<f64> = (1..=9).map(f64::from).collect();
    let cost = |constant: f64| {
        let target = Target::Values(matrix(&y, 9, 1));
        gradient(&Pinball { quantile: 0.8 }, 1.0, &[constant; 9], 9, target).0
    };
    // Seven of nine lie below 8, which is less than 0.8; eight of nine do not lie above.
    for other in [1.0, 5.0, 7.5, 8.5, 9.0] {
        assert!(cost(8.0) < cost(other), "{other}");
    }
}

#[test]
fn yes_and_no_by_hand_and_at_huge_scores() {
    let z = [0.0, 1e4, -1e4, 2.0];
    let y = [1.0, 1.0, 0.0, 0.25];
    let (value, d) = gradient(&BinaryCrossEntropy, 1.0, &z, 2, Target::Values(matrix(&y, 2, 2)));
    // log 2 + 0, and 0 + log(1 + e^−2) + 0.75·2.
    let expected = (2f64.ln() + (1.0 + (-2f64).exp()).ln() + 1.5) / 2.0;
    assert!((value - expected).abs() < 1e-15, "{value} {expected}");
    let sigma = 1.0 / (1.0 + (-2f64).exp());
    for (d, expected) in d.iter().zip([-0.25, 0.0, 0.0, (sigma - 0.25) / 2.0]) {
        assert!((d - expected).abs() < 1e-16, "{d} {expected}");
    }
}

#[test]
fn classes_and_one_hot_labels_agree_and_huge_scores_are_finite() {
    let loss = CrossEntropy::default();
    let z = [1e4, -1e4, 0.0, 0.3, 0.1, -2.0];
    let (by_class, d_class) = gradient(&loss, 1.0, &z, 2, Target::Classes(&[1, 0]));
    let labels = [0.0, 1.0, 0.0, 1.0, 0.0, 0.0];
    let by_labels = Target::Probabilities(matrix(&labels, 2, 3));
    let (by_label, d_label) = gradient(&loss, 1.0, &z, 2, by_labels);
    // The first row costs 2e4; the second log(1 + e^−0.2 + e^−2.3).
    let second = (1.0 + (-0.2f64).exp() + (-2.3f64).exp()).ln();
    assert!((by_class - (2e4 + second) / 2.0).abs() < 1e-11, "{by_class}");
    assert!((by_label - by_class).abs() < 1e-11);
    for (a, b) in d_class.iter().zip(&d_label) {
        assert!((a - b).abs() < 1e-16 && a.is_finite());
    }
    assert_eq!(&d_class[..3], [0.5, -0.5, 0.0]);
}

/// The formula in plain loops: −Σ w_j·((1 − ε)·y_j + ε/K)·log softmax(z)_j.
#[test]
fn smoothing_and_weights_by_the_formula() {
    let loss = CrossEntropy { label_smoothing: 0.1, class_weights: vec![0.5, 2.0, 1.0] };
    let z = [0.3, -1.2, 0.8, 1.5, 0.1, -0.4];
    let classes = [1u32, 2];
    let (value, _) = gradient(&loss, 1.0, &z, 2, Target::Classes(&classes));
    let mut expected = 0.0;
    for (z, class) in z.chunks(3).zip(classes) {
        let log_sum = z.iter().map(|z| z.exp()).sum::<f64>().ln();
        for (j, (z, w)) in z.iter().zip([0.5, 2.0, 1.0]).enumerate() {
            let y = if j == class as usize { 0.9 } else { 0.0 } + 0.1 / 3.0;
            expected -= w * y * (z - log_sum) / 2.0;
        }
    }
    assert!((value - expected).abs() < 1e-15, "{value} {expected}");
    // No smoothing and weights of 1 give the plain loss by another path.
    let ones = CrossEntropy { class_weights: vec![1.0; 3], ..CrossEntropy::default() };
    let plain = gradient(&CrossEntropy::default(), 1.0, &z, 2, Target::Classes(&classes));
    let (value, d) = gradient(&ones, 1.0, &z, 2, Target::Classes(&classes));
    assert!((value - plain.0).abs() < 1e-15);
    assert!(d.iter().zip(&plain.1).all(|(a, b)| (a - b).abs() < 1e-16));
}

/// Central differences, away from corners; their own error is about 1e-10.
#[test]
fn every_derivative_is_that_of_its_loss() {
    let (rows, width) = (5, 3);
    let z: Vec<f64> = (0..15).map(|i| 0.9 * f64::from((i * 7) % 11) - 4.0).collect();
    let y: Vec<f64> = (0..15).map(|i| f64::from((i * 5) % 13) / 13.0).collect();
    let of_row: Vec<f64> = (0..rows).map(|row| y[3 * row..3 * row + 3].iter().sum()).collect();
    let labels: Vec<f64> = (0..15).map(|i| y[i] / of_row[i / 3]).collect();
    let classes = [2, 0, 1, 1, 2];
    let mut kinds = LossKind::ALL.to_vec();
    kinds.push(LossKind::Huber { delta: 2.5 });
    kinds.push(LossKind::Pinball { quantile: 0.9 });
    let class_weights = vec![0.25, 1.0, 3.0];
    kinds.push(LossKind::CrossEntropy { label_smoothing: 0.2, class_weights });
    for kind in kinds {
        let loss = kind.boxed::<f64>();
        let targets = match kind.target_kind() {
            TargetKind::Classes => {
                vec![Target::Classes(&classes), Target::Probabilities(matrix(&labels, rows, width))]
            }
            _ => vec![Target::Values(matrix(&y, rows, width))],
        };
        for target in targets {
            let value =
                |z: &[f64]| loss.value_and_gradient(matrix(z, rows, width), target).unwrap().0;
            let (_, d) = loss.value_and_gradient(matrix(&z, rows, width), target).unwrap();
            for (i, d) in d.iter().enumerate() {
                let (mut above, mut below) = (z.clone(), z.clone());
                (above[i], below[i]) = (z[i] + 1e-5, z[i] - 1e-5);
                let difference = (value(&above) - value(&below)) / 2e-5;
                assert!((d - difference).abs() < 1e-9, "{kind:?} {i}: {d} {difference}");
            }
        }
    }
}

/// Rows are processed in groups: each gives what it gives alone, also in a partial last group.
#[test]
fn many_rows_give_what_each_gives_alone() {
    let rows = 70;
    for width in [1, 3, 15, 16, 37] {
        let z: Vec<f64> = (0..rows * width).map(|i| ((i * 37) % 101) as f64 * 0.07).collect();
        let y: Vec<f64> = (0..rows * width).map(|i| ((i * 17) % 23) as f64 * 0.1).collect();
        let classes: Vec<u32> = (0..rows).map(|i| ((i * 7) % width) as u32).collect();
        let values = |range: std::ops::Range<usize>| {
            let n = range.len();
            Target::Values(matrix(&y[range.start * width..range.end * width], n, width))
        };
        let cross_entropy = CrossEntropy::default();
        let (all_a, d_a) = gradient(&HalfSquaredError, 1.0, &z, rows, values(0..rows));
        let (all_b, d_b) = gradient(&cross_entropy, 1.0, &z, rows, Target::Classes(&classes));
        let mut sums = [0.0; 2];
        for row in 0..rows {
            let span = row * width..(row + 1) * width;
            let z = &z[span.clone()];
            let (loss_a, alone_a) = gradient(&HalfSquaredError, 1.0, z, 1, values(row..row + 1));
            let class = Target::Classes(&classes[row..=row]);
            let (loss_b, alone_b) = gradient(&cross_entropy, 1.0, z, 1, class);
            sums = [sums[0] + loss_a, sums[1] + loss_b];
            for (d, alone) in [(&d_a[span.clone()], alone_a), (&d_b[span], alone_b)] {
                for (d, alone) in d.iter().zip(alone) {
                    // The scale 1/70 is rounded once, and applied earlier or later.
                    assert!((d * rows as f64 - alone).abs() <= 4e-16 * alone.abs().max(1.0));
                }
            }
        }
        for (all, sum) in [(all_a, sums[0]), (all_b, sums[1])] {
            assert!((all - sum / rows as f64).abs() <= 1e-14 * all.abs().max(1.0), "{width}");
        }
    }
}

#[test]
fn bad_targets_are_named() {
    let labels = [0.5, 0.5, 0.7, 0.7, -0.1, 1.1];
    let rows = |range: std::ops::Range<usize>| {
        Target::Probabilities(matrix(&labels[2 * range.start..2 * range.end], range.len(), 2))
    };
    let check =
        |target: Target<'_, f64>, rows, outputs| target.check(TargetKind::Classes, rows, outputs);
    assert_eq!(check(rows(0..1), 1, 2), Ok(()));
    assert!(matches!(check(rows(0..2), 2, 2), Err(LayerError::SoftLabels { row: 1, .. })));
    assert!(matches!(check(rows(2..3), 1, 2), Err(LayerError::SoftLabels { row: 0, .. })));
    assert!(matches!(check(rows(0..1), 1, 3), Err(LayerError::Shape { .. })));
    let classes = Target::Classes(&[0, 3]);
    let no_class = LayerError::Class { row: 1, class: 3, classes: 3 };
    assert_eq!(check(classes, 2, 3), Err(no_class));
    assert!(matches!(check(classes, 3, 4), Err(LayerError::Shape { .. })));
    // Numbers are not classes, and classes are not numbers.
    let numbers = Target::Values(matrix(&labels, 3, 2));
    assert_eq!(
        check(numbers, 3, 2).unwrap_err().to_string(),
        "the loss compares predictions with classes or their probabilities, not with numbers"
    );
    assert!(Target::<f64>::check(&classes, TargetKind::Values, 2, 1).is_err());
    let outside = LayerError::Binary { row: 2, column: 0, value: -0.1 };
    assert_eq!(numbers.check(TargetKind::Binary, 3, 2), Err(outside));
    // A column-major matrix.
    let turned = Target::Values(matrix(&labels, 2, 3).reversed_axes());
    assert!(matches!(turned.check(TargetKind::Values, 3, 2), Err(LayerError::Layout { .. })));
}

#[test]
#[should_panic = "numbers (3, 2) expected"]
fn a_target_of_another_shape_is_no_silent_gradient() {
    let y = [0.0; 4];
    gradient(&HalfSquaredError, 1.0, &[0.0; 6], 3, Target::Values(matrix(&y, 2, 2)));
}

#[test]
#[should_panic = "99 classes for 6 rows"]
fn more_classes_than_rows_are_no_silent_gradient() {
    gradient(&CrossEntropy::default(), 1.0, &[0.0; 12], 6, Target::Classes(&[0; 99]));
}

#[test]
fn hyperparameters_out_of_range_are_refused() {
    let refused = |kind: LossKind| kind.boxed::<f32>().check(3).unwrap_err().to_string();
    assert_eq!(
        refused(LossKind::Huber { delta: 0.0 }),
        "huber loss: delta must be finite and above 0, not 0"
    );
    for quantile in [0.0, 1.0, f64::NAN] {
        assert!(refused(LossKind::Pinball { quantile }).contains("quantile"));
    }
    let smoothed = |label_smoothing, class_weights| {
        refused(LossKind::CrossEntropy { label_smoothing, class_weights })
    };
    assert!(smoothed(1.0, Vec::new()).contains("label smoothing"));
    assert!(smoothed(0.0, vec![1.0, 2.0]).contains("class weights"));
    assert!(smoothed(0.0, vec![1.0, -1.0, 0.0]).contains("a class weight"));
    for kind in LossKind::ALL {
        assert_eq!(kind.boxed::<f32>().check(3), Ok(()));
    }
}

#[test]
fn names_parse_back_and_an_unknown_one_is_told_the_others() {
    for kind in LossKind::ALL {
        assert_eq!(kind.to_string().parse(), Ok(kind.clone()));
    }
    let error = "hinge".parse::<LossKind>().unwrap_err().to_string();
    assert!(
        error.starts_with("unknown loss `hinge`: choose one of half_squared_error, "),
        "{error}"
    );
}
