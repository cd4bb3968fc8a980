//! The kernels of each instruction set, and which of them this processor runs.
//!
//! The generic sources in `tile.rs`, `pack.rs`, `sparse.rs` and `along.rs` are inlined into
//! functions that enable an instruction set; one table of pointers to these exists per instruction
//! set and number type. Everything in a table is compiled once, here, whoever calls `gemm` with
//! whatever epilogue.

use super::along::{dots, maxima};
use super::epilogue::Epilogue;
use super::pack::{Matrix, Panels, pack};
use super::simd::{Simd, Transpose};
use super::sparse::{SparseRows, count_nonzero, find_nonzero, put_sums, sparse_rows};
use super::tile::{Contiguous, Tile, tile};
use crate::scalar::{PerScalar, Scalar};
use crate::simd::InstructionSet;

/// Most vectors of columns per row in the kernel that skips zeros: the more, the smaller the share
/// of time spent finding them.
pub(super) const SPARSE_VECTORS: usize = 8;

/// Most bytes of the rows that an epilogue gets at once, so that they stay in L1.
const EPILOGUE_BYTES: usize = 16 << 10;

/// How many of `rows` rows of `cols` elements an epilogue gets at once: all, or a power of two,
/// like the number of rows that share random bytes.
#[inline(always)]
fn whole_rows<T>(rows: usize, cols: usize) -> usize {
    let most = EPILOGUE_BYTES / size_of::<T>();
    // Only large blocks can afford a division.
    if rows * cols <= most { rows.max(1) } else { 1 << (most / cols).max(1).ilog2() }
}

type TileFn<T> = unsafe fn(&Tile<T>);
/// Tiles of one height: with a narrow vector, with one vector, with two, and with the most there
/// can be.
type Tiles<T> = [TileFn<T>; 4];
type SparseFn<T> = unsafe fn(&SparseRows<T>);
type PutSumsFn<T> = unsafe fn((*const T, usize), (usize, usize), Matrix<T>, bool);
type DotsFn<T> = unsafe fn(Matrix<T>, Matrix<T>, (usize, usize), *mut T, bool);

/// The kernels along rows.
#[derive(Clone, Copy)]
pub(crate) struct RowKernels<T> {
    pub(crate) dots: DotsFn<T>,
    pub(crate) maxima: unsafe fn(Matrix<T>, (usize, usize), T, *mut T),
}

/// The kernels of one instruction set for one number type.
pub(super) struct Kernels<T: 'static> {
    pub(super) instruction_set: InstructionSet,
    /// Numbers in a vector.
    pub(super) lanes: usize,
    /// Most vectors in a row of a tile.
    pub(super) vectors: usize,
    /// Numbers in the narrow vector; 0 if none costs less than a whole one.
    pub(super) narrow: usize,
    /// At `[r − 1]`, tiles of r rows: with the terms of a row contiguous in A, and with the rows of
    /// a term.
    by_rows: &'static [Tiles<T>],
    by_columns: &'static [Tiles<T>],
    /// At `[n − 1]`, rows of n vectors of columns, skipping zeros of A.
    pub(super) sparse: [SparseFn<T>; SPARSE_VECTORS],
    pub(super) find_nonzero: unsafe fn(Matrix<T>, (usize, usize), usize, *mut u64),
    pub(super) count_nonzero: unsafe fn(*const T, usize) -> usize,
    pub(super) put_sums: PutSumsFn<T>,
    pub(super) pack: unsafe fn(Matrix<T>, usize, usize, *mut T, Panels),
    pub(super) along_rows: RowKernels<T>,
}

impl<T> Kernels<T> {
    /// Rows of a full tile.
    pub(super) fn mr(&self) -> usize {
        self.by_rows.len()
    }

    /// Columns of a full tile.
    pub(super) fn nr(&self) -> usize {
        self.vectors * self.lanes
    }

    /// Vectors that hold `cols` columns. Uses that the number of lanes is a power of two: a
    /// division would slow down small products.
    pub(super) fn vectors_of(&self, cols: usize) -> usize {
        (cols + self.lanes - 1) >> self.lanes.trailing_zeros()
    }

    /// Whole vectors that hold `cols` columns, apart from a narrow vector after them.
    fn wide_vectors_of(&self, cols: usize) -> usize {
        let left = cols & (self.lanes - 1);
        self.vectors_of(cols) - usize::from(left > 0 && left <= self.narrow)
    }

    /// Vectors in the next tile of a row with `cols` columns left, 0 for a narrow one: as wide as
    /// possible, but two of medium width rather than a full one and a single vector, which has too
    /// few sums to keep the processor busy.
    pub(super) fn panel(&self, cols: usize) -> usize {
        if cols <= self.narrow {
            return 0;
        }
        let vectors = self.wide_vectors_of(cols);
        if vectors == self.vectors + 1 { vectors.div_ceil(2) } else { vectors.min(self.vectors) }
    }

    /// Full tiles at the start of a row of `cols` columns.
    pub(super) fn full_panels(&self, cols: usize) -> usize {
        let vectors = self.wide_vectors_of(cols);
        let left = vectors % self.vectors;
        (vectors / self.vectors).saturating_sub(usize::from(left == 1))
    }

    /// The kernel for tiles of `rows` rows, this layout of A, and `vectors` vectors of columns, 0
    /// for a narrow one.
    #[inline]
    pub(super) fn tile(&self, a: Contiguous, rows: usize, vectors: usize) -> TileFn<T> {
        match a {
            Contiguous::Rows => self.by_rows[rows - 1][vectors],
            Contiguous::Columns => self.by_columns[rows - 1][vectors],
        }
    }

    /// Applies the epilogue to `rows`×`cols` finished elements of C at `[row, col]`, rows `stride`
    /// apart; compiled for the instruction set.
    ///
    /// # Safety
    /// The elements are writable and not otherwise accessed; the processor has the instruction set.
    #[inline(always)]
    pub(super) unsafe fn apply<E: Epilogue<T>>(
        &self,
        epilogue: &E,
        (row, col): (usize, usize),
        (rows, cols): (usize, usize),
        c: *mut T,
        stride: usize,
    ) {
        // SAFETY: promised by the caller.
        unsafe {
            match self.instruction_set {
                #[cfg(all(target_arch = "x86_64", not(miri)))]
                InstructionSet::Avx512 => {
                    avx512::apply(epilogue, (row, col), (rows, cols), c, stride);
                }
                #[cfg(all(target_arch = "x86_64", not(miri)))]
                InstructionSet::Avx2 => avx2::apply(epilogue, (row, col), (rows, cols), c, stride),
                _ => apply_to_block(epilogue, (row, col), (rows, cols), c, stride),
            }
        }
    }
}

/// Applies the epilogue to `rows`×`cols` finished elements of C at `[row, col]`, rows `stride`
/// apart.
///
/// # Safety
/// The elements are writable and not otherwise accessed.
#[inline(always)]
pub(super) unsafe fn apply_to_block<T, E: Epilogue<T>>(
    epilogue: &E,
    (row, col): (usize, usize),
    (rows, cols): (usize, usize),
    c: *mut T,
    stride: usize,
) {
    if cols == stride && cols > 0 {
        // SAFETY: the rows of the block, which is ours alone, lie one after the other.
        let c = unsafe { std::slice::from_raw_parts_mut(c, rows * cols) };
        let at_once = whole_rows::<T>(rows, cols);
        for (i, c) in c.chunks_mut(at_once * cols).enumerate() {
            epilogue.apply_whole_rows(row + i * at_once, cols, c);
        }
        return;
    }
    let mut given = 0;
    epilogue.apply_rows(
        row,
        col,
        rows,
        #[inline(always)]
        || {
            if given == rows {
                return &mut [];
            }
            given += 1;
            // SAFETY: `cols` elements of a row of the block, which is ours alone; each row is given
            // once.
            unsafe { std::slice::from_raw_parts_mut(c.add((given - 1) * stride), cols) }
        },
    );
}

/// Functions compiled with a target feature; each calls one that is inlined into it.
#[cfg(all(target_arch = "x86_64", not(miri)))]
macro_rules! compiled {
    (#[$feature:meta] $(
        fn $name:ident[$($generics:tt)*]($($arg:ident: $ty:ty),* $(,)?)
            $(-> $out:ty)? = $inlined:expr;
    )*) => { $(
        #[$feature]
        unsafe fn $name<$($generics)*>($($arg: $ty),*) $(-> $out)? {
            // SAFETY: promised by the caller.
            unsafe { $inlined($($arg),*) }
        }
    )* };
}

/// A module with one instruction set's functions, and its tables for both number types.
#[cfg(all(target_arch = "x86_64", not(miri)))]
macro_rules! kernels {
    ($module:ident, $set:ident, #[$feature:meta]
     f32: $f32:ty, $f32_lanes:literal, $f32_narrow:ty, $f32_narrow_lanes:literal;
     f64: $f64:ty, $f64_lanes:literal, $f64_narrow:ty, $f64_narrow_lanes:literal;
     vectors: $most:literal; rows: $($r:literal)*) => {
        mod $module {
            use super::*;

            compiled! { #[$feature]
                fn tile_of[V: Simd, const R: usize, const N: usize, const ROWS: bool](
                    t: &Tile<V::Elem>,
                ) = tile::<V, R, N, ROWS>;
                fn pack_of[V: Transpose<L>, const L: usize](
                    src: Matrix<V::Elem>, rows: usize, cols: usize, dst: *mut V::Elem, panels: Panels,
                ) = pack::<V, L>;
                fn sparse_of[V: Simd, const N: usize](
                    rows: &SparseRows<V::Elem>,
                ) = sparse_rows::<V, N>;
                fn find_nonzero_of[V: Transpose<L>, const L: usize](
                    a: Matrix<V::Elem>, shape: (usize, usize), per_word: usize, words: *mut u64,
                ) = find_nonzero::<V, L>;
                fn put_sums_of[V: Transpose<L>, const L: usize](
                    sums: (*const V::Elem, usize), shape: (usize, usize), c: Matrix<V::Elem>, add: bool,
                ) = put_sums::<V, L>;
                fn dots_of[V: Transpose<L>, const L: usize](
                    a: Matrix<V::Elem>, b: Matrix<V::Elem>, shape: (usize, usize), c: *mut V::Elem,
                    add: bool,
                ) = dots::<V, L>;
                fn maxima_of[V: Transpose<L>, const L: usize](
                    a: Matrix<V::Elem>, shape: (usize, usize), least: V::Elem, c: *mut V::Elem,
                ) = maxima::<V, L>;
                fn count_nonzero_of[V: Simd](
                    p: *const V::Elem, len: usize,
                ) -> usize = count_nonzero::<V>;
            }
            const fn tiles<V: Simd, Narrow: Simd<Elem = V::Elem>, const R: usize, const ROWS: bool>()
            -> Tiles<V::Elem> {
                [
                    tile_of::<Narrow, R, 1, ROWS>,
                    tile_of::<V, R, 1, ROWS>,
                    tile_of::<V, R, 2, ROWS>,
                    tile_of::<V, R, $most, ROWS>,
                ]
            }
            const fn sparse<V: Simd>() -> [SparseFn<V::Elem>; SPARSE_VECTORS] {
                [
                    sparse_of::<V, 1>,
                    sparse_of::<V, 2>,
                    sparse_of::<V, 3>,
                    sparse_of::<V, 4>,
                    sparse_of::<V, 5>,
                    sparse_of::<V, 6>,
                    sparse_of::<V, 7>,
                    sparse_of::<V, 8>,
                ]
            }
            #[$feature]
            pub(super) unsafe fn apply<T, E: Epilogue<T>>(
                epilogue: &E,
                (row, col): (usize, usize),
                (rows, cols): (usize, usize),
                c: *mut T,
                stride: usize,
            ) {
                // SAFETY: promised by the caller.
                unsafe { apply_to_block(epilogue, (row, col), (rows, cols), c, stride) }
            }

            const fn table<V: Transpose<L>, Narrow: Simd<Elem = V::Elem>, const L: usize>(
                narrow: usize,
            ) -> Kernels<V::Elem> {
                Kernels {
                    instruction_set: InstructionSet::$set,
                    lanes: L,
                    narrow,
                    vectors: $most,
                    by_rows: &[$(const { tiles::<V, Narrow, $r, true>() }),*],
                    by_columns: &[$(const { tiles::<V, Narrow, $r, false>() }),*],
                    sparse: sparse::<V>(),
                    find_nonzero: find_nonzero_of::<V, L>,
                    count_nonzero: count_nonzero_of::<V>,
                    put_sums: put_sums_of::<V, L>,
                    pack: pack_of::<V, L>,
                    along_rows: RowKernels { dots: dots_of::<V, L>, maxima: maxima_of::<V, L> },
                }
            }
            pub(super) static F32: Kernels<f32> = table::<$f32, $f32_narrow, $f32_lanes>($f32_narrow_lanes);
            pub(super) static F64: Kernels<f64> = table::<$f64, $f64_narrow, $f64_lanes>($f64_narrow_lanes);
        }
    };
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
kernels! {
    avx512, Avx512, #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
    f32: super::super::x86::avx512::F32x16, 16, super::super::x86::avx512::F32x8, 8;
    f64: super::super::x86::avx512::F64x8, 8, super::super::x86::avx512::F64x4, 4;
    vectors: 3; rows: 1 2 3 4 5 6 7 8
}
#[cfg(all(target_arch = "x86_64", not(miri)))]
kernels! {
    avx2, Avx2, #[target_feature(enable = "avx2,fma")]
    f32: super::super::x86::avx2::F32x8, 8, super::super::x86::avx2::F32x8, 0;
    f64: super::super::x86::avx2::F64x4, 4, super::super::x86::avx2::F64x4, 0;
    vectors: 2; rows: 1 2 3 4 5 6
}
/// [`Kernels`] for each number type.
struct Tables;

impl PerScalar for Tables {
    type Of<T: Scalar> = &'static Kernels<T>;
}

/// The best kernels for this processor, if there are any.
#[inline]
pub(super) fn kernels<T: Scalar>() -> Option<&'static Kernels<T>> {
    match InstructionSet::detected() {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        InstructionSet::Avx512 => Some(T::select::<Tables>(&avx512::F32, &avx512::F64)),
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        InstructionSet::Avx2 => Some(T::select::<Tables>(&avx2::F32, &avx2::F64)),
        _ => None,
    }
}

/// All kernels that this processor can run, best first.
#[cfg(test)]
pub(super) fn available<T: Scalar>() -> impl Iterator<Item = &'static Kernels<T>> {
    let all: [&'static Kernels<T>; _] = [
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        T::select::<Tables>(&avx512::F32, &avx512::F64),
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        T::select::<Tables>(&avx2::F32, &avx2::F64),
    ];
    all.into_iter().filter(|kernels| kernels.instruction_set <= InstructionSet::detected())
}

/// [`RowKernels`] for each number type.
struct RowTables;

impl PerScalar for RowTables {
    type Of<T: Scalar> = &'static RowKernels<T>;
}

/// The kernels along rows, which every processor has.
#[inline]
pub(crate) fn row_kernels<T: Scalar>() -> &'static RowKernels<T> {
    // Vectors of 16 bytes, which fit the registers of the oldest machines.
    static F32: RowKernels<f32> =
        RowKernels { dots: dots::<[f32; 4], 4>, maxima: maxima::<[f32; 4], 4> };
    static F64: RowKernels<f64> =
        RowKernels { dots: dots::<[f64; 2], 2>, maxima: maxima::<[f64; 2], 2> };
    kernels::<T>().map_or_else(|| T::select::<RowTables>(&F32, &F64), |kernels| &kernels.along_rows)
}
