//! The empirical Fisher in the place of the Fisher.

use natgrad::curvature::{EmpiricalFisher, Fisher};
use natgrad::damping::DampingPolicy;
use natgrad::operator::LinearOperator;
use natgrad::{Metric, Mlp, Model, Pass};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::classifier::{self, Digits, Labelled, Training};
use super::statistics::{as_float, setting, settings};
use super::{
    About, Analysis, Arm, Estimate, Experiment, Favours, Figure, Grid, Halt, Hypothesis, Job,
    Outcome, Results, Scale, Seeds, Setup, Table, Threshold,
};
use crate::error::Error;
use crate::evaluation::{Examples, TILE};
use crate::plot::{Plot, Series};
use crate::training::{Curvatures, Natural, Optimizer, Solvers, refused};

pub(super) struct Empirical;

/// How much digits are deformed.
const STRENGTH: f64 = 1.0;
/// Examples of a batch, of gradient and curvature alike.
const BATCH: usize = 128;
/// The most iterations of a solve.
const ITERATIONS: u16 = 20;
/// Random vectors of an estimate of the distance.
const PROBES: usize = 8;
/// λ at the start, where it adapts.
const START: f64 = 1.0;

/// What is measured.
const LOSS: &str = "test loss";
const ERROR: &str = "test error";
const TRACES: &str = "trace ratio";
const LENGTHS: &str = "ratio along the gradient";
const DISTANCE: &str = "distance";
const TRACE_CHANGE: &str = "trace ratio at the end over that at the start";

/// The curvatures, by the labels of their arms.
const TRUE: &str = "true";
const EMPIRICAL: &str = "empirical";

/// What trains: digits that never come again, or the same ones in turn.
#[derive(Clone, Copy)]
enum Course {
    Stream,
    Set,
}

const COURSES: [Course; 2] = [Course::Stream, Course::Set];

impl Course {
    const fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Set => "set",
        }
    }

    /// How many digits there are for so many updates. There is a batch beyond the last update, to measure on.
    fn examples(self, size: Size) -> usize {
        match self {
            Self::Stream => (size.updates + 1) * BATCH,
            Self::Set => size.set,
        }
    }
}

static ABOUT: About = About {
    name: "empirical",
    title: "The empirical Fisher",
    question: "The metric takes its targets from the model. What is lost when they are taken from the data, as \
        in the uncentred covariance of the gradients, and how far are the two matrices apart?",
    protocol: "Deformed digits of 12 × 12 pixels, one hidden layer of 48 tanh units, 10 classes, in f32. natSGD with \
        the true and with the empirical Fisher, the same in all else: 128 digits per update for gradient and \
        curvature alike, at most 20 iterations of conjugate gradients without a preconditioner, damping by λI. \
        Either is at its best setting for the test loss on the stream, from one grid of rates and λ, which is \
        constant or adapts by Levenberg–Marquardt on the linear ratio, from 1 down to at least what is given; that \
        ratio holds no curvature, so that it judges both alike. Stream: every digit comes once. Set: 512 digits come \
        again and again, at the settings of the stream. Before an update, and after the last one, both matrices are \
        compared on the batch that comes next: their traces, exactly; gᵀCg for the gradient g of that batch; and |E \
        − F| / |F| in the Frobenius norm, E the empirical one, estimated by products with random signs. The mean of \
        E over the data is F where the model's probabilities are right; on digits that it has learnt by heart E, \
        quadratic in the residuals, vanishes before F. Test losses are negative log-likelihoods in nats, on digits \
        held out. TONGA itself adds a low-rank estimate over the steps, which this does not.",
    paper: "TONGA divides by the covariance of the gradients, which has the form of the metric but with the \
        targets of the data in the place of the model's. That is not the metric of the functional manifold \
        (section 4).",
    hypotheses: &[
        Hypothesis {
            id: "empirical-loss",
            claim: "On a stream, the empirical Fisher leads to at least 1.2 times the test loss of the true one, \
                either of them tuned",
            effect: "test loss, empirical / true, geometric mean over seeds",
            threshold: Threshold::AtLeast(1.2),
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "empirical-error",
            claim: "On a stream, the empirical Fisher leads to at least 1.1 times the test error of the true one, \
                either of them tuned",
            effect: "test error, empirical / true, geometric mean over seeds",
            threshold: Threshold::AtLeast(1.1),
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "empirical-shrinks",
            claim: "On a set that is trained on again and again with the true Fisher, the trace of the empirical \
                one over that of the true one falls to at most a fifth",
            effect: "ratio of the traces, end / start, geometric mean over seeds",
            threshold: Threshold::AtMost(0.2),
            favours: Favours::Natural,
        },
        Hypothesis {
            id: "empirical-stays",
            claim: "On a stream, whose digits the network has not seen, that ratio does not fall to a half",
            effect: "ratio of the traces, end / start, geometric mean over seeds",
            threshold: Threshold::AtLeast(0.5),
            favours: Favours::Nobody,
        },
    ],
    seeds: Seeds {
        quick: 5,
        full: 20,
        tuning: 3,
    },
};

/// What depends on the scale.
#[derive(Clone, Copy)]
struct Size {
    updates: usize,
    /// Updates from one measurement to the next.
    interval: usize,
    /// Digits of the set.
    set: usize,
    held_out: usize,
}

impl Size {
    fn of(scale: Scale) -> Self {
        match scale {
            Scale::Smoke => Self {
                updates: 2,
                interval: 1,
                set: 128,
                held_out: 30,
            },
            Scale::Quick | Scale::Full => Self {
                updates: 64,
                interval: 4,
                set: 512,
                held_out: 3_000,
            },
        }
    }
}

/// How natSGD is set.
#[derive(Clone, Copy)]
struct Choice {
    rate: f64,
    /// λ, or the least one where it adapts.
    damping: f64,
    adapts: bool,
}

/// What both curvatures are tuned over.
const RATES: [f64; 5] = [0.3, 0.5, 1.0, 2.0, 4.0];
const DAMPINGS: [f64; 5] = [0.01, 0.03, 0.1, 0.3, 1.0];

const CHOSEN_TRUE: Choice = Choice {
    rate: 0.5,
    damping: 0.03,
    adapts: false,
};
const CHOSEN_EMPIRICAL: Choice = Choice {
    rate: 2.0,
    damping: 0.3,
    adapts: false,
};

impl Choice {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for rate in RATES {
            for damping in DAMPINGS {
                all.extend([true, false].map(|adapts| Self {
                    rate,
                    damping,
                    adapts,
                }));
            }
        }
        all
    }

    fn label(self) -> String {
        let policy = if self.adapts { "adapts" } else { "constant" };
        format!("rate={}+lambda={}+{policy}", self.rate, self.damping)
    }

    fn optimizer(self, curvature: Curvatures) -> Optimizer {
        let nat_sgd = Natural::nat_sgd(Solvers::Cg);
        let (damping, policy) = if self.adapts {
            (START.max(self.damping), nat_sgd.policy)
        } else {
            (self.damping, DampingPolicy::Constant)
        };
        Optimizer::Natural(Natural {
            rate: self.rate,
            damping,
            floor: self.damping,
            policy,
            curvature,
            iterations: ITERATIONS,
            ..nat_sgd
        })
    }
}

/// The curvatures with their labels and choices.
const CURVATURES: [(&str, Curvatures, Choice); 2] = [
    (TRUE, Curvatures::Fisher, CHOSEN_TRUE),
    (EMPIRICAL, Curvatures::Empirical, CHOSEN_EMPIRICAL),
];

fn label(course: Course, curvature: &str) -> String {
    format!("{}+{curvature}", course.name())
}

impl Experiment for Empirical {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn settings(&self, setup: &Setup) -> Vec<(&'static str, String)> {
        let size = Size::of(setup.scale);
        vec![
            ("digits", Digits::name(setup)),
            ("strength of the deformations", setting(STRENGTH)),
            ("batch", BATCH.to_string()),
            ("updates", size.updates.to_string()),
            ("digits of the set", size.set.to_string()),
            ("held-out digits", size.held_out.to_string()),
            ("rates of the grid", settings(&RATES)),
            ("λ of the grid", settings(&DAMPINGS)),
            ("random vectors", PROBES.to_string()),
            (TRUE, CHOSEN_TRUE.label()),
            (EMPIRICAL, CHOSEN_EMPIRICAL.label()),
        ]
    }

    fn arms(&self, setup: &Setup) -> Vec<Arm> {
        let mut arms = Vec::new();
        for course in COURSES {
            for (name, curvature, choice) in CURVATURES {
                let (label, setup) = (label(course, name), setup.clone());
                let optimizer = choice.optimizer(curvature);
                arms.push(Arm::new(label, move |job| {
                    train(job, &setup, course, &optimizer, true)
                }));
            }
        }
        arms
    }

    fn grids(&self, setup: &Setup) -> Vec<Grid> {
        let arm = |curvature, choice: Choice| {
            let setup = setup.clone();
            let optimizer = choice.optimizer(curvature);
            Arm::new(choice.label(), move |job| {
                train(job, &setup, Course::Stream, &optimizer, false)
            })
        };
        let grid = |(method, curvature, chosen): (&'static str, Curvatures, Choice)| Grid {
            method,
            settings: Choice::all()
                .into_iter()
                .map(|choice| arm(curvature, choice))
                .collect(),
            chosen: chosen.label(),
            score: LOSS,
        };
        CURVATURES.into_iter().map(grid).collect()
    }

    fn analyse(&self, results: &Results<'_>) -> Analysis {
        let ratio = |name| ratio(results, Course::Stream, name);
        let change = |course| average(results, course, TRUE, TRACE_CHANGE);
        Analysis {
            effects: vec![
                ("empirical-loss", ratio(LOSS)),
                ("empirical-error", ratio(ERROR)),
                ("empirical-shrinks", change(Course::Set)),
                ("empirical-stays", change(Course::Stream)),
            ],
            seen: seen(results),
            figures: figures(results),
            tables: vec![outcome_table(results), matrix_table(results)],
        }
    }
}

fn train(
    job: &Job<'_>,
    setup: &Setup,
    course: Course,
    optimizer: &Optimizer,
    compares: bool,
) -> Result<Outcome, Halt> {
    let size = Size::of(setup.scale);
    let digits = Digits::of(setup)?;
    let stream = digits.stream(job.seed, STRENGTH)?;
    let set = stream.segment(0, 0, course.examples(size))?;
    let examples = Examples::<f32>::new(&set)?;
    let test = Labelled::new(&stream.held_out(size.held_out)?)?;
    let mut params = classifier::start(job.seed, &set)?;
    let mut workspace = Vec::new();
    let mut training = Training::new(optimizer, &mut params, &mut workspace)?;
    let (mut losses, mut comparisons) = (Vec::new(), Vec::new());
    for update in 0..=size.updates {
        if !job.goes_on() {
            return Err(Halt::Interrupted);
        }
        let rows: Vec<usize> = (0..BATCH)
            .map(|row| (update * BATCH + row) % examples.len())
            .collect();
        let batch = examples.gather(&rows);
        if update % size.interval == 0 {
            let x = as_float(update);
            losses.push((x, training.loss(&test)?));
            if compares {
                comparisons.push((x, Comparison::of(training.params(), &batch)?));
            }
        }
        if update < size.updates {
            training.step(&batch, Metric::Same)?;
        }
    }
    let mut outcome = Outcome::new()
        .with(LOSS, training.loss(&test)?)
        .with(ERROR, training.error(&test)?)
        .with_series(LOSS, losses);
    if let (Some((_, first)), Some((_, last))) = (comparisons.first(), comparisons.last()) {
        outcome = outcome
            .with(TRACE_CHANGE, last.traces / first.traces)
            .with(at_start(TRACES), first.traces)
            .with(at_end(TRACES), last.traces)
            .with(at_start(LENGTHS), first.lengths)
            .with(at_end(LENGTHS), last.lengths)
            .with(at_start(DISTANCE), first.distance)
            .with(at_end(DISTANCE), last.distance);
        let series = |of: fn(&Comparison) -> f64| {
            let points = comparisons.iter().map(move |(x, found)| (*x, of(found)));
            points.collect::<Vec<_>>()
        };
        outcome = outcome
            .with_series(TRACES, series(|found| found.traces))
            .with_series(LENGTHS, series(|found| found.lengths))
            .with_series(DISTANCE, series(|found| found.distance));
    }
    Ok(outcome)
}

fn at_start(name: &str) -> String {
    format!("{name} at the start")
}

fn at_end(name: &str) -> String {
    format!("{name} at the end")
}

/// How the empirical Fisher E compares with the true one F over a batch.
struct Comparison {
    /// tr E / tr F.
    traces: f64,
    /// gᵀEg / gᵀFg for the gradient g of the batch.
    lengths: f64,
    /// |E − F| / |F|, Frobenius.
    distance: f64,
}

impl Comparison {
    fn of(params: &[f32], batch: &Examples<f32>) -> Result<Self, Error> {
        Self::over(classifier::model()?, params, batch)
            .map_err(|error| refused(classifier::NAME, error))
    }

    fn over(
        model: Model<'_>,
        params: &[f32],
        batch: &Examples<f32>,
    ) -> Result<Self, natgrad::Error> {
        let [mut scratch, mut other] =
            [(); 2].map(|()| vec![0.0; Pass::Product.scratch_len(&model, TILE)]);
        let zeros = || vec![0.0_f32; params.len()];
        let mut gradient = zeros();
        Mlp::<f32, TILE>::new(model, params, &mut scratch)?
            .gradient(&batch.batch(), &mut gradient)?;

        let network = Mlp::<f32, TILE>::new(model, params, &mut scratch)?;
        let mut fisher = Fisher::new(network, batch.batch())?;
        let network = Mlp::<f32, TILE>::new(model, params, &mut other)?;
        let mut empirical = EmpiricalFisher::new(network, batch.batch())?;

        let [mut of_fisher, mut of_empirical] = [zeros(), zeros()];
        fisher.diagonal(&mut of_fisher);
        empirical.diagonal(&mut of_empirical);
        let sum = |values: &[f32]| values.iter().copied().map(f64::from).sum::<f64>();
        let traces = sum(&of_empirical) / sum(&of_fisher);

        let length = f64::from(empirical.apply(&gradient, &mut of_empirical));
        let lengths = length / f64::from(fisher.apply(&gradient, &mut of_fisher));

        // The mean of |Av|² over random signs v is |A|², Frobenius. The same ones in every run: what is
        // averaged over seeds is the networks.
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(0);
        let (mut apart, mut whole) = (0.0, 0.0);
        for _ in 0..PROBES {
            let signs = gradient.iter().map(|_| generator.random::<bool>());
            let signs: Vec<f32> = signs.map(|plus| if plus { 1.0 } else { -1.0 }).collect();
            empirical.apply(&signs, &mut of_empirical);
            fisher.apply(&signs, &mut of_fisher);
            for (one, other) in of_empirical.iter().zip(&of_fisher) {
                let (one, other) = (f64::from(*one), f64::from(*other));
                apart += (one - other) * (one - other);
                whole += other * other;
            }
        }
        Ok(Self {
            traces,
            lengths,
            distance: (apart / whole).sqrt(),
        })
    }
}

fn average(results: &Results<'_>, course: Course, curvature: &str, name: &str) -> Estimate {
    Estimate::geometric_mean(results.values(&label(course, curvature), name))
}

/// A number with the empirical Fisher over that with the true one.
fn ratio(results: &Results<'_>, course: Course, name: &str) -> Estimate {
    let [empirical, known] = [EMPIRICAL, TRUE].map(|name| label(course, name));
    results.ratio(&empirical, &known, name)
}

fn seen(results: &Results<'_>) -> String {
    let [stream, set] = COURSES.map(|course| {
        let [loss, error] = [LOSS, ERROR].map(|name| ratio(results, course, name));
        format!("{loss} times the test loss and {error} times the test error of the true one")
    });
    let [[stream_true, set_true], [stream_empirical, set_empirical]] =
        [TRUE, EMPIRICAL].map(|curvature| {
            COURSES.map(|course| {
                let [start, end] = [at_start(TRACES), at_end(TRACES)]
                    .map(|name| average(results, course, curvature, &name).to_string());
                format!("from {start} to {end}")
            })
        });
    let [apart_stream, apart_set] =
        COURSES.map(|course| average(results, course, TRUE, &at_end(DISTANCE)));
    format!(
        "The empirical Fisher ended on the stream at {stream}, on the set at {set}. While the true Fisher trained, \
         tr E / tr F went {stream_true} on the stream and {set_true} on the set; while the empirical one did, \
         {stream_empirical} and {set_empirical}. Where the true one had trained to the end, |E − F| / |F| was \
         {apart_stream} on the stream and {apart_set} on the set.",
    )
}

fn figures(results: &Results<'_>) -> Vec<Figure> {
    let curve = |course, curvature: &str, name: &str| {
        let arm = label(course, curvature);
        results.band(&arm, name, Estimate::geometric_mean)
    };
    let losses = |course: Course| Figure {
        caption: format!(
            "Test loss on the {}: geometric mean over seeds, with its 95 % interval.",
            course.name()
        ),
        plot: Plot {
            title: format!("Test loss against updates, {}", course.name()),
            x: "updates".into(),
            y: "test loss".into(),
            series: [TRUE, EMPIRICAL]
                .map(|curvature| Series {
                    name: format!("{curvature} Fisher"),
                    points: curve(course, curvature, LOSS),
                })
                .into(),
            ..Plot::default()
        },
    };
    let matrices = |name: &str, axis: &str| {
        let arms = COURSES.map(|course| [TRUE, EMPIRICAL].map(|curvature| (course, curvature)));
        let series = arms
            .into_iter()
            .flatten()
            .map(|(course, curvature)| Series {
                name: format!("{}, {curvature}", course.name()),
                points: curve(course, curvature, name),
            });
        Figure {
            caption: format!(
                "{axis} along training, by what trains and by which Fisher: geometric mean over seeds, with its \
                 95 % interval."
            ),
            plot: Plot {
                title: format!("{axis} against updates"),
                x: "updates".into(),
                y: axis.into(),
                series: series.collect(),
                thresholds: vec![(1.0, String::new())],
                ..Plot::default()
            },
        }
    };
    let losses = COURSES.into_iter().map(losses);
    losses
        .chain([
            matrices(TRACES, "tr E / tr F"),
            matrices(LENGTHS, "gᵀEg / gᵀFg"),
            matrices(DISTANCE, "|E − F| / |F|"),
        ])
        .collect()
}

fn outcome_table(results: &Results<'_>) -> Table {
    let mut rows = Vec::new();
    for course in COURSES {
        for (name, _, choice) in CURVATURES {
            let [loss, error] =
                [LOSS, ERROR].map(|measure| average(results, course, name, measure).to_string());
            let [loss_ratio, error_ratio] =
                [LOSS, ERROR].map(|measure| ratio(results, course, measure).to_string());
            let is_reference = name == TRUE;
            let ratio = |ratio: String| if is_reference { "1".into() } else { ratio };
            rows.push(vec![
                format!("{}, {name}, {}", course.name(), choice.label()),
                loss,
                ratio(loss_ratio),
                error,
                ratio(error_ratio),
            ]);
        }
    }
    Table {
        caption: "After the last update: geometric means over seeds, with 95 % intervals. Errors are shares."
            .into(),
        head: [
            "what trains, Fisher and setting",
            "test loss",
            "over that of the true one",
            "test error",
            "over that of the true one",
        ]
        .map(String::from)
        .into(),
        rows,
    }
}

fn matrix_table(results: &Results<'_>) -> Table {
    let mut rows = Vec::new();
    for course in COURSES {
        for curvature in [TRUE, EMPIRICAL] {
            let mut row = vec![format!("{}, {curvature}", course.name())];
            for name in [TRACES, LENGTHS, DISTANCE] {
                for name in [at_start(name), at_end(name)] {
                    row.push(average(results, course, curvature, &name).to_string());
                }
            }
            rows.push(row);
        }
    }
    Table {
        caption: "The empirical Fisher E and the true one F on the batch that comes next, at the start and at the end \
            of training: geometric means over seeds, with 95 % intervals."
            .into(),
        head: [
            "what trains, Fisher",
            "tr E / tr F, start",
            "end",
            "gᵀEg / gᵀFg, start",
            "end",
            "|E − F| / |F|, start",
            "end",
        ]
        .map(String::from)
        .into(),
        rows,
    }
}
