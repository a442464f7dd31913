//! Networks, data and methods that the tests share.

use core::fmt::Debug;

use natgrad::damping::{DampingPolicy, Marquardt, Tikhonov};
use natgrad::data::{Batch, Labels, Metric};
use natgrad::krylov::Cg;
use natgrad::optimizer::{
    Anchor, Centred, Gram, Kronecker, KrylovDescent, L2, Method, Momentum, NatSgd, NaturalCg,
    NaturalGradient, Nesterov, Plain, Progress, PushThrough, Report, Sgd, StructuralHessianFree,
    Tonga, Woodbury,
};
use natgrad::precondition::{Jacobi, Martens};
use natgrad::{Activation, Error, Likelihood, Plan, Room, Trainer, init};

pub(crate) const TILE: usize = 4;
/// More than two tiles, and no multiple of one.
pub(crate) const EXAMPLES: usize = 10;

pub(crate) const LIKELIHOODS: [Likelihood; 3] = [
    Likelihood::Gaussian,
    Likelihood::Bernoulli,
    Likelihood::Categorical,
];

pub(crate) type Learner<'a, M> = Trainer<'a, f32, M, TILE>;

/// A method whose state can be looked at.
pub(crate) trait Subject: Method<f32> + Copy + Debug {}

impl<M: Method<f32> + Copy + Debug> Subject for M {}

/// A network, its data and its memory.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) plan: Plan<3>,
    pub(crate) params: Vec<f32>,
    pub(crate) inputs: Vec<f32>,
    pub(crate) values: Vec<f32>,
    pub(crate) classes: Vec<u16>,
    pub(crate) l2: f32,
}

impl World {
    pub(crate) fn new(likelihood: Likelihood) -> Self {
        let wave = |i: usize, step: usize| {
            let place = u16::try_from(i * step % 97).expect("small");
            f32::from(place) / 48.0 - 1.0
        };
        let inputs = (0..3 * EXAMPLES).map(|i| wave(i, 31)).collect();
        let values = (0..2 * EXAMPLES).map(|i| wave(i, 17)).collect();
        Self::of(likelihood, 5, inputs, values)
    }

    /// Data and initial parameters from a seed.
    pub(crate) fn seeded(likelihood: Likelihood, seed: u32) -> Self {
        // Numerical Recipes' linear congruential generator, whose upper bits are good enough.
        let mut state = seed;
        let mut draw = |len: usize| -> Vec<f32> {
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f32::from(u16::try_from(state >> 16).expect("16 bits")) / 32768.0 - 1.0
            };
            (0..len).map(|_| next()).collect()
        };
        let (inputs, values) = (draw(3 * EXAMPLES), draw(2 * EXAMPLES));
        Self::of(likelihood, u64::from(seed), inputs, values)
    }

    /// `values` between -1 and 1.
    fn of(likelihood: Likelihood, seed: u64, inputs: Vec<f32>, mut values: Vec<f32>) -> Self {
        let plan = Plan::new([3, 5, 2], Activation::Tanh, likelihood).expect("a plan");
        let mut params = vec![0.0; plan.params()];
        init::glorot(&plan, seed, &mut params).expect("the length of the plan");
        let classes = values
            .chunks(2)
            .map(|pair| u16::from(pair[0] < -0.3))
            .collect();
        if likelihood != Likelihood::Gaussian {
            for value in &mut values {
                *value = (0.5 + 0.5 * *value).clamp(0.0, 1.0);
            }
        }
        Self {
            plan,
            params,
            inputs,
            values,
            classes,
            l2: 0.0,
        }
    }

    pub(crate) fn gaussian() -> Self {
        Self::new(Likelihood::Gaussian)
    }

    /// The same with a pull of all parameters toward 0.
    pub(crate) fn pulled(mut self) -> Self {
        self.l2 = 0.01;
        self
    }

    /// The same with no end to its life: for examples that are not copied.
    pub(crate) fn lasting(self) -> &'static Self {
        Box::leak(Box::new(self))
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

    /// The last examples, without their targets where a method does not look at them.
    pub(crate) fn others<M: Method<f32>>(&self) -> Batch<'_, f32> {
        let inputs = &self.inputs[9..];
        match (M::METRIC_LABELS, self.plan.model().likelihood()) {
            (Labels::Unused, _) => Batch::unlabelled(inputs),
            (Labels::Needed, Likelihood::Categorical) => {
                Batch::labelled(inputs, &self.classes[3..])
            }
            (Labels::Needed, _) => Batch::new(inputs, &self.values[6..]),
        }
    }

    /// The pull toward 0.
    fn pull(&self) -> L2<'static, f32> {
        L2 {
            strength: self.l2,
            anchor: Anchor::Zero,
        }
    }

    /// Whether a method lets in a step over all examples with a metric, and under the pull.
    pub(crate) fn admits<M: Subject>(&self, method: M, metric: Metric<'_, f32>) -> bool {
        let model = self.plan.model();
        let admitted = method.admit(&model, &self.batch(), &metric, &self.pull());
        admitted.is_ok()
    }

    /// A metric, where a method takes one of its own.
    pub(crate) fn metric<'m, M: Subject>(
        &self,
        method: M,
        metric: Metric<'m, f32>,
    ) -> Metric<'m, f32> {
        if self.admits(method, metric) {
            metric
        } else {
            Metric::Same
        }
    }

    /// Targets that are the outputs at the parameters of `trainer`: a loss that cannot be lower.
    pub(crate) fn pleased<M: Subject>(&self, trainer: &mut Learner<'_, M>) -> Self {
        let mut world = self.clone();
        trainer
            .predict(self.inputs.as_slice(), &mut world.values)
            .expect("idle");
        world
    }

    /// Room for all examples, twice.
    pub(crate) fn workspace<M: Method<f32>>(&self) -> Vec<f32> {
        let room = Room {
            batch: EXAMPLES,
            metric: EXAMPLES,
            ..Room::NONE
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
        trainer.regularise(self.pull()).expect("idle");
        body(&mut trainer, self)
    }
}

pub(crate) fn bits(params: &[f32]) -> Vec<u32> {
    params.iter().map(|p| p.to_bits()).collect()
}

/// The parameters, and all that a method shows of itself: settings, λ, counters, powers.
pub(crate) fn snapshot<M: Subject>(trainer: &Learner<'_, M>) -> (Vec<u32>, String) {
    // `Debug` prints as many digits as tell a number from its neighbours.
    let shown = format!("{:?} {:?}", trainer.method(), trainer.state());
    (bits(trainer.params()), shown)
}

/// What any state that outlives a step shows in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trace {
    pub(crate) shown: String,
    /// Parameters, losses and λ of some more steps.
    pub(crate) numbers: Vec<u32>,
}

pub(crate) fn continuation<M: Subject>(trainer: &mut Learner<'_, M>, world: &World) -> Trace {
    let (mut numbers, shown) = snapshot(trainer);
    for steps in 0..6 {
        let batch = if steps % 2 == 0 {
            world.batch()
        } else {
            world.leading(7)
        };
        let report = trainer.step(batch, Metric::Same).expect("a good step");
        numbers.push(report.loss.to_bits());
        numbers.extend(bits(trainer.params()));
        if let Some(solve) = report.solve {
            numbers.push(solve.damping.to_bits());
        }
    }
    Trace { shown, numbers }
}

/// Slices until the step is ready; their number.
pub(crate) fn to_ready<M: Method<f32>>(trainer: &mut Learner<'_, M>) -> Result<usize, Error> {
    let mut slices = 0;
    while trainer.advance()? != Progress::Ready {
        slices += 1;
    }
    Ok(slices)
}

/// The ways to run a step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entry {
    Whole,
    Copied,
    InPlace,
}

impl Entry {
    pub(crate) const ALL: [Self; 3] = [Self::Whole, Self::Copied, Self::InPlace];

    pub(crate) fn begin<'a, M: Method<f32>>(
        self,
        trainer: &mut Learner<'a, M>,
        batch: Batch<'a, f32>,
        metric: Metric<'a, f32>,
    ) -> Result<(), Error> {
        match self {
            Self::InPlace => trainer.begin_in_place(batch, metric),
            _ => trainer.begin(batch, metric),
        }
    }

    pub(crate) fn run<'a, M: Method<f32>>(
        self,
        trainer: &mut Learner<'a, M>,
        batch: Batch<'a, f32>,
        metric: Metric<'a, f32>,
    ) -> Result<Report<f32>, Error> {
        if matches!(self, Self::Whole) {
            return trainer.step(batch, metric);
        }
        self.begin(trainer, batch, metric)?;
        to_ready(trainer)?;
        trainer.finish()
    }
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

/// Natural conjugate gradient whose solves are cut short, so that the step before takes part.
pub(crate) type Conjugate<J> = NaturalCg<f32, J, Cg, Jacobi, Marquardt>;

/// Without the warm start, which no step that is given up leaves alone.
pub(crate) fn hessian_free() -> StructuralHessianFree<f32> {
    StructuralHessianFree {
        warm_start: 0.0,
        ..StructuralHessianFree::hessian_free(1.0)
    }
}

pub(crate) fn nat_sgd() -> NatSgd<f32, Cg> {
    NatSgd::nat_sgd()
}

/// Calls `$check` with every method.
macro_rules! for_every_method {
    ($check:ident) => {
        $check(crate::setup::Natural::default());
        $check(crate::setup::scheduled());
        $check(crate::setup::plain());
        $check(crate::setup::momentum());
        $check(crate::setup::nesterov());
        $check(natgrad::optimizer::Adam::new(0.01));
        $check(crate::setup::hessian_free());
        $check(crate::setup::nat_sgd());
        $check(natgrad::optimizer::Newton::<f32>::default());
        $check(crate::setup::Conjugate::<natgrad::optimizer::Local>::default());
        $check(crate::setup::Conjugate::<natgrad::optimizer::Full>::default());
        $check(crate::setup::tonga());
        $check(crate::setup::centred());
        $check(crate::setup::Descent::default());
        $check(crate::setup::Exact::default());
        $check(crate::setup::ExactInIdentity::default());
        $check(crate::setup::OnAnyMetric::default());
        $check(crate::setup::OnAnyMetricInIdentity::default());
    };
}
pub(crate) use for_every_method;

/// Natural gradient in output space: of the metric of the batch, and of any.
pub(crate) type Exact = Gram<f32, EXAMPLES>;
pub(crate) type ExactInIdentity = Gram<f32, EXAMPLES, Tikhonov, Plain, PushThrough>;
pub(crate) type OnAnyMetric = Gram<f32, EXAMPLES, Kronecker, Plain, Woodbury>;
pub(crate) type OnAnyMetricInIdentity = Gram<f32, EXAMPLES, Tikhonov, Momentum, Woodbury>;

pub(crate) type Descent = KrylovDescent<f32, 2, Martens>;

/// A compaction in every step but the first: the third one, behind [`warmed`], begins with one of rows that
/// have been compacted before.
pub(crate) fn tonga() -> Tonga<f32, 2, 1> {
    Tonga::new(0.1)
}

/// A compaction in every other step: the first one behind [`warmed`].
pub(crate) fn centred() -> Tonga<f32, 2, 2, Centred> {
    Tonga::new(0.05)
}

pub(crate) fn plain() -> Sgd<f32, Plain> {
    Sgd::new(0.1)
}

pub(crate) fn momentum() -> Sgd<f32, Momentum> {
    Sgd::new(0.05)
}

pub(crate) fn nesterov() -> Sgd<f32, Nesterov> {
    Sgd::new(0.05)
}

/// A fresh trainer of a method, two steps old: its moments, counters and λ have moved.
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
