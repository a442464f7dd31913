//! Examples in memory, and how well a network does on them.

use natgrad::{Batch, Inputs, Likelihood, Mlp, Model, Pass, Scalar, Targets as CoreTargets};
use num_traits::Float;

use crate::data::{Dataset, Scaling, Targets};
use crate::error::Error;
use crate::memory::zeros;
use crate::training::refused;

/// The tile of evaluations; it changes no bit.
pub const TILE: usize = 16;

/// Examples in the precision of a run.
#[derive(Clone, Debug)]
pub struct Examples<T> {
    dim_in: usize,
    dim_out: usize,
    inputs: Vec<T>,
    targets: Targets<T>,
}

impl<T: Scalar + Float> Examples<T> {
    /// The examples of `set`.
    ///
    /// # Errors
    /// [`Error::Cell`], when a value does not fit `T`.
    pub fn new(set: &Dataset) -> Result<Self, Error> {
        Ok(Self {
            dim_in: set.dim_in(),
            dim_out: set.dim_out(),
            inputs: set.inputs_as()?,
            targets: set.targets_as()?,
        })
    }

    /// The number of examples.
    pub fn len(&self) -> usize {
        self.inputs.len() / self.dim_in.max(1)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// The examples as the core takes them.
    pub fn batch(&self) -> Batch<'_, T> {
        let targets = match &self.targets {
            Targets::Values(values) => CoreTargets::Values(values),
            Targets::Classes(labels) => CoreTargets::Classes(labels),
        };
        Batch::new(Inputs::Values(&self.inputs), targets)
    }

    /// The inputs, `[n × dim_in]`.
    pub fn inputs(&self) -> &[T] {
        &self.inputs
    }

    /// A copy of some rows, in that order.
    #[must_use]
    pub fn gather(&self, rows: &[usize]) -> Self {
        fn blocks<T: Copy>(values: &[T], rows: &[usize], width: usize) -> Vec<T> {
            rows.iter()
                .filter_map(|row| values.get(row * width..(row + 1) * width))
                .flatten()
                .copied()
                .collect()
        }
        Self {
            dim_in: self.dim_in,
            dim_out: self.dim_out,
            inputs: blocks(&self.inputs, rows, self.dim_in),
            targets: match &self.targets {
                Targets::Values(values) => Targets::Values(blocks(values, rows, self.dim_out)),
                Targets::Classes(labels) => Targets::Classes(blocks(labels, rows, 1)),
            },
        }
    }
}

/// How well a network does: its loss, and the measure that a user asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// The mean loss, in training units.
    pub loss: f64,
    /// The measure of the likelihood.
    pub measure: Measure,
}

/// What a user asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// The share of examples whose most probable class is theirs; for a Bernoulli likelihood the share of
    /// outputs on the right side of ½.
    Accuracy(f64),
    /// √ of the mean squared error over examples and outputs, in the user's units.
    Rmse(f64),
}

/// Measures a network on a set whose values are in training units.
///
/// # Errors
/// [`Error::Cell`], when a value does not fit `T`; [`Error::File`], when the set is empty or the loss
/// cannot be computed.
pub fn evaluate<T: Scalar + Float>(
    model: Model<'_>,
    params: &[T],
    set: &Dataset,
    scaling: &Scaling,
) -> Result<Quality, Error> {
    let examples = Examples::<T>::new(set)?;
    let refused = |error| refused(set.name(), error);
    let mut scratch: Vec<T> = zeros(Pass::Loss.scratch_len(&model, TILE))?;
    let mut mlp = Mlp::<T, TILE>::new(model, params, &mut scratch).map_err(refused)?;
    let loss = mlp.loss(&examples.batch()).map_err(refused)?.widen();
    let mut means = vec![T::ZERO; examples.len() * model.dim_out()];
    mlp.predict(examples.inputs(), &mut means)
        .map_err(refused)?;
    if !loss.is_finite() || means.iter().any(|mean| !mean.widen().is_finite()) {
        return Err(Error::file(
            set.name(),
            "the outputs of the model overflow on it",
        ));
    }
    let measure = match &examples.targets {
        Targets::Classes(labels) => {
            let rows = means.chunks_exact(model.dim_out());
            let right = rows
                .zip(labels)
                .filter(|(row, label)| most_probable(row) == usize::from(**label))
                .count();
            Measure::Accuracy(share(right, labels.len()))
        }
        Targets::Values(values) if model.likelihood() == Likelihood::Gaussian => {
            Measure::Rmse(rmse(&means, values, &scaling.target_scale))
        }
        Targets::Values(values) => {
            let pairs = means.iter().zip(values);
            let right = pairs
                .filter(|(p, t)| (p.widen() >= 0.5) == (t.widen() >= 0.5))
                .count();
            Measure::Accuracy(share(right, values.len()))
        }
    };
    Ok(Quality { loss, measure })
}

/// The place of the largest value, the first of equals.
fn most_probable<T: Scalar>(row: &[T]) -> usize {
    let mut best = 0;
    for (k, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = k;
        }
    }
    best
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
fn rmse<T: Scalar>(means: &[T], targets: &[T], scale: &[f64]) -> f64 {
    let pairs = means.iter().zip(targets).zip(scale.iter().cycle());
    let sum: f64 = pairs
        .map(|((y, t), scale)| ((y.widen() - t.widen()) * scale).powi(2))
        .sum();
    (sum / targets.len() as f64).sqrt()
}
