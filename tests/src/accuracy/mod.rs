//! What every method takes to a given accuracy: the table of the README, its grid, its seeds and its data.
//!
//! The settings of first-order methods are chosen on [`GRID_SEEDS`], separately for each accuracy; what is reported
//! comes from other seeds. All methods have the same budget.

pub mod grid;
pub mod plot;
pub mod record;
mod rival;
pub mod table;
pub mod target;
pub mod work;

use accuracy::{
    Arrival, Batches, CAPACITIES, Cg, Descent, Exact, FEW, Heavy, Memory, Moments, PLANS, Point,
    Rated, Schedule, Setting, Spring, TILE, Task, workspace_len,
};
use natgrad::optimizer::{Adam, Gram, NaturalGradient, Sgd};

/// The seeds on which settings are chosen.
pub const GRID_SEEDS: [u64; 3] = [101, 102, 103];

/// A method, as a type of the library.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// In output space, without memory.
    Exact,
    /// In output space, with the memory of SPRING.
    Spring,
    /// Natural gradient by CG.
    Cg,
    /// Adam.
    Adam,
    /// Plain gradient descent.
    Sgd,
    /// The same with momentum 0.9.
    Momentum,
    /// L-BFGS in f64 over all examples, on the host only.
    Lbfgs,
}

/// A method with all its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// The method.
    pub method: Method,
    /// Its learning rate; 0 where it has none.
    pub rate: f32,
    /// Beside it.
    pub setting: Setting,
}

impl Choice {
    /// With a batch that stays.
    pub fn new(method: Method, rate: f32, batch: u16, schedule: Schedule) -> Self {
        let batches = Batches::Of(batch);
        Self {
            method,
            rate,
            setting: Setting { batches, schedule },
        }
    }

    /// The default of a method: for natural gradient in output space that of the library, over a batch that grows;
    /// by CG a batch of 64; for first-order methods the rates that are usual, and a batch of 16.
    pub fn default_of(method: Method, task: &Task) -> Self {
        let constant = Schedule::Constant;
        match method {
            Method::Exact | Method::Spring => Self {
                method,
                rate: 0.0,
                setting: Setting {
                    batches: Batches::GrowingTo(capacity(task)),
                    schedule: constant,
                },
            },
            Method::Cg => Self::new(method, 0.0, 64, constant),
            Method::Adam => Self::new(method, 0.001, 16, constant),
            Method::Sgd | Method::Momentum => Self::new(method, 0.01, 16, constant),
            Method::Lbfgs => Self::new(method, 0.0, u16::MAX, constant),
        }
    }
}

/// The most examples of a step in output space.
pub fn capacity(task: &Task) -> u16 {
    let few = task.model.dim_out() <= FEW;
    let [of_few, of_many] = CAPACITIES;
    let capacity = if few { of_few } else { of_many };
    u16::try_from(capacity).unwrap_or(u16::MAX)
}

/// The most examples of a step.
pub(crate) fn most_of(choice: Choice) -> usize {
    match choice.setting.batches {
        Batches::Of(len) | Batches::GrowingTo(len) => len.into(),
    }
}

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Where it reached the accuracies.
    pub arrival: Arrival,
    /// Where it was last.
    pub end: Point,
    /// The loss of the held-out examples there; NaN where the run failed.
    pub held_out: f32,
}

/// Runs a choice from a seed; `seen` looks at its points.
pub fn simulate(task: &Task, choice: Choice, seed: u64, seen: &mut dyn FnMut(&Point)) -> Run {
    let mut run = Run {
        held_out: f32::NAN,
        ..Run::default()
    };
    let mut watch = |point: &Point| {
        seen(point);
        run.end = *point;
        run.arrival.note(task, point)
    };
    let held_out = start(task, choice, seed, &mut watch);
    if let Some(held_out) = held_out {
        run.held_out = held_out;
    }
    run
}

/// Runs a choice from a seed for as long as `seen` says; the held-out loss, where nothing failed.
pub fn start(
    task: &Task,
    choice: Choice,
    seed: u64,
    seen: &mut dyn FnMut(&Point) -> bool,
) -> Option<f32> {
    let large = most_of(choice) > CAPACITIES[1];
    let rate = choice.rate;
    match (choice.method, large) {
        (Method::Exact, true) => {
            go::<Exact<{ CAPACITIES[0] }>>(task, seed, Gram::default(), choice, seen)
        }
        (Method::Exact, false) => {
            go::<Exact<{ CAPACITIES[1] }>>(task, seed, Gram::default(), choice, seen)
        }
        (Method::Spring, true) => {
            go::<Spring<{ CAPACITIES[0] }>>(task, seed, Gram::default(), choice, seen)
        }
        (Method::Spring, false) => {
            go::<Spring<{ CAPACITIES[1] }>>(task, seed, Gram::default(), choice, seen)
        }
        (Method::Cg, _) => go::<Cg>(task, seed, NaturalGradient::default(), choice, seen),
        (Method::Adam, _) => go::<Moments>(task, seed, Adam::new(rate), choice, seen),
        (Method::Sgd, _) => go::<Descent>(task, seed, Sgd::new(rate), choice, seen),
        (Method::Momentum, _) => go::<Heavy>(task, seed, Sgd::new(rate), choice, seen),
        (Method::Lbfgs, _) => rival::run(task, seed, seen),
    }
}

fn go<M: Rated>(
    task: &Task,
    seed: u64,
    method: M,
    choice: Choice,
    seen: &mut dyn FnMut(&Point) -> bool,
) -> Option<f32> {
    let model = task.model;
    let examples = task.examples();
    let most = PLANS.iter().map(|plan| plan.model().params()).max();
    let few = model.dim_out() <= FEW;
    let memory = Memory {
        params: &mut vec![0.0; most.unwrap_or(0)],
        workspace: &mut vec![0.0; workspace_len::<M, TILE>(few)],
        inputs: &mut vec![0.0; examples * model.dim_in()],
        targets: &mut vec![0.0; examples * model.dim_out()],
        classes: &mut vec![0; examples],
        order: &mut vec![0; examples],
    };
    let clock = &mut |step: &mut dyn FnMut()| {
        step();
        0
    };
    accuracy::run::<M, TILE>(task, seed, method, choice.setting, memory, clock, seen).ok()
}
