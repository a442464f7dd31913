//! Amounts of memory: of a pass over a tile, of a method, of the examples that a step copies.

use super::Model;
use crate::data::Labels;
use crate::dense::Rows;

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
/// len = vectors · P + scalars + dual + tile · (units · Σ widths + widths · widest + outputs · K),
///
/// with dual the memory of a [`DualStorage`].
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
    /// A system in output space.
    pub dual: DualStorage,
}

/// The memory of a system in output space, for B examples of K outputs: with n = BK, I the inputs of all trained
/// layers and U their units,
///
/// len = B·I + n·U + n(n + 1)/2 + 3n + factors · (I + U), and with factors twice the inputs
/// of the network, where its first layer is trained, for their means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DualStorage {
    /// B; 0 for no such system.
    pub examples: usize,
    /// Numbers per input and per unit.
    pub factors: usize,
}

impl DualStorage {
    /// No memory.
    pub const NONE: Self = Self {
        examples: 0,
        factors: 0,
    };

    /// The number of scalars for a model; saturates instead of overflowing.
    // Inlined, with its caller: a method's storage is a constant, and most have no such system.
    #[inline]
    pub const fn len(self, model: &Model<'_>) -> usize {
        if self.examples == 0 {
            return 0;
        }
        let (inputs, units) = (model.trained_inputs(), model.trained_units());
        let order = self.examples.saturating_mul(model.dim_out());
        self.examples
            .saturating_mul(inputs)
            .saturating_add(order.saturating_mul(units))
            .saturating_add(Rows::packed_len(order))
            .saturating_add(order.saturating_mul(3))
            .saturating_add(self.factors.saturating_mul(inputs.saturating_add(units)))
            .saturating_add(
                model
                    .raw_inputs()
                    .saturating_mul(if self.factors > 0 { 2 } else { 0 }),
            )
    }
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
            dual: DualStorage::NONE,
        }
    }

    /// With a system in output space.
    #[must_use]
    pub const fn with_dual(self, dual: DualStorage) -> Self {
        Self { dual, ..self }
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
            dual: DualStorage {
                examples: self.dual.examples + other.dual.examples,
                factors: self.dual.factors + other.dual.factors,
            },
        }
    }

    /// The number of scalars for a model and a tile; saturates instead of overflowing.
    #[inline]
    pub const fn len(self, model: &Model<'_>, tile: usize) -> usize {
        let rows = model
            .units()
            .saturating_mul(self.units)
            .saturating_add(model.widest().saturating_mul(self.widths))
            .saturating_add(model.dim_out().saturating_mul(self.outputs));
        model
            .trained_params()
            .saturating_mul(self.vectors)
            .saturating_add(self.scalars)
            .saturating_add(self.dual.len(model))
            .saturating_add(rows.saturating_mul(tile))
    }
}

/// What a workspace has room for beside the method: copies of examples, and activations.
///
/// A step that runs in one call, or whose examples lie in flash, copies no example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Room {
    /// Examples of the gradient batch: inputs, targets and weight.
    pub batch: usize,
    /// Examples of a separate metric batch: inputs and weight, and targets where the method's curvature
    /// looks at them.
    pub metric: usize,
    /// Examples of the metric whose activations stay from product to product of a step, so that they need a forward
    /// pass once: whole tiles of them. It is for the methods that make several products, and changes no bit. With other
    /// examples the room may be anything: what is left of a workspace is used, for the first tiles of the metric.
    pub activations: usize,
}

impl Room {
    /// No room: the examples outlive the step.
    pub const NONE: Self = Self {
        batch: 0,
        metric: 0,
        activations: 0,
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
            .saturating_add(self.activations.saturating_mul(model.units()))
    }
}
