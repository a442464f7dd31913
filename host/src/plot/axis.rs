//! An axis that maps any finite values to [0, 1] and chooses its own ticks.

/// Above this factor between two positive values, decades say more than differences.
const WIDE: f64 = 10.0;

const MOST_LABELS: f64 = 8.0;

/// On more decades, the lines between them cannot be told apart.
const FINE_DECADES: f64 = 4.0;

/// An axis from `low` to `high`, of the values or of their decimal logarithms.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
    /// Places and their labels.
    labels: Vec<(f64, String)>,
    /// Places of lines without a label.
    fine: Vec<f64>,
}

impl Axis {
    /// An axis whose ends are the extreme values.
    pub(super) fn linear(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = extent(values).unwrap_or((0.0, 1.0));
        Self::with_round_ticks(low, high)
    }

    /// A logarithmic axis for positive values of a wide span, else a linear one; with margins.
    pub(super) fn linear_or_decades(values: impl Iterator<Item = f64>) -> Self {
        match extent(values) {
            Some((low, high)) if low > 0.0 && high / low > WIDE => {
                Self::with_decades(low.log10(), high.log10())
            }
            extent => {
                let (low, high) = extent.unwrap_or((0.0, 1.0));
                let margin = (high / 2.0 - low / 2.0) * 0.1;
                Self::with_round_ticks(low - margin, high + margin)
            }
        }
    }

    pub(super) fn is_logarithmic(&self) -> bool {
        self.logarithmic
    }

    /// Places that have a label, with it.
    pub(super) fn labels(&self) -> &[(f64, String)] {
        &self.labels
    }

    /// Places between them that deserve a line.
    pub(super) fn fine(&self) -> &[f64] {
        &self.fine
    }

    /// The place of `value` on the axis.
    pub(super) fn place(&self, value: f64) -> f64 {
        let value = if self.logarithmic {
            value.log10()
        } else {
            value
        };
        place(value, self.low, self.high)
    }

    fn with_round_ticks(low: f64, high: f64) -> Self {
        let (low, high) = spread(low, high);
        // The span may exceed the largest number, half of it never does.
        let half = high / 2.0 - low / 2.0;
        let exponent = (half / MOST_LABELS * 2.0).log10().floor();
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|factor| factor * power_of_ten(exponent))
            .into_iter()
            .find(|step| half / step * 2.0 <= MOST_LABELS)
            .unwrap_or(half);
        let first = (low / step).ceil();
        let labels = (0u8..=10)
            .map(|i| (first + f64::from(i)) * step)
            .filter(|tick| (low..=high).contains(tick))
            .map(|tick| (place(tick, low, high), number(tick, step)));
        Self {
            low,
            high,
            logarithmic: false,
            labels: labels.collect(),
            fine: Vec::new(),
        }
    }

    fn with_decades(low: f64, high: f64) -> Self {
        let margin = (high - low) * 0.04;
        let (low, high) = (low - margin, high + margin);
        let every = ((high - low) / MOST_LABELS).ceil().max(1.0);
        let decades = || {
            let first = (low / every).floor();
            (0u8..=10).map(move |i| (first + f64::from(i)) * every)
        };
        let inside = |value: &f64| (low..=high).contains(value);
        let mut labels: Vec<(f64, String)> = decades()
            .filter(inside)
            .map(|decade| (place(decade, low, high), power(1, decade)))
            .collect();
        let mut fine = Vec::new();
        if every == 1.0 {
            for (decade, digit) in decades().flat_map(|decade| (2u8..=9).map(move |d| (decade, d)))
            {
                let value = decade + f64::from(digit).log10();
                if !inside(&value) {
                    continue;
                }
                if high - low < FINE_DECADES {
                    fine.push(place(value, low, high));
                }
                if high - low < 2.2 && matches!(digit, 2 | 5) {
                    labels.push((place(value, low, high), power(digit, decade)));
                }
            }
        }
        Self {
            low,
            high,
            logarithmic: true,
            labels,
            fine,
        }
    }
}

fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |extent, value| match extent {
        None => Some((value, value)),
        Some((low, high)) => Some((low.min(value), high.max(value))),
    })
}

/// Ends that are finite and apart by more than rounding.
fn spread(low: f64, high: f64) -> (f64, f64) {
    let bound = f64::MAX / 4.0;
    let (low, high) = (low.clamp(-bound, bound), high.clamp(-bound, bound));
    let least = (low.abs().max(high.abs()) * 1e-6).max(1e-290);
    if high - low >= least {
        return (low, high);
    }
    let half = if low == 0.0 {
        1.0
    } else {
        (low.abs() * 0.1).max(1e-290)
    };
    (low - half, high + half)
}

fn place(value: f64, low: f64, high: f64) -> f64 {
    ((value - low) / (high - low)).clamp(0.0, 1.0)
}

/// 10 to an integral power that may lie below the normal numbers.
fn power_of_ten(exponent: f64) -> f64 {
    10f64.powf(exponent)
}

/// A tick in as many decimals as its step has, or as a power for what is far from one.
fn number(tick: f64, step: f64) -> String {
    let decimals = (-step.log10().floor()).max(0.0);
    match num_traits::cast::<f64, usize>(decimals) {
        Some(decimals) if decimals <= 5 && tick.abs() < 1e6 => {
            let text = format!("{tick:.decimals$}");
            text.strip_prefix('-')
                .filter(|rest| rest.chars().all(|c| matches!(c, '0' | '.')))
                .map_or(text.clone(), str::to_owned)
        }
        _ => {
            let digits = (tick.abs().log10().floor() - step.log10().floor()).clamp(0.0, 6.0);
            let digits = num_traits::cast::<f64, usize>(digits).unwrap_or(0);
            format!("{tick:.digits$e}")
        }
    }
}

/// `digit` × 10^`decade` as a label.
fn power(digit: u8, decade: f64) -> String {
    match num_traits::cast::<f64, usize>(decade.abs()) {
        Some(zeros) if zeros <= 4 && decade < 0.0 => {
            format!("{:.zeros$}", f64::from(digit) * power_of_ten(decade))
        }
        Some(zeros) if zeros <= 4 => format!("{digit}{}", "0".repeat(zeros)),
        _ => format!("{digit}e{decade}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.labels.iter().map(|label| label.1.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_and_few() {
        for (low, high, expected) in [
            (0.0, 100.0, &["0", "20", "40", "60", "80", "100"][..]),
            (0.0, 1.0, &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
            (-1.0, 1.0, &["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
            (
                0.0,
                3e7,
                &["0", "5e6", "1.0e7", "1.5e7", "2.0e7", "2.5e7", "3.0e7"],
            ),
        ] {
            let axis = Axis::with_round_ticks(low, high);
            assert_eq!(labels(&axis), expected);
        }
    }

    #[test]
    fn decades_are_labelled_and_thinned() {
        let axis = Axis::linear_or_decades([1e-3, 2.0].into_iter());
        assert!(axis.is_logarithmic());
        assert_eq!(labels(&axis), ["0.001", "0.01", "0.1", "1"]);
        let axis = Axis::linear_or_decades([0.5, 6.0].into_iter());
        assert_eq!(labels(&axis), ["1", "0.5", "2", "5"]);
        let axis = Axis::linear_or_decades([1e-20, 1.0].into_iter());
        assert_eq!(
            labels(&axis),
            ["1e-18", "1e-15", "1e-12", "1e-9", "1e-6", "0.001", "1"]
        );
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
        for a in extremes {
            for b in extremes {
                let values = [a, b];
                for axis in [
                    Axis::linear(values.into_iter()),
                    Axis::linear_or_decades(values.into_iter()),
                ] {
                    assert!((0.0..=1.0).contains(&axis.place(a)), "{a} {b}");
                    let places = axis
                        .labels
                        .iter()
                        .map(|label| label.0)
                        .chain(axis.fine.iter().copied());
                    assert!(
                        places.into_iter().all(|p| (0.0..=1.0).contains(&p)),
                        "{a} {b}"
                    );
                    assert!(axis.labels.len() <= 11, "{a} {b}");
                }
            }
        }
    }
}
