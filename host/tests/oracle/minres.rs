//! MINRES and MINRES-QLP against dense algebra: definite, indefinite and singular systems, least squares,
//! the shortest solution, and the truth of what is reported on the way.

use nalgebra::{DMatrix, DVector};
use natgrad::Scalar;
use natgrad::krylov::{Cg, Minres, MinresQlp, Solve, Solver, Start, Status, Stop, System, solve};
use natgrad::operator::{Diagonal, Identity, LinearOperator};
use natgrad_host::reference::minimum_norm_solve;
use proptest::prelude::*;
use proptest::test_runner::Config;

use super::bound::count;
use super::operators::dense;
use super::strategies::{self, DENSE, Draw, moderate};
use super::subject::{Curvature, Subject, narrow, widen};
use super::tolerance::{ATTAINABLE, PHI_PER_ITERATION, SHORTEST, SINGULAR_IN_F32};

/// A dense symmetric matrix as the sum of three groups of its columns.
struct Dense<T> {
    n: usize,
    columns: Vec<T>,
}

impl<T: Scalar> LinearOperator<T> for Dense<T> {
    fn dim(&self) -> usize {
        self.n
    }
    fn parts(&self) -> usize {
        3
    }
    fn apply_part(&mut self, part: usize, v: &[T], out: &mut [T], quad: &mut T) {
        let columns = self.columns.chunks(self.n).zip(v).enumerate();
        for (_, (column, &v_j)) in columns.filter(|(j, _)| j % 3 == part) {
            for ((out, &a), &v_i) in out.iter_mut().zip(column).zip(v) {
                *out += a * v_j;
                *quad += v_i * a * v_j;
            }
        }
    }
}

/// The signs of the eigenvalues that are not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signs {
    Positive,
    Both,
}

/// What a problem is made from.
#[derive(Clone, Debug)]
struct Spectrum {
    n: usize,
    rank: usize,
    signs: Signs,
    /// log₁₀ of the largest eigenvalue, and of that over the smallest that is not 0.
    scale: f64,
    spread: f64,
    preconditioned: bool,
    seed: u64,
}

/// Whether b lies in the range of A.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Consistent,
    Any,
}

/// Ax = b with a diagonal M, and x̃ = M^½x, b̃ = M^−½b, Ã = M^−½AM^−½: the preconditioned method is the plain
/// one on these.
struct Problem {
    matrix: DMatrix<f64>,
    rhs: DVector<f64>,
    /// The diagonal of M⁻¹, and its root.
    inverse: Vec<f64>,
    root: DVector<f64>,
    turned: DMatrix<f64>,
    turned_rhs: DVector<f64>,
    /// The largest singular value of Ã and the smallest that is not 0.
    largest: f64,
    smallest: f64,
}

impl Problem {
    fn new(spectrum: &Spectrum, side: Side) -> Self {
        let Spectrum { n, rank, .. } = *spectrum;
        let mut draw = Draw::new(spectrum.seed);
        let basis = DMatrix::from_vec(n, n, draw.vector(n * n, 1.0)).qr().q();
        let eigenvalues = DVector::from_fn(n, |i, _| {
            if i >= rank {
                return 0.0;
            }
            let place = count(i) / count(rank.max(2) - 1);
            let size = 10.0_f64.powf(spectrum.scale - spectrum.spread * place);
            let negative = spectrum.signs == Signs::Both && draw.number(1.0) < 0.0;
            if negative { -size } else { size }
        });
        let matrix = &basis * DMatrix::from_diagonal(&eigenvalues) * basis.transpose();
        let matrix = 0.5 * (&matrix + matrix.transpose());
        let mut rhs = DVector::from_vec(draw.vector(n, 1.0));
        if side == Side::Consistent {
            rhs = &matrix * rhs;
        }
        let mut exponent = || {
            if spectrum.preconditioned {
                0.5 * draw.number(1.0)
            } else {
                0.0
            }
        };
        let inverse: Vec<f64> = (0..n).map(|_| 10.0_f64.powf(exponent())).collect();
        let root = DVector::from_iterator(n, inverse.iter().map(|m| m.sqrt()));
        let turned = DMatrix::from_fn(n, n, |i, j| root[i] * matrix[(i, j)] * root[j]);
        let mut sizes: Vec<f64> = turned
            .symmetric_eigenvalues()
            .iter()
            .map(|e| e.abs())
            .collect();
        sizes.sort_by(|a, b| b.total_cmp(a));
        Self {
            turned_rhs: root.component_mul(&rhs),
            largest: sizes[0],
            smallest: sizes[rank - 1],
            matrix,
            rhs,
            inverse,
            root,
            turned,
        }
    }

    fn n(&self) -> usize {
        self.rhs.len()
    }

    fn condition(&self) -> f64 {
        self.largest / self.smallest
    }

    fn solve_from<T: Scalar, S: Solver<T>>(
        &self,
        stop: &Stop<T>,
        warm: Option<&DVector<f64>>,
    ) -> (DVector<f64>, Solve<T>) {
        let n = self.n();
        let mut operator = Dense {
            n,
            columns: narrow::<T>(self.matrix.as_slice()),
        };
        let (rhs, inverse) = (narrow::<T>(self.rhs.as_slice()), narrow::<T>(&self.inverse));
        let mut diagonal = Diagonal::new(&inverse, T::ONE, T::ZERO);
        let mut identity = Identity::new(n);
        let plain = self.inverse.iter().all(|&m| m == 1.0);
        let preconditioner: &mut dyn LinearOperator<T> =
            if plain { &mut identity } else { &mut diagonal };
        let mut memory = vec![T::of(f64::NAN); S::VECTORS * n];
        let start = match warm {
            Some(x) => {
                memory[..n].copy_from_slice(&narrow::<T>(x.as_slice()));
                Start::Warm
            }
            None => Start::Zero,
        };
        let system = System {
            operator: &mut operator,
            preconditioner,
            rhs: &rhs,
        };
        let end = solve::<T, S>(system, stop, start, &mut memory);
        (DVector::from_vec(widen(&memory[..n])), end)
    }

    fn solve<T: Scalar, S: Solver<T>>(&self, stop: &Stop<T>) -> (DVector<f64>, Solve<T>) {
        self.solve_from::<T, S>(stop, None)
    }

    /// x̃.
    fn turned(&self, x: &DVector<f64>) -> DVector<f64> {
        x.component_div(&self.root)
    }

    /// |b̃ − Ãx̃| / |b̃|, the residual in the norm of M⁻¹.
    fn residual(&self, x: &DVector<f64>) -> f64 {
        let r = &self.rhs - &self.matrix * x;
        self.root.component_mul(&r).norm() / self.turned_rhs.norm()
    }

    /// ½xᵀAx − b·x, and its scale of rounding ‖A‖|x|² + |b||x|.
    fn phi(&self, x: &DVector<f64>) -> (f64, f64) {
        let phi = 0.5 * x.dot(&(&self.matrix * x)) - self.rhs.dot(x);
        let turned = self.turned(x);
        let scale = self.largest * turned.norm_squared() + self.turned_rhs.norm() * turned.norm();
        (phi, scale)
    }

    /// Ã⁺b̃, and its residual relative to |b̃|.
    fn shortest(&self) -> (DVector<f64>, f64) {
        let floor = 0.1 / self.condition();
        let x = minimum_norm_solve(&self.turned, &self.turned_rhs, floor);
        let residual = (&self.turned_rhs - &self.turned * &x).norm() / self.turned_rhs.norm();
        (x, residual)
    }
}

/// How far from the shortest x̃ a solve may end that found the system to be singular: of b̃, and of the
/// singular values.
fn near_the_shortest<T: Scalar>(size: f64, largest: f64, smallest: f64) -> f64 {
    SHORTEST * T::EPSILON.widen().sqrt() * (largest / smallest) * (size / smallest)
}

/// The residual of such an end, in that of the shortest x̃.
fn nearly_least<T: Scalar>() -> f64 {
    1.0 + SHORTEST * T::EPSILON.widen().sqrt()
}

/// No rule but the residual, and more iterations than any of these systems needs.
fn to_the_end<T: Scalar>(residual: f64) -> Stop<T> {
    Stop {
        iterations: 3_000,
        residual: T::of(residual),
        progress: T::ZERO,
        refresh: 0,
    }
}

fn limited<T: Scalar>(iterations: u16) -> Stop<T> {
    Stop {
        iterations,
        ..to_the_end(0.0)
    }
}

fn spectra(
    ranks: impl Strategy<Value = (usize, usize)>,
    signs: impl Strategy<Value = Signs>,
    spreads: core::ops::Range<f64>,
) -> impl Strategy<Value = Spectrum> {
    let rest = (-3.0..3.0_f64, spreads, any::<bool>(), any::<u64>());
    (ranks, signs, rest).prop_map(
        |((n, rank), signs, (scale, spread, preconditioned, seed))| Spectrum {
            n,
            rank,
            signs,
            scale,
            spread,
            preconditioned,
            seed,
        },
    )
}

fn regular(
    signs: impl Strategy<Value = Signs>,
    spreads: core::ops::Range<f64>,
) -> impl Strategy<Value = Spectrum> {
    spectra((1..=40_usize).prop_map(|n| (n, n)), signs, spreads)
}

fn singular(spreads: core::ops::Range<f64>) -> impl Strategy<Value = Spectrum> {
    let ranks = (2..=40_usize).prop_flat_map(|n| (Just(n), 1..n));
    spectra(ranks, signs(), spreads)
}

fn signs() -> impl Strategy<Value = Signs> {
    prop_oneof![Just(Signs::Positive), Just(Signs::Both)]
}

/// The residual that can be reached, in |b|: ε κ by MINRES-QLP, ε κ² by MINRES.
fn attainable<T: Scalar>(problem: &Problem, minres: bool) -> f64 {
    let kappa = problem.condition();
    let growth = if minres { kappa * kappa } else { kappa };
    ATTAINABLE * T::EPSILON.widen() * count(problem.n() + 8) * growth
}

/// Rounding of the residual of an x, in |b|.
fn rounding<T: Scalar>(problem: &Problem, x: &DVector<f64>) -> f64 {
    let length = problem.largest * problem.turned(x).norm() / problem.turned_rhs.norm();
    ATTAINABLE * T::EPSILON.widen() * count(problem.n() + 8) * (1.0 + length)
}

/// A regular system: the solution, as far as rounding lets it come.
fn is_solved<S: Solver<f64>>(
    problem: &Problem,
    expected: &DVector<f64>,
    minres: bool,
) -> Result<(), TestCaseError> {
    let stop = to_the_end(1e-9);
    let (x, end) = problem.solve::<f64, S>(&stop);
    let (residual, reach) = (problem.residual(&x), attainable::<f64>(problem, minres));
    let off = (problem.turned(&x) - problem.turned(expected)).norm() * problem.smallest;
    let allowed = (2.0 * stop.residual).max(reach);
    let what = format!("{end:?}, |r| = {residual:e}, {allowed:e} allowed, off by {off:e}");
    prop_assert!(
        matches!(end.status, Status::Residual | Status::Rounding),
        "{}",
        what
    );
    prop_assert!(residual <= allowed, "{}", what);
    prop_assert!(
        end.status == Status::Residual || reach > stop.residual,
        "{}",
        what
    );
    // x̃ − Ã⁻¹b̃ = −Ã⁻¹r̃.
    prop_assert!(
        off <= (residual + reach) * problem.turned_rhs.norm(),
        "{}",
        what
    );
    Ok(())
}

/// What is told of every iterate: φ, the residual, and that this falls.
fn is_told_truly<S: Solver<f64>>(problem: &Problem) -> Result<(), TestCaseError> {
    let (mut before, mut widest) = (1.0_f64, 0.0_f64);
    for iterations in 1..=u16::try_from(problem.n().min(20)).expect("small") {
        let (x, end) = problem.solve::<f64, S>(&limited(iterations));
        let told = end.last;
        if end.status != Status::Limit {
            // There is nothing left.
            prop_assert!(
                told.residual < 1e-9 || end.status == Status::LeastSquares,
                "{end:?}"
            );
            break;
        }
        prop_assert_eq!(told.count, iterations);
        let steps = count(usize::from(iterations) + 8);
        let (phi, scale) = problem.phi(&x);
        widest = widest.max(scale);
        let slack = PHI_PER_ITERATION * steps * widest;
        let off = (told.phi - phi).abs();
        prop_assert!(
            off <= slack,
            "φ = {phi:e}, {told:?}: off by {off:e}, {slack:e} allowed"
        );
        let residual = problem.residual(&x);
        let slack = rounding::<f64>(problem, &x);
        let off = (told.residual - residual).abs();
        prop_assert!(
            off <= slack,
            "|r| = {residual:e}, {told:?}: off by {off:e}, {slack:e} allowed"
        );
        prop_assert!(
            told.residual <= before,
            "|r| rises to {told:?} from {before:e}"
        );
        before = told.residual;
    }
    Ok(())
}

/// The undamped metric of a random network seldom has a rank that is plain to see.
fn config() -> Config {
    let config = strategies::config();
    Config {
        max_global_rejects: 8 * config.cases,
        ..config
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn definite_as_by_cholesky(spectrum in regular(Just(Signs::Positive), 0.0..4.0)) {
        let problem = Problem::new(&spectrum, Side::Any);
        let expected = problem.matrix.clone().cholesky().expect("definite").solve(&problem.rhs);
        is_solved::<Minres>(&problem, &expected, true)?;
        is_solved::<MinresQlp>(&problem, &expected, false)?;
    }

    #[test]
    fn indefinite_as_by_elimination(spectrum in regular(Just(Signs::Both), 0.0..4.0)) {
        let problem = Problem::new(&spectrum, Side::Any);
        let expected = problem.matrix.clone().lu().solve(&problem.rhs).expect("regular");
        is_solved::<Minres>(&problem, &expected, true)?;
        is_solved::<MinresQlp>(&problem, &expected, false)?;
    }

    #[test]
    fn a_preconditioner_changes_the_way_only(spectrum in regular(Just(Signs::Positive), 0.0..2.0)) {
        let solve = |preconditioned| {
            let spectrum = Spectrum { preconditioned, ..spectrum.clone() };
            let problem = Problem::new(&spectrum, Side::Any);
            let stop = to_the_end(1e-9);
            let x = [problem.solve::<f64, Minres>(&stop).0, problem.solve::<f64, MinresQlp>(&stop).0];
            (problem, x)
        };
        let ((problem, plain), (_, preconditioned)) = (solve(false), solve(true));
        for (x, y) in plain.iter().zip(&preconditioned) {
            // Twice the tolerance, and in the norm of M⁻¹ that is √10 more or less of r and of b.
            let allowed = 2e-9 * (1.0 + 10.0) * problem.rhs.norm() / problem.smallest;
            prop_assert!((x - y).norm() <= allowed);
        }
    }

    #[test]
    fn what_is_told_is_true(spectrum in regular(signs(), 0.0..4.0)) {
        let problem = Problem::new(&spectrum, Side::Any);
        is_told_truly::<Minres>(&problem)?;
        is_told_truly::<MinresQlp>(&problem)?;
    }

    #[test]
    fn what_is_told_of_singular_systems_is_true(
        (spectrum, consistent) in (singular(0.0..2.0), any::<bool>())
    ) {
        let side = if consistent { Side::Consistent } else { Side::Any };
        let problem = Problem::new(&spectrum, side);
        is_told_truly::<Minres>(&problem)?;
        is_told_truly::<MinresQlp>(&problem)?;
    }

    /// Conjugate gradients search the same space, and have another idea of the best in it.
    #[test]
    fn residual_is_the_least_and_phi_is_not(
        (spectrum, iterations) in (regular(Just(Signs::Positive), 0.0..2.0), 1..12_u16)
    ) {
        let problem = Problem::new(&spectrum, Side::Any);
        let stop = limited(iterations);
        let (cg, end) = problem.solve::<f64, Cg>(&stop);
        // Before what is left is rounding.
        prop_assume!(problem.residual(&cg) > 1e-6);
        for x in [problem.solve::<f64, Minres>(&stop).0, problem.solve::<f64, MinresQlp>(&stop).0] {
            let (residual, of_cg) = (problem.residual(&x), problem.residual(&cg));
            prop_assert!(residual <= of_cg * (1.0 + 1e-6), "{residual:e}, CG {of_cg:e}, {end:?}");
            let (phi, of_cg) = (problem.phi(&x).0, problem.phi(&cg).0);
            prop_assert!(phi >= of_cg * (1.0 + 1e-9), "{phi:e}, CG {of_cg:e}, {end:?}");
        }
    }

    #[test]
    fn singular_and_consistent(spectrum in singular(0.0..2.0)) {
        let problem = Problem::new(&spectrum, Side::Consistent);
        let (expected, _) = problem.shortest();
        // Without a part of the null space to begin with, either method stays clear of it.
        let stop = to_the_end(1e-9);
        let solved = [problem.solve::<f64, Minres>(&stop), problem.solve::<f64, MinresQlp>(&stop)];
        for (x, end) in solved {
            prop_assert_eq!(end.status, Status::Residual, "{:?}", end);
            let allowed = 2.0 * stop.residual + rounding::<f64>(&problem, &x);
            prop_assert!(problem.residual(&x) <= allowed, "{end:?}");
            let off = (problem.turned(&x) - &expected).norm();
            let allowed = allowed * problem.turned_rhs.norm() / problem.smallest;
            prop_assert!(off <= allowed, "off by {off:e}, {allowed:e} allowed, {end:?}");
        }
    }

    #[test]
    fn singular_and_inconsistent(spectrum in singular(0.0..2.0)) {
        let problem = Problem::new(&spectrum, Side::Any);
        let (expected, least) = problem.shortest();
        prop_assume!(least > 1e-3);
        let stop = to_the_end(1e-9);
        let (minres, qlp) = (problem.solve::<f64, Minres>(&stop), problem.solve::<f64, MinresQlp>(&stop));
        for (x, end) in [&minres, &qlp] {
            prop_assert_eq!(end.status, Status::LeastSquares, "{:?}", end);
            let residual = problem.residual(x);
            prop_assert!(residual <= least * nearly_least::<f64>(), "{residual:e}, not {least:e}, {end:?}");
            let off = (end.last.residual - residual).abs();
            prop_assert!(off <= rounding::<f64>(&problem, x), "|r| = {residual:e}, {end:?}");
            let (phi, scale) = problem.phi(x);
            let slack = PHI_PER_ITERATION * count(problem.n()) * scale;
            prop_assert!((end.last.phi - phi).abs() <= slack, "φ = {phi:e}, {end:?}");
        }
        let (x, end) = qlp;
        let off = (problem.turned(&x) - &expected).norm();
        let allowed = near_the_shortest::<f64>(problem.turned_rhs.norm(), problem.largest, problem.smallest);
        prop_assert!(off <= allowed, "off by {off:e}, {allowed:e} allowed, {end:?}");
    }

    /// x̃ − x̃₀ = Ã⁺(b̃ − Ãx̃₀).
    #[test]
    fn from_a_warm_start_the_way_is_the_shortest(spectrum in singular(0.0..2.0)) {
        let problem = Problem::new(&spectrum, Side::Any);
        let (expected, least) = problem.shortest();
        prop_assume!(least > 1e-3);
        let mut draw = Draw::new(spectrum.seed ^ 1);
        let reach = 0.2 * expected.norm() / count(problem.n()).sqrt();
        let turned = expected.map(|x| 0.7 * x + reach * draw.number(1.0));
        let start = problem.root.component_mul(&turned);
        prop_assume!(problem.phi(&start).0 < 0.0);
        let rest = &problem.turned_rhs - &problem.turned * &turned;
        let floor = 0.1 / problem.condition();
        let way = minimum_norm_solve(&problem.turned, &rest, floor);
        let (x, end) = problem.solve_from::<f64, MinresQlp>(&to_the_end(1e-9), Some(&start));
        prop_assert_eq!(end.status, Status::LeastSquares, "{:?}", end);
        let off = (problem.turned(&x) - turned - way).norm();
        let allowed = near_the_shortest::<f64>(problem.turned_rhs.norm(), problem.largest, problem.smallest);
        prop_assert!(off <= allowed, "off by {off:e}, {allowed:e} allowed, {end:?}");
    }

    /// F⁺g and F⁺b: the natural gradient without damping, by the metric of a network.
    #[test]
    fn undamped_metric(case in moderate(DENSE)) {
        let metric = dense(&case, Curvature::Fisher);
        let mut sizes: Vec<f64> = metric.symmetric_eigenvalues().iter().map(|e| e.abs()).collect();
        sizes.sort_by(|a, b| b.total_cmp(a));
        // A rank that is plain to see.
        let rank = sizes.iter().take_while(|&&s| s > 1e-4 * sizes[0]).count();
        prop_assume!(sizes.get(rank).is_none_or(|&s| s < 1e-13 * sizes[0]));
        let subject = Subject::<f64>::new(&case);
        let (gradient, _) = subject.gradient();
        let n = gradient.len();
        let any = Draw::new(case.shape.seed ^ 6).vector(n, 1.0);
        let in_range = if rank == n { Status::Residual } else { Status::LeastSquares };
        for (rhs, status) in [(gradient, Status::Residual), (any, in_range)] {
            let b = DVector::from_column_slice(&rhs);
            let expected = minimum_norm_solve(&metric, &b, 1e-6);
            let mut memory = vec![f64::NAN; <MinresQlp as Solver<f64>>::VECTORS * n];
            let end = subject.with(Curvature::Fisher, |fisher| {
                let system = System {
                    operator: fisher,
                    preconditioner: &mut Identity::new(n),
                    rhs: &rhs,
                };
                solve::<f64, MinresQlp>(system, &to_the_end(1e-9), Start::Zero, &mut memory)
            });
            prop_assert_eq!(end.status, status, "{:?}", end);
            let off = (DVector::from_column_slice(&memory[..n]) - &expected).norm();
            let allowed = near_the_shortest::<f64>(b.norm(), sizes[0], sizes[rank - 1]);
            prop_assert!(off <= allowed, "off by {off:e}, {allowed:e} allowed, {end:?}");
        }
    }

    #[test]
    fn in_f32_as_in_f64(spectrum in regular(signs(), 0.0..2.0)) {
        let problem = Problem::new(&spectrum, Side::Any);
        let (expected, _) = problem.shortest();
        for minres in [true, false] {
            let stop = to_the_end::<f32>(1e-4);
            let (x, end) = if minres {
                problem.solve::<f32, Minres>(&stop)
            } else {
                problem.solve::<f32, MinresQlp>(&stop)
            };
            let reach = attainable::<f32>(&problem, minres);
            let what = format!("{end:?}, {reach:e} within reach");
            prop_assert!(matches!(end.status, Status::Residual | Status::Rounding), "{}", what);
            prop_assert!(end.status == Status::Residual || reach > 1e-4, "{}", what);
            let off = (problem.turned(&x) - &expected).norm();
            let allowed = (2e-4 + reach) * problem.turned_rhs.norm() / problem.smallest;
            prop_assert!(off <= allowed, "off by {off:e}, {allowed:e} allowed, {}", what);
        }
    }

    /// However far the recurrence is from b − Ax: MINRES-QLP loses touch from κ = 10⁴ on, MINRES before.
    #[test]
    fn no_false_claim_in_f32(spectrum in regular(signs(), 0.0..5.0)) {
        let problem = Problem::new(&spectrum, Side::Any);
        let stop = to_the_end::<f32>(1e-3);
        let solved = [problem.solve::<f32, Minres>(&stop), problem.solve::<f32, MinresQlp>(&stop)];
        for (x, end) in solved {
            let (residual, told) = (problem.residual(&x), f64::from(end.last.residual));
            let slack = rounding::<f32>(&problem, &x);
            let what = format!("{end:?}, |r| = {residual:e}, to {slack:e}");
            prop_assert!((told - residual).abs() <= slack, "{}", what);
            match end.status {
                Status::Residual => prop_assert!(residual <= 2e-3 + slack, "{}", what),
                Status::Rounding => prop_assert!(residual > 2e-3 - slack, "{}", what),
                Status::LeastSquares => {
                    prop_assert!(problem.condition() > SINGULAR_IN_F32, "{}", what);
                }
                _ => prop_assert!(false, "{}", what),
            }
        }
    }

    /// A metric of low rank, damped by λ ≥ 10⁻⁵ ‖A‖, and a b that is not in its range: what is left of r
    /// comes to lie in its null space, and is solved for nevertheless.
    #[test]
    fn a_damped_metric_does_not_pass_for_singular_in_f32(
        (rank, exponent, seed) in (1..=20_usize, -5.0..-1.0_f64, any::<u64>())
    ) {
        let metric = Spectrum {
            n: 40,
            rank,
            signs: Signs::Positive,
            scale: 0.0,
            spread: 1.0,
            preconditioned: false,
            seed,
        };
        let mut problem = Problem::new(&metric, Side::Any);
        for i in 0..problem.n() {
            problem.matrix[(i, i)] += 10.0_f64.powf(exponent);
        }
        let stop = to_the_end::<f32>(1e-2);
        for (_, end) in [problem.solve::<f32, Minres>(&stop), problem.solve::<f32, MinresQlp>(&stop)] {
            prop_assert_ne!(end.status, Status::LeastSquares, "{:?}", end);
        }
    }

    #[test]
    fn shortest_in_f32(spectrum in singular(0.0..1.0)) {
        let problem = Problem::new(&spectrum, Side::Any);
        let (expected, least) = problem.shortest();
        prop_assume!(least > 0.05);
        // Whatever the tolerance.
        for tolerance in [1e-2, 1e-4, 1e-6] {
            let (x, end) = problem.solve::<f32, MinresQlp>(&to_the_end(tolerance));
            prop_assert_eq!(end.status, Status::LeastSquares, "{:?}", end);
            let residual = problem.residual(&x);
            prop_assert!(residual <= least * nearly_least::<f32>(), "{residual:e}, not {least:e}, {end:?}");
            let off = (problem.turned(&x) - &expected).norm();
            let allowed = near_the_shortest::<f32>(problem.turned_rhs.norm(), problem.largest, problem.smallest);
            prop_assert!(off <= allowed, "off by {off:e}, {allowed:e} allowed, {end:?}");
        }
    }
}
