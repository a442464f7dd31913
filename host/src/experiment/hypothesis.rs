//! What is claimed before anything runs, and how it is judged.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::statistics::Estimate;

/// A claim with its threshold, written down before the runs that judge it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hypothesis {
    /// Its name, unique among all experiments: small letters, digits and hyphens.
    pub id: &'static str,
    /// The claim, as a sentence without its full stop.
    pub claim: &'static str,
    /// What is measured, and over what the mean is.
    pub effect: &'static str,
    /// What the effect has to be.
    pub threshold: Threshold,
    /// For whom it speaks.
    pub favours: Favours,
}

/// For whom a claim speaks, if it is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Favours {
    /// Natural gradient, or this implementation of it: it loses where the claim is contradicted.
    Natural,
    /// A rival: natural gradient loses where the claim is supported.
    Rival,
    /// Nobody.
    Nobody,
}

/// What an effect has to be. The bounds are part of what is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Threshold {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
    /// From the first to the second.
    Between(f64, f64),
}

/// What the runs say about a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The whole interval is what was claimed.
    Supported,
    /// The interval holds both, or there is none.
    NotSupported,
    /// Nothing of the interval is what was claimed.
    Contradicted,
}

impl Threshold {
    /// The verdict on an effect: supported where the whole of its interval keeps the threshold,
    /// contradicted where none of it does, else not supported.
    pub fn verdict(self, effect: &Estimate) -> Verdict {
        let (least, most) = match self {
            Self::AtMost(most) => (f64::NEG_INFINITY, most),
            Self::AtLeast(least) => (least, f64::INFINITY),
            Self::Between(least, most) => (least, most),
        };
        if !effect.is_known() {
            Verdict::NotSupported
        } else if least <= effect.low && effect.high <= most {
            Verdict::Supported
        } else if effect.high < least || most < effect.low {
            Verdict::Contradicted
        } else {
            Verdict::NotSupported
        }
    }

    /// Its bounds, for a plot of the effect.
    pub fn bounds(self) -> Vec<f64> {
        match self {
            Self::AtMost(bound) | Self::AtLeast(bound) => vec![bound],
            Self::Between(least, most) => vec![least, most],
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // With the sign that type has for a number below zero, as in the effects beside it.
        let number = |bound: &f64| bound.to_string().replace('-', "−");
        match self {
            Self::AtMost(most) => write!(f, "≤ {}", number(most)),
            Self::AtLeast(least) => write!(f, "≥ {}", number(least)),
            Self::Between(least, most) => write!(f, "{} to {}", number(least), number(most)),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Supported => "supported",
            Self::NotSupported => "not supported",
            Self::Contradicted => "contradicted",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(low: f64, high: f64) -> Estimate {
        Estimate {
            value: f64::midpoint(low, high),
            low,
            high,
            n: 5,
        }
    }

    #[test]
    fn the_interval_decides_and_not_its_middle() {
        use Verdict::{Contradicted, NotSupported, Supported};
        let (most, least) = (Threshold::AtMost(1.0), Threshold::AtLeast(1.0));
        let between = Threshold::Between(1.0, 2.0);
        for (low, high, at_most, at_least, within) in [
            (0.1, 0.9, Supported, Contradicted, Contradicted),
            (0.1, 1.0, Supported, NotSupported, NotSupported),
            (1.0, 1.0, Supported, Supported, Supported),
            (0.1, 1.1, NotSupported, NotSupported, NotSupported),
            (1.0, 2.0, NotSupported, Supported, Supported),
            (1.1, 1.9, Contradicted, Supported, Supported),
            (1.1, 2.1, Contradicted, Supported, NotSupported),
            (0.5, 3.0, NotSupported, NotSupported, NotSupported),
            (2.1, 3.0, Contradicted, Supported, Contradicted),
        ] {
            let effect = interval(low, high);
            let verdicts = [most, least, between].map(|threshold| threshold.verdict(&effect));
            assert_eq!(verdicts, [at_most, at_least, within], "[{low}, {high}]");
        }
    }

    #[test]
    fn without_an_interval_nothing_is_supported_or_contradicted() {
        let single = Estimate::mean([0.5]);
        for effect in [Estimate::unknown(0), Estimate::unknown(9), single] {
            for threshold in [Threshold::AtMost(1.0), Threshold::AtLeast(1.0)] {
                assert_eq!(threshold.verdict(&effect), Verdict::NotSupported);
            }
        }
    }

    #[test]
    fn thresholds_are_kept_to_the_last_bit() {
        for threshold in [
            Threshold::AtMost(1.02),
            Threshold::AtLeast(0.1 + 0.2),
            Threshold::Between(0.95, 1.05),
        ] {
            let text = serde_json::to_string(&threshold).unwrap();
            assert_eq!(serde_json::from_str::<Threshold>(&text).unwrap(), threshold);
        }
        assert_eq!(Threshold::Between(-0.95, 1.05).to_string(), "−0.95 to 1.05");
    }
}
