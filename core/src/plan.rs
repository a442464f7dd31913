//! What the network is, and every size that follows from it.
//!
//! A [`Plan`] lives in flash as a `const`. The passes and the methods see it through the borrowed
//! [`Model`], so that one copy of machine code serves networks of every depth. This is the only file
//! that does arithmetic with sizes; whoever needs memory states it as a [`Storage`].

use core::fmt;

use crate::activation::Activation;
use crate::data::Labels;
use crate::likelihood::Likelihood;

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
    /// Of hidden layer l at place l; the places behind the last hidden layer mean nothing.
    hidden: [Activation; N],
    likelihood: Likelihood,
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
        let plan = Self {
            widths,
            hidden: [activation; N],
            likelihood,
        };
        match Model::new(&plan.widths, activation, likelihood) {
            Ok(_) => Ok(plan),
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

    /// The plan as the passes and the methods see it.
    pub const fn model(&self) -> Model<'_> {
        Model {
            widths: &self.widths,
            hidden: &self.hidden,
            likelihood: self.likelihood,
        }
    }

    /// The number of parameters P.
    pub const fn params(&self) -> usize {
        self.model().params()
    }
}

/// A plan of any depth, borrowed: what a network is, without its memory.
///
/// Parameters are one flat vector of length P: for each layer the weights `[out × in]`, row-major, and
/// then the bias `[out]`, layer after layer (the order of `PyTorch`'s `Linear`).
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Model<'p> {
    widths: &'p [usize],
    /// Of hidden layer l at place l; the last place stands for all layers behind it.
    hidden: &'p [Activation],
    likelihood: Likelihood,
}

/// P may be at most this much below the address space, so that no size of a method overflows.
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
        Ok(Self {
            widths,
            hidden: activation.everywhere(),
            likelihood,
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

    /// The widths, input first.
    pub const fn widths(&self) -> &'p [usize] {
        self.widths
    }

    /// The number of hidden layers.
    pub const fn hidden_layers(&self) -> usize {
        self.widths.len().saturating_sub(2)
    }

    /// The activation behind layer `layer` of weights, 0 the first: that of a hidden layer, or the
    /// identity behind the last one, whose outputs are the logits.
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
        match self.widths {
            [first, ..] => *first,
            [] => 0,
        }
    }

    /// The number of outputs (logits) of an example, K.
    pub const fn dim_out(&self) -> usize {
        match self.widths {
            [.., last] => *last,
            [] => 0,
        }
    }

    /// The number of parameters P.
    pub const fn params(&self) -> usize {
        let (weights, biases) = self.weights_and_biases();
        weights + biases
    }

    /// The number of units of all layers, inputs included: Σ widths.
    pub const fn units(&self) -> usize {
        let mut rest = self.widths;
        let mut sum = 0;
        while let [width, tail @ ..] = rest {
            sum += *width;
            rest = tail;
        }
        sum
    }

    /// The widest layer, inputs excluded.
    pub const fn widest(&self) -> usize {
        let mut rest = match self.widths {
            [_, rest @ ..] => rest,
            [] => &[],
        };
        let mut widest = 0;
        while let [width, tail @ ..] = rest {
            if *width > widest {
                widest = *width;
            }
            rest = tail;
        }
        widest
    }

    /// Multiply-accumulates of one pass over one example, biases and activations not counted.
    ///
    /// With n weights, n₁ of them in the first layer: outputs and loss n; gradient 3n − n₁; `Jv` and its
    /// forward pass 3n − n₁; `Jᵀu` 3n − n₁; a metric product 5n − 2n₁; a Hessian product 8n − 5n₁.
    /// (The first layer needs neither the gradient of its inputs nor their tangent, which is zero.)
    pub const fn macs(&self, pass: Pass) -> u64 {
        let n = self.weights_and_biases().0 as u64;
        let first = match self.widths {
            [dim_in, dim_out, ..] => (*dim_in as u64) * (*dim_out as u64),
            _ => 0,
        };
        match pass {
            Pass::Outputs | Pass::Loss => n,
            Pass::Gradient | Pass::Jvp | Pass::Vjp => 3 * n - first,
            Pass::Product => 5 * n - 2 * first,
            Pass::Hessian => 8 * n - 5 * first,
        }
    }

    const fn weights_and_biases(&self) -> (usize, usize) {
        let mut rest = self.widths;
        let (mut weights, mut biases) = (0, 0);
        while let [fan_in, tail @ ..] = rest {
            if let [fan_out, ..] = tail {
                weights += *fan_in * *fan_out;
                biases += *fan_out;
            }
            rest = tail;
        }
        (weights, biases)
    }
}

impl PartialEq for Model<'_> {
    fn eq(&self, other: &Self) -> bool {
        let activations = |model: &Self| {
            let model = *model;
            (0..model.hidden_layers()).map(move |layer| model.activation(layer))
        };
        self.widths == other.widths
            && self.likelihood == other.likelihood
            && activations(self).eq(activations(other))
    }
}

impl Eq for Model<'_> {}

impl<'p, const N: usize> From<&'p Plan<N>> for Model<'p> {
    fn from(plan: &'p Plan<N>) -> Self {
        plan.model()
    }
}

/// The passes over a tile of examples, by what they need: memory ([`Pass::storage`]) and arithmetic
/// ([`Model::macs`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pass {
    /// Logits or predictions.
    Outputs,
    /// The loss.
    Loss,
    /// The loss and its gradient.
    Gradient,
    /// `Jv`: the R-operator.
    Jvp,
    /// `Jᵀu`.
    Vjp,
    /// A product with the Fisher, the empirical Fisher or the gradient covariance.
    Product,
    /// A product with the Hessian.
    Hessian,
}

impl Pass {
    /// The scratch memory of the pass for one tile.
    pub const fn storage(self) -> Storage {
        let (units, widths, outputs) = match self {
            Self::Outputs => (1, 0, 0),
            Self::Loss => (1, 0, 1),
            Self::Gradient | Self::Vjp => (1, 2, 1),
            Self::Jvp => (2, 0, 0),
            Self::Product => (2, 2, 1),
            Self::Hessian => (3, 4, 1),
        };
        Storage {
            units,
            widths,
            outputs,
            ..Storage::NONE
        }
    }

    /// The number of scalars of scratch memory for one tile of `tile` examples.
    pub const fn scratch_len(self, model: &Model<'_>, tile: usize) -> usize {
        self.storage().len(model, tile)
    }
}

/// An amount of memory, in units that a plan turns into a number of scalars:
///
/// len = vectors · P + scalars + tile · (units · Σ widths + widths · widest + outputs · K).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Vectors as long as the parameters.
    pub vectors: usize,
    /// Scalars, whatever the plan: small dense matrices of a method.
    pub scalars: usize,
    /// Rows of one lane per example of a tile, for every unit of every layer.
    pub units: usize,
    /// The same for the units of the widest layer after the input.
    pub widths: usize,
    /// The same for the outputs.
    pub outputs: usize,
}

impl Storage {
    /// No memory.
    pub const NONE: Self = Self::vectors(0);

    /// That many vectors of length P.
    pub const fn vectors(vectors: usize) -> Self {
        Self {
            vectors,
            scalars: 0,
            units: 0,
            widths: 0,
            outputs: 0,
        }
    }

    /// With that many scalars beside it.
    #[must_use]
    pub const fn with_scalars(self, scalars: usize) -> Self {
        Self { scalars, ..self }
    }

    /// Both amounts, side by side.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            vectors: self.vectors + other.vectors,
            scalars: self.scalars + other.scalars,
            units: self.units + other.units,
            widths: self.widths + other.widths,
            outputs: self.outputs + other.outputs,
        }
    }

    /// The number of scalars for a model and a tile; saturates instead of overflowing.
    pub const fn len(self, model: &Model<'_>, tile: usize) -> usize {
        let rows = model
            .units()
            .saturating_mul(self.units)
            .saturating_add(model.widest().saturating_mul(self.widths))
            .saturating_add(model.dim_out().saturating_mul(self.outputs));
        model
            .params()
            .saturating_mul(self.vectors)
            .saturating_add(self.scalars)
            .saturating_add(rows.saturating_mul(tile))
    }
}

/// How many examples a step that is cut into slices may copy into its workspace.
///
/// A step that runs in one call, or whose examples lie in flash, copies none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Room {
    /// Examples of the gradient batch: inputs, targets and weight.
    pub batch: usize,
    /// Examples of a separate metric batch: inputs and weight, and targets where the method's curvature
    /// looks at them.
    pub metric: usize,
}

impl Room {
    /// No room: the examples outlive the step.
    pub const NONE: Self = Self {
        batch: 0,
        metric: 0,
    };

    /// The number of scalars; saturates instead of overflowing.
    pub const fn len(self, model: &Model<'_>, metric: Labels) -> usize {
        let unlabelled = model.dim_in() + 1;
        let labelled = unlabelled + model.dim_out();
        let metric_example = match metric {
            Labels::Needed => labelled,
            Labels::Unused => unlabelled,
        };
        self.batch
            .saturating_mul(labelled)
            .saturating_add(self.metric.saturating_mul(metric_example))
    }
}

/// Why a plan is none.
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
    /// An activation for a hidden layer that there is not, or hidden layers without one.
    NoSuchLayer,
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
        }
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for PlanError {}
