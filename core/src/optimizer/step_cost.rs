//! What a step of natural gradient costs by each way to solve its system, known before anything runs.
//!
//! | [`StepSolver`] | system | beside the passes over examples | numbers beside vectors and passes |
//! |---|---|---|---|
//! | `Gram` | n × n, n = BK | B²/2 · I + n²/2 · U + n³/6 | B·I + n·U + n²/2 |
//! | `Cg` | P × P, by products | | |
//! | `Dense` | P × P | n · P²/2 + P³/6 | P²/2 |
//!
//! for B examples of K outputs, P trained parameters, and I inputs and U units of all trained layers.
//!
//! Reference: Ren & Goldfarb 2019.

use super::{DualMetric, Gram, Kronecker, Method, NaturalGradient, Trainer};
use crate::dense::Rows;
use crate::likelihood::Likelihood;
use crate::plan::{DualStorage, Model, Pass, Storage, Weights};
use crate::scalar::Scalar;

/// How the system of a step of natural gradient is solved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum StepSolver {
    /// In output space: [`Gram`] as it is by default, with the capacity for the batch.
    Gram,
    /// By conjugate gradients: [`NaturalGradient`] as it is by default.
    Cg,
    /// By the Fisher matrix itself. No method of this crate: what the other two are measured against.
    Dense,
}

/// What a step costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StepCost {
    /// Multiply-accumulates of a step that succeeds at its first attempt, as [`Report::macs`](super::Report::macs)
    /// counts them.
    pub macs: u64,
    /// Bytes of RAM, as [`Trainer::fits`] counts them: [`Trainer::bytes`] without room for examples, and
    /// [`Trainer::stack`].
    pub bytes: usize,
}

/// What a step costs by each solver: [`Model::step_costs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StepCosts {
    /// [`StepSolver::Gram`].
    pub gram: StepCost,
    /// [`StepSolver::Cg`].
    pub cg: StepCost,
    /// [`StepSolver::Dense`].
    pub dense: StepCost,
}

impl StepCosts {
    /// The cost by one of them.
    pub const fn of(&self, solver: StepSolver) -> StepCost {
        match solver {
            StepSolver::Gram => self.gram,
            StepSolver::Cg => self.cg,
            StepSolver::Dense => self.dense,
        }
    }

    /// The solver with the fewest multiply-accumulates of those that take at most `ram` bytes, the first of equal
    /// ones; `None` when none of them does.
    pub const fn cheapest(&self, ram: usize) -> Option<StepSolver> {
        let mut solvers: &[StepSolver] = &[StepSolver::Gram, StepSolver::Cg, StepSolver::Dense];
        let mut best: Option<StepSolver> = None;
        while let [solver, rest @ ..] = solvers {
            let cost = self.of(*solver);
            let better = match best {
                None => true,
                Some(best) => cost.macs < self.of(best).macs,
            };
            if cost.bytes <= ram && better {
                best = Some(*solver);
            }
            solvers = rest;
        }
        best
    }
}

impl Model<'_> {
    /// What a step of natural gradient over `batch` examples costs by each solver, in the scalar `T` and tiles of
    /// `TILE` examples; that of conjugate gradients with all of `iterations`, which it often stops short of
    /// ([`Stop`](crate::krylov::Stop)). No L2 term and no metric batch.
    ///
    /// ```
    /// use natgrad::optimizer::StepSolver;
    /// use natgrad::{Activation, Likelihood, Plan};
    ///
    /// const PLAN: Plan<3> = match Plan::new([4, 12, 1], Activation::Tanh, Likelihood::Gaussian) {
    ///     Ok(plan) => plan,
    ///     Err(error) => panic!("{}", error.message()),
    /// };
    /// const SOLVER: Option<StepSolver> = PLAN.model().step_costs::<f32, 1>(16, 50).cheapest(16 * 1024);
    /// assert_eq!(SOLVER, Some(StepSolver::Gram));
    /// ```
    ///
    /// With n = BK, and g, v, j, p, l the multiply-accumulates of a gradient, `Jᵀu`, `Jv`, a product and a loss
    /// ([`Model::macs`]), j′ = j where the logits are bounded, which those of Gaussian outputs are not, and of the
    /// weights w, t and u those of all layers, of the trained ones and of all after the first trained one:
    ///
    /// | | multiply-accumulates |
    /// |---|---|
    /// | Gram | B(w + Ku + 2(t + KU) + j′ + l) + B·I + n·U + B(B + 1)/2 · I + n(n + 1)/2 · U + n(n + 1)(n + 2)/6 + n(n + 1); a first step has t + KU once |
    /// | CG | B(g + Kv + j + l + p · iterations) |
    /// | dense | B(g + Kv + j′ + l) + n · P(P + 1)/2 + P(P + 1)(P + 2)/6 + P(P + 1) |
    ///
    /// Memory of the dense one: as natural gradient by CG, but with the gradient, the direction, a row of QᵀJ and the
    /// lower half of the matrix in the place of its vectors. All saturate instead of overflowing.
    pub const fn step_costs<T: Scalar, const TILE: usize>(
        &self,
        batch: usize,
        iterations: u16,
    ) -> StepCosts {
        StepCosts {
            gram: StepCost {
                macs: self.gram_macs(batch),
                bytes: bytes::<T, Gram<T, 1>, TILE>(self, gram_storage::<T>(batch)),
            },
            cg: StepCost {
                macs: self.cg_macs(batch, iterations),
                bytes: bytes::<T, NaturalGradient<T>, TILE>(
                    self,
                    <NaturalGradient<T> as Method<T>>::STORAGE,
                ),
            },
            dense: StepCost {
                macs: self.dense_macs(batch),
                bytes: bytes::<T, NaturalGradient<T>, TILE>(self, dense_storage(self)),
            },
        }
    }

    const fn gram_macs(&self, batch: usize) -> u64 {
        let (examples, n) = (batch as u64, self.rows(batch));
        let (inputs, units) = (self.trained_inputs() as u64, self.trained_units() as u64);
        let Weights { all, behind, .. } = self.weights();
        let passes = behind
            .saturating_mul(self.dim_out() as u64)
            .saturating_add(all)
            .saturating_add(self.row_macs().saturating_mul(2))
            .saturating_add(self.reach_macs())
            .saturating_add(self.macs(Pass::Loss));
        let factors = examples
            .saturating_mul(inputs)
            .saturating_add(n.saturating_mul(units));
        let matrix = triangle(examples)
            .saturating_mul(inputs)
            .saturating_add(triangle(n).saturating_mul(units));
        examples
            .saturating_mul(passes)
            .saturating_add(factors)
            .saturating_add(matrix)
            .saturating_add(solve_macs(n))
    }

    const fn cg_macs(&self, batch: usize, iterations: u16) -> u64 {
        let products = self.macs(Pass::Product).saturating_mul(iterations as u64);
        let example = self
            .macs(Pass::Gradient)
            .saturating_add(self.columns_macs())
            .saturating_add(products)
            .saturating_add(self.macs(Pass::Jvp))
            .saturating_add(self.macs(Pass::Loss));
        (batch as u64).saturating_mul(example)
    }

    const fn dense_macs(&self, batch: usize) -> u64 {
        let p = self.trained_params() as u64;
        let example = self
            .macs(Pass::Gradient)
            .saturating_add(self.columns_macs())
            .saturating_add(self.reach_macs())
            .saturating_add(self.macs(Pass::Loss));
        (batch as u64)
            .saturating_mul(example)
            .saturating_add(self.rows(batch).saturating_mul(triangle(p)))
            .saturating_add(solve_macs(p))
    }

    /// BK.
    const fn rows(&self, batch: usize) -> u64 {
        (batch as u64).saturating_mul(self.dim_out() as u64)
    }

    /// The K backward passes of an example.
    const fn columns_macs(&self) -> u64 {
        self.macs(Pass::Vjp).saturating_mul(self.dim_out() as u64)
    }

    /// The pass that bounds the logits, where they are.
    const fn reach_macs(&self) -> u64 {
        match self.likelihood() {
            Likelihood::Gaussian => 0,
            Likelihood::Bernoulli | Likelihood::Categorical => self.macs(Pass::Jvp),
        }
    }
}

/// The memory of [`Gram`] with the capacity `batch`.
const fn gram_storage<T: Scalar>(batch: usize) -> Storage {
    let dual = DualStorage {
        examples: batch,
        factors: Kronecker::FACTORS,
    };
    <Gram<T, 1> as Method<T>>::STORAGE.with_dual(dual)
}

const fn dense_storage(model: &Model<'_>) -> Storage {
    Storage::vectors(3)
        .with_scalars(Rows::packed_len(model.trained_params()))
        .and(Pass::Product.storage())
}

/// Parameters, workspace, the trainer of `M` and its stack.
const fn bytes<T: Scalar, M: Method<T>, const TILE: usize>(
    model: &Model<'_>,
    storage: Storage,
) -> usize {
    let scalars = model.params().saturating_add(storage.len(model, TILE));
    scalars
        .saturating_mul(size_of::<T>())
        .saturating_add(size_of::<Trainer<'_, T, M, TILE>>())
        .saturating_add(Trainer::<T, M, TILE>::stack())
}

/// n(n + 1)/2.
const fn triangle(n: u64) -> u64 {
    n.saturating_mul(n.saturating_add(1)) / 2
}

/// A Cholesky factor of order n, and the two solves with it.
const fn solve_macs(n: u64) -> u64 {
    let factor = n
        .saturating_mul(n.saturating_add(1))
        .saturating_mul(n.saturating_add(2))
        / 6;
    factor.saturating_add(n.saturating_mul(n.saturating_add(1)))
}
