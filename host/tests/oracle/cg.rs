//! Conjugate gradients against dense solves: solution, model value, warm start, preconditioner, refresh,
//! checkpoints.

use nalgebra::{DMatrix, DVector};
use natgrad::krylov::{Advance, Cg, Iteration, Solve, Solver, Start, Status, Stop, System, solve};
use natgrad::operator::{Damped, Exponent, Identity, InverseDiagonal, LinearOperator};
use natgrad_host::reference::solve_damped;
use proptest::prelude::*;

use super::bound::count;
use super::operators::dense;
use super::strategies::{Case, DENSE, Draw, config, moderate};
use super::subject::{Curvature, Subject};
use super::tolerance::{BACKWARD_ERROR, PHI_PER_ITERATION};

/// λ / ‖F‖ from 10⁻⁵ to 1.
fn dampings() -> impl Strategy<Value = f64> {
    (-5.0..0.0_f64).prop_map(|exponent| 10.0_f64.powf(exponent))
}

/// (F + λI) x = b with the core's F, and the same as a matrix of the oracle's.
struct Problem<'c> {
    subject: Subject<'c, f64>,
    matrix: DMatrix<f64>,
    damping: f64,
    diagonal: Vec<f64>,
    rhs: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Preconditioner {
    None,
    Jacobi,
    Power,
}

impl<'c> Problem<'c> {
    /// `share` is λ / ‖F‖.
    fn new(case: &'c Case, share: f64) -> Self {
        let mut matrix = dense(case, Curvature::Fisher);
        let damping = share * matrix.norm();
        let diagonal = matrix.diagonal().as_slice().to_vec();
        for i in 0..matrix.nrows() {
            matrix[(i, i)] += damping;
        }
        Self {
            subject: Subject::new(case),
            matrix,
            damping,
            diagonal,
            rhs: Draw::new(case.shape.seed ^ 4).vector(case.params.len(), 1.0),
        }
    }

    fn n(&self) -> usize {
        self.rhs.len()
    }

    fn norm(&self) -> f64 {
        self.matrix.norm()
    }

    /// Runs `body` on the system.
    fn with<R>(
        &self,
        preconditioner: Preconditioner,
        body: impl FnOnce(System<'_, f64>) -> R,
    ) -> R {
        let (n, damping) = (self.n(), self.damping);
        let inverse = |exponent| InverseDiagonal::new(&self.diagonal, 1.0, damping, exponent);
        let mut none = Identity::new(n);
        let (mut jacobi, mut power) = (inverse(Exponent::One), inverse(Exponent::ThreeQuarters));
        let preconditioner: &mut dyn LinearOperator<f64> = match preconditioner {
            Preconditioner::None => &mut none,
            Preconditioner::Jacobi => &mut jacobi,
            Preconditioner::Power => &mut power,
        };
        self.subject.with(Curvature::Fisher, |fisher| {
            body(System {
                operator: &mut Damped::new(fisher, Identity::scaled(n, damping)),
                preconditioner,
                rhs: &self.rhs,
            })
        })
    }

    fn solve(&self, preconditioner: Preconditioner, stop: &Stop<f64>) -> (Vec<f64>, Solve<f64>) {
        let mut memory = vec![f64::NAN; 4 * self.n()];
        let end = self.with(preconditioner, |system| {
            solve::<f64, Cg>(system, stop, Start::Zero, &mut memory)
        });
        memory.truncate(self.n());
        (memory, end)
    }

    /// ½xᵀAx − b·x, and its scale of rounding ‖A‖|x|² + |b||x|.
    fn phi(&self, x: &[f64]) -> (f64, f64) {
        let (x, b) = (
            DVector::from_column_slice(x),
            DVector::from_column_slice(&self.rhs),
        );
        let phi = 0.5 * x.dot(&(&self.matrix * &x)) - b.dot(&x);
        (phi, self.norm() * x.norm_squared() + b.norm() * x.norm())
    }

    /// A solve against the dense one: as good a solution as its residual tolerance allows.
    fn is_solved(
        &self,
        preconditioner: Preconditioner,
        stop: &Stop<f64>,
    ) -> Result<(), TestCaseError> {
        let (x, end) = self.solve(preconditioner, stop);
        let allowed = BACKWARD_ERROR.max(stop.residual);
        let error = self.backward_error(&x);
        prop_assert!(
            error <= allowed,
            "backward error {error:e}, {preconditioner:?}, {stop:?}, {end:?}"
        );
        // The distance to the solution follows from the residual and λ, the smallest eigenvalue.
        let expected = self.solution();
        let off = (DVector::from_vec(x) - &expected).norm();
        let allowed = 3.0 * allowed * self.norm() / self.damping * expected.norm();
        prop_assert!(
            off <= allowed,
            "off by {off:e}, {allowed:e} allowed, {end:?}"
        );
        Ok(())
    }

    fn solution(&self) -> DVector<f64> {
        let rhs = DVector::from_column_slice(&self.rhs);
        solve_damped(&self.matrix, &DVector::zeros(self.n()), &rhs)
    }

    /// |b − Ax| / (‖A‖|x| + |b|)
    fn backward_error(&self, x: &[f64]) -> f64 {
        let (x, b) = (
            DVector::from_column_slice(x),
            DVector::from_column_slice(&self.rhs),
        );
        (&b - &self.matrix * &x).norm() / (self.norm() * x.norm() + b.norm())
    }
}

/// Until the residual says so, or rounding allows no more.
fn to_the_end() -> Stop<f64> {
    Stop {
        iterations: 3_000,
        residual: 1e-13,
        progress: 0.0,
        refresh: 0,
    }
}

/// Every iteration with x after it, the end, and the state behind it.
type Driven<State> = (Vec<(Iteration<f64>, Vec<f64>)>, Solve<f64>, State);

/// A solve slice by slice.
fn drive<S: Solver<f64>>(
    System {
        operator,
        preconditioner,
        rhs,
    }: System<'_, f64>,
    stop: &Stop<f64>,
    memory: &mut [f64],
    start: Start,
) -> Driven<S::State> {
    let n = rhs.len();
    let mut state = S::begin(start);
    let mut iterations = Vec::new();
    loop {
        let slice = System {
            operator: &mut *operator,
            preconditioner: &mut *preconditioner,
            rhs,
        };
        match S::advance(&mut state, slice, stop, memory) {
            Advance::Working => {}
            Advance::Iterated(iteration) => iterations.push((iteration, memory[..n].to_vec())),
            Advance::Done(end) => {
                if iterations
                    .last()
                    .is_none_or(|(i, _)| i.count < end.last.count)
                {
                    iterations.push((end.last, memory[..n].to_vec()));
                }
                return (iterations, end, state);
            }
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn cg_solves_what_the_dense_solve_solves((case, share) in (moderate(DENSE), dampings())) {
        let problem = Problem::new(&case, share);
        for preconditioner in [Preconditioner::None, Preconditioner::Jacobi, Preconditioner::Power] {
            problem.is_solved(preconditioner, &to_the_end())?;
        }
    }

    /// Also when it goes on after the true residual has reached its rounding.
    #[test]
    fn a_refreshed_residual_leads_to_the_same_solution(
        (case, share, refresh) in (moderate(DENSE), dampings(), 1..50_u16)
    ) {
        let problem = Problem::new(&case, share);
        let stop = Stop { refresh, residual: 1e-9, ..to_the_end() };
        problem.is_solved(Preconditioner::None, &stop)?;
        problem.is_solved(Preconditioner::Jacobi, &stop)?;
        let best = problem.phi(problem.solution().as_slice()).0;
        let stop = Stop { residual: 0.0, ..stop };
        for preconditioner in [Preconditioner::None, Preconditioner::Jacobi] {
            let (x, end) = problem.solve(preconditioner, &stop);
            let (phi, _) = problem.phi(&x);
            prop_assert!(phi <= best * (1.0 - 1e-6), "{phi:e} after {best:e}, {stop:?}, {end:?}");
        }
    }

    #[test]
    fn phi_is_the_value_of_the_model_and_falls(
        (case, share, jacobi, refresh) in (moderate(DENSE), dampings(), any::<bool>(), 0..9_u16)
    ) {
        let problem = Problem::new(&case, share);
        let preconditioner = if jacobi { Preconditioner::Jacobi } else { Preconditioner::None };
        let stop = Stop { iterations: 60, residual: 1e-9, progress: 0.0, refresh };
        let mut memory = vec![f64::NAN; 4 * problem.n()];
        let (iterations, end, _) = problem.with(preconditioner, |system| {
            drive::<Cg>(system, &stop, &mut memory, Start::Zero)
        });
        prop_assert_eq!(end.last, iterations.last().expect("an iteration").0);
        let (mut before, mut widest) = (0.0, 0.0_f64);
        for (index, (iteration, x)) in iterations.iter().enumerate() {
            prop_assert_eq!(usize::from(iteration.count), index + 1);
            prop_assert!(iteration.phi <= before, "φ rises: {iteration:?} after {before:e}");
            before = iteration.phi;
            let (phi, scale) = problem.phi(x);
            widest = widest.max(scale);
            let slack = PHI_PER_ITERATION * count(index + 8) * widest;
            let off = (phi - iteration.phi).abs();
            prop_assert!(off <= slack, "φ = {phi:e}, not {iteration:?}: off by {off:e}, {slack:e} allowed");
            // The true residual, as an observer sees it.
            let (x, b) = (DVector::from_column_slice(x), DVector::from_column_slice(&problem.rhs));
            let residual = (&b - &problem.matrix * &x).norm() / b.norm();
            let slack = PHI_PER_ITERATION * count(index + 8) * (1.0 + problem.norm() * x.norm() / b.norm());
            let slack = slack * (1.0 + share.recip().sqrt());
            prop_assert!((residual - iteration.residual).abs() <= slack, "|r| = {residual:e}, {iteration:?}");
        }
    }

    #[test]
    fn a_warm_start_never_ends_above_zero(
        (case, share, reach, iterations) in (moderate(DENSE), dampings(), -4.0..2.0_f64, 1..30_u16)
    ) {
        let problem = Problem::new(&case, share);
        let n = problem.n();
        let mut draw = Draw::new(case.shape.seed ^ 5);
        // Around the solution, or anywhere.
        let solution = problem.solution();
        let spread = 10.0_f64.powf(reach) * solution.norm() / count(n).sqrt();
        let start: Vec<f64> = solution.iter().map(|x| x + spread * draw.number(1.0)).collect();
        let stop = Stop { iterations, residual: 1e-9, progress: 0.0, refresh: 0 };
        let mut memory = start.clone();
        memory.resize(4 * n, f64::NAN);
        let end = problem.with(Preconditioner::None, |system| {
            solve::<f64, Cg>(system, &stop, Start::Warm, &mut memory)
        });
        let (at_start, _) = problem.phi(&start);
        let (phi, scale) = problem.phi(&memory[..n]);
        let slack = PHI_PER_ITERATION * count(usize::from(end.last.count) + 8) * scale;
        prop_assert!(end.last.phi <= 0.0 && phi <= slack, "{end:?}: {phi:e}");
        prop_assert!((phi - end.last.phi).abs() <= slack.max(PHI_PER_ITERATION * problem.phi(&start).1 * 8.0));
        if at_start > slack {
            // Worse than nothing: the start is thrown away, and not a bit of it is left.
            let (cold, cold_end) = problem.solve(Preconditioner::None, &stop);
            prop_assert_eq!(&memory[..n], &cold[..]);
            prop_assert_eq!(end, cold_end);
        } else {
            prop_assert!(phi <= at_start + slack, "{phi:e} after {at_start:e}");
        }
    }

    #[test]
    fn checkpoints_are_iterates(
        (case, share, iterations) in (moderate(DENSE), dampings(), 1..60_u16)
    ) {
        const KEPT: usize = 3;
        let problem = Problem::new(&case, share);
        let n = problem.n();
        let stop = Stop { iterations, residual: 1e-9, progress: 0.0, refresh: 0 };
        let mut memory = vec![f64::NAN; Cg::<KEPT>::VECTORS_OF * n];
        let (_, end, state) = problem.with(Preconditioner::Jacobi, |system| {
            drive::<Cg<KEPT>>(system, &stop, &mut memory, Start::Zero)
        });
        let mut ages = vec![end.last.count];
        let places = (0..).map(|j| (5.0 * 1.3_f64.powi(j)).ceil());
        let mut kept: Vec<u16> = places
            .map_while(|place| (1..end.last.count).find(|&c| f64::from(c) == place))
            .collect();
        kept.reverse();
        kept.truncate(KEPT);
        ages.extend(kept);
        prop_assert_eq!(<Cg<KEPT> as Solver<f64>>::iterates(&state), ages.len());
        for (age, &count) in ages.iter().enumerate() {
            let limited = Stop { iterations: count, ..stop };
            let (expected, _) = problem.solve(Preconditioner::Jacobi, &limited);
            let (found, free) = Cg::<KEPT>::iterate(&state, &mut memory, n, age);
            prop_assert_eq!(found, expected, "age {}, iteration {}", age, count);
            prop_assert_eq!(free.map(|free| free.len()), [n; 2]);
        }
    }

    /// Martens' rule, applied to the φ of a solve that it did not stop.
    #[test]
    fn progress_stops_where_martens_says(
        (case, share, exponent) in (moderate(DENSE), dampings(), -4.0..-1.0_f64)
    ) {
        let problem = Problem::new(&case, share);
        let progress = 10.0_f64.powf(exponent);
        let stop = Stop { iterations: 120, residual: 1e-9, progress: 0.0, refresh: 0 };
        let mut memory = vec![f64::NAN; 4 * problem.n()];
        let (iterations, plain, _) = problem.with(Preconditioner::None, |system| {
            drive::<Cg>(system, &stop, &mut memory, Start::Zero)
        });
        let phi: Vec<f64> = iterations.iter().map(|(iteration, _)| iteration.phi).collect();
        let ends = (1..=phi.len()).find(|&i| {
            let window = i.div_ceil(10).max(10);
            let stalls = |i: usize| {
                let earlier = phi[i - window - 1];
                (phi[i - 1] - earlier) / phi[i - 1] < count(window) * progress
            };
            i > window && i < 120 && stalls(i)
        });
        let (_, end) = problem.solve(Preconditioner::None, &Stop { progress, ..stop });
        match ends {
            Some(i) if i < phi.len() => {
                prop_assert_eq!((end.status, usize::from(end.last.count)), (Status::Progress, i));
            }
            _ => prop_assert_eq!(end, plain),
        }
    }
}

/// The number of vectors, without naming the scalar at every use.
trait VectorsOf {
    const VECTORS_OF: usize;
}

impl<const KEPT: usize> VectorsOf for Cg<KEPT> {
    const VECTORS_OF: usize = <Self as Solver<f64>>::VECTORS;
}
