//! An experiment that costs nothing, for tests of what runs and reports experiments.

use super::{
    About, Analysis, Arm, Estimate, Experiment, Favours, Figure, Grid, Halt, Hypothesis, Outcome,
    Results, Seeds, Setup, Table, Threshold,
};
use crate::error::Error;
use crate::plot::{Plot, Series};

/// Two arms, of which the second has half the loss of the first, and a grid.
pub(crate) struct Toy;

static TOY: About = About {
    name: "toy",
    title: "A toy <of> tests",
    question: "Is half less & is a whole more?",
    protocol: "None.",
    paper: "Nothing.",
    hypotheses: &[
        Hypothesis {
            id: "half-is-less",
            claim: "Half is less",
            effect: "half over whole",
            threshold: Threshold::AtMost(0.6),
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "half-is-little",
            claim: "Half is little",
            effect: "half over whole",
            threshold: Threshold::AtMost(0.4),
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "rival-is-less",
            claim: "A rival is less",
            effect: "half over whole",
            threshold: Threshold::AtLeast(0.4),
            favours: Favours::Rival,
        },
        Hypothesis {
            id: "never-measured",
            claim: "What is never measured holds",
            effect: "nothing",
            threshold: Threshold::AtMost(1.0),
            favours: Favours::Nobody,
        },
    ],
    seeds: Seeds {
        quick: 3,
        full: 4,
        tuning: 2,
    },
};

fn losses(factor: f64) -> impl Fn(u64) -> Outcome {
    move |seed| {
        #[expect(clippy::cast_precision_loss, reason = "small seeds")]
        let loss = factor * (1.0 + 0.1 * (seed % 7) as f64);
        // Every other curve is longer.
        let end = (seed % 2 == 1).then_some((2.0, loss));
        let curve = [(0.0, 2.0 * loss), (1.0, loss)].into_iter().chain(end);
        Outcome::new()
            .with("loss", loss)
            .with_series("curve", curve)
    }
}

fn arm(label: &str, factor: f64) -> Arm {
    let losses = losses(factor);
    Arm::new(label, move |job| {
        if job.goes_on() {
            Ok(losses(job.seed))
        } else {
            Err(Halt::Interrupted)
        }
    })
}

impl Experiment for Toy {
    fn about(&self) -> &'static About {
        &TOY
    }

    fn settings(&self, setup: &Setup) -> Vec<(&'static str, String)> {
        vec![("scale", setup.scale.to_string())]
    }

    fn arms(&self, _: &Setup) -> Vec<Arm> {
        vec![arm("whole", 1.0), arm("half", 0.5)]
    }

    fn grids(&self, _: &Setup) -> Vec<Grid> {
        vec![Grid {
            method: "whole",
            settings: vec![arm("rate=1", 2.0), arm("rate=2", 1.0)],
            chosen: "rate=1".into(),
            score: "loss",
        }]
    }

    fn analyse(&self, results: &Results<'_>) -> Analysis {
        let ratio = results.ratio("half", "whole", "loss");
        Analysis {
            effects: ["half-is-less", "half-is-little", "rival-is-less"]
                .map(|id| (id, ratio))
                .into(),
            seen: format!("The ratio was {ratio}."),
            figures: vec![Figure {
                caption: "Curves.".into(),
                plot: Plot {
                    title: "Curves".into(),
                    series: vec![Series {
                        name: "whole".into(),
                        points: results.band("whole", "curve", Estimate::mean),
                    }],
                    ..Plot::default()
                },
            }],
            tables: vec![Table {
                caption: "Ratios.".into(),
                head: vec!["what".into(), "how much".into()],
                rows: vec![vec!["ratio".into(), ratio.to_string()]],
            }],
        }
    }
}

/// One arm that diverges and one that cannot run.
pub(crate) struct Broken;

static BROKEN: About = About {
    name: "broken",
    hypotheses: &[],
    seeds: Seeds {
        quick: 2,
        full: 2,
        tuning: 0,
    },
    ..TOY
};

impl Experiment for Broken {
    fn about(&self) -> &'static About {
        &BROKEN
    }

    fn settings(&self, _: &Setup) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn arms(&self, _: &Setup) -> Vec<Arm> {
        let diverges = Arm::new("diverges", |_| {
            let outcome = Outcome::new().with("loss", f64::INFINITY);
            Ok(outcome.with_series("curve", [(0.0, f64::NAN)]))
        });
        let fails = Arm::new("fails", |_| Err(Error::option("--net", "is absurd").into()));
        vec![diverges, fails]
    }

    fn analyse(&self, _: &Results<'_>) -> Analysis {
        Analysis::default()
    }
}
