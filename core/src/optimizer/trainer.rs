//! The trainer: parameters, workspace, method, and the step under way.

use super::{Frame, Guarded, L2, Method, Progress, Report, Slice};
use crate::budget::OverBudget;
use crate::data::{Batch, DataError, Inputs, Labels, Metric, Targets, Weights};
use crate::error::Error;
use crate::kernels;
use crate::mlp::{Mlp, Parameters, trained_mut};
use crate::plan::{Model, Room};
use crate::scalar::Scalar;
use crate::workspace::{Arena, at_least, exact};

/// Trains a network by a method, in memory that it is given.
///
/// `T` is the scalar, `M` the method (one of those of the [module](super)), `TILE` the number of examples
/// that are computed at once: it costs memory, saves instructions, and changes no bit.
///
/// ```
/// use natgrad::{Activation, Batch, Likelihood, Metric, Plan, Room, Trainer, Workspace, init};
/// use natgrad::optimizer::NaturalGradient;
///
/// const PLAN: Plan<3> = match Plan::new([1, 4, 1], Activation::Tanh, Likelihood::Gaussian) {
///     Ok(plan) => plan,
///     Err(error) => panic!("{}", error.message()),
/// };
/// type Learner<'a> = Trainer<'a, f32, NaturalGradient<f32>, 1>;
///
/// let mut params = [0.0; PLAN.params()];
/// let mut workspace: Workspace<f32, { Learner::workspace_len(&PLAN.model(), Room::NONE) }> =
///     Workspace::new();
/// let inputs = [-1.0, -0.5, 0.0, 0.5, 1.0];
/// let targets = [1.0, 0.25, 0.0, 0.25, 1.0];
///
/// init::glorot(&PLAN, 1, &mut params)?;
/// let mut trainer = Learner::new(&PLAN, &mut params, &mut workspace, NaturalGradient::default())?;
/// let batch = Batch::new(&inputs, &targets);
/// let first = trainer.step(batch, Metric::Same)?;
/// for _ in 0..30 {
///     trainer.step(batch, Metric::Same)?;
/// }
/// assert!(trainer.loss(batch)? < 0.01 * first.loss);
/// # Ok::<(), natgrad::Error>(())
/// ```
#[derive(Debug)]
pub struct Trainer<'a, T: Scalar, M: Method<T>, const TILE: usize> {
    model: Model<'a>,
    params: &'a mut [T],
    workspace: &'a mut [T],
    method: M,
    state: M::State,
    l2: L2<'a, T>,
    holdout: Batch<'a, T>,
    step: Option<Underway<'a, T, M::Step>>,
}

/// The stack of a further example in a tile, in bytes: the kernels of a step keep a few scalars for each, more of them
/// where a build is for size and without LTO.
const STACK_PER_LANE: usize = 160;

/// A step under way.
#[derive(Debug)]
struct Underway<'a, T, S> {
    step: S,
    source: Source<'a, T>,
}

/// Where the examples of a step lie between its slices.
#[derive(Clone, Copy, Debug)]
enum Source<'a, T> {
    /// Copied into the workspace: so many of the gradient batch, and the metric.
    Workspace { batch: usize, metric: Copied },
    /// In memory that outlives the trainer.
    Lasting {
        batch: Batch<'a, T>,
        metric: Metric<'a, T>,
    },
}

/// The metric of copied examples.
#[derive(Clone, Copy, Debug)]
enum Copied {
    Same,
    Leading(usize),
    On(usize),
}

impl<'a, T: Scalar, M: Method<T>, const TILE: usize> Trainer<'a, T, M, TILE> {
    /// The length of the workspace in scalars, for steps in one call or over lasting examples, plus
    /// `room` for examples that [`Trainer::begin`] copies.
    pub const fn workspace_len(model: &Model<'_>, room: Room) -> usize {
        M::STORAGE
            .len(model, TILE)
            .saturating_add(room.len(model, M::METRIC_LABELS))
    }

    /// The static memory of training in bytes: parameters, workspace and the trainer itself, whose pointers are those
    /// of the target that compiles this. [`Trainer::fits`] adds the stack to it.
    pub const fn bytes(model: &Model<'_>, room: Room) -> usize {
        let scalars = model
            .params()
            .saturating_add(Self::workspace_len(model, room));
        size_of::<Self>().saturating_add(scalars.saturating_mul(size_of::<T>()))
    }

    /// The most stack in bytes below the frame that calls a step or a slice of one, whatever the network: for
    /// `f32` on a 32-bit core, at `opt-level` 3 or `"s"` ([`Method::STACK`]). Levels 1, 2 and `"z"` are outside of what
    /// is measured.
    pub const fn stack() -> usize {
        M::STACK.saturating_add(STACK_PER_LANE.saturating_mul(TILE.saturating_sub(1)))
    }

    /// Whether training takes at most `budget` bytes of RAM: [`Trainer::bytes`] and [`Trainer::stack`]. Examples that
    /// lie elsewhere, as in a [`Ring`](crate::data::Ring), come on top.
    ///
    /// The stack is measured at `opt-level` 3 and `"s"`: levels 1, 2 and `"z"` are outside of that. All constants are
    /// those of the target that compiles them: a host, whose pointers are larger, gives other numbers than a 32-bit
    /// core.
    ///
    /// In a `const`, a plan that breaks its budget does not build:
    ///
    /// ```compile_fail
    /// use natgrad::{Activation, Likelihood, Plan, Room, Trainer, optimizer::Adam};
    ///
    /// const PLAN: Plan<3> = match Plan::new([8, 16, 4], Activation::Tanh, Likelihood::Gaussian) {
    ///     Ok(plan) => plan,
    ///     Err(error) => panic!("{}", error.message()),
    /// };
    /// const _: () = match Trainer::<f32, Adam<f32>, 1>::fits(&PLAN.model(), Room::NONE, 4000) {
    ///     Ok(()) => {}
    ///     Err(over) => panic!("{}", over.message().as_str()),
    /// };
    /// ```
    ///
    /// # Errors
    /// [`OverBudget`], with the numbers.
    pub const fn fits(model: &Model<'_>, room: Room, budget: usize) -> Result<(), OverBudget> {
        let (statics, stack) = (Self::bytes(model, room), Self::stack());
        if statics.saturating_add(stack) <= budget {
            Ok(())
        } else {
            Err(OverBudget {
                statics,
                stack,
                budget,
            })
        }
    }

    /// The most multiply-accumulates of one [`Trainer::advance`], whatever the batch; [`Slice`] says what is
    /// counted.
    pub const fn slice_macs(model: &Model<'_>) -> u64 {
        M::SLICE.macs(model, TILE)
    }

    /// The most units of examples that one [`Trainer::advance`] goes over, to each of which [`Slice`] allows a
    /// few operations more.
    pub const fn slice_units(model: &Model<'_>) -> u64 {
        Slice::units(model, TILE)
    }

    /// The multiply-accumulates of [`Trainer::finish`].
    pub const fn finish_macs(model: &Model<'_>) -> u64 {
        (M::FINISH as u64).saturating_mul(model.trained_params() as u64)
    }

    /// A trainer of the network `model` (a [`crate::Plan`] by reference, or a [`Model`]) with the parameters of
    /// all its layers, in a workspace of at least [`Trainer::workspace_len`] scalars; what it has beyond that is
    /// room for examples, and after them for activations ([`Room`]).
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::Setting`], when the method's settings are out of range;
    /// [`Error::NonFinite`], when a parameter is.
    pub fn new(
        model: impl Into<Model<'a>>,
        params: &'a mut [T],
        workspace: &'a mut [T],
        method: M,
    ) -> Result<Self, Error> {
        let model = model.into();
        exact("the parameter vector", model.params(), params.len())?;
        let needed = Self::workspace_len(&model, Room::NONE);
        at_least("the workspace", needed, workspace.len())?;
        method.check()?;
        if !kernels::all_finite(params) {
            return Err(Error::NonFinite);
        }
        // Moments start at zero, whatever the memory was used for before.
        kernels::fill(T::ZERO, workspace);
        Ok(Self {
            model,
            params,
            workspace,
            state: method.start(),
            method,
            l2: L2::NONE,
            holdout: Batch::empty(),
            step: None,
        })
    }

    /// The model.
    pub fn model(&self) -> Model<'a> {
        self.model
    }

    /// The parameters of all layers: always those of the last committed step.
    pub fn params(&self) -> &[T] {
        self.params
    }

    /// What outlives a step, beside parameters and vectors: λ, the steps taken.
    pub fn state(&self) -> &M::State {
        &self.state
    }

    /// Forgets what the steps so far have left behind, the parameters apart: moments, λ, a warm start.
    ///
    /// # Errors
    /// [`Error::Busy`].
    pub fn restart(&mut self) -> Result<(), Error> {
        self.idle()?;
        kernels::fill(T::ZERO, self.workspace);
        self.state = self.method.start();
        Ok(())
    }

    /// The method: its settings.
    pub fn method(&self) -> &M {
        &self.method
    }

    /// The method, to change its settings between two steps.
    ///
    /// # Errors
    /// [`Error::Busy`], while a step is under way.
    pub fn method_mut(&mut self) -> Result<&mut M, Error> {
        self.idle()?;
        Ok(&mut self.method)
    }

    /// Adds the term ½ l₂ |θ − θ₀|² to the objective from the next step on.
    ///
    /// # Errors
    /// [`Error::Busy`]; [`Error::Setting`] or [`Error::Shape`], when strength or anchor cannot be used.
    pub fn regularise(&mut self, l2: L2<'a, T>) -> Result<(), Error> {
        self.idle()?;
        l2.check(&self.model)?;
        self.l2 = l2.of_trained(&self.model);
        Ok(())
    }

    /// Runs a whole step: `batch` gives the gradient, `metric` the examples of the metric. No example is
    /// copied.
    ///
    /// # Errors
    /// [`Error::Busy`]; [`Error::Setting`]; [`Error::Shape`]; [`Error::Data`]; [`Error::NonFinite`];
    /// [`Error::NonFiniteUpdate`]. Parameters and state are what they were.
    ///
    /// Cost: see the method.
    pub fn step(&mut self, batch: Batch<'_, T>, metric: Metric<'_, T>) -> Result<Report<T>, Error> {
        self.step_with(batch, metric, &mut |_| {})
    }

    /// [`Trainer::step`] with an observer, which sees every slice that has something to tell: φ and
    /// residual of every iteration, λ, the reduction ratio and the status.
    ///
    /// # Errors
    /// As [`Trainer::step`].
    // Where a step is inlined into its caller, its stack is in a frame that nobody counts.
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn step_with(
        &mut self,
        batch: Batch<'_, T>,
        metric: Metric<'_, T>,
        observe: &mut dyn FnMut(&Progress<T>),
    ) -> Result<Report<T>, Error> {
        self.admit(&batch, &metric)?;
        let mut step = self.method.begin(&self.state);
        loop {
            let (vectors, scratch, spare) = carve::<T, M, TILE>(&self.model, self.workspace);
            let progress = match self.method.advance::<TILE>(
                &mut step,
                Frame {
                    model: &self.model,
                    params: Parameters::of(&self.model, self.params),
                    vectors,
                    scratch,
                    spare,
                    batch: &batch,
                    metric: &metric,
                    holdout: &self.holdout,
                    l2: &self.l2,
                },
            ) {
                Ok(progress) => progress,
                Err(error) => {
                    self.method.abandon(&mut self.state, &step);
                    return Err(error);
                }
            };
            if progress != Progress::Working {
                observe(&progress);
            }
            if progress == Progress::Ready {
                let (vectors, ..) = carve::<T, M, TILE>(&self.model, self.workspace);
                let params = trained_mut(&self.model, self.params);
                let report = self.method.finish(&mut self.state, &step, params, vectors);
                if report.is_err() {
                    self.method.abandon(&mut self.state, &step);
                }
                return report;
            }
        }
    }

    /// Begins a step whose examples are copied into the workspace: what they lie in may change at once.
    /// Inputs are copied as scalars, classes as one value per output.
    ///
    /// # Errors
    /// As [`Trainer::step`], but of the examples only class labels are looked at, since copying would hide
    /// what is wrong with them; [`Error::Shape`] when the workspace has no room ([`Room`]).
    ///
    /// Cost: one copy of the examples, in one go, and a multiplication for each input that has a scale.
    pub fn begin(&mut self, batch: Batch<'_, T>, metric: Metric<'_, T>) -> Result<(), Error> {
        self.admit(&batch, &metric)?;
        let model = self.model;
        let examples = batch.len(&model);
        let (copied, other) = match metric {
            Metric::Same => (Copied::Same, Batch::empty()),
            Metric::Leading(leading) => (Copied::Leading(leading), Batch::empty()),
            Metric::On(other) => {
                let targets = match M::METRIC_LABELS {
                    Labels::Needed => other.targets,
                    Labels::Unused => Targets::Unlabelled,
                };
                (Copied::On(other.len(&model)), Batch { targets, ..other })
            }
        };
        if batch.is_empty() {
            return Err(Error::Data(DataError::Empty));
        }
        let unlabelled = |batch: &Batch<'_, T>| matches!(batch.targets, Targets::Unlabelled);
        let metric_unlabelled = M::METRIC_LABELS == Labels::Needed
            && matches!(copied, Copied::On(_))
            && unlabelled(&other);
        if unlabelled(&batch) || metric_unlabelled {
            return Err(Error::Data(DataError::Unlabelled));
        }
        let room = Room {
            batch: examples,
            metric: other.len(&model),
            activations: 0,
        };
        let needed = Self::workspace_len(&model, room);
        at_least(
            "the workspace with room for the examples of a step",
            needed,
            self.workspace.len(),
        )?;
        for batch in [&batch, &other] {
            for example in 0..batch.len(&model) {
                batch.check_class(&model, example)?;
            }
        }

        let step = self.method.begin(&self.state);
        let (_, _, arena) = carve::<T, M, TILE>(&model, self.workspace);
        let arena = copy_examples(&model, &batch, arena);
        copy_examples(&model, &other, arena);
        self.step = Some(Underway {
            step,
            source: Source::Workspace {
                batch: examples,
                metric: copied,
            },
        });
        Ok(())
    }

    /// Begins a step whose examples lie in memory that outlives the trainer, such as flash: nothing is
    /// copied.
    ///
    /// # Errors
    /// As [`Trainer::step`], before the examples are looked at.
    pub fn begin_in_place(
        &mut self,
        batch: Batch<'a, T>,
        metric: Metric<'a, T>,
    ) -> Result<(), Error> {
        self.admit(&batch, &metric)?;
        self.step = Some(Underway {
            step: self.method.begin(&self.state),
            source: Source::Lasting { batch, metric },
        });
        Ok(())
    }

    /// One slice of the step under way: one tile of examples, one fused update of vectors of length P, or a
    /// block of dense work. [`Progress::Ready`] when only [`Trainer::finish`] is left.
    ///
    /// Cost: at most [`Trainer::slice_macs`] multiply-accumulates, and a few operations for each of
    /// [`Trainer::slice_units`] ([`Slice`]), however large the batch is, however many iterations and attempts
    /// the step takes, and in whatever state it is.
    ///
    /// # Errors
    /// [`Error::Idle`]; otherwise as [`Trainer::step`], and then the step is over, and nothing has changed.
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn advance(&mut self) -> Result<Progress<T>, Error> {
        let Some(Underway { step, source }) = &mut self.step else {
            return Err(Error::Idle);
        };
        let (vectors, scratch, arena) = carve::<T, M, TILE>(&self.model, self.workspace);
        let (batch, metric, spare) = source.view(&self.model, M::METRIC_LABELS, arena);
        let frame = Frame {
            model: &self.model,
            params: Parameters::of(&self.model, self.params),
            vectors,
            scratch,
            spare,
            batch: &batch,
            metric: &metric,
            holdout: &self.holdout,
            l2: &self.l2,
        };
        let progress = self.method.advance::<TILE>(step, frame);
        if progress.is_err() {
            self.abandon();
        }
        progress
    }

    /// Slices until the step is ready or `deadline` returns true, which is asked before each slice.
    ///
    /// # Errors
    /// As [`Trainer::advance`].
    pub fn advance_until(
        &mut self,
        mut deadline: impl FnMut() -> bool,
    ) -> Result<Progress<T>, Error> {
        let mut progress = Progress::Working;
        while progress != Progress::Ready && !deadline() {
            progress = self.advance()?;
        }
        if self.step.is_none() {
            return Err(Error::Idle);
        }
        Ok(progress)
    }

    /// Commits the step under way: a look at the whole update, and then one slice that cannot fail.
    ///
    /// Cost: [`Trainer::finish_macs`], in one go.
    ///
    /// # Errors
    /// [`Error::Idle`]; [`Error::Unfinished`], and the step goes on; [`Error::NonFiniteUpdate`], and the step
    /// is over, and nothing has changed.
    #[cfg_attr(target_os = "none", inline(never))]
    pub fn finish(&mut self) -> Result<Report<T>, Error> {
        let Some(Underway { step, .. }) = &self.step else {
            return Err(Error::Idle);
        };
        let (vectors, ..) = carve::<T, M, TILE>(&self.model, self.workspace);
        let params = trained_mut(&self.model, self.params);
        let report = self.method.finish(&mut self.state, step, params, vectors);
        match report {
            Ok(_) => self.step = None,
            Err(Error::Unfinished) => {}
            Err(_) => self.abandon(),
        }
        report
    }

    /// Gives the step under way up, if there is one. Parameters and state are what they were; only a
    /// warm start is lost, if the solver has begun.
    pub fn abandon(&mut self) {
        if let Some(Underway { step, .. }) = self.step.take() {
            self.method.abandon(&mut self.state, &step);
        }
    }

    /// Whether a step is under way.
    pub fn is_busy(&self) -> bool {
        self.step.is_some()
    }

    /// The mean loss of a batch at the parameters, without the L2 term.
    ///
    /// # Errors
    /// As [`Mlp::loss`]; [`Error::Busy`], since it uses the scratch memory.
    pub fn loss(&mut self, batch: Batch<'_, T>) -> Result<T, Error> {
        self.mlp()?.loss(&batch)
    }

    /// The means of the targets under the model, `[batch × dim_out]`: for inference on the device.
    ///
    /// # Errors
    /// As [`Mlp::predict`]; [`Error::Busy`].
    pub fn predict<'i>(
        &mut self,
        inputs: impl Into<Inputs<'i, T>>,
        out: &mut [T],
    ) -> Result<(), Error> {
        self.mlp()?.predict(inputs, out)
    }

    /// The network at the parameters, in the trainer's own scratch memory: enough for outputs, loss,
    /// gradient and `Jᵀu`.
    fn mlp(&mut self) -> Result<Mlp<'_, T, TILE>, Error> {
        self.idle()?;
        let (_, scratch, _) = carve::<T, M, TILE>(&self.model, self.workspace);
        Mlp::new(self.model, self.params, scratch)
    }

    fn idle(&self) -> Result<(), Error> {
        if self.step.is_some() {
            Err(Error::Busy)
        } else {
            Ok(())
        }
    }

    /// Checks everything that can be wrong with a step before its examples are looked at.
    fn admit(&self, batch: &Batch<'_, T>, metric: &Metric<'_, T>) -> Result<(), Error> {
        self.idle()?;
        self.method.check()?;
        batch.check_shape(&self.model)?;
        if let Metric::On(metric) = metric {
            metric.check_shape(&self.model)?;
        }
        self.method.admit(&self.model, batch, metric, &self.l2)
    }
}

impl<'a, T: Scalar, M: Method<T> + Guarded, const TILE: usize> Trainer<'a, T, M, TILE> {
    /// A held-out batch. A step commits only if the loss of `batch`, without the L2 term, does not rise; but for
    /// [`HeldOut::Judges`](super::HeldOut::Judges), by which that loss only sets λ, and a step commits even if it
    /// rises. An empty batch takes it away.
    ///
    /// Cost: in each step a look at every number of `batch`; two losses of it, and one more per further attempt that
    /// comes to it. As a judge two losses in each step in which it is asked.
    ///
    /// # Errors
    /// [`Error::Busy`]; [`Error::Shape`]. Its content is inspected in every step.
    pub fn hold_out(&mut self, batch: Batch<'a, T>) -> Result<(), Error> {
        self.idle()?;
        batch.check_shape(&self.model)?;
        self.holdout = batch;
        Ok(())
    }
}

impl<T: Scalar> Source<'_, T> {
    /// The examples of the step: in the arena of copies, or where they last; and what is left of the arena.
    fn view<'v>(
        &'v self,
        model: &Model<'_>,
        metric_labels: Labels,
        arena: &'v mut [T],
    ) -> (Batch<'v, T>, Metric<'v, T>, &'v mut [T]) {
        match *self {
            Self::Lasting { batch, metric } => (batch, metric, arena),
            Self::Workspace { batch, metric } => {
                let mut arena = Arena::new(arena);
                let mut copied = |examples: usize, outputs: usize| {
                    let inputs: &[T] = arena.take(examples.saturating_mul(model.dim_in()));
                    let targets: &[T] = arena.take(examples.saturating_mul(outputs));
                    let weights: &[T] = arena.take(examples);
                    Batch {
                        inputs: inputs.into(),
                        targets: targets.into(),
                        weights: Weights::PerExample(weights),
                    }
                };
                let examples = copied(batch, model.dim_out());
                let metric = match metric {
                    Copied::Same => Metric::Same,
                    Copied::Leading(leading) => Metric::Leading(leading),
                    Copied::On(others) => {
                        let outputs = match metric_labels {
                            Labels::Needed => model.dim_out(),
                            Labels::Unused => 0,
                        };
                        Metric::On(copied(others, outputs))
                    }
                };
                (examples, metric, arena.rest())
            }
        }
    }
}

/// Copies the examples of `batch` to the front of `arena`: inputs, targets if there are any, weights.
/// Returns what is left.
fn copy_examples<'w, T: Scalar>(
    model: &Model<'_>,
    batch: &Batch<'_, T>,
    arena: &'w mut [T],
) -> &'w mut [T] {
    let mut arena = Arena::new(arena);
    let examples = batch.len(model);
    let outputs = match batch.targets {
        Targets::Unlabelled => 0,
        _ => model.dim_out(),
    };
    let inputs = arena.take(examples.saturating_mul(model.dim_in()));
    let targets = arena.take(examples.saturating_mul(outputs));
    let weights = arena.take(examples);
    let (mut inputs, mut targets) = (inputs.iter_mut(), targets.iter_mut());
    for (example, weight) in weights.iter_mut().enumerate() {
        *weight = batch.weight(example);
        let places = inputs.by_ref().take(model.dim_in());
        batch.read_inputs(model, example, places, |slot, x| *slot = x);
        let places = targets.by_ref().take(outputs);
        batch.read_targets(model, example, places, |slot, t| *slot = t);
    }
    arena.rest()
}

/// The three parts of a workspace: the method's vectors, the rows of a tile, and room for examples and activations.
fn carve<'w, T: Scalar, M: Method<T>, const TILE: usize>(
    model: &Model<'_>,
    workspace: &'w mut [T],
) -> (&'w mut [T], &'w mut [T], &'w mut [T]) {
    let mut arena = Arena::new(workspace);
    let vectors = model
        .trained_params()
        .saturating_mul(M::STORAGE.vectors)
        .saturating_add(M::STORAGE.scalars)
        .saturating_add(M::STORAGE.dual.len(model));
    let rows = M::STORAGE.len(model, TILE).saturating_sub(vectors);
    let vectors = arena.take(vectors);
    let scratch = arena.take(rows);
    (vectors, scratch, arena.rest())
}
