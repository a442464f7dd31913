//! Steps in output space where digits end: logits that are saturated and wrong, examples that are copies, units that
//! are dead.

#![expect(
    clippy::disallowed_methods,
    reason = "a test may panic, and its data are no part of a golden number"
)]

use natgrad::damping::{Damping, Tikhonov};
use natgrad::krylov::Status;
use natgrad::optimizer::{DualMetric, Gram, Kronecker, Momentum, Outcome, Plain, Report, Velocity};
use natgrad::{Activation, Batch, Likelihood, Metric, Model, Room, Scalar, Trainer};

const EXAMPLES: usize = 8;

const WIDTHS: [usize; 3] = [2, 4, 3];

type Learner<'a, T, D, V> = Trainer<'a, T, Gram<T, EXAMPLES, D, V>, 4>;

/// Parameters, inputs and targets of the network.
struct Task {
    activation: Activation,
    likelihood: Likelihood,
    params: Vec<f64>,
    inputs: Vec<f64>,
    targets: Vec<f64>,
}

impl Task {
    fn new(activation: Activation, likelihood: Likelihood) -> Self {
        let wave = |len: usize, phase: f64| -> Vec<f64> {
            let places = (0..len).map(|i| f64::from(u32::try_from(i).unwrap()));
            places.map(|i| (2.1 * i + phase).sin()).collect()
        };
        let model = Model::new(&WIDTHS, activation, likelihood).unwrap();
        let targets = (0..EXAMPLES).flat_map(|b| {
            (0..WIDTHS[2]).map(move |k| match likelihood {
                Likelihood::Categorical => f64::from(u8::from(b % 3 == k)),
                _ => f64::from(u8::from((b + k) % 2 == 0)),
            })
        });
        Self {
            activation,
            likelihood,
            params: wave(model.params(), 0.3),
            inputs: wave(EXAMPLES * WIDTHS[0], 1.1),
            targets: targets.collect(),
        }
    }

    /// The second input is the same in every example.
    fn constant(mut self, value: f64) -> Self {
        for input in self.inputs[1..].iter_mut().step_by(2) {
            *input = value;
        }
        for weight in self.params[1..8].iter_mut().step_by(2) {
            *weight *= 1e-4;
        }
        self
    }

    /// The same example all over.
    fn copied(mut self) -> Self {
        self.inputs = [self.inputs[0], self.inputs[1]].repeat(EXAMPLES);
        self.targets = self.targets[..WIDTHS[2]].repeat(EXAMPLES);
        self
    }

    /// No rectifier lets anything through.
    fn dead(mut self) -> Self {
        self.params[8..12].fill(-100.0);
        self
    }

    /// Logits that far apart, and wrong for many of the examples.
    fn wrong(mut self, gap: f64) -> Self {
        let biases = self.params.len() - WIDTHS[2];
        self.params[biases] = gap;
        if self.likelihood == Likelihood::Bernoulli {
            self.params[biases + 1] = -gap;
        }
        self
    }

    /// The reports of so many steps.
    fn steps<T: Scalar, D: DualMetric, V: Velocity>(
        &self,
        method: Gram<T, EXAMPLES, D, V>,
        count: usize,
    ) -> Vec<Report<T>> {
        self.train(method, count).0
    }

    /// So many steps, each of which keeps its word; the reports, and the parameters.
    fn train<T: Scalar, D: DualMetric, V: Velocity>(
        &self,
        method: Gram<T, EXAMPLES, D, V>,
        count: usize,
    ) -> (Vec<Report<T>>, Vec<T>) {
        let narrow = |values: &[f64]| -> Vec<T> { values.iter().map(|&x| T::of(x)).collect() };
        let (inputs, targets) = (narrow(&self.inputs), narrow(&self.targets));
        let mut params = narrow(&self.params);
        let model = Model::new(&WIDTHS, self.activation, self.likelihood).unwrap();
        let mut workspace = vec![T::ZERO; Learner::<T, D, V>::workspace_len(&model, Room::NONE)];
        let mut trainer = Learner::new(model, &mut params, &mut workspace, method).unwrap();
        let batch = Batch::new(&*inputs, &*targets);
        let mut reports = Vec::new();
        for _ in 0..count {
            let before = (trainer.params().to_vec(), trainer.loss(batch).unwrap());
            let report = trainer.step(batch, Metric::Same).unwrap();
            let after = trainer.loss(batch).unwrap();
            assert!(trainer.params().iter().all(|p| p.is_finite()));
            assert!(trainer.state().damping.is_finite());
            if report.outcome == Outcome::Accepted {
                // Up to the rounding of both losses.
                let noise = T::of(16.0) * T::EPSILON * before.1;
                assert!(after <= before.1 + noise, "{report:?}");
                assert_eq!(report.loss_after, Some(after));
            } else {
                assert_eq!(trainer.params(), before.0);
            }
            reports.push(report);
        }
        (reports, params)
    }
}

/// A damping that small, and no further attempt.
fn once<D: DualMetric>(relative: f32) -> Gram<f32, EXAMPLES, D, Plain> {
    let method = Gram::<f32, EXAMPLES, D, Plain>::default();
    Gram {
        damping: Damping {
            initial: relative,
            floor: relative,
            ..method.damping
        },
        retries: 0,
        ..method
    }
}

/// Of copies, and of dead units, the Gram matrix has as many positive eigenvalues as an example has outputs.
fn deficient() -> [Task; 3] {
    let tanh = || Task::new(Activation::Tanh, Likelihood::Gaussian);
    let relu = || Task::new(Activation::Relu, Likelihood::Categorical).dead();
    [tanh().copied(), relu(), relu().copied()]
}

fn a_breakdown_is_a_status<D: DualMetric>() {
    for task in deficient() {
        let [report] = task.steps(once::<D>(1e-8), 1)[..] else {
            panic!("one step")
        };
        assert_eq!(report.outcome, Outcome::Rejected);
        let solve = report.solve.unwrap();
        assert_eq!(solve.solve.status, Status::NonPositiveCurvature);
        assert_eq!(
            (solve.attempts, solve.ratio, report.loss_after),
            (1, None, None)
        );

        let raising = Gram {
            retries: 8,
            ..once::<D>(1e-8)
        };
        let [report] = task.steps(raising, 1)[..] else {
            panic!("one step")
        };
        assert_eq!(report.outcome, Outcome::Accepted);
        let solve = report.solve.unwrap();
        assert!(solve.attempts > 1 && solve.damping > 1e-8, "{solve:?}");
        assert_eq!(solve.solve.status, Status::Residual);
    }
}

#[test]
fn the_breakdown_of_a_factor_is_a_status_that_raises_the_damping() {
    a_breakdown_is_a_status::<Tikhonov>();
    a_breakdown_is_a_status::<Kronecker>();
}

/// The floor of the default is above what n ε of a diagonal entry could undo: K ε < 10⁻⁵.
#[test]
fn at_the_floor_of_the_default_copies_and_dead_units_are_factored() {
    for task in deficient() {
        let floor = Gram::<f32, EXAMPLES>::default().damping.floor;
        for report in [
            task.steps(once::<Tikhonov>(floor), 1)[0],
            task.steps(once::<Kronecker>(floor), 1)[0],
        ] {
            assert_eq!(report.solve.unwrap().solve.status, Status::Residual);
            assert_eq!(report.outcome, Outcome::Accepted);
        }
    }
}

fn keeps_its_word<T: Scalar, D: DualMetric, V: Velocity>() {
    for likelihood in [Likelihood::Bernoulli, Likelihood::Categorical] {
        for gap in [5.0, 20.0, 60.0, 90.0, 110.0, 200.0, 500.0, 1000.0] {
            let task = Task::new(Activation::Tanh, likelihood).wrong(gap);
            let reports = task.steps(Gram::<T, EXAMPLES, D, V>::default(), 30);
            let accepted = reports.iter().filter(|r| r.outcome == Outcome::Accepted);
            assert_eq!(accepted.count(), reports.len());
            let (first, last) = (reports[0].loss, reports[reports.len() - 1].loss);
            // A step moves a logit by 8 at most.
            let enough = last < T::HALF * first || last < first - T::of(200.0);
            assert!(enough, "{likelihood:?} {gap}: {first:?} to {last:?}");
        }
    }
}

#[test]
fn steps_from_saturated_logits_keep_their_word() {
    keeps_its_word::<f32, Kronecker, Momentum>();
    keeps_its_word::<f32, Tikhonov, Plain>();
    keeps_its_word::<f64, Kronecker, Momentum>();
    keeps_its_word::<f64, Tikhonov, Plain>();
}

/// Its weights are told nothing, and rounding must not tell them anything either: divided by a variance of zero it would.
#[test]
fn an_input_that_is_constant_moves_next_to_nothing() {
    let task = Task::new(Activation::Tanh, Likelihood::Gaussian).constant(3e4);
    let method = Gram::<f32, EXAMPLES>::default();
    let (reports, params) = task.train(method, 30);
    assert!(reports.iter().all(|r| r.outcome == Outcome::Accepted));
    assert!(
        reports[29].loss < 0.5 * reports[0].loss,
        "{:?}",
        reports[29].loss
    );
    let moved = params
        .iter()
        .zip(&task.params)
        .map(|(new, old)| f64::from(*new) - old);
    let moved: Vec<f64> = moved.collect();
    for weight in moved[1..8].iter().step_by(2) {
        // What it does to a unit, per cent of the input that it may change by one day.
        assert!((weight * 3e2).abs() < 1.0, "{moved:?}");
    }
}

/// Pixels at the border, a sensor that is not connected: divided by a variance of zero they would be NaN.
#[test]
fn an_input_that_is_always_zero_moves_nothing() {
    for activation in [Activation::Tanh, Activation::Relu] {
        let task = Task::new(activation, Likelihood::Gaussian).constant(0.0);
        let (reports, params) = task.train(Gram::<f32, EXAMPLES>::default(), 30);
        assert!(reports.iter().all(|r| r.outcome == Outcome::Accepted));
        assert!(reports[29].loss < 0.5 * reports[0].loss);
        for (new, &old) in params.iter().zip(&task.params).take(8).skip(1).step_by(2) {
            assert_eq!(*new, f32::of(old));
        }
    }
}
