//! Full-batch rivals from a library: L-BFGS and nonlinear conjugate gradients over the core's own loss and
//! gradient.
//!
//! Both minimise what a training run with the whole training set as its batch minimises,
//!
//! ```text
//! L(θ) = (1/n) Σᵢ ℓᵢ(θ) + ½ l₂ |θ|²        g = ∇L
//! θ ← θ + α d                              α > 0 by the search of Moré and Thuente
//!
//! L-BFGS        d = −H g,  H from the last m pairs s = θ⁺ − θ, y = g⁺ − g and (sᵀy / yᵀy) I before them
//! nonlinear CG  d = −g + max(0, gᵀ(g − g⁻) / |g⁻|²) d⁻, Polak and Ribière's β not below 0
//! ```
//!
//! in f64, without a random number. The methods and the search are those of [`argmin`], since a rival of
//! our own making would prove less. Ours are the first trial of a search, the judgement of where it ended,
//! and the restart after one that failed: with them the rivals are as strong as elsewhere. After 800
//! gradients from the same start on 500 curves (auto-encoders 144-64-32-6-32-64-144, logistic and tanh),
//! the loss of L-BFGS is within 0.5 % of that of `SciPy` 1.17's `L-BFGS-B`, that of nonlinear CG 1 to 2 %
//! below that of its `CG`.
//!
//! Reference: Nocedal & Wright 2006, *Numerical Optimization*, sections 3.5, 5.2 and 7.2; Moré & Thuente
//! 1994, *Line search algorithms with guaranteed sufficient decrease*.

mod objective;
mod search;
#[cfg(test)]
mod tests;

use argmin::core::{IterState, Problem, Solver, State as _};
use argmin::solver::conjugategradient::NonlinearConjugateGradient;
use argmin::solver::conjugategradient::beta::PolakRibierePlus;
use argmin::solver::quasinewton::LBFGS;
use natgrad::Model;

use self::objective::{Evaluation, Objective};
use self::search::{FirstTrial, Search};
use crate::data::Dataset;
use crate::error::Error;
use crate::evaluation::Examples;

/// A rival and its one setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// L-BFGS. Memory: 2m vectors of length P and some 10 more.
    Lbfgs {
        /// m, the pairs that it remembers: 1 to 1,000.
        memory: usize,
    },
    /// Nonlinear conjugate gradients. Memory: some 10 vectors of length P.
    NonlinearCg {
        /// β is 0 in every so many iterations: at least 1, and usually P.
        restart: u64,
    },
}

impl Baseline {
    /// L-BFGS that remembers 10 pairs.
    pub const LBFGS: Self = Self::Lbfgs { memory: 10 };

    /// Nonlinear conjugate gradients that restart every P iterations, as they would on a quadratic.
    pub const fn nonlinear_cg(model: &Model<'_>) -> Self {
        Self::NonlinearCg {
            restart: model.params() as u64,
        }
    }

    fn check(self) -> Result<(), Error> {
        match self {
            Self::Lbfgs {
                memory: 1..=MOST_PAIRS,
            }
            | Self::NonlinearCg { restart: 1.. } => Ok(()),
            Self::Lbfgs { .. } => {
                let problem = format!("must be from 1 to {MOST_PAIRS} pairs");
                Err(Error::option("the memory of L-BFGS", problem))
            }
            Self::NonlinearCg { .. } => {
                let problem = "must be at least 1 iteration";
                Err(Error::option("the restart of nonlinear CG", problem))
            }
        }
    }
}

/// L-BFGS reserves the memory for all its pairs beforehand.
const MOST_PAIRS: usize = 1000;

/// What a run may spend. It ends at the first limit that it meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The most iterations.
    pub iterations: u64,
    /// The most multiply-accumulates; never exceeded.
    pub macs: u64,
}

/// What a run tells whoever watches: where it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step<'a> {
    /// Iterations so far: 0 at the start.
    pub iteration: u64,
    /// L(θ), L2 term included.
    pub loss: f64,
    /// Multiply-accumulates of all passes over examples so far, counted as
    /// [`Report::macs`](natgrad::optimizer::Report::macs) counts them.
    pub macs: u64,
    /// θ `[P]`.
    pub params: &'a [f64],
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All iterations are made.
    Iterations,
    /// The multiply-accumulates left do not pay for another gradient.
    Macs,
    /// The gradient is zero.
    Stationary,
    /// No step was found that lowers the loss, along −g neither: the floor of rounding as a rule, with ReLU
    /// perhaps a kink.
    Stalled,
    /// The watcher asked for it.
    Interrupted,
}

/// The totals of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Why it ended.
    pub ended: Ended,
    /// The iterations made.
    pub iterations: u64,
    /// L(θ) of the parameters that it leaves, L2 term included.
    pub loss: f64,
    /// Multiply-accumulates of all passes over examples, those of a last search that failed included.
    pub macs: u64,
}

/// Minimises L over `params` `[P]` by `baseline`, from where they are.
///
/// `observe` is called at the start and after every iteration; the run ends when it returns false. The
/// loss falls with every iteration, so `params` are left at the least loss that it was told. Every
/// failure after the start is an end like others: a search that finds no step, or an overflow that it
/// cannot avoid, makes the method start anew from −g, and if that fails too the run has
/// [`Stalled`](Ended::Stalled).
///
/// # Errors
/// [`Error::Option`], when a setting or `l2` is out of its range, the budget does not pay for one gradient
/// or the network is too large; [`Error::File`], when `params` is not of length P, the data does not fit
/// the model, or parameters, loss or gradient are not finite at the start. `params` are not changed then.
///
/// Cost: one [`Pass::Gradient`](natgrad::Pass::Gradient) over all examples for the start and for each trial
/// of a search, whether its loss, its gradient or both are looked at. L-BFGS makes little more than one
/// trial an iteration, nonlinear CG about two.
pub fn run(
    model: Model<'_>,
    params: &mut [f64],
    baseline: Baseline,
    l2: f64,
    train: &Dataset,
    budget: Budget,
    observe: &mut dyn FnMut(Step<'_>) -> bool,
) -> Result<Summary, Error> {
    baseline.check()?;
    let examples = Examples::new(train)?;
    let objective = Objective::new(model, examples.batch(), l2, budget.macs)?;
    let start = objective.start(params, train.name())?;
    let (summary, last) = match baseline {
        Baseline::Lbfgs { memory } => {
            let solver = || LBFGS::new(Search::new(0.9, FirstTrial::Unit), memory);
            descend(&objective, solver, start, budget, observe)
        }
        Baseline::NonlinearCg { restart } => {
            let solver = || {
                let search = Search::new(0.1, FirstTrial::SameDecrease);
                NonlinearConjugateGradient::new(search, PolakRibierePlus::new())
                    .restart_iters(restart)
            };
            descend(&objective, solver, start, budget, observe)
        }
    };
    params.copy_from_slice(&last.params);
    Ok(summary)
}

/// What argmin's methods carry from one iteration to the next: parameters, loss and gradient.
type State = IterState<Vec<f64>, Vec<f64>, (), (), (), f64>;

/// The loop of a run; returns its totals and the evaluation at which it ended.
fn descend<'o, S: Solver<&'o Objective<'o>, State>>(
    objective: &'o Objective<'o>,
    solver: impl Fn() -> S,
    start: Evaluation,
    budget: Budget,
    observe: &mut dyn FnMut(Step<'_>) -> bool,
) -> (Summary, Evaluation) {
    let mut iterate = start;
    let mut iteration = 0;
    let mut descent: Option<Descent<'o, S>> = None;
    let ended = loop {
        let step = Step {
            iteration,
            loss: iterate.loss,
            macs: objective.macs(),
            params: &iterate.params,
        };
        if !observe(step) {
            break Ended::Interrupted;
        }
        if iteration >= budget.iterations {
            break Ended::Iterations;
        }
        if iterate.gradient.iter().all(|g| *g == 0.0) {
            break Ended::Stationary;
        }
        // Where a direction made of the past leads nowhere, −g still may.
        let restarted = || Descent::new(objective, solver(), &iterate)?.advance();
        let advanced = descent.take().and_then(Descent::advance);
        let Some(next) = advanced.or_else(restarted) else {
            break if objective.affords_another() {
                Ended::Stalled
            } else {
                Ended::Macs
            };
        };
        descent = Some(next);
        // Every method asks for the gradient of its new parameters last.
        iterate = objective.last();
        iteration += 1;
    };
    let summary = Summary {
        ended,
        iterations: iteration,
        loss: iterate.loss,
        macs: objective.macs(),
    };
    (summary, iterate)
}

/// A method under way.
///
/// The loop around it is ours and not argmin's `Executor`: that one drops the parameters when a search
/// fails, and lends its observers nothing.
struct Descent<'o, S> {
    solver: S,
    problem: Problem<&'o Objective<'o>>,
    state: State,
}

impl<'o, S: Solver<&'o Objective<'o>, State>> Descent<'o, S> {
    /// The method without a past, at an iterate.
    fn new(objective: &'o Objective<'o>, mut solver: S, iterate: &Evaluation) -> Option<Self> {
        objective.recall(iterate);
        let mut problem = Problem::new(objective);
        let state = State::new()
            .param(iterate.params.clone())
            .cost(iterate.loss)
            .gradient(iterate.gradient.clone());
        let (state, _) = solver.init(&mut problem, state).ok()?;
        Some(Self {
            solver,
            problem,
            state,
        })
    }

    /// One iteration; `None` when its search fails.
    fn advance(self) -> Option<Self> {
        let Self {
            mut solver,
            mut problem,
            state,
        } = self;
        let (mut state, _) = solver.next_iter(&mut problem, state).ok()?;
        // L-BFGS ends where others return the error.
        if state.terminated() {
            return None;
        }
        state.increment_iter();
        Some(Self {
            solver,
            problem,
            state,
        })
    }
}
