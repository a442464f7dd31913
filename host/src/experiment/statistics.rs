//! Means and their 95 % intervals over seeds.

use std::fmt;

use num_traits::cast;
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// The probability that an interval covers the mean.
const COVERAGE: f64 = 0.95;

/// An effect with its 95 % interval.
///
/// The interval is that of Student's t over independent seeds, for a mean of nearly normal values. A
/// value that is not finite, of a run that diverged, leaves no mean; fewer than two values leave no
/// interval, which then is the whole line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// The mean; NaN where there is none.
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// The number of values.
    pub n: usize,
}

impl Estimate {
    /// The mean of `values`: of paired differences, of shares, of anything that adds up.
    pub fn mean(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        let n = values.len();
        let count = as_float(n);
        let mean = values.iter().sum::<f64>() / count;
        if !mean.is_finite() {
            return Self::unknown(n);
        }
        let degrees = count - 1.0;
        let half = match StudentsT::new(0.0, 1.0, degrees) {
            Ok(student) if n > 1 => {
                let squares = values.iter().map(|value| (value - mean) * (value - mean));
                let variance = squares.sum::<f64>() / degrees;
                student.inverse_cdf(f64::midpoint(1.0, COVERAGE)) * (variance / count).sqrt()
            }
            _ => f64::INFINITY,
        };
        Self {
            value: mean,
            low: mean - half,
            high: mean + half,
            n,
        }
    }

    /// The geometric mean of positive `values`: of ratios, of losses, of counts, of all that differs by
    /// factors. The interval is that of the mean logarithm.
    pub fn geometric_mean(values: impl IntoIterator<Item = f64>) -> Self {
        let logarithms = Self::mean(values.into_iter().map(f64::ln));
        Self {
            value: logarithms.value.exp(),
            low: logarithms.low.exp(),
            high: logarithms.high.exp(),
            n: logarithms.n,
        }
    }

    /// No mean, and so no interval, of `n` values.
    pub fn unknown(n: usize) -> Self {
        Self {
            value: f64::NAN,
            low: f64::NEG_INFINITY,
            high: f64::INFINITY,
            n,
        }
    }

    /// Whether there is a mean with an interval.
    pub fn is_known(&self) -> bool {
        self.value.is_finite() && self.low.is_finite() && self.high.is_finite()
    }
}

/// To two digits of half the interval, such as `1.0043 [1.0021, 1.0065]`, or of each number where they differ
/// by factors.
impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.n == 0 {
            return f.write_str("no run");
        }
        if !self.value.is_finite() {
            return f.write_str("diverged");
        }
        if !self.is_known() {
            return write!(f, "{}, no interval", rounded(self.value, 4));
        }
        if self.low > 0.0 && self.high > 2.0 * self.low {
            let [value, low, high] = [self.value, self.low, self.high].map(|x| rounded(x, 2));
            return write!(f, "{value} [{low}, {high}]");
        }
        let half = (self.high - self.low) / 2.0;
        let largest = self.value.abs().max(half);
        let digits = if half > 0.0 && largest > 0.0 {
            let digits = largest.log10().floor() - half.log10().floor() + 2.0;
            cast(digits.clamp(2.0, 5.0)).unwrap_or(4)
        } else {
            4
        };
        let decimals = decimals(largest, digits);
        let [value, low, high] = [self.value, self.low, self.high].map(|x| fixed(x, decimals));
        write!(f, "{value} [{low}, {high}]")
    }
}

/// `value` to so many significant digits.
pub(super) fn rounded(value: f64, digits: usize) -> String {
    fixed(value, decimals(value, digits))
}

/// `part` of a whole in percent.
pub(super) fn percent(part: f64) -> String {
    format!("{} %", rounded(100.0 * part, 2))
}

/// A setting such as 0.1 or 1e−6 as it is written in a text.
pub(super) fn setting(value: f64) -> String {
    if value == 0.0 || value.abs() >= 1e-3 {
        value.to_string()
    } else {
        format!("{value:e}").replace('-', "−")
    }
}

/// Settings as a list.
pub(super) fn settings(values: &[f64]) -> String {
    let values: Vec<String> = values.iter().copied().map(setting).collect();
    values.join(", ")
}

/// How many digits after the point show so many significant ones of `value`; none, where the point is no
/// good way to write it.
fn decimals(value: f64, digits: usize) -> Option<usize> {
    let magnitude = if value == 0.0 {
        0.0
    } else {
        value.abs().log10().floor()
    };
    let after = cast::<usize, f64>(digits)? - 1.0 - magnitude;
    if (-5.0..=8.0).contains(&after) && magnitude < 6.0 {
        cast(after.max(0.0))
    } else {
        None
    }
}

fn fixed(value: f64, decimals: Option<usize>) -> String {
    let text = match decimals {
        Some(decimals) => format!("{value:.decimals$}"),
        None => format!("{value:.2e}"),
    };
    text.replace('-', "−")
}

/// The least of `values`; NaN if one of them is, so that a run that diverged is not passed over.
pub(super) fn least(values: impl IntoIterator<Item = f64>) -> f64 {
    let lesser = |a: f64, b: f64| if a.is_nan() || a < b { a } else { b };
    values.into_iter().fold(f64::INFINITY, lesser)
}

/// The greatest of `values`; NaN if one of them is.
pub(super) fn greatest(values: impl IntoIterator<Item = f64>) -> f64 {
    -least(values.into_iter().map(|value| -value))
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
pub(super) fn as_float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * b.abs().max(1.0)
    }

    /// The quantiles of printed tables: 12.706 for one degree of freedom, 2.776 for four.
    #[test]
    fn intervals_are_those_of_student() {
        let two = Estimate::mean([1.0, 3.0]);
        assert_eq!((two.value, two.n), (2.0, 2));
        assert!((two.high - 2.0 - 12.706_204_736).abs() < 1e-6, "{two:?}");
        let five = Estimate::mean([1.0, 2.0, 3.0, 4.0, 5.0]);
        let half = 2.776_445_105 * (2.5_f64 / 5.0).sqrt();
        assert!((five.high - 3.0 - half).abs() < 1e-6, "{five:?}");
        assert!(close(3.0 - five.low, five.high - 3.0));
    }

    #[test]
    fn a_geometric_mean_is_that_of_factors() {
        let factors = Estimate::geometric_mean([0.5, 2.0, 0.5, 2.0]);
        assert!(close(factors.value, 1.0), "{factors:?}");
        assert!(close(factors.low * factors.high, 1.0), "{factors:?}");
        let same = Estimate::geometric_mean([3.0; 4]);
        assert!(close(same.low, 3.0) && close(same.high, 3.0), "{same:?}");
    }

    #[test]
    fn extremes_keep_what_diverged() {
        assert_eq!(least([2.0, 1.0, 3.0]), 1.0);
        assert_eq!(greatest([2.0, 1.0, 3.0]), 3.0);
        for values in [[f64::NAN, 1.0], [1.0, f64::NAN]] {
            assert!(least(values).is_nan() && greatest(values).is_nan());
        }
    }

    #[test]
    fn estimates_show_what_the_interval_leaves() {
        let estimate = |value: f64, half: f64, n| Estimate {
            value,
            low: value - half,
            high: value + half,
            n,
        };
        for (estimate, text) in [
            (estimate(1.004_27, 0.002_24, 5), "1.0043 [1.0020, 1.0065]"),
            (estimate(0.5, 0.0, 5), "0.5000 [0.5000, 0.5000]"),
            (estimate(-0.35, 0.12, 5), "−0.35 [−0.47, −0.23]"),
            (estimate(0.002, 0.5, 5), "0.00 [−0.50, 0.50]"),
            (estimate(50.0, 49.0, 5), "50 [1.0, 99]"),
            (estimate(1.0, 1e-9, 5), "1.0000 [1.0000, 1.0000]"),
            (estimate(12_345.6, 210.0, 5), "12346 [12136, 12556]"),
            (estimate(1.2e9, 3e7, 5), "1.20e9 [1.17e9, 1.23e9]"),
            (Estimate::mean([2.0]), "2.000, no interval"),
            (Estimate::mean([f64::NAN, 1.0]), "diverged"),
            (Estimate::mean([]), "no run"),
        ] {
            assert_eq!(estimate.to_string(), text);
        }
        assert_eq!(rounded(0.0, 3), "0.00");
        assert_eq!(rounded(3.24e-12, 3), "3.24e−12");
        assert_eq!(percent(0.2345), "23 %");
        assert_eq!(settings(&[1.0, 0.1, 1e-3, 1e-6]), "1, 0.1, 0.001, 1e−6");
    }

    #[test]
    fn what_cannot_be_known_has_no_interval() {
        for values in [&[][..], &[f64::NAN, 1.0], &[f64::INFINITY, 1.0], &[1.0]] {
            let estimate = Estimate::mean(values.iter().copied());
            assert!(!estimate.is_known(), "{estimate:?}");
            assert_eq!(estimate.n, values.len());
            assert!(estimate.low == f64::NEG_INFINITY && estimate.high == f64::INFINITY);
        }
        assert_eq!(Estimate::mean([1.0]).value, 1.0);
        for values in [[1.0, 0.0], [1.0, -1.0]] {
            assert!(!Estimate::geometric_mean(values).is_known(), "{values:?}");
        }
        let constant = Estimate::mean([0.25; 3]);
        assert_eq!((constant.low, constant.high), (0.25, 0.25));
    }
}
