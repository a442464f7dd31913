//! What the network is, and every size that follows from it.
//!
//! A [`Plan`] lives in flash as a `const`. The passes and the methods see it through the borrowed
//! [`Model`], so that one copy of machine code serves networks of every depth. This is the only module
//! that does arithmetic with sizes; whoever needs memory states it as a [`Storage`].

mod storage;

use core::fmt;
use core::ops::Range;

use crate::activation::Activation;
use crate::likelihood::Likelihood;

pub use storage::{DualStorage, Pass, Room, Storage};

/// A multilayer perceptron: `N` widths from the input to the output, an activation for the hidden
/// layers ([`Plan::with_activation`] for one that differs), one likelihood for the outputs.
///
/// ```
/// use natgrad::{Activation, Likelihood, Plan};
///
/// const PLAN: Plan<3> = match Plan::new([64, 32, 10], Activation::Tanh, Likelihood::Categorical) {
///     Ok(plan) => plan,
///     Err(error) => panic!("{}", error.message()),
/// };
/// assert_eq!(PLAN.params(), 64 * 32 + 32 + 32 * 10 + 10);
/// ```
///
/// A mistake in a `const` plan is an error of the build, with its sentence:
///
/// ```compile_fail
/// use natgrad::{Activation, Likelihood, Plan};
///
/// const PLAN: Plan<3> = match Plan::new([64, 0, 10], Activation::Tanh, Likelihood::Categorical) {
///     Ok(plan) => plan,
///     Err(error) => panic!("{}", error.message()),
/// };
/// # let _ = PLAN;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Plan<const N: usize> {
    widths: [usize; N],
    /// Of hidden layer l at place l; the places after the last hidden layer mean nothing.
    hidden: [Activation; N],
    likelihood: Likelihood,
    trained: Trained,
    totals: Totals,
}

impl<const N: usize> Plan<N> {
    /// The plan of a network with the given widths, input first.
    ///
    /// # Errors
    /// [`PlanError`], when there are fewer than two widths, a width is zero, a categorical likelihood
    /// has fewer than two or more than 65,536 classes, or the sizes leave the address space.
    pub const fn new(
        widths: [usize; N],
        activation: Activation,
        likelihood: Likelihood,
    ) -> Result<Self, PlanError> {
        match Model::new(&widths, activation, likelihood) {
            Ok(Model {
                trained, totals, ..
            }) => Ok(Self {
                widths,
                hidden: [activation; N],
                likelihood,
                trained,
                totals,
            }),
            Err(error) => Err(error),
        }
    }

    /// The plan with another activation at one hidden layer, 0 the first: the linear code layer of an
    /// auto-encoder, say.
    ///
    /// # Errors
    /// [`PlanError::NoSuchLayer`].
    pub const fn with_activation(
        mut self,
        layer: usize,
        activation: Activation,
    ) -> Result<Self, PlanError> {
        if layer >= self.model().hidden_layers() {
            return Err(PlanError::NoSuchLayer);
        }
        let mut rest: &mut [Activation] = &mut self.hidden;
        let mut before = layer;
        while let [first, tail @ ..] = rest {
            if before == 0 {
                *first = activation;
                break;
            }
            before -= 1;
            rest = tail;
        }
        Ok(self)
    }

    /// The plan with all layers frozen but those in a range, 0 the first layer of weights: see
    /// [`Model::with_trained`].
    ///
    /// ```
    /// # use natgrad::{Activation, Likelihood, Plan};
    /// const PLAN: Plan<4> = match Plan::new([6, 8, 8, 4], Activation::Tanh, Likelihood::Categorical) {
    ///     Ok(plan) => plan,
    ///     Err(error) => panic!("{}", error.message()),
    /// };
    /// /// What is learned on the device: the last layer.
    /// const PERSONAL: Plan<4> = match PLAN.with_trained(2..3) {
    ///     Ok(plan) => plan,
    ///     Err(error) => panic!("{}", error.message()),
    /// };
    /// assert_eq!(PERSONAL.params(), PLAN.params());
    /// assert_eq!(PERSONAL.trained_params(), 8 * 4 + 4);
    /// ```
    ///
    /// # Errors
    /// [`PlanError::NothingTrained`].
    pub const fn with_trained(self, layers: Range<usize>) -> Result<Self, PlanError> {
        match self.model().with_trained(layers) {
            Ok(Model {
                trained, totals, ..
            }) => Ok(Self {
                trained,
                totals,
                ..self
            }),
            Err(error) => Err(error),
        }
    }

    /// The plan as the passes and the methods see it.
    pub const fn model(&self) -> Model<'_> {
        Model {
            widths: &self.widths,
            hidden: &self.hidden,
            likelihood: self.likelihood,
            trained: self.trained,
            totals: self.totals,
        }
    }

    /// The number of parameters, those of frozen layers included: the length of the parameter vector.
    pub const fn params(&self) -> usize {
        self.model().params()
    }

    /// The number P of parameters that are trained: the length of everything that a method keeps.
    pub const fn trained_params(&self) -> usize {
        self.model().trained_params()
    }
}

/// The layers of weights that are trained: from `first` up to, and without, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
struct Trained {
    first: usize,
    end: usize,
}

impl Trained {
    /// All layers between so many widths.
    const fn all(widths: usize) -> Self {
        Self {
            first: 0,
            end: widths.saturating_sub(1),
        }
    }
}

/// Sums over layers: every slice of a step asks for them, so that they are computed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
struct Totals {
    /// Parameters of all layers.
    params: usize,
    /// Parameters of the layers before the first trained one.
    below: usize,
    /// Parameters of the trained layers.
    trained: usize,
    /// Inputs of the trained layers.
    trained_inputs: usize,
    /// Their units.
    trained_units: usize,
    /// Units of all layers, inputs included.
    units: usize,
    /// Units of the widest layer, inputs excluded.
    widest: usize,
    /// Inputs of an example.
    dim_in: usize,
    /// Outputs of an example.
    dim_out: usize,
}

impl Totals {
    /// Those of a network whose sizes do not leave the address space.
    const fn of(widths: &[usize], layers: Trained) -> Self {
        let mut totals = Self {
            params: 0,
            below: 0,
            trained: 0,
            trained_inputs: 0,
            trained_units: 0,
            units: 0,
            widest: 0,
            dim_in: match widths {
                [first, ..] => *first,
                [] => 0,
            },
            dim_out: match widths {
                [.., last] => *last,
                [] => 0,
            },
        };
        let mut rest = widths;
        let mut layer = 0;
        while let [fan_in, tail @ ..] = rest {
            totals.units += *fan_in;
            if let [fan_out, ..] = tail {
                let params = (*fan_in + 1) * *fan_out;
                totals.params += params;
                if layer < layers.first {
                    totals.below += params;
                } else if layer < layers.end {
                    totals.trained += params;
                    totals.trained_inputs += *fan_in;
                    totals.trained_units += *fan_out;
                }
                if *fan_out > totals.widest {
                    totals.widest = *fan_out;
                }
            }
            layer += 1;
            rest = tail;
        }
        totals
    }
}

/// A plan of any depth, borrowed: what a network is, without its memory.
///
/// Parameters are one flat vector: for each layer the weights `[out × in]`, row-major, and
/// then the bias `[out]`, layer after layer (the order of `PyTorch`'s `Linear`).
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Model<'p> {
    widths: &'p [usize],
    /// Of hidden layer l at place l; the last place stands for all layers after it.
    hidden: &'p [Activation],
    likelihood: Likelihood,
    trained: Trained,
    totals: Totals,
}

/// The parameters of a network are at most [`usize::MAX`] / `HEADROOM`, so that no size of a method overflows.
const HEADROOM: usize = 1024;

impl<'p> Model<'p> {
    /// A model whose widths are known at run time only, as on a host.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub const fn new(
        widths: &'p [usize],
        activation: Activation,
        likelihood: Likelihood,
    ) -> Result<Self, PlanError> {
        let (mut fan_in, mut rest) = match widths {
            [first, rest @ ..] if !rest.is_empty() => (*first, rest),
            _ => return Err(PlanError::TooFewWidths),
        };
        if fan_in == 0 {
            return Err(PlanError::ZeroWidth);
        }
        let mut params = 0_usize;
        while let [width, tail @ ..] = rest {
            if *width == 0 {
                return Err(PlanError::ZeroWidth);
            }
            let Some(weights) = fan_in.checked_mul(*width) else {
                return Err(PlanError::TooLarge);
            };
            let Some(layer) = weights.checked_add(*width) else {
                return Err(PlanError::TooLarge);
            };
            params = match params.checked_add(layer) {
                Some(sum) if sum <= usize::MAX / HEADROOM => sum,
                _ => return Err(PlanError::TooLarge),
            };
            fan_in = *width;
            rest = tail;
        }
        if matches!(likelihood, Likelihood::Categorical) {
            if fan_in < 2 {
                return Err(PlanError::OneClass);
            }
            if fan_in > 1 << 16 {
                return Err(PlanError::TooManyClasses);
            }
        }
        let trained = Trained::all(widths.len());
        Ok(Self {
            widths,
            hidden: activation.everywhere(),
            likelihood,
            trained,
            totals: Totals::of(widths, trained),
        })
    }

    /// The model with an activation for each of its hidden layers, the first one first.
    ///
    /// # Errors
    /// [`PlanError::NoSuchLayer`], when there are not as many activations as hidden layers.
    pub const fn with_activations(self, hidden: &'p [Activation]) -> Result<Self, PlanError> {
        if hidden.len() == self.hidden_layers() {
            Ok(Self { hidden, ..self })
        } else {
            Err(PlanError::NoSuchLayer)
        }
    }

    /// The model with all layers frozen but those in a range, 0 the first layer of weights.
    ///
    /// Frozen parameters never change, and cost neither gradient nor storage: P, the length of the gradient, of a
    /// direction and of every vector of a method, counts the trained parameters only
    /// ([`Model::trained_params`]), in the same order. A backward pass ends at the first trained layer, and
    /// tangents begin there. The trained layers lie side by side: the last ones, to personalise a network;
    /// the first ones, to adapt it to another sensor.
    ///
    /// # Errors
    /// [`PlanError::NothingTrained`], when the range is empty or leaves the network.
    pub const fn with_trained(self, layers: Range<usize>) -> Result<Self, PlanError> {
        let Range { start: first, end } = layers;
        if first < end && end < self.widths.len() {
            let trained = Trained { first, end };
            Ok(Self {
                trained,
                totals: Totals::of(self.widths, trained),
                ..self
            })
        } else {
            Err(PlanError::NothingTrained)
        }
    }

    /// Whether a layer of weights is trained, 0 the first.
    pub const fn trains(&self, layer: usize) -> bool {
        self.trained.first <= layer && layer < self.trained.end
    }

    /// The first layer of weights that is trained.
    pub(crate) const fn first_trained(&self) -> usize {
        self.trained.first
    }

    /// The widths of the trained layers, that of their input first.
    #[inline]
    pub(crate) fn trained_widths(&self) -> &'p [usize] {
        let Trained { first, end } = self.trained;
        self.widths.get(first..=end).unwrap_or(&[])
    }

    /// The widths, input first.
    pub const fn widths(&self) -> &'p [usize] {
        self.widths
    }

    /// The number of hidden layers.
    pub const fn hidden_layers(&self) -> usize {
        self.widths.len().saturating_sub(2)
    }

    /// The activation after layer `layer` of weights, 0 the first: that of a hidden layer, or the
    /// identity after the last one, whose outputs are the logits.
    pub fn activation(&self, layer: usize) -> Activation {
        if layer >= self.hidden_layers() {
            return Activation::Identity;
        }
        let last = self.hidden.last();
        let activation = self.hidden.get(layer).or(last);
        activation.copied().unwrap_or(Activation::Identity)
    }

    /// The likelihood of the outputs.
    pub const fn likelihood(&self) -> Likelihood {
        self.likelihood
    }

    /// The number of inputs of an example.
    pub const fn dim_in(&self) -> usize {
        self.totals.dim_in
    }

    /// The number of outputs (logits) of an example, K.
    pub const fn dim_out(&self) -> usize {
        self.totals.dim_out
    }

    /// The number of parameters, those of frozen layers included: the length of the parameter vector.
    pub const fn params(&self) -> usize {
        self.totals.params
    }

    /// The number P of parameters that are trained: the length of everything that a method keeps.
    pub const fn trained_params(&self) -> usize {
        self.totals.trained
    }

    /// The number of parameters before the first trained layer.
    pub(crate) const fn params_below(&self) -> usize {
        self.totals.below
    }

    /// The number of inputs of all trained layers.
    pub(crate) const fn trained_inputs(&self) -> usize {
        self.totals.trained_inputs
    }

    /// The number of inputs of the network, where its first layer is trained.
    pub(crate) const fn raw_inputs(&self) -> usize {
        if self.trains(0) { self.dim_in() } else { 0 }
    }

    /// The number of units of all trained layers.
    pub(crate) const fn trained_units(&self) -> usize {
        self.totals.trained_units
    }

    /// The number of units, inputs included, before what goes into the first trained layer.
    // Not one of the totals: those travel with every model, and few ask for it.
    pub(crate) fn units_below(&self) -> usize {
        self.widths.iter().take(self.trained.first).sum()
    }

    /// The number of trained layers.
    pub(crate) const fn trained_layers(&self) -> usize {
        self.trained.end.saturating_sub(self.trained.first)
    }

    /// The number of units of all layers, inputs included: Σ widths.
    pub const fn units(&self) -> usize {
        self.totals.units
    }

    /// The widest layer, inputs excluded.
    pub const fn widest(&self) -> usize {
        self.totals.widest
    }

    /// Multiply-accumulates of one pass over one example, biases and activations not counted.
    ///
    /// With n weights, t of them in trained layers, t₁ in the first trained layer, and u in all layers after
    /// that one:
    ///
    /// | pass | |
    /// |---|---|
    /// | outputs, loss | n |
    /// | gradient; `Jᵀu`; `Jv` with its forward pass | n + t + u |
    /// | metric product | n + 2t + 2u |
    /// | Hessian product | n + 4t − 2t₁ + 3u |
    ///
    /// Without frozen layers t = n and u = n − t₁. (The first trained layer needs neither the gradient of its
    /// inputs nor their tangent, which is zero.)
    pub const fn macs(&self, pass: Pass) -> u64 {
        let Weights {
            all,
            trained,
            lowest,
            behind,
        } = self.weights();
        match pass {
            Pass::Outputs | Pass::Loss => all,
            Pass::Gradient | Pass::Jvp | Pass::Vjp => all + trained + behind,
            Pass::Product => all + 2 * (trained + behind),
            Pass::Hessian => all + 4 * trained - 2 * lowest + 3 * behind,
        }
    }

    /// Multiply-accumulates of the rows QᵀJ of an example along a vector of length P, or of what they combine to, where
    /// the seeds of its K columns and what goes into the layers are at hand: t + KU.
    pub(crate) const fn row_macs(&self) -> u64 {
        let rows = self.dim_out().saturating_mul(self.trained_units());
        self.weights().trained.saturating_add(rows as u64)
    }

    /// Multiply-accumulates of the entries of two examples in a Gram matrix: I + K²U.
    pub(crate) const fn pair_macs(&self) -> u64 {
        let entries = self.dim_out().saturating_mul(self.dim_out());
        let units = entries.saturating_mul(self.trained_units());
        self.trained_inputs().saturating_add(units) as u64
    }

    /// The weights by what has to be done with them.
    pub(crate) const fn weights(&self) -> Weights {
        let Trained { first, end } = self.trained;
        let mut weights = Weights {
            all: 0,
            trained: 0,
            lowest: 0,
            behind: 0,
        };
        let mut rest = self.widths;
        let mut layer = 0;
        while let [fan_in, tail @ ..] = rest {
            if let [fan_out, ..] = tail {
                let of_layer = (*fan_in * *fan_out) as u64;
                weights.all += of_layer;
                if first <= layer && layer < end {
                    weights.trained += of_layer;
                }
                if layer == first {
                    weights.lowest = of_layer;
                }
                if layer > first {
                    weights.behind += of_layer;
                }
            }
            layer += 1;
            rest = tail;
        }
        weights
    }
}

/// The numbers of weights of a network, biases not counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weights {
    /// Of all layers.
    pub(crate) all: u64,
    /// Of the trained ones.
    pub(crate) trained: u64,
    /// Of the first trained one.
    pub(crate) lowest: u64,
    /// Of all layers after that one.
    pub(crate) behind: u64,
}

impl PartialEq for Model<'_> {
    fn eq(&self, other: &Self) -> bool {
        let activations = |model: &Self| {
            let model = *model;
            (0..model.hidden_layers()).map(move |layer| model.activation(layer))
        };
        self.widths == other.widths
            && self.likelihood == other.likelihood
            && self.trained == other.trained
            && activations(self).eq(activations(other))
    }
}

impl Eq for Model<'_> {}

impl<'p, const N: usize> From<&'p Plan<N>> for Model<'p> {
    fn from(plan: &'p Plan<N>) -> Self {
        plan.model()
    }
}

/// Why a plan was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum PlanError {
    /// Fewer than two widths.
    TooFewWidths,
    /// A layer without units.
    ZeroWidth,
    /// A categorical likelihood over a single class.
    OneClass,
    /// More classes than a label can name.
    TooManyClasses,
    /// The parameters leave the address space.
    TooLarge,
    /// An activation for a hidden layer that does not exist, or another number of activations than of hidden layers.
    NoSuchLayer,
    /// A range of trained layers that is empty or leaves the network.
    NothingTrained,
}

impl PlanError {
    /// The error in one sentence.
    pub const fn message(&self) -> &'static str {
        match self {
            Self::TooFewWidths => "a network needs at least two widths: its inputs and its outputs",
            Self::ZeroWidth => "every width of a network must be at least 1",
            Self::OneClass => "a categorical likelihood needs at least two outputs",
            Self::TooManyClasses => "a categorical likelihood takes at most 65536 outputs",
            Self::TooLarge => "the network has more parameters than memory can be addressed for",
            Self::NoSuchLayer => "each hidden layer has one activation",
            Self::NothingTrained => {
                "the trained layers must be one or more of the network's layers, side by side"
            }
        }
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for PlanError {}
