//! Eigenvalues and eigenvectors by Jacobi's rotations.

use core::slice::GetDisjointMutError;

use super::{at, block, put, row, unit_row};
use crate::kernels;
use crate::scalar::{ROOT_MACS, Scalar};

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
