//! Labelled examples: where they come from, how they are split, and how they are scaled.

mod builtin;
mod csv;
mod curves;
mod deformation;
mod glyphs;
mod idx;
mod image;
mod label_noise;
mod mnist;
mod random;
mod scaling;
mod semi_supervised;
mod split;
mod stream;

pub use builtin::Builtin;
pub use csv::Table;
pub use curves::Curves;
pub use mnist::Mnist;
pub use scaling::{Scale, Scaling};
pub use semi_supervised::{PartSizes, SemiSupervised};
pub use split::Split;
pub use stream::Stream;

use natgrad::Likelihood;
use num_traits::Float;

use crate::error::Error;

/// The widths and the likelihood that say what the columns of a table mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The number of inputs: the first columns.
    pub dim_in: usize,
    /// The number of outputs: of target columns or, for a categorical likelihood, of classes.
    pub dim_out: usize,
    /// What the targets are.
    pub likelihood: Likelihood,
}

impl Shape {
    /// The number of target columns: one class index, or one value per output.
    pub fn target_columns(&self) -> usize {
        match self.likelihood {
            Likelihood::Categorical => 1,
            Likelihood::Gaussian | Likelihood::Bernoulli => self.dim_out,
        }
    }
}

/// The targets of all examples.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets<T = f64> {
    /// One value per output, `[n × dim_out]` row by row.
    Values(Vec<T>),
    /// One class index per example.
    Classes(Vec<u16>),
}

/// Labelled examples in f64, each with the line of its file, for messages.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    name: String,
    dim_in: usize,
    dim_out: usize,
    inputs: Vec<f64>,
    targets: Targets,
    lines: Vec<u64>,
}

impl Dataset {
    /// Examples made in memory: `inputs` is `[n × dim_in]` row by row; rows are numbered from 1.
    ///
    /// # Errors
    /// When a width is zero, the lengths do not agree, a value is not finite, or a class is not
    /// below `dim_out`.
    pub fn new(
        name: impl Into<String>,
        (dim_in, dim_out): (usize, usize),
        inputs: Vec<f64>,
        targets: Targets,
    ) -> Result<Self, Error> {
        let name = name.into();
        let rows = inputs.len().checked_div(dim_in).unwrap_or(0);
        let expected = match &targets {
            Targets::Values(values) => dim_out.checked_mul(rows) == Some(values.len()),
            Targets::Classes(labels) => labels.len() == rows,
        };
        if dim_in == 0 || dim_out == 0 {
            return Err(Error::file(name, "has no inputs or no targets"));
        }
        if rows.checked_mul(dim_in) != Some(inputs.len()) || !expected {
            return Err(Error::file(
                name,
                "has inputs and targets of different lengths",
            ));
        }
        let set = Self {
            name,
            dim_in,
            dim_out,
            inputs,
            targets,
            lines: (1..).take(rows).collect(),
        };
        set.inputs_as::<f64>()?;
        set.targets_as::<f64>()?;
        if let Targets::Classes(labels) = &set.targets
            && let Some(row) = labels.iter().position(|&c| usize::from(c) >= dim_out)
        {
            let problem = format!("holds a class outside 0 to {}", dim_out - 1);
            return Err(set.cell(row, dim_in, problem));
        }
        Ok(set)
    }

    /// The file or the set, as messages name it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of examples.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The number of inputs of an example.
    pub fn dim_in(&self) -> usize {
        self.dim_in
    }

    /// The number of target values of an example, or of classes.
    pub fn dim_out(&self) -> usize {
        self.dim_out
    }

    /// All inputs, `[n × dim_in]` row by row.
    pub fn inputs(&self) -> &[f64] {
        &self.inputs
    }

    /// All targets.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// The classes below the largest one of these examples that no example has.
    pub fn absent_classes(&self) -> Vec<usize> {
        let Targets::Classes(labels) = &self.targets else {
            return Vec::new();
        };
        let mut seen = vec![false; self.dim_out];
        let mut end = 0;
        for label in labels.iter().copied().map(usize::from) {
            if let Some(seen) = seen.get_mut(label) {
                *seen = true;
            }
            end = end.max(label);
        }
        let below = seen.iter().take(end).enumerate();
        below
            .filter_map(|(class, seen)| (!seen).then_some(class))
            .collect()
    }

    /// The inputs in the precision `T`.
    ///
    /// # Errors
    /// When a value, finite in f64, is not finite in `T`; the message names its row and column.
    pub fn inputs_as<T: Float>(&self) -> Result<Vec<T>, Error> {
        self.convert(&self.inputs, self.dim_in, 0)
    }

    /// The targets in the precision `T`; classes stay as they are.
    ///
    /// # Errors
    /// As [`Dataset::inputs_as`].
    pub fn targets_as<T: Float>(&self) -> Result<Targets<T>, Error> {
        match &self.targets {
            Targets::Values(values) => self
                .convert(values, self.dim_out, self.dim_in)
                .map(Targets::Values),
            Targets::Classes(labels) => Ok(Targets::Classes(labels.clone())),
        }
    }

    /// The examples `rows`, in that order; a row may occur more than once, and one that does not
    /// exist is left out.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let rows = || rows.iter().copied().filter(|&row| row < self.len());
        Self {
            name: self.name.clone(),
            dim_in: self.dim_in,
            dim_out: self.dim_out,
            inputs: rows()
                .flat_map(|row| block(&self.inputs, row, self.dim_in))
                .copied()
                .collect(),
            targets: match &self.targets {
                Targets::Values(values) => Targets::Values(
                    rows()
                        .flat_map(|row| block(values, row, self.dim_out))
                        .copied()
                        .collect(),
                ),
                Targets::Classes(labels) => {
                    Targets::Classes(rows().filter_map(|row| labels.get(row)).copied().collect())
                }
            },
            lines: rows()
                .filter_map(|row| self.lines.get(row))
                .copied()
                .collect(),
        }
    }

    /// The same inputs, each its own target.
    #[must_use]
    pub fn autoencoder(&self) -> Self {
        Self {
            name: self.name.clone(),
            dim_in: self.dim_in,
            dim_out: self.dim_in,
            inputs: self.inputs.clone(),
            targets: Targets::Values(self.inputs.clone()),
            lines: self.lines.clone(),
        }
    }

    /// The inputs alone.
    fn into_inputs(self) -> Vec<f64> {
        self.inputs
    }

    /// An error about the cell of example `row` whose column counts from 0.
    fn cell(&self, row: usize, column: usize, problem: impl Into<String>) -> Error {
        let line = self.lines.get(row).copied().unwrap_or(0);
        Error::cell(&self.name, line, column + 1, problem)
    }

    fn convert<T: Float>(
        &self,
        values: &[f64],
        width: usize,
        first_column: usize,
    ) -> Result<Vec<T>, Error> {
        let finite = |(index, &value): (usize, &f64)| {
            T::from(value).filter(|v| v.is_finite()).ok_or_else(|| {
                let problem = if value.is_finite() {
                    format!("{value:e} is too large for f32")
                } else {
                    format!("{value} is not a finite number")
                };
                self.cell(index / width, first_column + index % width, problem)
            })
        };
        values.iter().enumerate().map(finite).collect()
    }
}

/// Row `row` of a matrix with `width` columns; empty beyond its end.
fn block(values: &[f64], row: usize, width: usize) -> &[f64] {
    let start = row.saturating_mul(width);
    values
        .get(start..start.saturating_add(width))
        .unwrap_or_default()
}

/// A count as a real number; counts here are far below 2⁵³.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of examples are below 2^53"
)]
fn count(n: usize) -> f64 {
    n as f64
}

/// A checksum of the bits of all inputs and targets.
#[cfg(test)]
fn fingerprint(set: &Dataset) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    let mut values = |values: &[f64]| {
        for value in values {
            hasher.update(&value.to_le_bytes());
        }
    };
    values(&set.inputs);
    match &set.targets {
        Targets::Values(targets) => values(targets),
        Targets::Classes(labels) => {
            for label in labels {
                hasher.update(&label.to_le_bytes());
            }
        }
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Dataset {
        let inputs = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        Dataset::new(
            "small",
            (2, 1),
            inputs,
            Targets::Values(vec![7.0, 8.0, 9.0]),
        )
        .unwrap()
    }

    #[test]
    fn select_keeps_order_lines_and_repeats() {
        let picked = small().select(&[2, 0, 2, 99]);
        assert_eq!(picked.inputs(), [5.0, 6.0, 1.0, 2.0, 5.0, 6.0]);
        assert_eq!(picked.targets(), &Targets::Values(vec![9.0, 7.0, 9.0]));
        assert_eq!(picked.lines, [3, 1, 3]);
        assert!(small().select(&[]).is_empty());

        let classes = Targets::Classes(vec![0, 1, 2]);
        let set = Dataset::new("c", (1, 3), vec![0.0; 3], classes).unwrap();
        assert_eq!(set.select(&[1, 1]).targets(), &Targets::Classes(vec![1, 1]));
    }

    #[test]
    fn absent_classes_lie_below_the_largest() {
        let absent = |labels: &[u16]| {
            let inputs = vec![0.0; labels.len()];
            let set = Dataset::new("c", (1, 6), inputs, Targets::Classes(labels.to_vec()));
            set.unwrap().absent_classes()
        };
        assert_eq!(absent(&[0, 1, 2, 1]), [0; 0]);
        assert_eq!(absent(&[4, 1, 1]), [0, 2, 3]);
        assert_eq!(small().absent_classes(), [0; 0]);
    }

    #[test]
    fn an_autoencoder_has_its_inputs_as_targets() {
        let set = small().select(&[2, 1]).autoencoder();
        assert_eq!((set.dim_in(), set.dim_out()), (2, 2));
        assert_eq!(set.inputs(), [5.0, 6.0, 3.0, 4.0]);
        assert_eq!(set.targets(), &Targets::Values(vec![5.0, 6.0, 3.0, 4.0]));
        assert_eq!(set.lines, [3, 2]);
    }

    #[test]
    fn precision_is_checked_where_it_is_chosen() {
        let set = Dataset::new("d", (2, 1), vec![1.0, -1e39], Targets::Values(vec![0.0])).unwrap();
        assert_eq!(set.inputs_as::<f64>().unwrap(), [1.0, -1e39]);
        assert_eq!(
            set.inputs_as::<f32>().unwrap_err().to_string(),
            "d, row 1, column 2: -1e39 is too large for f32"
        );
        let set =
            Dataset::new("d", (1, 1), vec![1.0; 2], Targets::Values(vec![0.0, 1e39])).unwrap();
        assert_eq!(
            set.targets_as::<f32>().unwrap_err().to_string(),
            "d, row 2, column 2: 1e39 is too large for f32"
        );
        assert_eq!(
            small().inputs_as::<f32>().unwrap(),
            [1., 2., 3., 4., 5., 6.]
        );
    }

    #[test]
    fn bad_arrays_are_refused() {
        let values = Targets::Values;
        let cases = [
            ((0, 1), vec![], values(vec![]), "no inputs"),
            ((1, 0), vec![1.0], values(vec![]), "no inputs"),
            ((2, 1), vec![1.0; 3], values(vec![1.0]), "different lengths"),
            ((1, 1), vec![1.0; 3], values(vec![1.0]), "different lengths"),
            (
                (1, 2),
                vec![1.0],
                Targets::Classes(vec![0, 1]),
                "different lengths",
            ),
            (
                (1, 1),
                vec![f64::NAN],
                values(vec![1.0]),
                "column 1: NaN is not",
            ),
            (
                (1, 1),
                vec![1.0],
                values(vec![f64::INFINITY]),
                "column 2: inf is not",
            ),
            (
                (1, 2),
                vec![1.0],
                Targets::Classes(vec![2]),
                "column 2: holds a class",
            ),
        ];
        for (widths, inputs, targets, words) in cases {
            let error = Dataset::new("x", widths, inputs, targets).unwrap_err();
            assert!(error.to_string().contains(words), "{error} / {words}");
        }
    }
}
