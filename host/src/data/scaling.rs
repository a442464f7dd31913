//! Shift and scale of every column, counted on the training part: x' = (x − offset) / scale.

use std::fmt;
use std::str::FromStr;

use natgrad::Likelihood;

use super::{Dataset, Targets, count};
use crate::error::Error;
use crate::files::Precision;

/// How the columns are scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scale {
    /// Not at all.
    None,
    /// To mean 0 and standard deviation 1; targets only when the likelihood is Gaussian.
    Standard,
}

impl FromStr for Scale {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        match word {
            "none" => Ok(Self::None),
            "standard" => Ok(Self::Standard),
            _ => Err(Error::option(
                "--scale",
                format!(
                    "{} is neither none nor standard",
                    crate::error::excerpt(word)
                ),
            )),
        }
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Standard => "standard",
        })
    }
}

/// The offset and the scale of every input and of every target.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    /// What is subtracted from each input, `[dim_in]`.
    pub input_offset: Vec<f64>,
    /// What each input is then divided by, `[dim_in]`.
    pub input_scale: Vec<f64>,
    /// What is subtracted from each target, `[dim_out]`.
    pub target_offset: Vec<f64>,
    /// What each target is then divided by, `[dim_out]`.
    pub target_scale: Vec<f64>,
}

impl Scaling {
    /// The scaling that changes nothing.
    pub fn identity(dim_in: usize, dim_out: usize) -> Self {
        Self {
            input_offset: vec![0.0; dim_in],
            input_scale: vec![1.0; dim_in],
            target_offset: vec![0.0; dim_out],
            target_scale: vec![1.0; dim_out],
        }
    }

    /// Counts `scale` on `training`, which holds the rows that train and no others.
    ///
    /// The standard deviation divides by the number of rows. A column that is constant gets the
    /// scale 1, and its offset makes it exactly 0.
    ///
    /// # Errors
    /// When a column spans so wide a range that its variance is not finite.
    pub fn fit(scale: Scale, training: &Dataset, likelihood: Likelihood) -> Result<Self, Error> {
        let mut fitted = Self::identity(training.dim_in(), training.dim_out());
        if scale == Scale::None || training.is_empty() {
            return Ok(fitted);
        }
        let wide = |column: usize| {
            let problem = format!("column {} spans too wide a range to be scaled", column + 1);
            Error::file(training.name(), problem)
        };
        (fitted.input_offset, fitted.input_scale) =
            moments(training.inputs(), training.dim_in()).map_err(wide)?;
        if let (Likelihood::Gaussian, Targets::Values(values)) = (likelihood, training.targets()) {
            (fitted.target_offset, fitted.target_scale) = moments(values, training.dim_out())
                .map_err(|column| wide(training.dim_in() + column))?;
        }
        Ok(fitted)
    }

    /// The same examples in the scaled units.
    ///
    /// # Errors
    /// When the widths of the scaling are not those of `set`.
    pub fn apply(&self, set: &Dataset) -> Result<Dataset, Error> {
        let widths = (self.input_offset.len(), self.target_offset.len());
        if widths != (set.dim_in(), set.dim_out()) {
            let problem = format!(
                "has {} inputs and {} outputs, but the model's scales are for {} and {}",
                set.dim_in(),
                set.dim_out(),
                widths.0,
                widths.1
            );
            return Err(Error::file(set.name(), problem));
        }
        let mut scaled = set.clone();
        forward(&mut scaled.inputs, &self.input_offset, &self.input_scale);
        if let Targets::Values(values) = &mut scaled.targets {
            forward(values, &self.target_offset, &self.target_scale);
        }
        Ok(scaled)
    }

    /// The same for a run in `precision`, in which each of them has to be finite.
    ///
    /// # Errors
    /// As [`Scaling::apply`]; [`Error::Cell`] with the value as it stands in the file, since the scaled one stands nowhere.
    pub fn apply_in(&self, set: &Dataset, precision: Precision) -> Result<Dataset, Error> {
        let scaled = self.apply(set)?;
        let check = |raw: &[f64], scaled: &[f64], width: usize, first: usize| {
            let mut pairs = (0..).zip(raw.iter().zip(scaled));
            // What the scale does not touch is judged as it is, where it is converted.
            let found = pairs
                .find(|(_, (raw, scaled))| raw != scaled && !precision.round(**scaled).is_finite());
            match found {
                None => Ok(()),
                Some((index, (raw, scaled))) => {
                    let problem = format!(
                        "{raw:e} is too large for {precision} after the model's scale, as {scaled:e}"
                    );
                    Err(set.cell(index / width, first + index % width, problem))
                }
            }
        };
        check(&set.inputs, &scaled.inputs, set.dim_in(), 0)?;
        if let (Targets::Values(raw), Targets::Values(scaled)) = (&set.targets, &scaled.targets) {
            check(raw, scaled, set.dim_out(), set.dim_in())?;
        }
        Ok(scaled)
    }

    /// Takes scaled inputs, `[n × dim_in]`, back to the user's units.
    pub fn invert_inputs(&self, inputs: &mut [f64]) {
        backward(inputs, &self.input_offset, &self.input_scale);
    }

    /// Takes scaled targets or predictions, `[n × dim_out]`, back to the user's units.
    pub fn invert_targets(&self, targets: &mut [f64]) {
        backward(targets, &self.target_offset, &self.target_scale);
    }
}

impl Dataset {
    /// Mean and standard deviation of every target of a regression; of one that is constant the deviation is 1.
    ///
    /// None of classes, nor where a deviation is not finite.
    pub fn target_moments(&self) -> Vec<(f64, f64)> {
        let Targets::Values(values) = self.targets() else {
            return Vec::new();
        };
        let (means, deviations) = moments(values, self.dim_out()).unwrap_or_default();
        means.into_iter().zip(deviations).collect()
    }
}

fn forward(values: &mut [f64], offset: &[f64], scale: &[f64]) {
    let columns = offset.iter().zip(scale).cycle();
    for (value, (offset, scale)) in values.iter_mut().zip(columns) {
        *value = (*value - offset) / scale;
    }
}

fn backward(values: &mut [f64], offset: &[f64], scale: &[f64]) {
    let columns = offset.iter().zip(scale).cycle();
    for (value, (offset, scale)) in values.iter_mut().zip(columns) {
        *value = *value * scale + offset;
    }
}

/// Mean and standard deviation of every column in two passes, or the column that has none.
fn moments(values: &[f64], width: usize) -> Result<(Vec<f64>, Vec<f64>), usize> {
    let moment = |column: usize| {
        let cells = || values.iter().skip(column).step_by(width.max(1)).copied();
        let rows = count(cells().count());
        let first = cells().next().unwrap_or_default();
        if cells().all(|x| x == first) {
            return Ok((first, 1.0));
        }
        let mean = cells().sum::<f64>() / rows;
        let variance = cells().map(|x| (x - mean) * (x - mean)).sum::<f64>() / rows;
        let deviation = variance.sqrt();
        // A spread too small for f64's squares counts as none.
        match (mean.is_finite() && deviation.is_finite(), deviation > 0.0) {
            (true, true) => Ok((mean, deviation)),
            (true, false) => Ok((mean, 1.0)),
            (false, _) => Err(column),
        }
    };
    (0..width).map(moment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(inputs: &[f64], targets: &[f64]) -> Dataset {
        Dataset::new(
            "s",
            (2, 1),
            inputs.to_vec(),
            Targets::Values(targets.to_vec()),
        )
        .unwrap()
    }

    #[test]
    fn standard_scaling_matches_hand_computed_moments_and_inverts() {
        // Column 1: 1, 3, 5, mean 3, variance 8/3. Column 2 is constant. Target: 0, 0, 6.
        let data = set(&[1.0, 0.1, 3.0, 0.1, 5.0, 0.1], &[0.0, 0.0, 6.0]);
        let scaling = Scaling::fit(Scale::Standard, &data, Likelihood::Gaussian).unwrap();
        assert_eq!(scaling.input_offset, [3.0, 0.1]);
        assert_eq!(scaling.input_scale, [(8.0f64 / 3.0).sqrt(), 1.0]);
        assert_eq!(scaling.target_offset, [2.0]);
        assert_eq!(scaling.target_scale, [8.0f64.sqrt()]);

        let scaled = scaling.apply(&data).unwrap();
        assert_eq!(scaled.inputs()[1..4], [0.0, 0.0, 0.0]);
        let mut inputs = scaled.inputs().to_vec();
        assert!((inputs[0] + 1.5f64.sqrt()).abs() < 1e-15);
        scaling.invert_inputs(&mut inputs);
        let Targets::Values(mut targets) = scaled.targets().clone() else {
            panic!("values stay values");
        };
        scaling.invert_targets(&mut targets);
        for (back, original) in inputs
            .iter()
            .zip(data.inputs())
            .chain(targets.iter().zip(&[0.0, 0.0, 6.0]))
        {
            assert!((back - original).abs() < 1e-14, "{back} {original}");
        }
    }

    #[test]
    fn targets_are_scaled_for_the_gaussian_likelihood_only() {
        let data = set(&[1.0, 2.0, 3.0, 4.0], &[0.0, 1.0]);
        let scaling = Scaling::fit(Scale::Standard, &data, Likelihood::Bernoulli).unwrap();
        assert_eq!(
            (scaling.target_offset, scaling.target_scale),
            (vec![0.0], vec![1.0])
        );
        let none = Scaling::fit(Scale::None, &data, Likelihood::Gaussian).unwrap();
        assert_eq!(none, Scaling::identity(2, 1));
        assert_eq!(none.apply(&data).unwrap(), data);
    }

    #[test]
    fn two_passes_keep_a_small_spread_on_a_large_offset() {
        let data = set(&[1e9 + 1.0, 0.0, 1e9 + 3.0, 1.0], &[0.0, 0.0]);
        let scaling = Scaling::fit(Scale::Standard, &data, Likelihood::Gaussian).unwrap();
        assert_eq!(scaling.input_offset[0], 1e9 + 2.0);
        assert_eq!(scaling.input_scale[0], 1.0);
    }

    #[test]
    fn extreme_columns_are_refused_or_left_alone() {
        let data = set(&[1e200, 0.0, -1e200, 1.0], &[0.0, 1.0]);
        let error = Scaling::fit(Scale::Standard, &data, Likelihood::Gaussian).unwrap_err();
        assert_eq!(
            error.to_string(),
            "s: column 1 spans too wide a range to be scaled"
        );
        let data = set(&[0.0, 1.0, 1.0, 2.0], &[1e200, -1e200]);
        let error = Scaling::fit(Scale::Standard, &data, Likelihood::Gaussian).unwrap_err();
        assert_eq!(
            error.to_string(),
            "s: column 3 spans too wide a range to be scaled"
        );
        let data = set(&[1e-200, 0.0, 2e-200, 1.0], &[0.0, 1.0]);
        let scaling = Scaling::fit(Scale::Standard, &data, Likelihood::Gaussian).unwrap();
        assert_eq!(scaling.input_scale[0], 1.0);
    }

    #[test]
    fn scales_of_another_width_are_refused() {
        let data = set(&[1.0, 2.0], &[3.0]);
        let error = Scaling::identity(3, 1).apply(&data).unwrap_err();
        assert_eq!(
            error.to_string(),
            "s: has 2 inputs and 1 outputs, but the model's scales are for 3 and 1"
        );
    }

    #[test]
    fn what_a_scale_makes_too_large_is_shown_as_it_stands() {
        let scaling = Scaling {
            input_scale: vec![1.0, 0.5],
            ..Scaling::identity(2, 1)
        };
        let data = set(&[1.0, 2.0, 3e38, 3e38], &[0.0, 1.0]);
        assert!(scaling.apply_in(&data, Precision::F64).is_ok());
        assert_eq!(
            scaling
                .apply_in(&data, Precision::F32)
                .unwrap_err()
                .to_string(),
            "s, row 2, column 2: 3e38 is too large for f32 after the model's scale, as 6e38"
        );
        let scaling = Scaling {
            target_scale: vec![1e-300],
            ..Scaling::identity(2, 1)
        };
        let data = set(&[1.0, 2.0], &[1e9]);
        assert_eq!(
            scaling
                .apply_in(&data, Precision::F64)
                .unwrap_err()
                .to_string(),
            "s, row 1, column 3: 1e9 is too large for f64 after the model's scale, as inf"
        );
        // Without a scale it is a matter of the conversion.
        let data = set(&[1e39, 2.0], &[1.0]);
        assert!(
            Scaling::identity(2, 1)
                .apply_in(&data, Precision::F32)
                .is_ok()
        );
    }

    #[test]
    fn words_round_trip() {
        for scale in [Scale::None, Scale::Standard] {
            assert_eq!(scale.to_string().parse::<Scale>().unwrap(), scale);
        }
        let error = "min-max".parse::<Scale>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "--scale: `min-max` is neither none nor standard"
        );
    }
}
