//! Examples: where they lie and how they are checked. Nothing here copies an example.

mod ring;
mod samples;

pub use ring::{Ring, Target};
pub use samples::Samples;

use core::fmt;

use crate::error::Error;
use crate::kernels;
use crate::likelihood::Likelihood;
use crate::plan::Model;
use crate::scalar::Scalar;
use crate::workspace::{ShapeError, exact};

/// The inputs of examples, `[batch × dim_in]`, one example after the other.
#[derive(Clone, Copy, Debug)]
pub enum Inputs<'a, T> {
    /// In the scalar type itself.
    Values(&'a [T]),
    /// As `u8` with a scale and an offset per feature.
    Bytes(Samples<'a, u8, T>),
    /// As `i16` with a scale and an offset per feature.
    Words(Samples<'a, i16, T>),
}

impl<'a, T> From<&'a [T]> for Inputs<'a, T> {
    fn from(values: &'a [T]) -> Self {
        Self::Values(values)
    }
}

impl<'a, T, const LEN: usize> From<&'a [T; LEN]> for Inputs<'a, T> {
    fn from(values: &'a [T; LEN]) -> Self {
        Self::Values(values)
    }
}

impl<'a, T> From<Samples<'a, u8, T>> for Inputs<'a, T> {
    fn from(samples: Samples<'a, u8, T>) -> Self {
        Self::Bytes(samples)
    }
}

impl<'a, T> From<Samples<'a, i16, T>> for Inputs<'a, T> {
    fn from(samples: Samples<'a, i16, T>) -> Self {
        Self::Words(samples)
    }
}

impl<T: Scalar> Inputs<'_, T> {
    fn values(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Bytes(samples) => samples.values(),
            Self::Words(samples) => samples.values(),
        }
    }

    fn features(&self) -> Option<usize> {
        match self {
            Self::Values(_) => None,
            Self::Bytes(samples) => Some(samples.features()),
            Self::Words(samples) => Some(samples.features()),
        }
    }

    /// The first input of one example that is not finite.
    fn first_unusable(&self, example: usize, dim_in: usize) -> Option<usize> {
        let mut first = None;
        self.read(example, dim_in, 0..dim_in, |feature, x| {
            if !x.is_finite() && first.is_none() {
                first = Some(feature);
            }
        });
        first
    }

    /// Hands the inputs of one example to `put`, in the order of the features, each with its place.
    fn read<P>(
        &self,
        example: usize,
        dim_in: usize,
        places: impl Iterator<Item = P>,
        mut put: impl FnMut(P, T),
    ) {
        match self {
            Self::Values(values) => {
                for (place, &x) in places.zip(row(values, example, dim_in)) {
                    put(place, x);
                }
            }
            Self::Bytes(samples) => samples.read(example, places, put),
            Self::Words(samples) => samples.read(example, places, put),
        }
    }
}

/// What the examples should give.
#[derive(Clone, Copy, Debug)]
pub enum Targets<'a, T> {
    /// Nothing: enough for outputs and for the metric, which needs no labels.
    Unlabelled,
    /// `[batch × dim_out]` values: any number for a Gaussian likelihood, probabilities for a Bernoulli
    /// one, distributions over the classes (each summing to 1) for a categorical one.
    Values(&'a [T]),
    /// `[batch]` classes below `dim_out`, for a categorical likelihood.
    Classes(&'a [u16]),
}

impl<'a, T> From<&'a [T]> for Targets<'a, T> {
    fn from(values: &'a [T]) -> Self {
        Self::Values(values)
    }
}

impl<'a, T, const LEN: usize> From<&'a [T; LEN]> for Targets<'a, T> {
    fn from(values: &'a [T; LEN]) -> Self {
        Self::Values(values)
    }
}

/// How much each example counts in a mean over the batch.
#[derive(Clone, Copy, Debug)]
pub enum Weights<'a, T> {
    /// All the same.
    Uniform,
    /// `[batch]` weights, finite and not negative; 0 ignores the example, whatever it holds.
    PerExample(&'a [T]),
}

/// Some examples: inputs, perhaps targets, perhaps weights.
///
/// Loss, gradient, metric and Hessian are means over it: Σ wᵦ(·)ᵦ / Σ wᵦ.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a, T> {
    pub(crate) inputs: Inputs<'a, T>,
    pub(crate) targets: Targets<'a, T>,
    pub(crate) weights: Weights<'a, T>,
}

impl<'a, T: Scalar> Batch<'a, T> {
    /// Examples with targets: slices, arrays or [`Samples`] for the inputs; slices or arrays for the
    /// targets. Shapes are checked against the plan where the batch is used.
    pub fn new(inputs: impl Into<Inputs<'a, T>>, targets: impl Into<Targets<'a, T>>) -> Self {
        Self {
            inputs: inputs.into(),
            targets: targets.into(),
            weights: Weights::Uniform,
        }
    }

    /// Examples with class labels.
    pub fn labelled(inputs: impl Into<Inputs<'a, T>>, classes: &'a [u16]) -> Self {
        Self::new(inputs, Targets::Classes(classes))
    }

    /// Examples without targets.
    pub fn unlabelled(inputs: impl Into<Inputs<'a, T>>) -> Self {
        Self::new(inputs, Targets::Unlabelled)
    }

    /// The same examples, each with a weight `[batch]`.
    #[must_use]
    pub fn weighted(mut self, weights: &'a [T]) -> Self {
        self.weights = Weights::PerExample(weights);
        self
    }

    /// No examples.
    pub const fn empty() -> Self {
        Self {
            inputs: Inputs::Values(&[]),
            targets: Targets::Unlabelled,
            weights: Weights::Uniform,
        }
    }

    /// The number of examples, weight 0 included, for inputs of `dim_in` features.
    pub fn len(&self, model: &Model<'_>) -> usize {
        self.inputs
            .values()
            .checked_div(model.dim_in())
            .unwrap_or(0)
    }

    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.inputs.values() == 0
    }

    /// Checks the lengths of all parts against the plan; returns the number of examples.
    pub(crate) fn check_shape(&self, model: &Model<'_>) -> Result<usize, ShapeError> {
        if let Some(features) = self.inputs.features() {
            exact(
                "the scale and offset of the samples",
                model.dim_in(),
                features,
            )?;
        }
        let values = self.inputs.values();
        let examples = self.len(model);
        exact(
            "the inputs, as many for each example",
            examples.saturating_mul(model.dim_in()),
            values,
        )?;
        match self.targets {
            Targets::Unlabelled => {}
            Targets::Values(values) => {
                let expected = examples.saturating_mul(model.dim_out());
                exact("the targets", expected, values.len())?;
            }
            Targets::Classes(classes) => exact("the classes", examples, classes.len())?,
        }
        if let Weights::PerExample(weights) = self.weights {
            exact("the weights", examples, weights.len())?;
        }
        Ok(examples)
    }

    /// Checks the content of `count` examples from `first` on and adds their weights to `total`, one after the other.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(crate) fn check_examples(
        &self,
        model: &Model<'_>,
        first: usize,
        count: usize,
        labels: Labels,
        total: &mut T,
    ) -> Result<(), DataError> {
        let examples = (first..self.len(model)).take(count);
        // One look at all numbers; which of them is not finite is asked of the examples one by one.
        let inputs = self.inputs_of(model, first, examples.len());
        if inputs.is_some_and(kernels::all_finite) {
            if matches!(labels, Labels::Needed) {
                self.check_targets(model, first, examples.len())?;
            }
            for _ in examples {
                *total += T::ONE;
            }
        } else {
            for example in examples {
                *total += self.check_example(model, example, labels)?;
            }
        }
        Ok(())
    }

    /// Checks the content of one example and returns its weight. Total for any index.
    fn check_example(
        &self,
        model: &Model<'_>,
        example: usize,
        labels: Labels,
    ) -> Result<T, DataError> {
        let weight = self.weight(example);
        if !weight.is_finite() || weight < T::ZERO {
            return Err(DataError::Weight { example });
        }
        if weight == T::ZERO {
            return Ok(weight);
        }
        if let Some(feature) = self.inputs.first_unusable(example, model.dim_in()) {
            return Err(DataError::Input { example, feature });
        }
        if matches!(labels, Labels::Needed) {
            self.check_target(model, example)?;
        }
        Ok(weight)
    }

    /// Whether a class label names a class: copying it as one value per output would hide that.
    pub(crate) fn check_class(&self, model: &Model<'_>, example: usize) -> Result<(), DataError> {
        match self.targets {
            Targets::Classes(_) if self.weight(example) != T::ZERO => {
                self.check_target(model, example)
            }
            _ => Ok(()),
        }
    }

    /// Checks the targets of `count` examples from `first` on, which all take part.
    fn check_targets(
        &self,
        model: &Model<'_>,
        first: usize,
        count: usize,
    ) -> Result<(), DataError> {
        if let (Likelihood::Gaussian, Targets::Values(values)) = (model.likelihood(), self.targets)
            && rows(values, first, count, model.dim_out()).is_some_and(kernels::all_finite)
        {
            return Ok(());
        }
        (first..)
            .take(count)
            .try_for_each(|example| self.check_target(model, example))
    }

    fn check_target(&self, model: &Model<'_>, example: usize) -> Result<(), DataError> {
        let bad = Err(DataError::Target { example });
        match (model.likelihood(), self.targets) {
            (_, Targets::Unlabelled) => Err(DataError::Unlabelled),
            (Likelihood::Categorical, Targets::Classes(classes)) => match classes.get(example) {
                Some(&class) if usize::from(class) < model.dim_out() => Ok(()),
                _ => bad,
            },
            (_, Targets::Classes(_)) => Err(DataError::ClassesWithoutCategories),
            (likelihood, Targets::Values(values)) => {
                let values = row(values, example, model.dim_out());
                let probability = |t: &T| *t >= T::ZERO && *t <= T::ONE;
                let good = match likelihood {
                    Likelihood::Gaussian => kernels::all_finite(values),
                    Likelihood::Bernoulli => values.iter().all(probability),
                    Likelihood::Categorical => {
                        // In index order.
                        let mut sum = T::ZERO;
                        for &t in values {
                            sum += t;
                        }
                        values.iter().all(probability)
                            && (sum - T::ONE).abs() <= T::of(DISTRIBUTION_SLACK)
                    }
                };
                if good { Ok(()) } else { bad }
            }
        }
    }

    /// Checks shapes and every example; returns Σ wᵦ.
    pub(crate) fn admit(&self, model: &Model<'_>, labels: Labels) -> Result<T, Error> {
        let examples = self.check_shape(model)?;
        let mut total = T::ZERO;
        self.check_examples(model, 0, examples, labels, &mut total)?;
        Self::check_total(total)?;
        Ok(total)
    }

    pub(crate) fn check_total(total: T) -> Result<(), DataError> {
        if !total.is_finite() {
            Err(DataError::TotalWeight)
        } else if total > T::ZERO {
            Ok(())
        } else {
            Err(DataError::Empty)
        }
    }

    pub(crate) fn weight(&self, example: usize) -> T {
        match self.weights {
            Weights::Uniform => T::ONE,
            Weights::PerExample(weights) => weights.get(example).copied().unwrap_or(T::ZERO),
        }
    }

    /// Those of `count` examples from `first` on that take part: of weight 0 does none.
    pub(crate) fn taken(
        &self,
        model: &Model<'_>,
        first: usize,
        count: usize,
    ) -> impl Iterator<Item = usize> {
        let examples = first..self.len(model);
        examples
            .take(count)
            .filter(|&example| self.weight(example) != T::ZERO)
    }

    /// Writes the inputs of one example through `put`, each into its place.
    pub(crate) fn read_inputs<P>(
        &self,
        model: &Model<'_>,
        example: usize,
        places: impl Iterator<Item = P>,
        put: impl FnMut(P, T),
    ) {
        self.inputs.read(example, model.dim_in(), places, put);
    }

    /// The inputs of `count` examples from `first` on, where they are numbers that lie side by side and all examples
    /// take part: to be moved as a whole. Not where functions compute, beside which it would save nothing.
    pub(crate) fn inputs_of(
        &self,
        model: &Model<'_>,
        first: usize,
        count: usize,
    ) -> Option<&'a [T]> {
        match (self.inputs, self.weights) {
            (Inputs::Values(values), Weights::Uniform) if T::REGISTERS => {
                rows(values, first, count, model.dim_in())
            }
            _ => None,
        }
    }

    /// Their targets, likewise; no number where there are none.
    pub(crate) fn targets_of(
        &self,
        model: &Model<'_>,
        first: usize,
        count: usize,
    ) -> Option<&'a [T]> {
        match (self.targets, self.weights) {
            (Targets::Values(values), Weights::Uniform) if T::REGISTERS => {
                rows(values, first, count, model.dim_out())
            }
            (Targets::Unlabelled, _) => Some(&[]),
            _ => None,
        }
    }

    /// Writes the targets of one example, one value per output, through `put`, each into its place.
    pub(crate) fn read_targets<P>(
        &self,
        model: &Model<'_>,
        example: usize,
        places: impl Iterator<Item = P>,
        mut put: impl FnMut(P, T),
    ) {
        match self.targets {
            Targets::Unlabelled => {}
            Targets::Values(values) => {
                for (place, &t) in places.zip(row(values, example, model.dim_out())) {
                    put(place, t);
                }
            }
            Targets::Classes(classes) => {
                let class = classes.get(example).map_or(0, |&class| usize::from(class));
                for (place, k) in places.zip(0..model.dim_out()) {
                    put(place, if k == class { T::ONE } else { T::ZERO });
                }
            }
        }
    }

    /// The first `examples` of the batch, or all of it when it has fewer. Of the batch of a [`Ring`] those are its
    /// first slots, not its oldest or newest samples.
    #[must_use]
    pub fn leading(&self, model: &Model<'_>, examples: usize) -> Self {
        let weights = match self.weights {
            Weights::Uniform => Weights::Uniform,
            Weights::PerExample(weights) => Weights::PerExample(head(weights, examples)),
        };
        let targets = match self.targets {
            Targets::Unlabelled => Targets::Unlabelled,
            Targets::Values(values) => {
                Targets::Values(head(values, examples.saturating_mul(model.dim_out())))
            }
            Targets::Classes(classes) => Targets::Classes(head(classes, examples)),
        };
        let values = examples.saturating_mul(model.dim_in());
        let inputs = match self.inputs {
            Inputs::Values(inputs) => Inputs::Values(head(inputs, values)),
            Inputs::Bytes(samples) => Inputs::Bytes(samples.head(values)),
            Inputs::Words(samples) => Inputs::Words(samples.head(values)),
        };
        Self {
            inputs,
            targets,
            weights,
        }
    }
}

/// How far the sum of a target distribution may be from 1.
const DISTRIBUTION_SLACK: f64 = 1e-5;

/// Whether a use of a batch looks at its targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Labels {
    /// It does.
    Needed,
    /// It does not: they may be missing.
    Unused,
}

/// The inputs over which the metric of a step is a mean. It needs no labels (Pascanu & Bengio, section
/// 2.1 and 7): the targets that it averages over are the model's own.
#[derive(Clone, Copy, Debug)]
pub enum Metric<'a, T> {
    /// The gradient batch itself.
    Same,
    /// The first examples of the gradient batch: a curvature from 256 examples beside a gradient from
    /// all of them costs several times less per step.
    Leading(usize),
    /// Other examples, labelled or not.
    On(Batch<'a, T>),
}

impl<'a, T: Scalar> Metric<'a, T> {
    /// The examples of a metric beside a gradient batch.
    pub(crate) fn examples(&self, model: &Model<'_>, batch: &Batch<'a, T>) -> Batch<'a, T> {
        match *self {
            Self::Same => *batch,
            Self::Leading(examples) => batch.leading(model, examples),
            Self::On(metric) => metric,
        }
    }
}

/// What is wrong with an example. Found before anything changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum DataError {
    /// There is no example, or none with a weight above 0.
    Empty,
    /// Targets are needed and there are none.
    Unlabelled,
    /// Class labels are given, and the likelihood is not categorical.
    ClassesWithoutCategories,
    /// An input is NaN or infinite.
    Input {
        /// The example, from 0.
        example: usize,
        /// The feature, from 0.
        feature: usize,
    },
    /// A target is NaN, infinite, not a class, not a probability, or not a distribution.
    Target {
        /// The example, from 0.
        example: usize,
    },
    /// A weight is NaN, infinite or negative.
    Weight {
        /// The example, from 0.
        example: usize,
    },
    /// The weights sum to infinity.
    TotalWeight,
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the batch has no example with a weight above 0"),
            Self::Unlabelled => f.write_str("the batch has no targets"),
            Self::ClassesWithoutCategories => {
                f.write_str("class labels need a categorical likelihood")
            }
            Self::Input { example, feature } => {
                write!(f, "input {feature} of example {example} is not finite")
            }
            Self::Target { example } => {
                write!(
                    f,
                    "the target of example {example} does not fit the likelihood"
                )
            }
            Self::Weight { example } => {
                write!(
                    f,
                    "the weight of example {example} is negative or not finite"
                )
            }
            Self::TotalWeight => f.write_str("the weights of the batch sum to infinity"),
        }
    }
}

impl core::error::Error for DataError {}

/// Row `index` of `width` values; empty when there is no such row.
fn row<T>(values: &[T], index: usize, width: usize) -> &[T] {
    let start = index.saturating_mul(width);
    values
        .get(start..start.saturating_add(width))
        .unwrap_or(&[])
}

/// `count` rows of `width` values, from row `first` on, if there are as many.
fn rows<T>(values: &[T], first: usize, count: usize, width: usize) -> Option<&[T]> {
    let start = first.checked_mul(width)?;
    let end = count.checked_mul(width)?.checked_add(start)?;
    values.get(start..end)
}

/// The first `len` values, or all of them.
fn head<T>(values: &[T], len: usize) -> &[T] {
    values.get(..len).unwrap_or(values)
}
