//! An axis that gives any finite values a place, and round ticks.
//!
//! It is plotters' linear coordinate, of the value in a unit that suits it or of its decimal
//! logarithm. Taken as they are, plotters' coordinates serve numbers near one: to the linear one
//! a span below 2e-16 is none and that of the largest numbers infinite; the logarithmic one has no
//! ticks below 2e-16, nor any line below the first power of ten.

use std::ops::Range;

use plotters::coord::ranged1d::{
    KeyPointHint, KeyPointWeight, NoDefaultFormatting, Ranged, ValueFormatter,
};
use plotters::coord::types::RangedCoordf64;
use plotters::data::float::pretty_print_float;

/// Above this factor between two positive values, decades say more than differences.
const WIDE: f64 = 10.0;

/// On more decades, the lines between them cannot be told apart.
const FINE_DECADES: f64 = 4.0;

/// On fewer decades, twice and five times a power of ten have labels, too.
const FEW_DECADES: f64 = 2.2;

/// An axis of values, or of their decimal logarithms.
pub(super) struct Axis {
    scale: Scale,
    /// What the scale makes of the values.
    scaled: RangedCoordf64,
}

#[derive(Clone, Copy)]
enum Scale {
    /// In units of ten to this power.
    Linear(f64),
    Logarithmic,
}

impl Axis {
    /// An axis whose ends are the extreme values.
    pub(super) fn linear(values: impl Iterator<Item = f64>) -> Self {
        Self::with_margin(extent(values), 0.0)
    }

    /// A logarithmic axis for positive values of a wide span, else a linear one; with margins.
    pub(super) fn linear_or_decades(values: impl Iterator<Item = f64>) -> Self {
        match extent(values) {
            Some((low, high)) if low > 0.0 && high / low > WIDE => {
                let (low, high) = (low.log10(), high.log10());
                let margin = (high - low) * 0.04;
                Self {
                    scale: Scale::Logarithmic,
                    scaled: (low - margin..high + margin).into(),
                }
            }
            extent => Self::with_margin(extent, 0.05),
        }
    }

    /// The description of an axis of what is called `label`.
    pub(super) fn described(&self, label: &str) -> String {
        match self.scale {
            Scale::Linear(_) => label.to_owned(),
            Scale::Logarithmic => format!("{label} (logarithmic)"),
        }
    }

    /// A linear axis that extends its values by a share of their span.
    fn with_margin(extent: Option<(f64, f64)>, share: f64) -> Self {
        let (low, high) = extent.unwrap_or((0.0, 1.0));
        let scale = Scale::linear(low.abs().max(high.abs()));
        let (low, high) = (scale.place(low), scale.place(high));
        let margin = (high - low) * share;
        Self {
            scale,
            scaled: spread(low - margin, high + margin).into(),
        }
    }

    /// The places of those multiples of powers of ten that lie on a logarithmic axis.
    fn multiples(&self, digits: &[u8]) -> Vec<f64> {
        let Range { start, end } = self.scaled.range();
        let decades = (0u8..=4).map(|i| start.floor() + f64::from(i));
        decades
            .flat_map(|decade| digits.iter().map(move |&d| decade + f64::from(d).log10()))
            .filter(|place| (start..=end).contains(place))
            .collect()
    }
}

impl Scale {
    /// Numbers that can be read as they are remain so.
    fn linear(largest: f64) -> Self {
        let exponent = largest.log10().floor();
        if largest == 0.0 || (-4.0..6.0).contains(&exponent) {
            return Self::Linear(0.0);
        }
        // Below, the powers of ten lose their digits.
        Self::Linear(exponent.max(-300.0))
    }

    fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear(exponent) => value / 10f64.powf(exponent),
            Self::Logarithmic => value.log10(),
        }
    }

    fn value(self, place: f64) -> f64 {
        let value = match self {
            Self::Linear(exponent) => place * 10f64.powf(exponent),
            Self::Logarithmic => 10f64.powf(place),
        };
        value.clamp(f64::MIN, f64::MAX)
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.scaled.map(&self.scale.place(*value), limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        let Range { start, end } = self.scaled.range();
        let span = end - start;
        let places = match (self.scale, hint.weight()) {
            (Scale::Linear(_), KeyPointWeight::Bold) => self.scaled.key_points(hint),
            (Scale::Logarithmic, KeyPointWeight::Bold) if span < FEW_DECADES => {
                self.multiples(&[1, 2, 5])
            }
            (Scale::Logarithmic, KeyPointWeight::Bold) => {
                let mut places = self.scaled.key_points(hint);
                // Steps below one hit every whole decade.
                places.retain(|place| (place - place.round()).abs() < 1e-6);
                places
            }
            (Scale::Logarithmic, KeyPointWeight::Any) if span < FINE_DECADES => {
                self.multiples(&[2, 3, 4, 5, 6, 7, 8, 9])
            }
            (_, KeyPointWeight::Any) => Vec::new(),
        };
        let values = places.into_iter().map(|place| self.scale.value(place));
        values.collect()
    }

    fn range(&self) -> Range<f64> {
        let Range { start, end } = self.scaled.range();
        self.scale.value(start)..self.scale.value(end)
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        let label = match self.scale {
            Scale::Linear(exponent) => {
                match pretty_print_float(self.scale.place(*value), false).as_str() {
                    "0" | "-0" => "0".into(),
                    digits if exponent == 0.0 => digits.into(),
                    digits => format!("{digits}e{exponent}"),
                }
            }
            Scale::Logarithmic if (9e-5..9e4).contains(value) => pretty_print_float(*value, false),
            Scale::Logarithmic => format!("{value:.0e}"),
        };
        // The sign that type has for it.
        label.replace('-', "−")
    }
}

fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |extent, value| match extent {
        None => Some((value, value)),
        Some((low, high)) => Some((low.min(value), high.max(value))),
    })
}

/// Ends that are apart by more than rounding.
fn spread(low: f64, high: f64) -> Range<f64> {
    let least = 1e-8;
    if high - low >= (low.abs().max(high.abs()) * 1e-6).max(least) {
        return low..high;
    }
    let half = if low == 0.0 {
        1.0
    } else {
        (low.abs() * 0.1).max(least)
    };
    low - half..high + half
}

#[cfg(test)]
mod tests {
    use plotters::coord::ranged1d::{BoldPoints, LightPoints};

    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        let ticks = axis.key_points(BoldPoints(8));
        ticks.iter().map(|tick| axis.format_ext(tick)).collect()
    }

    #[test]
    fn ticks_are_round_and_few() {
        for (low, high, expected) in [
            (0.0, 100.0, &["0", "20", "40", "60", "80", "100"][..]),
            (0.0, 1.0, &["0", "0.2", "0.4", "0.6", "0.8", "1"]),
            (-1.0, 1.0, &["−1", "−0.5", "0", "0.5", "1"]),
            (
                0.0,
                3e7,
                &["0", "0.5e7", "1e7", "1.5e7", "2e7", "2.5e7", "3e7"],
            ),
            (
                -3e-9,
                0.0,
                &[
                    "−3e−9",
                    "−2.5e−9",
                    "−2e−9",
                    "−1.5e−9",
                    "−1e−9",
                    "−0.5e−9",
                    "0",
                ],
            ),
        ] {
            let axis = Axis::linear([low, high].into_iter());
            assert_eq!(labels(&axis), expected);
        }
    }

    #[test]
    fn decades_are_labelled_and_thinned() {
        for (low, high, expected) in [
            (1e-3, 2.0, &["0.001", "0.01", "0.1", "1"][..]),
            (0.5, 6.0, &["0.5", "1", "2", "5"]),
            (1e-20, 1.0, &["1e−20", "1e−15", "1e−10", "1e−5", "1"]),
            (2e3, 3e8, &["10000", "1e5", "1e6", "1e7", "1e8"]),
        ] {
            let axis = Axis::linear_or_decades([low, high].into_iter());
            assert_eq!(axis.described("y"), "y (logarithmic)");
            assert_eq!(labels(&axis), expected);
        }
    }

    #[test]
    fn every_finite_value_has_a_place() {
        let extremes = [
            0.0,
            1.0,
            -1.0,
            5e-324,
            f64::MIN_POSITIVE,
            1e-290,
            1e300,
            f64::MAX,
            f64::MIN,
        ];
        let inside = 0..=1000;
        for a in extremes {
            for b in extremes {
                let values = [a, b];
                for axis in [
                    Axis::linear(values.into_iter()),
                    Axis::linear_or_decades(values.into_iter()),
                ] {
                    assert!(inside.contains(&axis.map(&a, (0, 1000))), "{a} {b}");
                    let bold = axis.key_points(BoldPoints(8));
                    let light = axis.key_points(LightPoints::new(8, 80));
                    for tick in bold.iter().chain(&light) {
                        assert!(inside.contains(&axis.map(tick, (0, 1000))), "{a} {b}");
                        let label = axis.format_ext(tick);
                        assert!(!label.contains("inf") && !label.contains("NaN"), "{a} {b}");
                    }
                    assert!(bold.len() <= 8, "{a} {b}");
                }
            }
        }
    }
}
