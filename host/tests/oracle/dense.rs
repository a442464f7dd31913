//! Small dense matrices against `nalgebra`: factor, solve, eigenvalues and eigenvectors, over spectra of every
//! kind.

use nalgebra::{DMatrix, DVector};
use natgrad::Scalar;
use natgrad::dense::{Pivot, Spectrum, eigen, factor, solve};
use proptest::prelude::*;

use super::strategies::{Draw, config};
use super::subject::{narrow, widen};
use super::tolerance::{BACKWARD_FACTOR, DENSE_PIVOT, EIGEN, ORTHONORMAL, RELATIVE_EIGENVALUE};

/// How the eigenvalues of a matrix lie.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Between 1 and 2.
    Even,
    /// 1, ¼, …, down to 10⁻⁶ of it.
    Graded,
    /// Two values, many times each.
    Repeated,
    /// Half of them zero.
    Deficient,
    /// Of either sign.
    Indefinite,
    /// All of them zero.
    Zero,
}

fn kinds() -> impl Strategy<Value = Kind> {
    proptest::sample::select(vec![
        Kind::Even,
        Kind::Graded,
        Kind::Repeated,
        Kind::Deficient,
        Kind::Indefinite,
        Kind::Zero,
    ])
}

/// A symmetric matrix, by its spectrum, a scale and a seed. Its entries are numbers that an `f32` holds, so
/// that the spectrum is that of the kind but for 10⁻⁷ of the largest.
#[derive(Clone, Debug)]
struct Drawn {
    order: usize,
    kind: Kind,
    scale: i32,
    seed: u64,
}

fn drawn(kinds: impl Strategy<Value = Kind>) -> impl Strategy<Value = Drawn> {
    (1..=24_usize, kinds, -40..40_i32, any::<u64>()).prop_map(|(order, kind, scale, seed)| Drawn {
        order,
        kind,
        scale,
        seed,
    })
}

fn places(order: usize) -> impl Iterator<Item = u8> {
    (0..u8::try_from(order).expect("a small order")).take(order)
}

/// Entries that an `f32` holds.
fn rounded(matrix: &DMatrix<f64>) -> DMatrix<f64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounding is what it is for"
    )]
    matrix.map(|x| f64::from(x as f32))
}

impl Drawn {
    fn draw(&self) -> Draw {
        Draw::new(self.seed)
    }

    /// A random rotation.
    fn rotation(&self, draw: &mut Draw) -> DMatrix<f64> {
        let entries = draw.vector(self.order * self.order, 1.0);
        DMatrix::from_vec(self.order, self.order, entries).qr().q()
    }

    fn matrix(&self) -> DMatrix<f64> {
        let mut draw = self.draw();
        let rotation = self.rotation(&mut draw);
        let mut value = |place: u8| match self.kind {
            Kind::Even => 1.5 + draw.number(0.5),
            Kind::Graded => 0.25_f64.powi(i32::from(place % 11)),
            Kind::Repeated => f64::from(1 + place % 2),
            Kind::Deficient => f64::from(place % 2),
            Kind::Indefinite => draw.number(1.0),
            Kind::Zero => 0.0,
        };
        let values = DVector::from_iterator(self.order, places(self.order).map(&mut value));
        let matrix = &rotation * DMatrix::from_diagonal(&values) * rotation.transpose();
        // Exactly symmetric.
        rounded(&((&matrix + matrix.transpose()) * 2.0_f64.powi(self.scale - 1)))
    }

    fn rhs(&self) -> DVector<f64> {
        DVector::from_vec(Draw::new(self.seed ^ 1).vector(self.order, 1.0))
    }
}

/// The lower half, row by row; the upper one must not be looked at.
fn lower<T: Scalar>(matrix: &DMatrix<f64>) -> Vec<T> {
    let order = matrix.nrows();
    let places = (0..order * order).map(|place| (place / order, place % order));
    let values = places.map(|(i, j)| if j <= i { matrix[(i, j)] } else { f64::NAN });
    narrow(&values.collect::<Vec<f64>>())
}

fn square(order: usize, entries: &[f64]) -> DMatrix<f64> {
    DMatrix::from_row_slice(order, order, entries)
}

fn n(order: usize) -> f64 {
    f64::from(u8::try_from(order).expect("a small order"))
}

/// A factor and a solve in T.
fn is_factored<T: Scalar>(drawn: &Drawn) -> Result<(), TestCaseError> {
    let (order, matrix) = (drawn.order, drawn.matrix());
    let rounding = n(order) * T::EPSILON.widen();
    let smallest = matrix.symmetric_eigenvalues().min();
    let mut memory = lower::<T>(&matrix);
    let pivot = factor(&mut memory, order);
    // The test of a pivot has the rounding of one entry in it, and n of them stand between it and the
    // smallest eigenvalue.
    let border = DENSE_PIVOT * n(order) * rounding * matrix.norm();
    if smallest > border {
        prop_assert_eq!(pivot, Pivot::Positive, "smallest eigenvalue {:e}", smallest);
    }
    if smallest <= -border || matrix.norm() == 0.0 {
        prop_assert_eq!(
            pivot,
            Pivot::NotPositive,
            "smallest eigenvalue {:e}",
            smallest
        );
    }
    if pivot == Pivot::NotPositive {
        return Ok(());
    }
    let entries = widen(&memory);
    prop_assert!(
        (0..order).all(|i| (i + 1..order).all(|j| entries[i * order + j].is_nan())),
        "the upper half is written"
    );
    let left = square(order, &entries).lower_triangle();
    let off = (&left * left.transpose() - &matrix).norm();
    let allowed = BACKWARD_FACTOR * rounding * matrix.norm();
    prop_assert!(
        off <= allowed,
        "L Lᵀ is off by {off:e}, {allowed:e} allowed"
    );

    let rhs = drawn.rhs();
    let mut x = narrow::<T>(rhs.as_slice());
    solve(&memory, order, &mut x);
    let x = DVector::from_vec(widen(&x));
    let off = (&matrix * &x - &rhs).norm();
    let allowed = BACKWARD_FACTOR * rounding * (matrix.norm() * x.norm() + rhs.norm());
    prop_assert!(off <= allowed, "A x is off by {off:e}, {allowed:e} allowed");
    Ok(())
}

/// Eigenvalues and eigenvectors in T.
fn is_decomposed<T: Scalar>(drawn: &Drawn) -> Result<(), TestCaseError> {
    let (order, matrix) = (drawn.order, drawn.matrix());
    let rounding = n(order) * T::EPSILON.widen();
    let (mut memory, mut vectors) = (lower::<T>(&matrix), vec![T::of(f64::NAN); order * order]);
    prop_assert_eq!(eigen(&mut memory, order, &mut vectors), Spectrum::Converged);

    let values = DVector::from_iterator(order, (0..order).map(|i| memory[i * order + i].widen()));
    let vectors = square(order, &widen(&vectors));
    prop_assert!(values.as_slice().is_sorted_by(|a, b| a >= b), "{values}");
    let off = (&vectors * vectors.transpose() - DMatrix::identity(order, order)).norm();
    prop_assert!(
        off <= ORTHONORMAL * rounding,
        "V Vᵀ is off by {off:e} = {} n ε",
        off / rounding
    );
    let allowed = EIGEN * rounding * matrix.norm();
    let off = (&vectors * &matrix - DMatrix::from_diagonal(&values) * &vectors).norm();
    prop_assert!(off <= allowed, "V A is off by {off:e}, {allowed:e} allowed");
    let mut expected = matrix.symmetric_eigenvalues().as_slice().to_vec();
    expected.sort_by(|a, b| b.total_cmp(a));
    for (found, expected) in values.iter().zip(&expected) {
        let off = (found - expected).abs();
        prop_assert!(off <= allowed, "{found:e}, not {expected:e}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_factor_is_one(drawn in drawn(kinds())) {
        is_factored::<f64>(&drawn)?;
        is_factored::<f32>(&drawn)?;
    }

    #[test]
    fn eigenvectors_are_what_they_say(drawn in drawn(kinds())) {
        is_decomposed::<f64>(&drawn)?;
        is_decomposed::<f32>(&drawn)?;
    }

    /// A Gram matrix of fewer, and of shorter, rows than its order.
    #[test]
    fn a_gram_matrix_is_decomposed(
        (order, rank, seed) in (1..=24_usize, 1..6_usize, any::<u64>())
    ) {
        let rows = DMatrix::from_vec(order, rank, Draw::new(seed).vector(order * rank, 1.0));
        let gram = rounded(&(&rows * rows.transpose()));
        let (mut memory, mut vectors) = (lower::<f32>(&gram), vec![0.0; order * order]);
        prop_assert_eq!(eigen(&mut memory, order, &mut vectors), Spectrum::Converged);
        let rounding = n(order) * f64::from(f32::EPSILON) * gram.norm();
        for i in rank.min(order)..order {
            let value = f64::from(memory[i * order + i]);
            prop_assert!(value.abs() <= EIGEN * rounding, "{value:e}");
        }
    }

    /// Every eigenvalue of D C D, with a well-conditioned C, has the digits of the largest.
    #[test]
    fn eigenvalues_of_a_graded_matrix_are_relatively_accurate(
        (order, seed) in (2..=12_usize, any::<u64>())
    ) {
        let even = Drawn { order, kind: Kind::Even, scale: 0, seed };
        let grades = DVector::from_iterator(order, places(order).map(|i| 0.5_f64.powi(i32::from(i))));
        let grades = DMatrix::from_diagonal(&grades);
        let matrix = &grades * even.matrix() * &grades;
        let mut expected = matrix.symmetric_eigenvalues().as_slice().to_vec();
        expected.sort_by(|a, b| b.total_cmp(a));
        let (mut memory, mut vectors) = (lower::<f32>(&matrix), vec![0.0; order * order]);
        prop_assert_eq!(eigen(&mut memory, order, &mut vectors), Spectrum::Converged);
        for (i, expected) in expected.iter().enumerate() {
            let off = f64::from(memory[i * order + i]) / expected - 1.0;
            prop_assert!(off.abs() <= RELATIVE_EIGENVALUE, "{i}: off by {off:e} of {expected:e}");
        }
    }
}
