//! Small dense symmetric matrices: Cholesky's factor and its solve, Jacobi's eigenvalues and eigenvectors.
//!
//! ```text
//! A = L Lᵀ, then L y = b and Lᵀx = y        A = Σᵢ λᵢ eᵢeᵢᵀ
//! ```
//!
//! A matrix of order n lies in the caller's memory, `[n × n]`, row-major; of a symmetric one the lower half is
//! looked at, and the upper one need not be there ([`Rows::Packed`]). Orders from 1 to some tens are meant. The work is
//! cut into pieces, of which a slice does as many as it has multiplications to spend, and one at least: an entry of a
//! factor or a row of a solution, at most n of them; a rotation, 8n + 12 and four roots.
//!
//! Order of summation: an entry of a factor, or of a solution, takes its products off one after the other,
//! in index order (from the last index down where a triangle is solved upwards); a rotation is
//! elementwise.
//!
//! All of it is total: where a matrix is shorter than its order says, what is missing is left out.
//!
//! Reference: Golub & Van Loan, *Matrix Computations*, sections 4.2 and 8.5; Rutishauser 1966 for the
//! rotations; Demmel & Veselić 1992 for the test of the end.

mod cholesky;
mod jacobi;
#[cfg(test)]
#[expect(
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may panic; the ban is for the crate itself"
)]
mod tests;

pub(crate) use cholesky::{BLOCK, block_macs, factor_block};
pub use cholesky::{Pivot, Rows, factor, factor_entry, solve, solve_row};
pub use jacobi::{Eigen, SWEEPS, Spectrum, eigen};

use crate::kernels;
use crate::scalar::Scalar;

/// Where a slice ends that begins at piece `first` of `len`, with `macs` multiplications to spend and `cost` per
/// piece: after one piece at least.
pub(crate) fn block(first: usize, len: usize, macs: usize, cost: usize) -> usize {
    let pieces = macs.checked_div(cost).unwrap_or(0).max(1);
    first.saturating_add(pieces).min(len)
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
