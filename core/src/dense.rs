//! Small dense symmetric matrices: Cholesky's factor and its solve, Jacobi's eigenvalues and eigenvectors.
//!
//! ```text
//! A = L Lᵀ, then L y = b and Lᵀx = y        A = Σᵢ λᵢ eᵢeᵢᵀ
//! ```
//!
//! A matrix of order n lies in the caller's memory, `[n × n]`, row-major; of a symmetric one the lower half is
//! looked at, and the upper one need not be there. Orders from 1 to some tens are meant. The work is cut
//! into pieces, of which a slice does as many as it has multiplications to spend, and one at least: an entry
//! of a factor or a row of a solution, at most n of them; a rotation, 8n + 12 and four roots.
//!
//! Order of summation: an entry of a factor, or of a solution, takes its products off one after the other,
//! in index order (from the last index down where a triangle is solved upwards); a rotation is
//! elementwise.
//!
//! All of it is total: where a matrix is shorter than its order says, what is missing is left out.
//!
//! Reference: Golub & Van Loan, *Matrix Computations*, sections 4.2 and 8.5; Rutishauser 1966 for the
//! rotations; Demmel & Veselić 1992 for the test of the end.

use core::slice::GetDisjointMutError;

use crate::kernels;
use crate::scalar::{ROOT_MACS, Scalar};

// ---- Cholesky -----------------------------------------------------------------------------------------

/// The pivot of a row of Cholesky's factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Pivot {
    /// Positive, and more than rounding: the row is there.
    Positive,
    /// Not positive, not a number, or not to be told from rounding: the matrix is not positive definite as
    /// far as its digits say. The factor is not to be used.
    NotPositive,
}

/// Entry `column` ≤ `row` of row `row` of the factor L of A = L Lᵀ, in the place of that of A; the rows above it
/// are factored, and so is what is left of it. The upper half is not written either.
///
/// lᵢⱼ = (aᵢⱼ − Σₖ lᵢₖlⱼₖ) / lⱼⱼ, and lᵢᵢ² = aᵢᵢ − Σₖ lᵢₖ², which has to be above (i + 1) ε aᵢᵢ: what is
/// left below that is the rounding of the sum.
///
/// Cost: j multiplications and a division, or a root. Reference: Golub & Van Loan, 4.2.
pub fn factor_entry<T: Scalar>(matrix: &mut [T], order: usize, row: usize, column: usize) -> Pivot {
    let Some((above, rest)) = matrix.split_at_mut_checked(row.saturating_mul(order)) else {
        return Pivot::NotPositive;
    };
    let Some((factored, [entry, ..])) = rest.split_at_mut_checked(column) else {
        return Pivot::NotPositive;
    };
    if column < row {
        let Some((left, [pivot, ..])) = self::row(above, order, column).split_at_checked(column)
        else {
            return Pivot::NotPositive;
        };
        for (&mine, &theirs) in factored.iter().zip(left) {
            *entry -= mine * theirs;
        }
        *entry /= *pivot;
        return Pivot::Positive;
    }
    let mut left = *entry;
    for &mine in &*factored {
        left -= mine * mine;
    }
    let rounding = T::of_count(row.saturating_add(1)) * T::EPSILON * *entry;
    // An infinite entry is below its own rounding, and so is NaN.
    if left > rounding {
        *entry = left.root();
        Pivot::Positive
    } else {
        Pivot::NotPositive
    }
}

/// The factor L of A = L Lᵀ in the place of the lower half of A: all its rows.
///
/// Cost: n³/6 multiplications.
///
/// ```
/// use natgrad::dense::{Pivot, factor, solve};
///
/// let mut matrix = [4.0, 0.0, 2.0, 5.0]; // of the upper half nothing is read
/// let mut x = [8.0, 8.0];
/// assert_eq!(factor(&mut matrix, 2), Pivot::Positive);
/// solve(&matrix, 2, &mut x);
/// assert_eq!(x, [1.5, 1.0]);
/// ```
pub fn factor<T: Scalar>(matrix: &mut [T], order: usize) -> Pivot {
    for row in 0..order {
        for column in 0..row.saturating_add(1) {
            if factor_entry(matrix, order, row, column) == Pivot::NotPositive {
                return Pivot::NotPositive;
            }
        }
    }
    Pivot::Positive
}

/// One row of the solution of L Lᵀx = b in the place of b `[n]`: rows 0 to n − 1 of Ly = b, one after the other,
/// and then, as rows n to 2n − 1, those of Lᵀx = y from the last to the first.
///
/// Cost: at most n multiplications and a division.
pub fn solve_row<T: Scalar>(factor: &[T], order: usize, rhs: &mut [T], row: usize) {
    let upwards = row.checked_sub(order);
    let index = upwards.map_or(row, |done| order.saturating_sub(done).saturating_sub(1));
    let Some((others, [entry, ..])) = rhs.split_at_mut_checked(index) else {
        return;
    };
    let Some((left, [pivot, ..])) = self::row(factor, order, index).split_at_checked(index) else {
        return;
    };
    if upwards.is_none() {
        for (&l, &y) in left.iter().zip(&*others) {
            *entry -= l * y;
        }
        *entry /= *pivot;
    } else {
        // By columns of Lᵀ, which are rows of L.
        *entry /= *pivot;
        for (&l, y) in left.iter().zip(others) {
            *y -= l * *entry;
        }
    }
}

/// The solution of L Lᵀx = b in the place of b `[n]`: all its rows.
///
/// Cost: n² multiplications and 2n divisions.
pub fn solve<T: Scalar>(factor: &[T], order: usize, rhs: &mut [T]) {
    for row in 0..order.saturating_mul(2) {
        solve_row(factor, order, rhs, row);
    }
}

// ---- Jacobi -------------------------------------------------------------------------------------------

/// How far a search for the eigenvectors has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Spectrum {
    /// Not yet to its end.
    Working,
    /// Every entry beside the diagonal vanishes against the two eigenvalues that it couples.
    Converged,
    /// [`SWEEPS`] sweeps have not been enough. The vectors are orthonormal, the values approximations.
    Limit,
    /// A number is infinite or NaN.
    NonFinite,
}

/// The most sweeps over all pairs. Convergence is quadratic: Gram matrices in `f32` took 2 to 9 sweeps at orders up
/// to 10, and up to 14 at order 30.
pub const SWEEPS: u16 = 30;

/// The eigenvalues and eigenvectors of a symmetric matrix by cyclic Jacobi rotations.
///
/// A rotation of the rows p < q makes their entry vanish, so that V A Vᵀ becomes diagonal for a product V
/// of rotations, whose rows are the eigenvectors. Pairs are taken row by row; one whose entry is at most
/// ε √|λₚλᵩ| is left alone, and a sweep that has left all of them alone is the last but for sorting.
/// With this test small eigenvalues of a graded positive definite matrix are as accurate as large ones.
///
/// Memory: V, beside A, which is overwritten. Cost: at most 8n³/2 multiplications and n²/2 times three
/// roots per sweep. Reference: Golub & Van Loan, 8.5; Demmel & Veselić 1992.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eigen {
    order: usize,
    stage: Stage,
    sweep: u16,
    /// Whether this sweep has rotated a pair.
    rotated: bool,
    /// Whether the rows that are sorted hold nothing but finite numbers.
    finite: bool,
}

/// What a search is about to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A row of the upper half of A, and of the unit matrix.
    Open(usize),
    /// A pair of rows.
    Rotate(usize, usize),
    /// The eigenvalue for a place.
    Sort(usize),
    Done(Spectrum),
}

impl Eigen {
    /// Before the first slice, for a matrix of order n.
    pub const fn begin(order: usize) -> Self {
        Self {
            order,
            stage: Stage::Open(0),
            sweep: 0,
            rotated: false,
            finite: true,
        }
    }

    /// The multiply-accumulates of a rotation: its angle with four roots, and four per column of both matrices.
    pub const fn rotation_macs(order: usize) -> usize {
        order.saturating_mul(8).saturating_add(12 + 4 * ROOT_MACS)
    }

    /// One slice: as many rotations as `macs` multiplications allow, and one at least. `matrix` and `vectors`
    /// are `[n × n]`, the same in every slice. After the end the diagonal of `matrix` holds the
    /// eigenvalues, the largest first, and row i of `vectors` the eigenvector of the i-th; further slices
    /// change nothing.
    ///
    /// Nothing overflows while n times the largest entry does not.
    pub fn advance<T: Scalar>(
        &mut self,
        matrix: &mut [T],
        vectors: &mut [T],
        macs: usize,
    ) -> Spectrum {
        let order = self.order;
        match self.stage {
            Stage::Open(first) => {
                let end = block(first, order, macs, order);
                for row in first..end {
                    for column in 0..row {
                        put(matrix, order, column, row, at(matrix, order, row, column));
                    }
                    unit_row(vectors, order, row);
                }
                self.stage = if end < order {
                    Stage::Open(end)
                } else {
                    Stage::Rotate(0, 1)
                };
            }
            Stage::Rotate(row, other) => {
                let end = block(other, order, macs, Self::rotation_macs(order));
                for other in other..end {
                    self.rotated |= rotate(matrix, vectors, order, row, other);
                }
                let next = row.saturating_add(1);
                self.stage = if end < order {
                    Stage::Rotate(row, end)
                } else if next.saturating_add(1) < order {
                    Stage::Rotate(next, next.saturating_add(1))
                } else if self.rotated && self.sweep.saturating_add(1) < SWEEPS {
                    self.sweep = self.sweep.saturating_add(1);
                    self.rotated = false;
                    Stage::Rotate(0, 1)
                } else {
                    Stage::Sort(0)
                };
            }
            Stage::Sort(first) => {
                let end = block(first, order, macs, order);
                for place in first..end {
                    sort(matrix, vectors, order, place);
                    self.finite &= kernels::all_finite(row(matrix, order, place));
                    self.finite &= kernels::all_finite(row(vectors, order, place));
                }
                self.stage = if end < order {
                    Stage::Sort(end)
                } else if !self.finite {
                    Stage::Done(Spectrum::NonFinite)
                } else if self.rotated {
                    Stage::Done(Spectrum::Limit)
                } else {
                    Stage::Done(Spectrum::Converged)
                };
            }
            Stage::Done(end) => return end,
        }
        Spectrum::Working
    }
}

/// The eigenvalues and eigenvectors in one call: see [`Eigen::advance`].
///
/// ```
/// use natgrad::dense::{Spectrum, eigen};
///
/// let (mut matrix, mut vectors) = ([2.0, 1.0, 1.0, 2.0], [0.0; 4]);
/// assert_eq!(eigen(&mut matrix, 2, &mut vectors), Spectrum::Converged);
/// let [largest, _, _, smallest] = matrix;
/// assert_eq!((largest, smallest), (3.0, 1.0));
/// ```
pub fn eigen<T: Scalar>(matrix: &mut [T], order: usize, vectors: &mut [T]) -> Spectrum {
    let mut eigen = Eigen::begin(order);
    loop {
        let end = eigen.advance(matrix, vectors, usize::MAX);
        if end != Spectrum::Working {
            return end;
        }
    }
}

/// Makes the entry of the rows p < q vanish; whether there was anything to do.
fn rotate<T: Scalar>(
    matrix: &mut [T],
    vectors: &mut [T],
    order: usize,
    p: usize,
    q: usize,
) -> bool {
    let at_p = at(matrix, order, p, p);
    let at_q = at(matrix, order, q, q);
    let coupling = at(matrix, order, p, q);
    // The root of a product could overflow or underflow.
    let negligible = T::EPSILON * (at_p.abs().root() * at_q.abs().root());
    // A NaN is not, which ends the search.
    let significant = coupling.abs() > negligible;
    if !significant {
        return false;
    }
    // The smaller of the two angles. Of a θ whose square is infinite the tangent is 0, and what it neglects
    // is below 10⁻¹⁸ of the difference of the two eigenvalues.
    let theta = (T::HALF * at_q - T::HALF * at_p) / coupling;
    let tangent = T::ONE / (theta.abs() + (T::ONE + theta * theta).root());
    let tangent = if theta < T::ZERO { -tangent } else { tangent };
    let cosine = T::ONE / (T::ONE + tangent * tangent).root();
    let sine = tangent * cosine;
    let half = sine / (T::ONE + cosine);

    turn(matrix, order, [p, q], sine, half);
    turn(vectors, order, [p, q], sine, half);
    let shift = tangent * coupling;
    put(matrix, order, p, p, at_p - shift);
    put(matrix, order, q, q, at_q + shift);
    put(matrix, order, p, q, T::ZERO);
    put(matrix, order, q, p, T::ZERO);
    // The columns are the rows, to the last bit.
    for r in (0..order).filter(|&r| r != p && r != q) {
        put(matrix, order, r, p, at(matrix, order, p, r));
        put(matrix, order, r, q, at(matrix, order, q, r));
    }
    true
}

/// Rows p and q to cos·p − sin·q and sin·p + cos·q, with τ the tangent of half the angle: as corrections to
/// what they are, which rounds less than the products themselves.
fn turn<T: Scalar>(matrix: &mut [T], order: usize, rows: [usize; 2], sine: T, tau: T) {
    if let Ok([first, second]) = pair(matrix, order, rows) {
        for (x, y) in first.iter_mut().zip(second) {
            let (before, other) = (*x, *y);
            *x -= sine * (other + tau * before);
            *y += sine * (before - tau * other);
        }
    }
}

/// The largest eigenvalue of those from `place` on to `place`, and its vector with it.
fn sort<T: Scalar>(matrix: &mut [T], vectors: &mut [T], order: usize, place: usize) {
    let mut largest = place;
    for candidate in place.saturating_add(1)..order {
        if at(matrix, order, candidate, candidate) > at(matrix, order, largest, largest) {
            largest = candidate;
        }
    }
    let value = at(matrix, order, largest, largest);
    let moved = at(matrix, order, place, place);
    put(matrix, order, largest, largest, moved);
    put(matrix, order, place, place, value);
    if let Ok([first, second]) = pair(vectors, order, [place, largest]) {
        for (x, y) in first.iter_mut().zip(second) {
            core::mem::swap(x, y);
        }
    }
}

// ---- Slices -------------------------------------------------------------------------------------------

/// Where a slice ends that begins at piece `first` of `len`, with `macs` multiplications to spend and `cost` per
/// piece: behind one piece at least.
pub(crate) fn block(first: usize, len: usize, macs: usize, cost: usize) -> usize {
    let pieces = macs.checked_div(cost).unwrap_or(0).max(1);
    first.saturating_add(pieces).min(len)
}

// ---- Access -------------------------------------------------------------------------------------------

/// Two rows, to be written; an error where they are one row, or not there.
fn pair<T>(
    matrix: &mut [T],
    order: usize,
    rows: [usize; 2],
) -> Result<[&mut [T]; 2], GetDisjointMutError> {
    matrix.get_disjoint_mut(rows.map(|row| {
        let start = row.saturating_mul(order);
        start..start.saturating_add(order)
    }))
}

/// Row `index` of rows of `width` entries; empty where there is none.
pub(crate) fn row<T>(matrix: &[T], width: usize, index: usize) -> &[T] {
    let start = index.saturating_mul(width);
    matrix
        .get(start..start.saturating_add(width))
        .unwrap_or(&[])
}

/// The same, to be written.
pub(crate) fn row_mut<T>(matrix: &mut [T], width: usize, index: usize) -> &mut [T] {
    let start = index.saturating_mul(width);
    matrix
        .get_mut(start..start.saturating_add(width))
        .unwrap_or(&mut [])
}

/// The entry of a row and a column of rows of `width` entries; 0 where there is none.
pub(crate) fn at<T: Scalar>(matrix: &[T], width: usize, row: usize, column: usize) -> T {
    let place = row.saturating_mul(width).saturating_add(column);
    matrix.get(place).copied().unwrap_or(T::ZERO)
}

/// Writes that entry, where there is one.
pub(crate) fn put<T>(matrix: &mut [T], width: usize, row: usize, column: usize, value: T) {
    let place = row.saturating_mul(width).saturating_add(column);
    if let Some(entry) = matrix.get_mut(place) {
        *entry = value;
    }
}

/// Row `index` of the unit matrix.
pub(crate) fn unit_row<T: Scalar>(matrix: &mut [T], order: usize, index: usize) {
    kernels::fill(T::ZERO, row_mut(matrix, order, index));
    put(matrix, order, index, index, T::ONE);
}

#[cfg(test)]
#[expect(
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may panic; the ban is for the crate itself"
)]
mod tests {
    use super::{Eigen, Pivot, Spectrum, eigen, factor, factor_entry, solve, unit_row};

    #[test]
    fn order_one() {
        let (mut matrix, mut x) = ([9.0_f32], [6.0]);
        assert_eq!(factor(&mut matrix, 1), Pivot::Positive);
        solve(&matrix, 1, &mut x);
        assert_eq!((matrix, x), ([3.0], [2.0 / 3.0]));

        let (mut matrix, mut vectors) = ([-5.0_f32], [7.0]);
        assert_eq!(eigen(&mut matrix, 1, &mut vectors), Spectrum::Converged);
        assert_eq!((matrix, vectors), ([-5.0], [1.0]));
    }

    #[test]
    fn the_upper_half_is_neither_read_nor_written_by_a_factor() {
        let nan = f64::NAN;
        let mut matrix = [4.0, nan, nan, 2.0, 5.0, nan, 6.0, 5.0, 14.0];
        assert_eq!(factor(&mut matrix, 3), Pivot::Positive);
        let lower = [
            matrix[0], matrix[3], matrix[4], matrix[6], matrix[7], matrix[8],
        ];
        assert_eq!(lower, [2.0, 1.0, 2.0, 3.0, 1.0, 2.0]);
        assert!(matrix[1].is_nan() && matrix[2].is_nan() && matrix[5].is_nan());
        // A (1, -2, 1)ᵀ; every number on the way is an integer.
        let mut x = [6.0, -3.0, 10.0];
        solve(&matrix, 3, &mut x);
        assert_eq!(x, [1.0, -2.0, 1.0]);
    }

    #[test]
    fn what_is_not_positive_definite_says_so() {
        for bad in [
            [0.0_f32, 0.0, 0.0, 1.0],
            [-1.0, 0.0, 0.0, 1.0],
            // Singular: what is left of the last pivot is 0.
            [1.0, 1.0, 1.0, 1.0],
            // Or rounding, of either sign.
            [1.0, 0.1, 0.1, 0.1 * 0.1],
            [3.0, 1.0, 1.0, 1.0 / 3.0 + f32::EPSILON / 8.0],
            // Indefinite.
            [1.0, 2.0, 2.0, 1.0],
            [f32::NAN, 0.0, 0.0, 1.0],
            [1.0, 0.0, f32::NAN, 1.0],
            [1.0, 0.0, 0.0, f32::INFINITY],
            [f32::INFINITY, 0.0, 0.0, 1.0],
            [1.0, 0.0, f32::INFINITY, 1.0],
        ] {
            let mut matrix = bad;
            assert_eq!(factor(&mut matrix, 2), Pivot::NotPositive, "{bad:?}");
        }
        let mut matrix = [1.0_f32, 0.0, 0.0, 1.0];
        assert_eq!(
            factor_entry(&mut matrix, 2, 2, 0),
            Pivot::NotPositive,
            "no such row"
        );
        assert_eq!(
            factor_entry(&mut matrix, usize::MAX, 1, 0),
            Pivot::NotPositive
        );
    }

    #[test]
    fn large_and_small_numbers_are_factored() {
        for scale in [1e-30_f32, 1e30] {
            let mut matrix = [4.0 * scale, 0.0, 2.0 * scale, 5.0 * scale];
            let mut x = [8.0 * scale, 8.0 * scale];
            assert_eq!(factor(&mut matrix, 2), Pivot::Positive);
            solve(&matrix, 2, &mut x);
            assert!(
                (x[0] - 1.5).abs() < 1e-6 && (x[1] - 1.0).abs() < 1e-6,
                "{x:?}"
            );
        }
    }

    #[test]
    fn a_diagonal_matrix_is_only_sorted() {
        let (mut matrix, mut vectors) = ([0.0_f32; 16], [0.0; 16]);
        for (i, value) in [-1.0, 3.0, 0.0, 3.0].into_iter().enumerate() {
            matrix[5 * i] = value;
        }
        assert_eq!(eigen(&mut matrix, 4, &mut vectors), Spectrum::Converged);
        let values: [f32; 4] = core::array::from_fn(|i| matrix[5 * i]);
        assert_eq!(values, [3.0, 3.0, 0.0, -1.0]);
        let places = [1, 3, 2, 0];
        for (row, place) in vectors.chunks_exact(4).zip(places) {
            let mut expected = [0.0; 4];
            expected[place] = 1.0;
            assert_eq!(row, expected);
        }
    }

    #[test]
    fn the_zero_matrix_has_the_unit_vectors() {
        let (mut matrix, mut vectors, mut expected) = ([0.0_f32; 9], [5.0; 9], [0.0; 9]);
        for row in 0..3 {
            unit_row(&mut expected, 3, row);
        }
        assert_eq!(eigen(&mut matrix, 3, &mut vectors), Spectrum::Converged);
        assert_eq!((matrix, vectors), ([0.0; 9], expected));
    }

    /// Squares of the entries, and of θ, leave the range of `f32`.
    #[test]
    fn rotations_survive_the_ends_of_the_range() {
        for scale in [1e-30_f32, 1.0, 1e30] {
            let (mut matrix, mut vectors) =
                ([2.0, 1.0, 1.0, 2.0].map(|a: f32| a * scale), [0.0; 4]);
            assert_eq!(eigen(&mut matrix, 2, &mut vectors), Spectrum::Converged);
            let (largest, smallest) = (matrix[0] / scale, matrix[3] / scale);
            assert!((largest - 3.0).abs() < 1e-6 && (smallest - 1.0).abs() < 1e-6);
        }
        // θ = 5·10²⁹, and an entry that is not small beside 10⁻³⁶.
        let (mut matrix, mut vectors) = ([1e-36_f32, 1e-18, 1e-18, 1e12], [0.0; 4]);
        assert_eq!(eigen(&mut matrix, 2, &mut vectors), Spectrum::Converged);
        assert_eq!((matrix[0], matrix[3]), (1e12, 1e-36));
        assert_eq!(vectors, [0.0, 1.0, 1.0, 0.0]);
    }

    /// Far below ε times the norm, with a coupling below it, and yet to the last digits.
    #[test]
    fn small_eigenvalues_of_a_graded_matrix_are_accurate() {
        // D C D with C = [[1, ½], [½, 1]] and D = diag(1, 10⁻⁷): the smaller one is ¾·10⁻¹⁴, but for
        // 10⁻¹⁴ of it.
        let (mut matrix, mut vectors) = ([1.0_f32, 5e-8, 5e-8, 1e-14], [0.0; 4]);
        assert_eq!(eigen(&mut matrix, 2, &mut vectors), Spectrum::Converged);
        assert!((matrix[3] / 0.75e-14 - 1.0).abs() < 1e-6, "{matrix:?}");
    }

    #[test]
    fn a_number_that_is_none_ends_the_search() {
        for bad in [f32::NAN, f32::INFINITY] {
            for place in 0..9 {
                let (mut matrix, mut vectors) = ([0.5_f32; 9], [0.0; 9]);
                matrix[place] = bad;
                let (end, lower) = (eigen(&mut matrix, 3, &mut vectors), place % 3 <= place / 3);
                // Of the upper half nothing is read.
                let expected = if lower {
                    Spectrum::NonFinite
                } else {
                    Spectrum::Converged
                };
                assert_eq!(end, expected, "{place}");
            }
        }
    }

    #[test]
    fn after_the_end_nothing_changes() {
        let (mut matrix, mut vectors) = ([2.0_f32, 1.0, 1.0, -3.0], [0.0; 4]);
        let mut eigen = Eigen::begin(2);
        while eigen.advance(&mut matrix, &mut vectors, 1) == Spectrum::Working {}
        let (values, kept) = (matrix, vectors);
        for _ in 0..4 {
            assert_eq!(
                eigen.advance(&mut matrix, &mut vectors, 1),
                Spectrum::Converged
            );
        }
        assert_eq!((matrix, vectors), (values, kept));
    }

    #[test]
    fn the_bits_do_not_depend_on_the_slices() {
        let start: [f32; 25] = core::array::from_fn(|i| {
            let far = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
            1.0 / far[i / 5 + i % 5]
        });
        let (mut whole, mut vectors) = (start, [0.0; 25]);
        assert_eq!(eigen(&mut whole, 5, &mut vectors), Spectrum::Converged);
        for macs in [0, 60, 110, 1000] {
            let (mut cut, mut turned, mut eigen) = (start, [0.0; 25], Eigen::begin(5));
            while eigen.advance(&mut cut, &mut turned, macs) == Spectrum::Working {}
            assert_eq!((cut, turned), (whole, vectors), "{macs}");
        }
    }

    /// Memory that is shorter than its order says: whatever comes of it, there is no panic.
    #[test]
    fn short_memory_is_no_panic() {
        for len in 0..16 {
            let (mut matrix, mut vectors, mut x) = ([1.0_f32; 16], [0.0; 16], [1.0; 4]);
            factor(&mut matrix[..len], 4);
            solve(&matrix[..len], 4, &mut x[..len / 4]);
            eigen(&mut matrix[..len], 4, &mut vectors[..len]);
        }
        assert_eq!(factor::<f32>(&mut [], 0), Pivot::Positive);
        assert_eq!(eigen::<f32>(&mut [], 0, &mut []), Spectrum::Converged);
    }
}
