//! A second implementation of dropout masks: written from `docs/random.md`, one element at a time.

use ndarray::Array2;

/// SplitMix64's increment.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// The number of the purpose dropout.
const DROPOUT: u64 = 4;

/// SplitMix64's finaliser.
fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn low(word: u64) -> u32 {
    word as u32
}

fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

/// Philox4x32-7 of one counter.
fn philox([k0, k1]: [u32; 2], mut counter: [u32; 4]) -> [u32; 4] {
    for round in 0..7_u32 {
        let [c0, c1, c2, c3] = counter;
        let p = 0xd251_1f53 * u64::from(c0);
        let q = 0xcd9e_8d57 * u64::from(c2);
        let key0 = k0.wrapping_add(round.wrapping_mul(0x9e37_79b9));
        let key1 = k1.wrapping_add(round.wrapping_mul(0xbb67_ae85));
        counter = [high(q) ^ c1 ^ key0, low(q), high(p) ^ c3 ^ key1, low(p)];
    }
    counter
}

/// What the masks of a dropout layer in one step are drawn from.
#[derive(Clone, Copy, Debug)]
pub(super) struct MaskKey {
    key: [u32; 2],
    step: u64,
}

impl MaskKey {
    pub(super) fn new(seed: u64, stream: u32, step: u64) -> Self {
        let place = (u64::from(stream) << 32) + DROPOUT;
        let k = mix(mix(seed.wrapping_add(GOLDEN)) ^ place);
        Self { key: [low(k), high(k)], step }
    }

    /// The upper eight bits of element `[row, column]` in rows of `width` elements.
    fn upper(self, width: usize, row: usize, column: usize) -> u32 {
        let (group_row, group, byte) = if width <= 64 {
            let padded = width.next_power_of_two();
            let rows_per_group = 128 / padded;
            (row / rows_per_group, 0, row % rows_per_group * padded + column)
        } else {
            (row, column / 128, column % 128)
        };
        let (half, lane) = (byte / 64, byte % 64 / 8);
        let counter =
            [(8 * group + lane) as u32, group_row as u32, low(self.step), high(self.step)];
        let word = philox(self.key, counter)[2 * half + byte % 8 / 4];
        u32::from(word.to_le_bytes()[byte % 4])
    }

    /// The lower eight bits of every element of `row`.
    fn lower(self, row: usize) -> u32 {
        let [k0, k1] = self.key.map(u64::from);
        let rows = mix(mix((k0 << 32) + k1) ^ self.step);
        low(mix(rows.wrapping_add((row as u64).wrapping_mul(GOLDEN)))) % 256
    }

    /// M `[rows, width]`: 0 for elements that are dropped, 1/(1−p) for the others.
    pub(super) fn mask(self, rows: usize, width: usize, p: f64) -> Array2<f64> {
        let threshold = match (p * 65_536.0).round() as u32 {
            65_536.. if p == 1.0 => 65_536,
            rounded => rounded.min(65_535),
        };
        let scale = 65_536.0 / f64::from(65_536 - threshold);
        Array2::from_shape_fn((rows, width), |(row, column)| {
            let bits = 256 * self.upper(width, row, column) + self.lower(row);
            if bits < threshold { 0.0 } else { scale }
        })
    }
}

#[cfg(test)]
mod tests {
    use anabranch_layers::{Dropout, Mask, vjp};
    use anabranch_tensor::matrix;

    use super::*;

    /// Known answers of philox4x32-7 from the Random123 distribution (`kat_vectors`).
    #[test]
    fn known_answers() {
        assert_eq!(philox([0; 2], [0; 4]), [0x5f6f_b709, 0x0d89_3f64, 0x4f12_1f81, 0x4f73_0a48]);
        assert_eq!(
            philox(
                [0xa409_3822, 0x299f_31d0],
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]
            ),
            [0x4dfc_caba, 0x190a_87f0, 0xc473_62ba, 0xb6b5_242a]
        );
    }

    /// The production layer and this page's second reading agree to the bit: widths on both sides
    /// of every power of two and of a group, p on both sides of a multiple of 2⁻⁸, a step and a
    /// seed of more than 32 bits.
    #[test]
    fn masks_are_those_of_the_production_layer() {
        for width in [1, 2, 3, 8, 33, 63, 64, 65, 100, 128, 129, 301] {
            for p in [0.0, 0.05, 0.25, 0.5, 0.99998, 0.999_999, 1.0] {
                let (seed, stream, step) = (7 + (1 << 40), 3, 11 + (1 << 33));
                let rows = 37;
                let mask = MaskKey::new(seed, stream, step).mask(rows, width, p);
                let ones = Array2::from_elem((rows, width), 1.0);
                let drawn = Mask::Drawn { seed, layer: stream, step, first_row: 0 };
                let ones = matrix(ones.as_slice().unwrap(), rows, width);
                let y = vjp(&Dropout::new(p), ones, &[], drawn, ones).unwrap().y;
                assert_eq!(y, mask, "{width} columns, p = {p}");
            }
        }
    }
}
