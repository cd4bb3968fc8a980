//! Where an axis has its ticks: at multiples of 1, 2 or 5 times a power of ten.

use crate::figures::{exponent, whole};

/// About so many ticks between the ends of an axis, with their labels.
pub(crate) fn ticks([low, high]: [f64; 2], about: usize) -> Vec<(f64, String)> {
    let wanted = (high - low) / about as f64;
    let power = exponent(wanted);
    let unit = power_of_ten(power);
    let steps = [(1.0, power), (2.0, power), (5.0, power), (10.0, power)];
    let (factor, power) =
        steps.into_iter().find(|(factor, _)| factor * unit >= wanted).unwrap_or((10.0, power));
    let step = factor * unit;
    if !(step > 0.0 && step.is_finite()) {
        return Vec::new();
    }
    let (first, last) = ((low / step).ceil(), (high / step).floor());
    // Ten in a unit are one of the next.
    let power = if factor == 10.0 { power + 1 } else { power };
    let n_ticks = (last - first).clamp(0.0, 100.0) as usize;
    let values = (0..=n_ticks).map(|i| (first + i as f64) * step);
    values.map(|value| (value, label(value, power, low.abs().max(high.abs())))).collect()
}

fn power_of_ten(power: i32) -> f64 {
    format!("1e{power}").parse().unwrap_or(1.0)
}

/// A tick's number, where the step between ticks has this decimal exponent.
fn label(value: f64, power: i32, largest: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if largest >= 1e7 || power < -5 {
        let digits = usize::try_from(exponent(value) - power).unwrap_or(0);
        return format!("{value:.digits$e}");
    }
    if power >= 0 && value.abs() >= 1e4 {
        let sign = if value < 0.0 { "−" } else { "" };
        return format!("{sign}{}", whole(value.abs() as usize));
    }
    let decimals = usize::try_from(-power).unwrap_or(0);
    format!("{value:.decimals$}").replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_in_the_range() {
        for (range, expected) in [
            ([0.0, 1.0], "0 0.2 0.4 0.6 0.8 1.0"),
            ([-3.0, 2.5], "−2 0 2"),
            ([0.0, 19_000.0], "0 5000 10,000 15,000"),
            ([0.62, 0.66], "0.62 0.63 0.64 0.65 0.66"),
            ([0.0, 3e8], "0 1e8 2e8 3e8"),
            ([1e-9, 4e-9], "1e-9 2e-9 3e-9 4e-9"),
            ([5.0, 5.0], "5"),
        ] {
            let labels: Vec<String> = ticks(range, 5).into_iter().map(|(_, label)| label).collect();
            assert_eq!(labels.join(" "), expected);
        }
    }
}
