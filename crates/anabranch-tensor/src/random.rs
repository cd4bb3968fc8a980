//! Random numbers addressed by what they are for, not by when they are drawn.
//!
//! A counter-based generator is a function from (key, counter) to bits: any number can be computed
//! without the ones before it. So a dropout mask or a shuffle depends on (seed, purpose, epoch or
//! step, element) alone, and is the same for any number of threads, any split of the batch, and
//! after any interruption.
//!
//! The function is Philox4x32-7 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy
//! as 1, 2, 3", 2011): seven rounds are the fewest that pass all of TestU01's BigCrush.

use crate::scalar::Scalar;
use crate::simd::vectorized;

const ROUNDS: usize = 7;
/// Blocks computed together: eight 64-bit products fill one AVX-512 register.
const LANES: usize = 8;
/// Blocks whose words a sequence buffers: two registers take turns.
const DRAWN: usize = 2 * LANES;
/// Mask elements decided by a group of blocks, one byte each.
const GROUP_BYTES: usize = 16 * LANES;

/// What random numbers are drawn for: draws for different purposes are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Initial parameters.
    Init,
    /// The split into training, validation and test rows.
    Split,
    /// The order of the rows in an epoch.
    Shuffle,
    /// Dropout masks.
    Dropout,
    /// Test cases, samples of entries to check, and other draws that do not affect results.
    Sample,
    /// The seeds of the members of an ensemble.
    Member,
    /// The settings that a search tries.
    Search,
    /// The training rows on which members of an ensemble validate by turns.
    Turn,
    /// The parts of training rows that do not tell each other their targets.
    CrossFit,
}

/// Turns (seed, purpose, stream) into a Philox key, with nearby seeds spread over all bits.
fn key(seed: u64, purpose: Purpose, stream: u32) -> [u32; 2] {
    let place = (u64::from(stream) << 32) | (purpose as u64 + 1);
    let k = mix(mix(seed.wrapping_add(GOLDEN)) ^ place);
    [k as u32, (k >> 32) as u32]
}

/// SplitMix64's increment, 2⁶⁴ over the golden ratio, and its finaliser.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[inline(always)]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What Philox's rounds mix in, derived from a key once: constants in the loop over counters.
#[derive(Clone, Copy, Debug)]
struct RoundKeys([[u64; 2]; ROUNDS]);

impl RoundKeys {
    fn new(key: [u32; 2]) -> Self {
        const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
        let word = |i: usize, round: u32| key[i].wrapping_add(WEYL[i].wrapping_mul(round));
        Self(std::array::from_fn(|r| [0, 1].map(|i| u64::from(word(i, r as u32)))))
    }
}

/// Philox4x32 on `LANES` counters at once. Words are kept in 64-bit lanes, whose upper halves are
/// ignored, so that the 32×32→64-bit products need no conversions.
#[inline(always)]
fn philox<const N: usize>(keys: &RoundKeys, mut counter: [[u64; N]; 4]) -> [[u64; N]; 4] {
    const MUL: [u64; 2] = [0xd251_1f53, 0xcd9e_8d57];
    for [k0, k1] in &keys.0 {
        for lane in 0..N {
            let [c0, c1, c2, c3] = [0, 1, 2, 3].map(|w| counter[w][lane]);
            let p0 = MUL[0] * (c0 & 0xffff_ffff);
            let p1 = MUL[1] * (c2 & 0xffff_ffff);
            counter[0][lane] = (p1 >> 32) ^ c1 ^ k0;
            counter[1][lane] = p1;
            counter[2][lane] = (p0 >> 32) ^ c3 ^ k1;
            counter[3][lane] = p0;
        }
    }
    counter
}

/// A sequence of random numbers for one purpose and one index (an epoch, a layer, a test case).
#[derive(Clone, Debug)]
pub struct Random {
    keys: RoundKeys,
    index: u64,
    /// The first block not yet in `words`.
    block: u64,
    /// The words of `DRAWN` blocks; `used` of them have been returned.
    words: [u32; 4 * DRAWN],
    used: usize,
}

impl Random {
    /// The sequence that belongs to `(seed, purpose, index)`.
    pub fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let words = [0; 4 * DRAWN];
        Self {
            keys: RoundKeys::new(key(seed, purpose, 0)),
            index,
            block: 0,
            words,
            used: words.len(),
        }
    }

    /// 32 random bits.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        if self.used == self.words.len() {
            self.draw();
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// Draws the words of the next blocks.
    fn draw(&mut self) {
        let Self { keys, index, block, words, .. } = self;
        let (index, block) = (*index, *block);
        vectorized(
            #[inline(always)]
            || {
                let mut counter = [[0; DRAWN]; 4];
                for lane in 0..DRAWN {
                    let block = block + lane as u64;
                    counter[0][lane] = block & 0xffff_ffff;
                    counter[1][lane] = block >> 32;
                    counter[2][lane] = index & 0xffff_ffff;
                    counter[3][lane] = index >> 32;
                }
                let of_lanes = philox(keys, counter);
                for lane in 0..DRAWN {
                    for w in 0..4 {
                        words[4 * lane + w] = of_lanes[w][lane] as u32;
                    }
                }
            },
        );
        self.block += DRAWN as u64;
        self.used = 0;
    }

    /// 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let [high, low] = match self.words[self.used..] {
            [high, low, ..] => {
                self.used += 2;
                [high, low]
            }
            _ => [self.next_u32(), self.next_u32()],
        };
        (u64::from(high) << 32) | u64::from(low)
    }

    /// A number in [0, 1), a multiple of 2⁻⁵³.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A number from the standard normal distribution (Box and Muller's transform), the same bits
    /// on every machine.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * Scalar::ln(1.0 - self.uniform())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }

    /// An integer below `n`, uniformly distributed (Lemire's method with rejection).
    ///
    /// # Panics
    /// If `n` is 0.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "below: n must be at least 1");
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            // Only products below 2⁶⁴ mod n, which is below n, are rejected: the slow remainder is
            // rarely needed.
            if product as u64 >= n || product as u64 >= n.wrapping_neg() % n {
                return (product >> 64) as u64;
            }
        }
    }

    /// Shuffles `items` (Fisher and Yates).
    pub fn shuffle<I>(&mut self, items: &mut [I]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// The dropout mask of one layer in one step: element (row, col) is kept with probability 1 − p,
/// where p is rounded to a multiple of 2⁻¹⁶.
///
/// An element is dropped if its 16 random bits are below p·2¹⁶. The upper 8 are its own; the lower
/// 8, which matter for one element in 256, are shared by its row. If p is a multiple of 2⁻⁸, such
/// as 1/2, elements are independent; otherwise two elements of a row are correlated by at most
/// 2⁻¹⁸/(p·(1−p)): 4·10⁻⁵ for p = 1/10.
///
/// The mask is a function, not an array: any thread can ask for any element, in any order.
#[derive(Clone, Copy, Debug)]
pub struct DrawnMask {
    keys: RoundKeys,
    step: u64,
    /// Start of the sequence that rows take their bits from.
    rows: u64,
    /// An element is dropped when its 16 random bits are below this.
    threshold: u32,
    /// Rows that share a group of bytes: as many as fit.
    rows_per_group: usize,
}

impl DrawnMask {
    /// The mask of layer number `layer`, with rows of `width` elements, in `step`, for drop
    /// probability `p` in [0, 1].
    pub fn new(seed: u64, layer: u32, width: usize, step: u64, p: f64) -> Self {
        let key = key(seed, Purpose::Dropout, layer);
        let rows = mix(mix(u64::from(key[0]) << 32 | u64::from(key[1])) ^ step);
        // p = 1 gives 2¹⁶, above every 16-bit value: everything is dropped. No other p may do that,
        // since the kept elements have to make up for the dropped ones.
        let threshold = match p {
            1.0 => 1 << 16,
            p => ((p * 65_536.0).round() as u32).min(65_535),
        };
        let rows_per_group = (GROUP_BYTES / width.clamp(1, GROUP_BYTES).next_power_of_two()).max(1);
        Self { keys: RoundKeys::new(key), step, rows, threshold, rows_per_group }
    }

    /// 1/(1−p) for the actual drop probability p, a multiple of 2⁻¹⁶, so that the mask times this
    /// has mean 1; 0 if everything is dropped.
    pub fn keep_scale(&self) -> f64 {
        match 65_536 - self.threshold {
            0 => 0.0,
            kept => 65_536.0 / f64::from(kept),
        }
    }

    /// Multiplies the elements `[row, col .. col + len]` of `n_rows` rows, starting at `row`, by
    /// `scale` where the mask keeps and by zero where it drops; `next_run` yields them row by row.
    /// A dropped element becomes 0 whatever it was.
    #[inline(always)]
    pub fn apply<'v, T: Scalar>(
        &self,
        row: usize,
        col: usize,
        n_rows: usize,
        mut next_run: impl FnMut() -> &'v mut [T],
        scale: T,
    ) {
        let shift = self.rows_per_group.trailing_zeros();
        let bytes_per_row = GROUP_BYTES >> shift;
        let mut drawn = None;
        let mut bytes = [0; GROUP_BYTES];
        for row in row..row + n_rows {
            let (threshold, values) = (self.threshold_of(row), next_run());
            // A power of two: no division.
            let first = (row & (self.rows_per_group - 1)) * bytes_per_row;
            let mut done = 0;
            while done < values.len() {
                let group = (row >> shift, (col + done) / GROUP_BYTES);
                if drawn != Some(group) {
                    bytes = self.bytes(group.0, group.1);
                    drawn = Some(group);
                }
                let first = first + (col + done) % GROUP_BYTES;
                let n = (GROUP_BYTES - first).min(values.len() - done);
                let (bytes, run) = (&bytes[first..first + n], &mut values[done..done + n]);
                drop_below(threshold, bytes, run, scale);
                done += n;
            }
        }
    }

    /// [`apply`](Self::apply) for whole rows of `width` elements, starting at `row`, which `values`
    /// holds one after the other.
    ///
    /// # Panics
    /// If `width` is 0 or not the mask's.
    #[inline(always)]
    pub fn apply_to_whole_rows<T: Scalar>(
        &self,
        row: usize,
        width: usize,
        values: &mut [T],
        scale: T,
    ) {
        // Rows that fill their groups and share a threshold are one run of elements, which saves 4
        // % of the instructions of a tiny step.
        if width * self.rows_per_group != GROUP_BYTES || !self.threshold.is_multiple_of(256) {
            let n_rows = values.len() / width;
            let mut rows = values.chunks_exact_mut(width);
            return self.apply(
                row,
                0,
                n_rows,
                #[inline(always)]
                || rows.next().unwrap_or_default(),
                scale,
            );
        }
        let (mut at, mut rest) = (row * width, values);
        while !rest.is_empty() {
            let (group, first) = (at / GROUP_BYTES, at % GROUP_BYTES);
            let (run, behind) = rest.split_at_mut(rest.len().min(GROUP_BYTES - first));
            drop_below(self.threshold / 256, &self.bytes(group, 0)[first..], run, scale);
            (at, rest) = (at + run.len(), behind);
        }
    }

    /// Bound on the upper 8 bits of a dropped element of `row`: 256·upper + lower < threshold,
    /// solved for upper.
    #[inline(always)]
    fn threshold_of(&self, row: usize) -> u32 {
        if self.threshold.is_multiple_of(256) {
            // Whatever the lower bits are.
            return self.threshold / 256;
        }
        let lower = mix(self.rows.wrapping_add((row as u64).wrapping_mul(GOLDEN))) as u32 % 256;
        (self.threshold + 255 - lower) / 256
    }

    /// The random bytes of group `group` of `row`, or of the rows numbered `row` that share one,
    /// from the blocks with counters (LANES·group + lane, row, step): the first two words of all
    /// blocks, then the others.
    #[inline(always)]
    fn bytes(&self, row: usize, group: usize) -> [u8; GROUP_BYTES] {
        let mut counter = [[0u64; LANES]; 4];
        for lane in 0..LANES {
            counter[0][lane] = (LANES * group + lane) as u64;
            counter[1][lane] = row as u64;
            counter[2][lane] = self.step & 0xffff_ffff;
            counter[3][lane] = self.step >> 32;
        }
        let words = philox(&self.keys, counter);
        let mut bytes = [0; GROUP_BYTES];
        for (half, bytes) in bytes.chunks_exact_mut(8 * LANES).enumerate() {
            let (first, second) = (&words[2 * half], &words[2 * half + 1]);
            for (lane, bytes) in bytes.chunks_exact_mut(8).enumerate() {
                let pair = first[lane] & 0xffff_ffff | second[lane] << 32;
                bytes.copy_from_slice(&pair.to_le_bytes());
            }
        }
        bytes
    }
}

/// Multiplies `values` by `scale`, or by zero where a byte is below `threshold`.
#[inline(always)]
fn drop_below<T: Scalar>(threshold: u32, bytes: &[u8], values: &mut [T], scale: T) {
    for (value, byte) in values.iter_mut().zip(bytes) {
        let kept = *value * scale;
        *value = if u32::from(*byte) >= threshold { kept } else { T::ZERO };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of philox4x32-7 from the Random123 distribution (`kat_vectors`).
    #[test]
    fn known_answers() {
        let run = |key, counter: [u64; 4]| {
            philox(&RoundKeys::new(key), counter.map(|c| [c])).map(|[word]| word as u32)
        };
        assert_eq!(run([0, 0], [0; 4]), [0x5f6f_b709, 0x0d89_3f64, 0x4f12_1f81, 0x4f73_0a48]);
        assert_eq!(
            run([0xffff_ffff; 2], [0xffff_ffff; 4]),
            [0x5207_ddc2, 0x4516_5e59, 0x4d8e_e751, 0x8c52_f662]
        );
        assert_eq!(
            run([0xa409_3822, 0x299f_31d0], [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]),
            [0x4dfc_caba, 0x190a_87f0, 0xc473_62ba, 0xb6b5_242a]
        );
    }

    /// `n_rows` rows of the mask from `row` on, each as a whole, as factors.
    fn rows_of(mask: &DrawnMask, row: usize, n_rows: usize, width: usize) -> Vec<f32> {
        part_of(mask, (row, 0), n_rows, width)
    }

    /// The elements of `n_rows` rows from (row, col) on, `width` of each, as factors.
    fn part_of(mask: &DrawnMask, at: (usize, usize), n_rows: usize, width: usize) -> Vec<f32> {
        let mut values = vec![1.0; n_rows * width];
        let mut rows = values.chunks_exact_mut(width);
        mask.apply(at.0, at.1, n_rows, || rows.next().unwrap(), 2.0);
        values
    }

    /// Rows of several groups, rows of one group, and rows that share a group.
    #[test]
    fn mask_elements_do_not_depend_on_how_rows_are_cut() {
        for (width, p) in [
            (301, 0.4),
            (301, 0.5),
            (128, 0.5),
            (65, 0.5),
            (64, 0.4),
            (64, 0.5),
            (33, 0.5),
            (8, 0.5),
        ] {
            let mask = DrawnMask::new(7, 3, width, 11, p);
            let whole = rows_of(&mask, 5, 21, width);
            for cut in [1, 8, 31, 32, 33, 64, 100, 128, 150, 256] {
                for n_rows in [1, 2, 3, 21] {
                    for cols in [0..cut.min(width), cut.min(width - 1)..width] {
                        let part = part_of(&mask, (5, cols.start), n_rows, cols.len());
                        let of_whole =
                            whole.chunks_exact(width).flat_map(|row| &row[cols.clone()]).copied();
                        assert!(of_whole.take(part.len()).eq(part), "{width} cut at {cut}");
                    }
                }
            }
            for row in 0..21 {
                let alone = rows_of(&mask, 5 + row, 1, width);
                assert_eq!(alone, whole[row * width..(row + 1) * width], "row {row} of {width}");
            }
            for (from, to) in [(0, 21), (0, 1), (3, 20), (7, 9)] {
                let mut values = vec![1.0; (to - from) * width];
                mask.apply_to_whole_rows(5 + from, width, &mut values, 2.0);
                assert_eq!(values, whole[from * width..to * width], "rows {from} of {width}");
            }
            let mut rows: Vec<&[f32]> = whole.chunks_exact(width).collect();
            rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
            // Of 21 rows of 8 elements, some may be alike.
            rows.dedup();
            assert!(rows.len() >= if width == 8 { 18 } else { 21 }, "{width}");
        }
    }

    /// Fixed seed: the counts are constants, and lie within four standard deviations of their
    /// expectation.
    #[test]
    fn keep_rate_is_one_minus_p() {
        for (rows, cols) in [(400, 250), (10_000, 10)] {
            for p in [0.0, 0.1, 0.5, 0.95, 1.0] {
                let mask = DrawnMask::new(42, 0, cols, 1, p);
                let kept: f64 =
                    rows_of(&mask, 0, rows, cols).iter().map(|v| f64::from(*v) / 2.0).sum();
                let n = (rows * cols) as f64;
                let deviation = (n * p * (1.0 - p)).sqrt();
                assert!((kept - n * (1.0 - p)).abs() <= 4.0 * deviation, "p = {p}: {kept} of {n}");
            }
        }
    }

    /// At these p, the nearest multiple of 2⁻¹⁶ keeps 30 % more or fewer elements than 1 − p, or
    /// none at all.
    #[test]
    fn the_mean_of_a_scaled_mask_is_1_at_any_p() {
        for p in [0.0, 1e-7, 0.1, 0.9999, 0.99998, 0.999_999] {
            let mask = DrawnMask::new(42, 0, 256, 1, p);
            let rows = 40_000;
            let kept: u64 = (0..rows).map(|row| 256 - u64::from(mask.threshold_of(row))).sum();
            let mean = kept as f64 / (256.0 * rows as f64) * mask.keep_scale();
            // Four standard deviations of a row's threshold, which is one of two neighbours with
            // this mean.
            let n_kept = 65_536.0 / mask.keep_scale() / 256.0;
            let deviation = (n_kept.fract() * (1.0 - n_kept.fract()) / rows as f64).sqrt() / n_kept;
            assert!((mean - 1.0).abs() <= 4.0 * deviation, "p = {p}: {mean} ± {deviation}");
        }
        assert_eq!(DrawnMask::new(42, 0, 256, 1, 1.0).keep_scale(), 0.0);
    }

    /// The lower bits, which the elements of a row share, are as random as the upper ones: averaged
    /// over rows, the threshold of the upper bits is that of all 16 bits, for any p.
    #[test]
    fn thresholds_of_rows_average_to_that_of_16_bits() {
        for p in [0.1, 0.3, 0.999] {
            let mask = DrawnMask::new(5, 1, 100, 9, p);
            let rows = 40_000;
            let sum: u64 = (0..rows).map(|row| u64::from(mask.threshold_of(row))).sum();
            let mean = sum as f64 / rows as f64;
            let wanted = f64::from(mask.threshold) / 256.0;
            // A row's threshold is one of two neighbours: four standard deviations, of at most
            // ½/√rows.
            assert!(
                (mean - wanted).abs() < 4.0 * 0.5 / (rows as f64).sqrt(),
                "{p}: {mean} {wanted}"
            );
        }
        for (p, threshold) in [(0.0, 0), (0.25, 64), (0.5, 128), (1.0, 256)] {
            let mask = DrawnMask::new(5, 1, 100, 9, p);
            assert!((0..1000).all(|row| mask.threshold_of(row) == threshold), "{p}");
        }
    }

    #[test]
    fn seed_purpose_and_index_tell_sequences_apart() {
        let first = |seed, purpose, index| Random::new(seed, purpose, index).next_u64();
        let base = first(1, Purpose::Init, 0);
        assert_eq!(base, first(1, Purpose::Init, 0));
        assert_ne!(base, first(2, Purpose::Init, 0));
        assert_ne!(base, first(1, Purpose::Shuffle, 0));
        assert_ne!(base, first(1, Purpose::Init, 1));
    }

    #[test]
    fn normal_has_mean_zero_and_variance_one() {
        let mut random = Random::new(3, Purpose::Sample, 0);
        let draws: Vec<f64> = (0..20_000).map(|_| random.normal()).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / 20_000.0;
        // Four standard deviations of either estimate: 4/√n and 4·√(2/n).
        assert!(mean.abs() < 0.029 && (variance - 1.0).abs() < 0.04, "{mean} {variance}");
    }

    /// Computed with mpmath from the four uniform numbers, to more digits than `f64` has.
    #[test]
    fn normal_is_the_transform_of_two_uniform_numbers() {
        let mut random = Random::new(3, Purpose::Sample, 0);
        for expected in [0.065_210_042_227_540_75, -0.462_026_663_152_328_7] {
            let got = random.normal();
            // The angle, below 8, is off by half a unit in the last place, 2⁻⁵¹, twice: it is a
            // product with a rounded 2π. The radius is below 2.
            assert!((got - expected).abs() <= 4.0 * 2.0 * f64::EPSILON, "{got} {expected}");
        }
    }

    #[test]
    fn shuffle_is_a_permutation_and_below_covers_its_range() {
        let mut random = Random::new(3, Purpose::Shuffle, 0);
        let mut items: Vec<usize> = (0..50).collect();
        random.shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
        let mut seen = [false; 7];
        for _ in 0..200 {
            seen[random.below(7) as usize] = true;
        }
        assert!(seen.iter().all(|s| *s));
    }

    /// A number r is rejected if r·n mod 2⁶⁴ is below 2⁶⁴ mod n: every other one for this n.
    #[test]
    fn below_rejects_what_would_make_some_numbers_likelier() {
        let n = (1 << 63) + 1;
        let [mut random, mut words] = [3, 3].map(|seed| Random::new(seed, Purpose::Sample, 0));
        let is_kept = |r: &u128| (r * u128::from(n)) % (1 << 64) >= (1u128 << 64) % u128::from(n);
        let mut kept = std::iter::repeat_with(|| u128::from(words.next_u64())).filter(is_kept);
        for _ in 0..20 {
            let expected = (kept.next().unwrap() * u128::from(n)) >> 64;
            assert_eq!(u128::from(random.below(n)), expected);
        }
    }
}
