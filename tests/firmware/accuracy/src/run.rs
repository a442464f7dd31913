//! A run: a method trains on batches from a seeded source until it has reached all accuracies.

use natgrad::optimizer::{Adam, Gram, Kronecker, Method, NaturalGradient, Outcome, Sgd, Velocity};
use natgrad::{Batch, Error, Metric, Room, Trainer};
use rand_xoshiro::Xoshiro128PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use crate::task::{PLANS, Targets, Task};

/// How a learning rate falls with the share x of the budget that is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// As 1/(1 + 50 x).
    Inverse,
}

impl Schedule {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Constant, Self::Inverse];

    fn factor(self, share: f32) -> f32 {
        match self {
            Self::Constant => 1.0,
            Self::Inverse => 1.0 / (1.0 + 50.0 * share),
        }
    }
}

/// How many examples a step has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batches {
    /// So many.
    Of(u16),
    /// 16, and 0.2 % more with every step, up to so many.
    GrowingTo(u16),
}

impl Batches {
    fn first(self) -> f32 {
        match self {
            Self::Of(len) => f32::from(len),
            Self::GrowingTo(most) => f32::from(most.min(16)),
        }
    }

    fn next(self, len: f32) -> f32 {
        match self {
            Self::Of(_) => len,
            Self::GrowingTo(most) => {
                let more = len * 1.002;
                if more < f32::from(most) {
                    more
                } else {
                    f32::from(most)
                }
            }
        }
    }
}

/// What a method has to have beside its own settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The examples of a step.
    pub batches: Batches,
    /// How its learning rate falls, if it has one.
    pub schedule: Schedule,
}

/// A method that may have a learning rate.
pub trait Rated: Method<f32> {
    /// The rate.
    fn rate(&self) -> Option<f32>;

    /// Another one.
    fn set_rate(&mut self, rate: f32);
}

impl<V: Velocity> Rated for Sgd<f32, V> {
    fn rate(&self) -> Option<f32> {
        Some(self.rate)
    }

    fn set_rate(&mut self, rate: f32) {
        self.rate = rate;
    }
}

impl Rated for Adam<f32> {
    fn rate(&self) -> Option<f32> {
        Some(self.rate)
    }

    fn set_rate(&mut self, rate: f32) {
        self.rate = rate;
    }
}

impl<const B: usize, V: Velocity> Rated for Gram<f32, B, Kronecker, V> {
    fn rate(&self) -> Option<f32> {
        None
    }

    fn set_rate(&mut self, _: f32) {}
}

impl Rated for NaturalGradient<f32> {
    fn rate(&self) -> Option<f32> {
        None
    }

    fn set_rate(&mut self, _: f32) {}
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// The steps so far.
    pub steps: u32,
    /// The steps that left the parameters as they were.
    pub rejected: u32,
    /// The examples that they looked at.
    pub examples: u64,
    /// Their multiply-accumulates.
    pub macs: u64,
    /// Their ticks, if a clock counts them.
    pub ticks: u64,
    /// The mean loss over all training examples.
    pub loss: f32,
}

/// Where a run has reached each accuracy.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Arrival(pub [Option<Point>; 3]);

impl Arrival {
    /// Notes what the loss at `point` reaches; whether anything is left.
    pub fn note(&mut self, task: &Task, point: &Point) -> bool {
        for (arrival, accuracy) in self.0.iter_mut().zip(task.accuracies) {
            if arrival.is_none() && point.loss <= task.loss_at(accuracy) {
                *arrival = Some(*point);
            }
        }
        self.0.iter().any(Option::is_none)
    }
}

/// The memory of a run.
#[derive(Debug)]
pub struct Memory<'m> {
    /// `[P]`.
    pub params: &'m mut [f32],
    /// [`workspace_len`].
    pub workspace: &'m mut [f32],
    /// The inputs of a batch.
    pub inputs: &'m mut [f32],
    /// The targets of a batch.
    pub targets: &'m mut [f32],
    /// The classes of a batch.
    pub classes: &'m mut [u16],
    /// The order of the training examples.
    pub order: &'m mut [u16],
}

/// The workspace that a method takes for any of the tasks whose outputs are few, or many.
pub const fn workspace_len<M: Method<f32>, const TILE: usize>(few: bool) -> usize {
    let mut most = 0;
    let mut index = 0;
    while index < PLANS.len() {
        let model = PLANS[index].model();
        let len = Trainer::<f32, M, TILE>::workspace_len(&model, Room::NONE);
        if few == (model.dim_out() <= crate::FEW) && len > most {
            most = len;
        }
        index += 1;
    }
    most
}

/// The examples of a batch, of those that a task has.
pub fn batch_len(task: &Task, len: f32) -> usize {
    (len as usize).min(task.examples())
}

/// Batches without replacement: every example once before any comes again.
struct Sampler<'m> {
    random: Xoshiro128PlusPlus,
    order: &'m mut [u16],
    next: usize,
}

impl<'m> Sampler<'m> {
    fn new(seed: u64, order: &'m mut [u16]) -> Self {
        for (place, index) in order.iter_mut().zip(0..) {
            *place = index;
        }
        let next = order.len();
        Self {
            random: Xoshiro128PlusPlus::seed_from_u64(seed),
            order,
            next,
        }
    }

    /// Uniform below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        ((u64::from(self.random.next_u32()) * bound as u64) >> 32) as usize
    }

    /// The next example.
    fn draw(&mut self) -> usize {
        if self.next == self.order.len() {
            // Fisher and Yates.
            for last in (1..self.order.len()).rev() {
                let other = self.below(last + 1);
                self.order.swap(last, other);
            }
            self.next = 0;
        }
        self.next += 1;
        usize::from(self.order[self.next - 1])
    }
}

/// Trains by `method` from `seed`. `clock` counts what a step takes and nothing else. `seen` looks at the points at
/// which the loss over all training examples is known: at the start, after every step at first, and then whenever
/// there are 3 % more of them. The run ends where `seen` returns false, or with its budget. The held-out loss at the end.
///
/// # Errors
/// Those of a step: a loss, a gradient or an update that is not finite.
pub fn run<M: Rated, const TILE: usize>(
    task: &Task,
    seed: u64,
    method: M,
    setting: Setting,
    memory: Memory<'_>,
    clock: &mut dyn FnMut(&mut dyn FnMut()) -> u64,
    seen: &mut dyn FnMut(&Point) -> bool,
) -> Result<f32, Error> {
    let Memory {
        params,
        workspace,
        inputs,
        targets,
        classes,
        order,
    } = memory;
    let model = task.model;
    let (width, outputs) = (model.dim_in(), model.dim_out());
    let params = &mut params[..model.params()];
    task.start(seed, params)?;
    let len = Trainer::<f32, M, TILE>::workspace_len(&model, Room::NONE);
    let rate = method.rate();
    let mut trainer = Trainer::<f32, M, TILE>::new(model, params, &mut workspace[..len], method)?;
    let mut sampler = Sampler::new(seed, &mut order[..task.examples()]);
    let mut point = Point {
        loss: trainer.loss(task.train.batch())?,
        ..Point::default()
    };
    let budget = task.budget();
    let mut len = setting.batches.first();
    let mut next = 1;
    let mut goes_on = seen(&point);
    while goes_on && point.macs < budget {
        if let Some(rate) = rate {
            let factor = setting.schedule.factor(point.macs as f32 / budget as f32);
            trainer.method_mut()?.set_rate(rate * factor);
        }
        let count = batch_len(task, len);
        for place in 0..count {
            let example = sampler.draw();
            let source = &task.train.inputs[example * width..][..width];
            inputs[place * width..][..width].copy_from_slice(source);
            match task.train.targets {
                Targets::Values(values) => {
                    let source = &values[example * outputs..][..outputs];
                    targets[place * outputs..][..outputs].copy_from_slice(source);
                }
                Targets::Classes(known) => classes[place] = known[example],
            }
        }
        let batch = match task.train.targets {
            Targets::Values(_) => Batch::new(&inputs[..count * width], &targets[..count * outputs]),
            Targets::Classes(_) => Batch::labelled(&inputs[..count * width], &classes[..count]),
        };
        let mut report = None;
        point.ticks += clock(&mut || report = Some(trainer.step(batch, Metric::Same)));
        let report = report.ok_or(Error::Idle)??;
        point.steps += 1;
        point.rejected += u32::from(report.outcome != Outcome::Accepted);
        point.examples += count as u64;
        point.macs += report.macs;
        len = setting.batches.next(len);
        if point.steps >= next {
            next = point.steps + 1 + point.steps / 32;
            point.loss = trainer.loss(task.train.batch())?;
            goes_on = seen(&point);
        }
    }
    trainer.loss(task.test.batch())
}
