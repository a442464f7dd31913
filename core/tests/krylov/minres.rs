//! MINRES and MINRES-QLP: every end is a status, what is reported is true, and x is the iterate it says.

use natgrad::Scalar;
use natgrad::krylov::{
    Advance, Cg, Minres, MinresQlp, Solve, Solver, Start, Status, Stop, System, solve,
};
use natgrad::operator::{Diagonal, Identity, LinearOperator};

use super::{Dense, hard, limit, observe, ramp, run, true_residual};

type Run = fn(
    &mut dyn LinearOperator<f32>,
    &mut dyn LinearOperator<f32>,
    &[f32],
    &Stop<f32>,
    Option<&[f32]>,
) -> (Solve<f32>, Vec<f32>);

const MINRES: Run = run::<Minres>;
const QLP: Run = run::<MinresQlp>;
const BOTH: [Run; 2] = [MINRES, QLP];

fn cold(
    run: Run,
    operator: &mut dyn LinearOperator<f32>,
    rhs: &[f32],
    stop: &Stop<f32>,
) -> (Solve<f32>, Vec<f32>) {
    run(operator, &mut Identity::new(rhs.len()), rhs, stop, None)
}

/// At most that many iterations, and a residual that `f32` can reach.
fn reachable(iterations: u16) -> Stop<f32> {
    Stop {
        residual: 1e-5,
        ..limit(iterations)
    }
}

fn near(x: &[f32], expected: &[f32]) -> bool {
    x.iter().zip(expected).all(|(x, e)| (x - e).abs() < 1e-4)
}

/// ½xᵀAx − bᵀx, in f64.
fn phi<const N: usize>(a: &Dense<N>, x: &[f32], b: &[f32]) -> f64 {
    let mut phi = 0.0;
    for ((row, &x_i), &b) in a.0.iter().zip(x).zip(b) {
        let pairs = row.iter().zip(x);
        let ax: f64 = pairs.map(|(&a, &x)| f64::from(a) * f64::from(x)).sum();
        phi += f64::from(x_i) * (0.5 * ax - f64::from(b));
    }
    phi
}

/// Symmetric with eigenvalues of both signs.
fn indefinite() -> Dense<8> {
    let mut a = hard::<8>();
    for (i, row) in a.0.iter_mut().enumerate() {
        row[i] -= 6.0;
    }
    a
}

// ---- Breakdowns ---------------------------------------------------------------------------------------

#[test]
fn zero_right_hand_side() {
    for run in BOTH {
        for warm in [None, Some(&[3.0, 4.0, 5.0][..])] {
            let (a, m) = (&mut hard::<3>(), &mut Identity::new(3));
            let (end, x) = run(a, m, &[0.0; 3], &Stop::default(), warm);
            assert_eq!(end.status, Status::ZeroRightHandSide);
            assert_eq!((end.last.count, end.last.phi, x), (0, 0.0, vec![0.0; 3]));
        }
    }
}

#[test]
fn no_unknown() {
    for run in BOTH {
        let (end, x) = cold(run, &mut Identity::new(0), &[], &Stop::default());
        assert_eq!((end.status, x.len()), (Status::ZeroRightHandSide, 0));
    }
}

#[test]
fn one_unknown() {
    for run in BOTH {
        for a in [4.0, -4.0] {
            let (end, x) = cold(run, &mut Dense([[a]]), &[2.0], &Stop::default());
            let solution = 2.0 / a;
            assert_eq!((end.status, end.last.count), (Status::Residual, 1));
            assert_eq!((end.last.phi, end.last.residual), (-solution, 0.0));
            assert_eq!(x, [solution]);
        }
        let (end, x) = cold(run, &mut Dense([[0.0]]), &[2.0], &Stop::default());
        assert_eq!((end.status, x), (Status::LeastSquares, vec![0.0]));
        assert_eq!((end.last.phi, end.last.residual), (0.0, 1.0));
    }
}

#[test]
fn limit_reached() {
    for run in BOTH {
        for iterations in 0..5 {
            let (end, x) = cold(run, &mut hard::<8>(), &ramp::<8>(), &limit(iterations));
            assert_eq!((end.status, end.last.count), (Status::Limit, iterations));
            assert_eq!(x == [0.0; 8], iterations == 0);
        }
    }
}

#[test]
fn exhausted_space() {
    // Two eigenvalues: after two iterations nothing is left to look for.
    let a = [2.0, 2.0, -3.0, -3.0];
    for run in BOTH {
        let mut a = Diagonal::new(&a, 1.0, 0.0);
        let (end, x) = cold(run, &mut a, &[2.0, 4.0, 3.0, -3.0], &reachable(50));
        assert_eq!((end.status, end.last.count), (Status::Residual, 2));
        assert!(near(&x, &[1.0, 2.0, -1.0, 1.0]), "{x:?}");
        // An exact end, without a tolerance.
        let b = [2.0, 0.0, 0.0, 0.0];
        let (end, x) = cold(run, &mut a, &b, &limit(50));
        assert_eq!((end.status, end.last.count), (Status::Residual, 1));
        assert_eq!((end.last.residual, x), (0.0, vec![1.0, 0.0, 0.0, 0.0]));
    }
}

#[test]
fn singular_and_consistent() {
    // Rank 2, and b in its range: (1, 3, 1) is the shortest solution.
    let mut a = Dense([[2.0, 0.0, 2.0], [0.0, 1.0, 0.0], [2.0, 0.0, 2.0]]);
    for run in BOTH {
        let (end, x) = cold(run, &mut a, &[4.0, 3.0, 4.0], &reachable(50));
        assert_eq!(end.status, Status::Residual);
        assert!(near(&x, &[1.0, 3.0, 1.0]), "{x:?}");
    }
}

#[test]
fn singular_and_inconsistent() {
    let mut a = Dense([[2.0, 0.0], [0.0, 0.0]]);
    let b = [1.0, 1.0];
    for (run, count, free) in [(MINRES, 1, 0.5), (QLP, 2, 0.0)] {
        let (end, x) = cold(run, &mut a, &b, &limit(50));
        assert_eq!((end.status, end.last.count), (Status::LeastSquares, count));
        assert!(near(&x, &[0.5, free]), "{x:?}");
        assert!((end.last.residual - 0.5_f32.sqrt()).abs() < 1e-6);
        assert!((f64::from(end.last.phi) - phi(&a, &x, &b)).abs() < 1e-6);
        // From a warm start the shortest is the shortest way: the free unknown stays where it is.
        let m = &mut Identity::new(2);
        let (end, x) = run(&mut a, m, &b, &limit(50), Some(&[0.25, 0.75]));
        assert_eq!(end.status, Status::LeastSquares);
        let kept = if free == 0.0 { 0.75 } else { x[1] };
        assert!(near(&x, &[0.5, kept]), "{x:?}");
    }
    for run in BOTH {
        let (end, x) = cold(run, &mut Dense([[0.0; 2]; 2]), &b, &limit(50));
        assert_eq!((end.status, x), (Status::LeastSquares, vec![0.0; 2]));
        assert_eq!((end.last.phi, end.last.residual), (0.0, 1.0));
    }
}

#[test]
fn small_eigenvalue_is_not_0() {
    // Though |Ar| ≪ √ε |A||r| when all but the third unknown is done.
    for run in BOTH {
        for residual in [1e-2, 1e-3] {
            let stop = Stop {
                residual,
                ..limit(50)
            };
            let mut a = Diagonal::new(&[1.0, 0.5, 1e-4], 1.0, 0.0);
            let (end, x) = cold(run, &mut a, &[1.0, 1.0, 1.0], &stop);
            assert_eq!((end.status, end.last.count), (Status::Residual, 3));
            assert!((x[2] / 1e4 - 1.0).abs() < 1e-2, "{x:?}");
        }
    }
}

#[test]
fn eigenvalue_below_working_precision_is_0() {
    for (run, free) in [(MINRES, false), (QLP, true)] {
        for residual in [0.0, 1e-4, 1e-2] {
            let stop = Stop {
                residual,
                ..limit(50)
            };
            let mut a = Diagonal::new(&[1.0, 0.5, 1e-9], 1.0, 0.0);
            let (end, x) = cold(run, &mut a, &[1.0, 1.0, 1.0], &stop);
            assert_eq!(end.status, Status::LeastSquares);
            assert!(near(&x[..2], &[1.0, 2.0]) && x[2].abs() < 10.0, "{x:?}");
            assert!(!free || x[2].abs() < 1e-4, "{x:?}");
        }
    }
}

#[test]
fn indefinite_from_the_first_iteration_on() {
    let mut a = Dense([[-1.0, 0.0], [0.0, 2.0]]);
    for run in BOTH {
        let (end, x) = cold(run, &mut a, &[1.0, 0.5], &reachable(50));
        assert_eq!((end.status, end.last.count), (Status::Residual, 2));
        assert!(near(&x, &[-1.0, 0.25]), "{x:?}");
        // vᵀAv = 0: the first iteration gains nothing.
        let mut swap = Dense([[0.0, 1.0], [1.0, 0.0]]);
        let (end, x) = cold(run, &mut swap, &[1.0, 0.0], &limit(1));
        assert_eq!(
            (end.last.residual, end.last.phi, x),
            (1.0, 0.0, vec![0.0, 0.0])
        );
        let (end, x) = cold(run, &mut swap, &[1.0, 0.0], &limit(9));
        assert_eq!((end.status, end.last.count), (Status::Residual, 2));
        assert_eq!(x, [0.0, 1.0]);
    }
}

#[test]
fn operator_that_is_not_finite() {
    for run in BOTH {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut a = hard::<3>();
            a.0[1][2] = bad;
            let (end, _) = cold(run, &mut a, &[1.0, 2.0, 3.0], &limit(50));
            assert_eq!(end.status, Status::NonFinite, "{bad}");
        }
        // Finite, but the product overflows.
        let mut a = Dense([[3e38, 0.0], [0.0, 1.0]]);
        let (end, _) = cold(run, &mut a, &[1e10, 1.0], &limit(50));
        assert_eq!(end.status, Status::NonFinite);
    }
}

/// Counts the products, and spoils one entry of the image in one of them.
struct Watched {
    inner: Dense<4>,
    products: usize,
    spoiled: usize,
}

impl Watched {
    fn new(spoiled: usize) -> Self {
        Self {
            inner: hard(),
            products: 0,
            spoiled,
        }
    }
}

impl LinearOperator<f32> for Watched {
    fn dim(&self) -> usize {
        4
    }
    fn parts(&self) -> usize {
        4
    }
    fn apply_part(&mut self, part: usize, v: &[f32], out: &mut [f32], quad: &mut f32) {
        self.products += usize::from(part == 0);
        self.inner.apply_part(part, v, out, quad);
        if part == 2 && self.products == self.spoiled {
            // The image only: the form stays finite.
            out[0] = f32::NAN;
        }
    }
}

#[test]
fn operator_that_fails_later() {
    for run in BOTH {
        let mut a = Watched::new(3);
        let (end, _) = cold(run, &mut a, &ramp::<4>(), &limit(50));
        assert_eq!((end.status, end.last.count), (Status::NonFinite, 2));
        // In the last product, which checks the end.
        let mut a = Watched::new(0);
        let stop = Stop {
            residual: 1e-2,
            ..limit(50)
        };
        let (end, _) = cold(run, &mut a, &ramp::<4>(), &stop);
        assert_eq!(end.status, Status::Residual);
        let mut a = Watched::new(a.products);
        let (end, _) = cold(run, &mut a, &ramp::<4>(), &stop);
        assert_eq!(end.status, Status::NonFinite);
    }
}

#[test]
fn right_hand_side_that_is_not_finite() {
    for run in BOTH {
        for bad in [f32::NAN, f32::INFINITY] {
            for warm in [None, Some(&[1.0, 1.0][..])] {
                let (a, m) = (&mut Identity::new(2), &mut Identity::new(2));
                let (end, x) = run(a, m, &[1.0, bad], &limit(9), warm);
                assert_eq!((end.status, end.last.count), (Status::NonFinite, 0));
                assert_eq!(x, [0.0, 0.0]);
            }
        }
    }
}

#[test]
fn preconditioner_that_is_not_positive() {
    for run in BOTH {
        for scale in [0.0, -1.0] {
            let m = &mut Identity::scaled(3, scale);
            let (end, x) = run(&mut hard::<3>(), m, &ramp::<3>(), &limit(9), None);
            assert_eq!(end.status, Status::NonPositivePreconditioner);
            assert_eq!((end.last.count, end.last.phi, x), (0, 0.0, vec![0.0; 3]));
            assert_eq!(end.last.residual, 1.0, "in the plain norm");
            // A warm start is kept, and its value is told.
            let warm = [1.0, 1.0, 1.0];
            let mut a = Identity::scaled(3, 0.1);
            let m = &mut Identity::scaled(3, scale);
            let (end, x) = run(&mut a, m, &[1.0, 2.0, 3.0], &limit(9), Some(&warm));
            assert_eq!(end.status, Status::NonPositivePreconditioner);
            assert_eq!(x, warm);
            assert!((end.last.phi + 5.85).abs() < 1e-5, "{end:?}");
        }
    }
}

#[test]
fn preconditioner_that_breaks_later() {
    // It cannot move the second unknown, or moves it the wrong way: what is reported of x is true.
    for run in BOTH {
        for second in [0.0, -0.5] {
            let entries = [0.5, second];
            let mut m = Diagonal::new(&entries, 1.0, 0.0);
            let mut a = Dense([[2.0, 0.0], [0.0, 2.0]]);
            let b = [2.0, 1.0];
            let (end, x) = run(&mut a, &mut m, &b, &limit(9), None);
            assert_eq!(end.status, Status::NonPositivePreconditioner);
            assert!(
                (f64::from(end.last.phi) - phi(&a, &x, &b)).abs() < 1e-6,
                "{end:?}"
            );
            assert!(x.iter().all(|x| x.abs() < 2.0), "{x:?}");
        }
    }
    // After some iterations.
    for run in BOTH {
        let entries = [1.0, 1.0, 1.0, -0.01];
        let mut m = Diagonal::new(&entries, 1.0, 0.0);
        let mut a = hard::<4>();
        let b = [1.0, 2.0, 3.0, 0.0];
        let (end, x) = run(&mut a, &mut m, &b, &limit(9), None);
        assert_eq!(end.status, Status::NonPositivePreconditioner);
        let expected = phi(&a, &x, &b);
        assert!((f64::from(end.last.phi) - expected).abs() < 1e-4 * expected.abs() + 1e-6);
    }
}

#[test]
fn preconditioner_that_is_not_finite() {
    for run in BOTH {
        for bad in [f32::NAN, f32::INFINITY] {
            let entries = [1.0, bad];
            let m = &mut Diagonal::new(&entries, 1.0, 0.0);
            let (end, _) = run(&mut Identity::new(2), m, &[1.0, 1.0], &limit(9), None);
            assert_eq!(end.status, Status::NonFinite);
        }
    }
}

#[test]
fn small_numbers() {
    for run in BOTH {
        let mut a = Dense([[2.0, 0.0], [0.0, 4.0]]);
        let (end, x) = cold(run, &mut a, &[1e-18, 2e-18], &reachable(50));
        assert_eq!(end.status, Status::Residual);
        assert!(x.iter().all(|x| (x / 5e-19 - 1.0).abs() < 1e-4), "{x:?}");
        // Where b·b underflows, b is as good as 0.
        let (end, x) = cold(run, &mut a, &[1e-30, 1e-30], &reachable(50));
        assert_eq!((end.status, x), (Status::ZeroRightHandSide, vec![0.0; 2]));
        // A small operator: x is large.
        let (end, x) = cold(
            run,
            &mut Identity::scaled(2, 1e-20),
            &[1.0, 2.0],
            &reachable(50),
        );
        assert_eq!(end.status, Status::Residual);
        assert!((x[0] / 1e20 - 1.0).abs() < 1e-5);
        // So small that the square of βv underflows: no answer, and no wrong one.
        let mut a = Dense([[2e-25, 0.0], [0.0, 4e-25]]);
        let (end, x) = cold(run, &mut a, &[1.0, 2.0], &reachable(50));
        assert_eq!(
            (end.status, x),
            (Status::NonPositivePreconditioner, vec![0.0; 2])
        );
    }
}

#[test]
fn large_numbers() {
    for run in BOTH {
        let mut a = Dense([[2.0, 0.0], [0.0, 4.0]]);
        let (end, x) = cold(run, &mut a, &[1e18, 2e18], &reachable(50));
        assert_eq!(end.status, Status::Residual);
        assert!(x.iter().all(|x| (x / 5e17 - 1.0).abs() < 1e-4), "{x:?}");
        // Where b·b overflows, there is no answer, and no wrong one.
        let (end, x) = cold(run, &mut a, &[1e20, 1e20], &reachable(50));
        assert_eq!((end.status, x), (Status::NonFinite, vec![0.0; 2]));
        // A large operator: x is small.
        let (end, x) = cold(
            run,
            &mut Identity::scaled(2, 1e20),
            &[1.0, 2.0],
            &reachable(50),
        );
        assert_eq!(end.status, Status::Residual);
        assert!((x[0] / 1e-20 - 1.0).abs() < 1e-5);
    }
}

#[test]
fn tolerance_that_is_no_number_is_none() {
    for run in BOTH {
        for residual in [f32::NAN, -1.0] {
            let stop = Stop {
                residual,
                ..limit(50)
            };
            let (end, x) = cold(run, &mut Dense([[4.0]]), &[2.0], &stop);
            assert_eq!((end.status, x), (Status::Residual, vec![0.5]));
        }
    }
}

// ---- The course ---------------------------------------------------------------------------------------

/// φ and |r|/|b| of the iterates at every count, the limit having made each the last.
fn course(run: Run, a: &mut Dense<8>, iterations: u16) -> Vec<(f64, f64)> {
    let b = ramp::<8>();
    let mut course = Vec::new();
    for count in 1..=iterations {
        let (end, x) = cold(run, a, &b, &limit(count));
        assert_eq!((end.status, end.last.count), (Status::Limit, count));
        let (value, residual) = (phi(a, &x, &b), true_residual(a, &x, &b));
        let off = (f64::from(end.last.phi) - value).abs();
        assert!(
            off < 1e-5 * value.abs(),
            "iteration {count}: {end:?}, φ = {value}"
        );
        let off = (f64::from(end.last.residual) - residual).abs();
        assert!(off < 1e-4, "iteration {count}: {end:?}, |r| = {residual}");
        course.push((value, residual));
    }
    course
}

#[test]
fn what_is_reported_is_the_iterates() {
    for run in BOTH {
        let definite = course(run, &mut hard::<8>(), 6);
        assert!(
            definite.is_sorted_by(|a, b| b.0 < a.0 && b.1 < a.1),
            "{definite:?}"
        );
        let indefinite = course(run, &mut indefinite(), 6);
        assert!(indefinite.is_sorted_by(|a, b| b.1 <= a.1), "{indefinite:?}");
        assert!(
            !indefinite.is_sorted_by(|a, b| b.0 <= a.0),
            "φ has no reason to fall"
        );
    }
}

#[test]
fn both_have_the_same_iterates() {
    for a in [hard::<8>(), indefinite()] {
        for count in 1..7 {
            let [(_, x), (_, y)] = BOTH.map(|run| {
                let mut a = Dense(a.0);
                cold(run, &mut a, &ramp::<8>(), &limit(count))
            });
            let largest = x.iter().fold(0.0, |m, x| x.abs().larger(m));
            assert!(
                x.iter()
                    .zip(&y)
                    .all(|(x, y)| (x - y).abs() < 1e-4 * largest),
                "iteration {count}: {x:?}, {y:?}"
            );
        }
    }
}

#[test]
fn residual_is_the_smallest_of_the_space() {
    let (mut a, b) = (hard::<8>(), ramp::<8>());
    for count in 1..6 {
        let (_, x) = run::<Cg>(&mut a, &mut Identity::new(8), &b, &limit(count), None);
        let energy = phi(&a, &x, &b);
        let residual = true_residual(&a, &x, &b);
        for run in BOTH {
            let (_, x) = cold(run, &mut a, &b, &limit(count));
            assert!(true_residual(&a, &x, &b) < residual);
            assert!(phi(&a, &x, &b) > energy, "which CG makes lowest");
        }
    }
}

#[test]
fn preconditioned_residual_is_reported_in_its_norm() {
    let entries = [0.1, 4.0, 0.5, 1.0, 3.0, 0.2, 1.0, 2.0];
    let (mut a, b) = (indefinite(), ramp::<8>());
    for run in BOTH {
        let mut before = 1.0;
        for count in 1..7 {
            let mut m = Diagonal::new(&entries, 1.0, 0.0);
            let (end, x) = run(&mut a, &mut m, &b, &limit(count), None);
            let (mut r2, mut b2) = (0.0, 0.0);
            for ((row, &b), &m) in a.0.iter().zip(&b).zip(&entries) {
                let ax: f64 = row
                    .iter()
                    .zip(&x)
                    .map(|(&a, &x)| f64::from(a) * f64::from(x))
                    .sum();
                r2 += f64::from(m) * (f64::from(b) - ax) * (f64::from(b) - ax);
                b2 += f64::from(m) * f64::from(b) * f64::from(b);
            }
            let residual = (r2 / b2).sqrt();
            assert!(
                (f64::from(end.last.residual) - residual).abs() < 1e-4,
                "{end:?}, {residual}"
            );
            assert!(end.last.residual <= before);
            before = end.last.residual;
        }
    }
}

#[test]
fn residual_that_is_claimed_is_true() {
    let b = ramp::<8>();
    for run in BOTH {
        for (residual, expected) in [(1e-2, Status::Residual), (1e-7, Status::Rounding)] {
            let stop = Stop {
                residual,
                ..limit(400)
            };
            let mut a = hard::<8>();
            let (end, x) = cold(run, &mut a, &b, &stop);
            let found = true_residual(&a, &x, &b);
            assert_eq!(end.status, expected, "{end:?}, |r| = {found}");
            let told = f64::from(end.last.residual);
            assert!((told - found).abs() < 0.2 * found, "{end:?}, |r| = {found}");
            let value = phi(&a, &x, &b);
            assert!((f64::from(end.last.phi) - value).abs() < 1e-5 * value.abs());
            match expected {
                Status::Residual => assert!(found < f64::from(2.0 * residual)),
                _ => assert!(found > f64::from(2.0 * residual)),
            }
        }
    }
}

#[test]
fn warm_start_refines_what_rounding_stopped() {
    let b = ramp::<8>();
    for run in BOTH {
        let stop = Stop {
            residual: 1e-7,
            ..limit(400)
        };
        let mut a = hard::<8>();
        let (end, x) = cold(run, &mut a, &b, &stop);
        assert_eq!(end.status, Status::Rounding);
        let before = true_residual(&a, &x, &b);
        let (again, x) = run(&mut a, &mut Identity::new(8), &b, &stop, Some(&x));
        assert!(again.last.residual <= end.last.residual);
        assert!(true_residual(&a, &x, &b) <= 1.1 * before);
    }
}

#[test]
fn products_of_a_solve() {
    let b = ramp::<4>();
    for run in BOTH {
        let mut a = Watched::new(0);
        let (end, _) = cold(run, &mut a, &b, &limit(3));
        assert_eq!((end.status, a.products), (Status::Limit, 3));
        // One more to check the end.
        let mut a = Watched::new(0);
        let stop = Stop {
            residual: 1e-2,
            ..limit(50)
        };
        let (end, _) = cold(run, &mut a, &b, &stop);
        assert_eq!(end.status, Status::Residual);
        assert_eq!(a.products, usize::from(end.last.count) + 1);
        // One more for the residual of a warm start.
        let mut a = Watched::new(0);
        let warm = [0.0; 4];
        let (end, _) = run(&mut a, &mut Identity::new(4), &b, &limit(3), Some(&warm));
        assert_eq!((end.status, a.products), (Status::Limit, 4));
    }
}

/// One part for all: the same sums in the same order.
struct Whole<const N: usize>(Dense<N>);

impl<const N: usize> LinearOperator<f32> for Whole<N> {
    fn dim(&self) -> usize {
        N
    }
    fn parts(&self) -> usize {
        1
    }
    fn apply_part(&mut self, _part: usize, v: &[f32], out: &mut [f32], quad: &mut f32) {
        for part in 0..N {
            self.0.apply_part(part, v, out, quad);
        }
    }
}

#[test]
fn slices_change_no_bit() {
    let b = ramp::<8>();
    for run in BOTH {
        for warm in [None, Some(&[0.01; 8][..])] {
            let stop = reachable(20);
            let m = &mut Identity::new(8);
            let sliced = run(&mut indefinite(), m, &b, &stop, warm);
            let whole = run(&mut Whole(indefinite()), m, &b, &stop, warm);
            assert_eq!(sliced, whole);
        }
    }
}

fn end_is_the_end<S: Solver<f32>>() {
    let (_, end, mut state, mut memory) = observe::<S>(&mut hard::<4>(), &ramp::<4>(), &limit(2));
    let before = memory.clone();
    for _ in 0..3 {
        let system = System {
            operator: &mut hard::<4>(),
            preconditioner: &mut Identity::new(4),
            rhs: &ramp::<4>(),
        };
        let again = S::advance(&mut state, system, &limit(2), &mut memory);
        assert_eq!(again, Advance::Done(end));
    }
    assert_eq!(memory, before);

    // x, and vectors beside it that may be written to.
    assert_eq!(S::iterates(&state), 1);
    let (x, free) = S::iterate(&state, &mut memory, 4, 0);
    assert_eq!(x, &before[..4]);
    for free in free {
        assert_eq!(free.len(), 4);
        free.fill(7.0);
    }
    assert_eq!(memory[..4], before[..4]);
}

#[test]
fn ends_are_ends() {
    end_is_the_end::<Minres>();
    end_is_the_end::<MinresQlp>();
}

fn every_iteration_is_seen<S: Solver<f32>>() {
    let (seen, end, ..) = observe::<S>(&mut hard::<8>(), &ramp::<8>(), &limit(6));
    // The last is told by the end.
    assert_eq!(seen.len(), 5);
    assert!(
        seen.iter()
            .zip(1..)
            .all(|(seen, count)| seen.count == count)
    );
    assert!(seen.is_sorted_by(|a, b| b.phi < a.phi && b.residual < a.residual));
    assert!(end.last.phi < seen[4].phi);
}

#[test]
fn iterations_are_seen() {
    every_iteration_is_seen::<Minres>();
    every_iteration_is_seen::<MinresQlp>();
}

fn progress_stops_by_its_rule<S: Solver<f32>>() {
    let rhs: [f32; 40] = core::array::from_fn(|i| if i % 2 == 0 { 1.0 } else { -0.5 });
    let entries: [f32; 40] = core::array::from_fn(|i| {
        let i = f32::from(u8::try_from(i).unwrap());
        0.02 + i * i
    });
    let stop = Stop {
        progress: 5e-2,
        ..limit(300)
    };
    let (seen, end, ..) = observe::<S>(&mut Diagonal::new(&entries, 1.0, 0.0), &rhs, &stop);
    assert_eq!(end.status, Status::Progress);
    let mut phi = vec![0.0];
    phi.extend(seen.iter().map(|iteration| iteration.phi));
    phi.push(end.last.phi);
    let stalled = |i: usize| {
        let k = if i > 100 { i.div_ceil(10) } else { 10 };
        i > k && (phi[i] - phi[i - k]) / phi[i] < f32::from(u16::try_from(k).unwrap()) * 5e-2
    };
    let first = (1..phi.len()).find(|&i| stalled(i));
    assert_eq!(first, Some(usize::from(end.last.count)));
}

#[test]
fn progress() {
    progress_stops_by_its_rule::<Minres>();
    progress_stops_by_its_rule::<MinresQlp>();
}

#[test]
fn refresh_is_not_for_them() {
    for run in BOTH {
        let b = ramp::<8>();
        let stop = Stop {
            refresh: 2,
            ..limit(6)
        };
        let plain = cold(run, &mut hard::<8>(), &b, &limit(6));
        assert_eq!(cold(run, &mut hard::<8>(), &b, &stop), plain);
    }
}

#[test]
fn warm_start_that_helps() {
    let mut a = Dense([[4.0, 1.0], [1.0, 3.0]]);
    for run in BOTH {
        let exact = [1.0, 2.0];
        let m = &mut Identity::new(2);
        let (end, x) = run(&mut a, m, &[6.0, 7.0], &Stop::default(), Some(&exact));
        assert_eq!((end.status, end.last.count), (Status::Residual, 0));
        assert_eq!((x, end.last.phi), (exact.to_vec(), -10.0));
        let (end, x) = run(&mut a, m, &[6.0, 7.0], &reachable(9), Some(&[1.1, 1.9]));
        assert_eq!((end.status, end.last.count), (Status::Residual, 2));
        assert!(near(&x, &exact) && (end.last.phi + 10.0).abs() < 1e-5);
    }
}

#[test]
fn warm_start_is_an_iterate_of_the_rest() {
    // A d = b − Ax₀, and |r|/|b| is reported of b, not of b − Ax₀.
    let (mut a, b) = (hard::<8>(), ramp::<8>());
    for run in BOTH {
        let (_, start) = cold(run, &mut a, &b, &limit(2));
        for count in 1..4 {
            let m = &mut Identity::new(8);
            let (end, x) = run(&mut a, m, &b, &limit(count), Some(&start));
            let (value, residual) = (phi(&a, &x, &b), true_residual(&a, &x, &b));
            assert!(
                (f64::from(end.last.phi) - value).abs() < 1e-5 * value.abs(),
                "{end:?}"
            );
            assert!(
                (f64::from(end.last.residual) - residual).abs() < 1e-4,
                "{end:?}"
            );
            assert!(residual < true_residual(&a, &start, &b));
        }
    }
}

#[test]
fn warm_start_above_zero_falls_back() {
    let b = ramp::<8>();
    let stop = limit(5);
    for run in BOTH {
        let expected = cold(run, &mut hard::<8>(), &b, &stop);
        for start in [100.0, -100.0, 1e30, f32::NAN, f32::INFINITY] {
            let m = &mut Identity::new(8);
            let found = run(&mut hard::<8>(), m, &b, &stop, Some(&[start; 8]));
            assert_eq!(found, expected, "from {start}");
        }
    }
}

fn memory_of_any_length_ends<S: Solver<f32>>() {
    let b = ramp::<5>();
    for len in 0..45 {
        let mut memory = vec![1.0; len];
        let system = System {
            operator: &mut Identity::scaled(5, 2.0),
            preconditioner: &mut Identity::new(5),
            rhs: &b,
        };
        solve::<f32, S>(system, &limit(20), Start::Zero, &mut memory);
        assert!(memory.iter().skip(S::VECTORS * 5).all(|&m| m == 1.0));
    }
}

#[test]
fn memory_of_any_length() {
    memory_of_any_length_ends::<Minres>();
    memory_of_any_length_ends::<MinresQlp>();
}
