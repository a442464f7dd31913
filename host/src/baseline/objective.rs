//! The objective of a run as argmin asks for it, and what its evaluations cost.

use std::cell::RefCell;

use argmin::core::{CostFunction, Error as Failure, Gradient};
use argmin_math::ArgminDot;
use natgrad::{Batch, Mlp, Model, Pass};

use crate::error::Error;
use crate::evaluation::TILE;
use crate::memory::zeros;
use crate::training::refused;

/// L and ∇L at one θ.
#[derive(Clone, Debug, Default)]
pub(super) struct Evaluation {
    /// θ `[P]`.
    pub(super) params: Vec<f64>,
    /// L(θ), with its L2 term; +∞ where it or the gradient is not finite.
    pub(super) loss: f64,
    /// ∇L(θ) `[P]`.
    pub(super) gradient: Vec<f64>,
}

/// L over one batch, evaluated within a budget.
///
/// argmin asks for loss and gradient one after the other, and for both again where a search has ended. The
/// last evaluation is therefore kept: one backward pass gives both, and its arithmetic is done, and
/// counted, once.
pub(super) struct Objective<'a> {
    model: Model<'a>,
    batch: Batch<'a, f64>,
    l2: f64,
    /// Multiply-accumulates of one evaluation.
    cost: u64,
    /// Multiply-accumulates of all of them, at most.
    budget: u64,
    /// argmin evaluates through a shared reference.
    work: RefCell<Work>,
}

/// What an evaluation changes.
struct Work {
    scratch: Vec<f64>,
    macs: u64,
    last: Evaluation,
}

impl<'a> Objective<'a> {
    /// The mean loss over `batch` and ½ l₂ |θ|².
    ///
    /// # Errors
    /// [`Error::Option`], when `l2` is negative or not finite, or the network too large.
    pub(super) fn new(
        model: Model<'a>,
        batch: Batch<'a, f64>,
        l2: f64,
        budget: u64,
    ) -> Result<Self, Error> {
        if !(l2 >= 0.0 && l2.is_finite()) {
            let problem = "must be finite and not negative";
            return Err(Error::option("the L2 strength", problem));
        }
        let work = Work {
            scratch: zeros(Pass::Gradient.scratch_len(&model, TILE))?,
            macs: 0,
            last: Evaluation {
                gradient: zeros(model.params())?,
                ..Evaluation::default()
            },
        };
        let examples = batch.len(&model) as u64;
        Ok(Self {
            model,
            batch,
            l2,
            cost: model.macs(Pass::Gradient).saturating_mul(examples),
            budget,
            work: RefCell::new(work),
        })
    }

    /// The evaluation that a run begins with; `data` names the examples.
    ///
    /// # Errors
    /// [`Error::Option`], when the budget does not pay for it; [`Error::File`], when the core refuses the
    /// parameters or the batch, or something is not finite.
    pub(super) fn start(&self, params: &[f64], data: &str) -> Result<Evaluation, Error> {
        if !self.affords_another() {
            let problem = format!("must pay for one gradient, which takes {}", self.cost);
            return Err(Error::option("the multiply-accumulates", problem));
        }
        self.evaluate(params)
            .map_err(|error| refused(data, error))?;
        let start = self.last();
        if start.loss.is_finite() {
            return Ok(start);
        }
        let problem = "the loss or its gradient is not finite at the initial parameters";
        Err(Error::file(data, problem))
    }

    /// The evaluation made or recalled last.
    pub(super) fn last(&self) -> Evaluation {
        self.work.borrow().last.clone()
    }

    /// Takes up an earlier evaluation, so that it is not made again.
    pub(super) fn recall(&self, evaluation: &Evaluation) {
        self.work.borrow_mut().last.clone_from(evaluation);
    }

    /// Multiply-accumulates so far.
    pub(super) fn macs(&self) -> u64 {
        self.work.borrow().macs
    }

    /// Whether the budget pays for another evaluation.
    pub(super) fn affords_another(&self) -> bool {
        self.macs().saturating_add(self.cost) <= self.budget
    }

    fn evaluate(&self, params: &[f64]) -> Result<(), natgrad::Error> {
        let Work {
            scratch,
            macs,
            last,
        } = &mut *self.work.borrow_mut();
        let mut mlp = Mlp::<f64, TILE>::new(self.model, params, scratch)?;
        let loss = match mlp.gradient(&self.batch, &mut last.gradient) {
            Err(natgrad::Error::NonFinite) => f64::INFINITY,
            loss => loss?,
        };
        *macs = macs.saturating_add(self.cost);
        last.params.clear();
        last.params.extend_from_slice(params);
        for (g, theta) in last.gradient.iter_mut().zip(params) {
            *g += self.l2 * theta;
        }
        let squared: f64 = last.params.dot(&last.params);
        let loss = loss + 0.5 * (self.l2 * squared);
        let finite = loss.is_finite() && last.gradient.iter().all(|g| g.is_finite());
        last.loss = if finite { loss } else { f64::INFINITY };
        Ok(())
    }

    /// Makes the evaluation at `params` the last one.
    fn visit(&self, params: &[f64]) -> Result<(), Failure> {
        if self.work.borrow().last.params == params {
            return Ok(());
        }
        if !self.affords_another() {
            return Err(Failure::msg("the budget is spent"));
        }
        Ok(self.evaluate(params)?)
    }
}

impl CostFunction for &Objective<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, params: &Vec<f64>) -> Result<f64, Failure> {
        self.visit(params)?;
        Ok(self.work.borrow().last.loss)
    }
}

impl Gradient for &Objective<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, params: &Vec<f64>) -> Result<Vec<f64>, Failure> {
        self.visit(params)?;
        Ok(self.work.borrow().last.gradient.clone())
    }
}
