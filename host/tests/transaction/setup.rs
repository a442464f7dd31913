//! Networks, data and methods that the tests share.

use natgrad::damping::{DampingPolicy, Marquardt, Tikhonov};
use natgrad::data::{Batch, Metric};
use natgrad::krylov::Cg;
use natgrad::optimizer::{
    Method, Momentum, NaturalGradient, Nesterov, Plain, Progress, Report, Sgd,
};
use natgrad::precondition::{Jacobi, Martens};
use natgrad::{Activation, Error, Likelihood, Plan, Room, Trainer, init};

pub(crate) const TILE: usize = 4;
pub(crate) const EXAMPLES: usize = 10;

pub(crate) type Learner<'a, M> = Trainer<'a, f32, M, TILE>;

/// A network, its data and its memory.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) plan: Plan<3>,
    pub(crate) params: Vec<f32>,
    pub(crate) inputs: Vec<f32>,
    pub(crate) values: Vec<f32>,
    pub(crate) classes: Vec<u16>,
}

impl World {
    pub(crate) fn new(likelihood: Likelihood) -> Self {
        let plan = Plan::new([3, 5, 2], Activation::Tanh, likelihood).expect("a plan");
        let mut params = vec![0.0; plan.params()];
        init::glorot(&plan, 5, &mut params).expect("the length of the plan");
        let wave = |i: usize, step: usize| {
            let place = u16::try_from(i * step % 97).expect("small");
            f32::from(place) / 48.0 - 1.0
        };
        Self {
            plan,
            params,
            inputs: (0..3 * EXAMPLES).map(|i| wave(i, 31)).collect(),
            values: (0..2 * EXAMPLES)
                .map(|i| match likelihood {
                    Likelihood::Gaussian => wave(i, 17),
                    _ => 0.5 + 0.5 * wave(i, 17).clamp(-1.0, 1.0),
                })
                .collect(),
            classes: (0..EXAMPLES).map(|i| u16::from(i % 3 == 0)).collect(),
        }
    }

    pub(crate) fn gaussian() -> Self {
        Self::new(Likelihood::Gaussian)
    }

    pub(crate) fn batch(&self) -> Batch<'_, f32> {
        let inputs = self.inputs.as_slice();
        match self.plan.model().likelihood() {
            Likelihood::Categorical => Batch::labelled(inputs, &self.classes),
            _ => Batch::new(inputs, self.values.as_slice()),
        }
    }

    /// The first examples.
    pub(crate) fn leading(&self, examples: usize) -> Batch<'_, f32> {
        self.batch().leading(&self.plan.model(), examples)
    }

    /// Room for all examples, twice.
    pub(crate) fn workspace<M: Method<f32>>(&self) -> Vec<f32> {
        let room = Room {
            batch: EXAMPLES,
            metric: EXAMPLES,
        };
        vec![0.0; Learner::<M>::workspace_len(&self.plan.model(), room)]
    }

    /// Runs `body` with a trainer.
    pub(crate) fn with<M: Method<f32>, R>(
        &self,
        method: M,
        body: impl for<'a> FnOnce(&mut Learner<'a, M>, &'a Self) -> R,
    ) -> R {
        let (mut params, mut workspace) = (self.params.clone(), self.workspace::<M>());
        let mut trainer =
            Learner::new(&self.plan, &mut params, &mut workspace, method).expect("a trainer");
        body(&mut trainer, self)
    }
}

pub(crate) fn bits(params: &[f32]) -> Vec<u32> {
    params.iter().map(|p| p.to_bits()).collect()
}

/// Parameters and losses of some more steps: what any state that outlives a step shows in.
pub(crate) fn continuation<M: Method<f32>>(
    trainer: &mut Learner<'_, M>,
    world: &World,
) -> Vec<u32> {
    let mut seen = bits(trainer.params());
    for steps in 0..6 {
        let batch = if steps % 2 == 0 {
            world.batch()
        } else {
            world.leading(7)
        };
        let report = trainer.step(batch, Metric::Same).expect("a good step");
        seen.push(report.loss.to_bits());
        seen.extend(bits(trainer.params()));
        if let Some(solve) = report.solve {
            seen.push(solve.damping.to_bits());
        }
    }
    seen
}

/// Slices until the step is ready; their number.
pub(crate) fn to_ready<M: Method<f32>>(trainer: &mut Learner<'_, M>) -> Result<usize, Error> {
    let mut slices = 0;
    while trainer.advance()? != Progress::Ready {
        slices += 1;
    }
    Ok(slices)
}

/// A step slice by slice over copied examples.
pub(crate) fn sliced<M: Method<f32>>(
    trainer: &mut Learner<'_, M>,
    batch: Batch<'_, f32>,
    metric: Metric<'_, f32>,
) -> Result<Report<f32>, Error> {
    trainer.begin(batch, metric)?;
    to_ready(trainer)?;
    trainer.finish()
}

pub(crate) type Natural = NaturalGradient<f32, Cg, Jacobi, Marquardt>;
pub(crate) type Backtracking = NaturalGradient<f32, Cg<4>, Martens, Tikhonov>;

/// Natural gradient with a step counter that shows: λ changes every other step.
pub(crate) fn scheduled() -> Backtracking {
    let mut method = Backtracking::default();
    method.damping.policy = DampingPolicy::Schedule {
        start: 1,
        every: 2,
        factor: 0.5,
    };
    method
}

/// Calls `$check` with every method, after two steps that have given it a state.
macro_rules! for_every_method {
    ($check:ident) => {
        $check(crate::setup::Natural::default());
        $check(crate::setup::scheduled());
        $check(crate::setup::plain());
        $check(crate::setup::momentum());
        $check(crate::setup::nesterov());
        $check(natgrad::optimizer::Adam::new(0.01));
    };
}
pub(crate) use for_every_method;

pub(crate) fn plain() -> Sgd<f32, Plain> {
    Sgd::new(0.1)
}

pub(crate) fn momentum() -> Sgd<f32, Momentum> {
    Sgd::new(0.05)
}

pub(crate) fn nesterov() -> Sgd<f32, Nesterov> {
    Sgd::new(0.05)
}

/// A fresh trainer of a method, two steps old.
pub(crate) fn warmed<M: Method<f32>, R>(
    world: &World,
    method: M,
    body: impl for<'a> FnOnce(&mut Learner<'a, M>, &'a World) -> R,
) -> R {
    world.with(method, |trainer, world| {
        for examples in [EXAMPLES, 7] {
            trainer
                .step(world.leading(examples), Metric::Same)
                .expect("a good step");
        }
        body(trainer, world)
    })
}
