//! The solvers, without a network: how a solve ends, and what it does until then.

mod breakdown;
mod course;
mod minres;

use natgrad::krylov::{Advance, Cg, Iteration, Solve, Solver, Start, Stop, System, solve};
use natgrad::operator::{Identity, LinearOperator};

/// A dense matrix as the sum of its columns: one part each.
struct Dense<const N: usize>([[f32; N]; N]);

impl<const N: usize> LinearOperator<f32> for Dense<N> {
    fn dim(&self) -> usize {
        N
    }
    fn parts(&self) -> usize {
        N
    }
    fn apply_part(&mut self, part: usize, v: &[f32], out: &mut [f32], quad: &mut f32) {
        for (i, row) in self.0.iter().enumerate() {
            out[i] += row[part] * v[part];
            *quad += v[i] * row[part] * v[part];
        }
    }
}

/// Symmetric and positive definite, with eigenvalues over four orders of magnitude.
fn hard<const N: usize>() -> Dense<N> {
    let mut matrix = [[0.0; N]; N];
    let mut weight = 1.0;
    for k in 0..N {
        let mut column = [0.0_f32; N];
        for (i, c) in column.iter_mut().enumerate() {
            *c = f32::from(i8::try_from((i * (2 * k + 3) + k) % 11).unwrap() - 5);
        }
        for i in 0..N {
            for j in 0..N {
                matrix[i][j] += weight * column[i] * column[j];
            }
        }
        matrix[k][k] += 0.01;
        weight *= 0.5;
    }
    Dense(matrix)
}

fn ramp<const N: usize>() -> [f32; N] {
    core::array::from_fn(|i| f32::from(u8::try_from(i).unwrap()) - 2.5)
}

/// No rule but the limit and an exact residual.
fn limit(iterations: u16) -> Stop<f32> {
    Stop {
        iterations,
        residual: 0.0,
        progress: 0.0,
        refresh: 0,
    }
}

fn run<S: Solver<f32>>(
    operator: &mut dyn LinearOperator<f32>,
    preconditioner: &mut dyn LinearOperator<f32>,
    rhs: &[f32],
    stop: &Stop<f32>,
    warm: Option<&[f32]>,
) -> (Solve<f32>, Vec<f32>) {
    // What the memory held before must not matter.
    let mut memory = vec![f32::NAN; S::VECTORS * rhs.len()];
    if let Some(warm) = warm {
        for (m, &w) in memory.iter_mut().zip(warm) {
            *m = w;
        }
    }
    let start = if warm.is_some() {
        Start::Warm
    } else {
        Start::Zero
    };
    let system = System {
        operator,
        preconditioner,
        rhs,
    };
    let end = solve::<f32, S>(system, stop, start, &mut memory);
    memory.truncate(rhs.len());
    (end, memory)
}

fn cold(
    operator: &mut dyn LinearOperator<f32>,
    rhs: &[f32],
    stop: &Stop<f32>,
) -> (Solve<f32>, Vec<f32>) {
    run::<Cg>(operator, &mut Identity::new(rhs.len()), rhs, stop, None)
}

/// |b − Ax| / |b|, in f64.
fn true_residual<const N: usize>(a: &Dense<N>, x: &[f32], b: &[f32]) -> f64 {
    let (mut r2, mut b2) = (0.0, 0.0);
    for (row, &b) in a.0.iter().zip(b) {
        let ax: f64 = row
            .iter()
            .zip(x)
            .map(|(&a, &x)| f64::from(a) * f64::from(x))
            .sum();
        r2 += (f64::from(b) - ax) * (f64::from(b) - ax);
        b2 += f64::from(b) * f64::from(b);
    }
    (r2 / b2).sqrt()
}

/// Every iteration that an observer sees.
fn observe<S: Solver<f32>>(
    operator: &mut dyn LinearOperator<f32>,
    rhs: &[f32],
    stop: &Stop<f32>,
) -> (Vec<Iteration<f32>>, Solve<f32>, S::State, Vec<f32>) {
    let mut memory = vec![0.0; S::VECTORS * rhs.len()];
    let mut state = S::begin(Start::Zero);
    let mut seen = Vec::new();
    loop {
        let system = System {
            operator: &mut *operator,
            preconditioner: &mut Identity::new(rhs.len()),
            rhs,
        };
        match S::advance(&mut state, system, stop, &mut memory) {
            Advance::Working => {}
            Advance::Iterated(iteration) => seen.push(iteration),
            Advance::Done(end) => return (seen, end, state, memory),
        }
    }
}
