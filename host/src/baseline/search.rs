//! The line search: argmin's, with a first trial and a judgement of its own.
//!
//! Along d from θ it looks for the strong Wolfe conditions
//!
//! ```text
//! L(θ + αd) ≤ L(θ) + c₁ α gᵀd     and     |∇L(θ + αd)ᵀd| ≤ c₂ |gᵀd|     c₁ = 10⁻⁴
//! ```

use std::cell::Cell;
use std::rc::Rc;

use argmin::core::{CostFunction, Error as Failure, Gradient, KV, Problem, Solver, State as _};
use argmin::solver::linesearch::{LineSearch, MoreThuenteLineSearch};
use argmin_math::{ArgminDot, ArgminScaledAdd, ArgminSub};

use super::State;

/// c₁, the constant of sufficient decrease.
const DECREASE: f64 = 1e-4;

/// The α that a search may try. argmin's lower bound of 1.5·10⁻⁸ is too much for the steepest descent of
/// data that is not scaled.
const SHORTEST: f64 = 1e-20;
const LONGEST: f64 = 1e20;

/// The most trials of a search. A sound one ends after a few; argmin's has no limit of its own.
const TRIALS: usize = 40;

/// The first α of a search that is not the first one; that one begins with a step of length 1 at most, as
/// no scale is known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FirstTrial {
    /// 1, for a direction that has the length of a step.
    Unit,
    /// The α for which αgᵀd is the gᵀs of the step before, for a direction without scale (Nocedal & Wright
    /// 2006, section 3.5). argmin itself would begin with 1, and take twice as many trials.
    SameDecrease,
}

/// The search of Moré and Thuente as argmin's methods call it; one iteration of it is a whole search.
#[derive(Clone)]
pub(super) struct Search {
    inner: MoreThuenteLineSearch<Vec<f64>, Vec<f64>, f64>,
    first: FirstTrial,
    direction: Vec<f64>,
    /// gᵀs of the last step. Shared, since argmin clones the search for every direction.
    predicted: Rc<Cell<Option<f64>>>,
}

impl Search {
    /// A search to the curvature c₂ `curvature`, from c₁ to 1.
    ///
    /// # Panics
    /// When c₂ is out of that range.
    pub(super) fn new(curvature: f64, first: FirstTrial) -> Self {
        let inner = MoreThuenteLineSearch::new()
            .with_c(DECREASE, curvature)
            .and_then(|search| search.with_bounds(SHORTEST, LONGEST))
            .expect("0 < c₁ < c₂ < 1 and 0 ≤ shortest < longest");
        Self {
            inner,
            first,
            direction: Vec::new(),
            predicted: Rc::default(),
        }
    }

    fn first_trial(&self, gradient: &Vec<f64>, slope: f64) -> f64 {
        let alpha = match (self.predicted.get(), self.first) {
            (None, _) => {
                let squared: f64 = gradient.dot(gradient);
                squared.sqrt().recip().min(1.0)
            }
            (Some(_), FirstTrial::Unit) => 1.0,
            (Some(predicted), FirstTrial::SameDecrease) => predicted / slope,
        };
        alpha.clamp(SHORTEST, LONGEST)
    }
}

impl LineSearch<Vec<f64>, f64> for Search {
    fn search_direction(&mut self, direction: Vec<f64>) {
        self.direction = direction;
    }

    /// The methods that are used here never call it: a search chooses its first trial itself.
    fn initial_step_length(&mut self, alpha: f64) -> Result<(), Failure> {
        self.inner.initial_step_length(alpha)
    }
}

impl<O> Solver<O, State> for Search
where
    O: CostFunction<Param = Vec<f64>, Output = f64>
        + Gradient<Param = Vec<f64>, Gradient = Vec<f64>>,
{
    fn name(&self) -> &'static str {
        "Moré-Thuente"
    }

    fn init(&mut self, _: &mut Problem<O>, state: State) -> Result<(State, Option<KV>), Failure> {
        Ok((state, None))
    }

    fn next_iter(
        &mut self,
        problem: &mut Problem<O>,
        mut state: State,
    ) -> Result<(State, Option<KV>), Failure> {
        let loss = state.get_cost();
        let (Some(params), Some(gradient)) = (state.take_param(), state.take_gradient()) else {
            return Err(Failure::msg("a search begins with parameters and gradient"));
        };
        let slope: f64 = gradient.dot(&self.direction);
        let descends = slope < 0.0;
        if !descends {
            return Err(Failure::msg("the direction does not descend"));
        }

        // Of a trial that overflows nothing can be interpolated. The one that does not is not evaluated
        // again.
        let mut alpha = self.first_trial(&gradient, slope);
        let mut trials = 0;
        while !problem
            .cost(&params.scaled_add(&alpha, &self.direction))?
            .is_finite()
        {
            alpha *= 0.1;
            trials += 1;
            if trials == TRIALS {
                return Err(Failure::msg("every trial overflows"));
            }
        }

        self.inner.search_direction(self.direction.clone());
        self.inner.initial_step_length(alpha)?;
        let start = State::new()
            .param(params.clone())
            .cost(loss)
            .gradient(gradient.clone());
        let (mut search, _) = self.inner.init(problem, start)?;
        for _ in 0..TRIALS {
            (search, _) = self.inner.next_iter(problem, search)?;
            let ended = search.terminated();
            let (true, Some(to), Some(there)) = (ended, search.get_param(), search.get_gradient())
            else {
                continue;
            };
            // argmin calls it convergence, too, when the interval has shrunk to nothing. A step has to
            // lower the loss; and L-BFGS needs sᵀy > 0, or its metric is not positive definite.
            let slope_there: f64 = there.dot(&self.direction);
            if !(search.get_cost() < loss && slope_there > slope) {
                return Err(Failure::msg("no step lowers the loss"));
            }
            self.predicted.set(Some(gradient.dot(&to.sub(&params))));
            return Ok((search, None));
        }
        Err(Failure::msg("the search does not end"))
    }
}
