//! Dense linear algebra: what an iterative solver is compared with.

use nalgebra::{DMatrix, DVector};

/// The solution x of (A + diag(λ)) x = b, by elimination with pivoting, so that A may be indefinite.
///
/// `matrix` is `[n × n]`, `damping` and `rhs` are `[n]`. Cost: n³/3 multiplications.
///
/// # Panics
/// When the damped matrix is singular.
pub fn solve_damped(
    matrix: &DMatrix<f64>,
    damping: &DVector<f64>,
    rhs: &DVector<f64>,
) -> DVector<f64> {
    (matrix + DMatrix::from_diagonal(damping))
        .lu()
        .solve(rhs)
        .expect("the damped matrix is singular")
}

/// The shortest of the x that minimise |A x − b|, for a symmetric A `[n × n]`: x = A⁺ b.
///
/// Eigenvalues below `tolerance` times the largest (in absolute value) count as zero. Cost: of order
/// n³.
pub fn minimum_norm_solve(
    matrix: &DMatrix<f64>,
    rhs: &DVector<f64>,
    tolerance: f64,
) -> DVector<f64> {
    let eigen = matrix.clone().symmetric_eigen();
    let floor = tolerance * eigen.eigenvalues.amax();
    let mut coefficients = eigen.eigenvectors.tr_mul(rhs);
    for (coefficient, &eigenvalue) in coefficients.iter_mut().zip(&eigen.eigenvalues) {
        *coefficient = if eigenvalue.abs() > floor {
            *coefficient / eigenvalue
        } else {
            0.0
        };
    }
    eigen.eigenvectors * coefficients
}

/// The smallest eigenvalue of a symmetric matrix: negative when it is indefinite. Cost: of order n³.
pub fn smallest_eigenvalue(matrix: &DMatrix<f64>) -> f64 {
    matrix.symmetric_eigenvalues().min()
}
