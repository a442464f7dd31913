//! Steps of Krylov subspace descent, through the trainer, against dense matrices and fine line searches.

use nalgebra::{DMatrix, DVector};
use natgrad::optimizer::{
    Anchor, DescentState, KrylovDescent, L2, Outcome, Progress, Report, Search,
};
use natgrad::precondition::{Jacobi, Martens, Preconditioner, Unpreconditioned};
use natgrad::{Activation, Likelihood, Metric, Room, Scalar, Trainer};
use proptest::prelude::*;

use super::natural::others;
use super::strategies::{Case, Labels, Regime, SMALL, Shape, Tile, config, moderate, shallow};
use super::subject::{Subject, widen, with_tile};
use super::tolerance::{LINE_MINIMUM, LOSS_FLOOR, MODEL_MINIMUM, QUADRATIC_MINIMUM, REPORTED};

/// The diagonal that a preconditioner is made of, by the oracle.
trait Reference: Preconditioner<f64> {
    /// Of F and of the per-example gradients' squares; and the power of it that P is the inverse of.
    fn diagonal(fisher: &DMatrix<f64>, empirical: &DMatrix<f64>) -> (DVector<f64>, f64);
}

impl Reference for Unpreconditioned {
    fn diagonal(fisher: &DMatrix<f64>, _: &DMatrix<f64>) -> (DVector<f64>, f64) {
        (DVector::zeros(fisher.nrows()), 0.0)
    }
}

impl Reference for Jacobi {
    fn diagonal(fisher: &DMatrix<f64>, _: &DMatrix<f64>) -> (DVector<f64>, f64) {
        (fisher.diagonal(), 1.0)
    }
}

impl Reference for Martens {
    fn diagonal(_: &DMatrix<f64>, empirical: &DMatrix<f64>) -> (DVector<f64>, f64) {
        (empirical.diagonal(), 0.75)
    }
}

/// What a step has beside its method.
#[derive(Clone, Copy, Debug)]
struct Setting {
    /// Whether the metric is on other examples.
    others: bool,
    strength: f64,
}

fn settings() -> impl Strategy<Value = Setting> {
    let strength = prop_oneof![Just(0.0), 1e-3..0.1_f64];
    (any::<bool>(), strength).prop_map(|(others, strength)| Setting { others, strength })
}

const PLAIN: Setting = Setting {
    others: false,
    strength: 0.0,
};

/// A step: parameters before and after it, its report, and its trials (α, loss, ratio, accepted).
struct Step {
    before: Vec<f64>,
    after: Vec<f64>,
    report: Report<f64>,
    trials: Vec<(f64, f64, f64, bool)>,
}

impl Step {
    fn change(&self) -> DVector<f64> {
        DVector::from_column_slice(&self.after) - DVector::from_column_slice(&self.before)
    }
}

/// So many steps on one batch.
fn steps<const K: usize, P: Preconditioner<f64>>(
    case: &Case,
    method: KrylovDescent<f64, K, P>,
    setting: Setting,
    count: u32,
) -> Vec<Step> {
    let others = others(case);
    let (subject, metric) = (Subject::<f64>::new(case), Subject::<f64>::new(&others));
    let mut params = subject.params.clone();
    with_tile!(case.shape.tile, TILE => {
        type Learner<'a, P, const K: usize> = Trainer<'a, f64, KrylovDescent<f64, K, P>, TILE>;
        let len = Learner::<P, K>::workspace_len(&subject.model(), Room::NONE);
        let mut workspace = vec![f64::NAN; len];
        let trainer = Learner::new(subject.model(), &mut params, &mut workspace, method);
        let mut trainer = trainer.expect("a trainer");
        let l2 = L2 { strength: setting.strength, anchor: Anchor::Zero };
        trainer.regularise(l2).expect("a strength");
        (0..count)
            .map(|_| {
                let before = trainer.params().to_vec();
                let on = if setting.others {
                    Metric::On(metric.unlabelled())
                } else {
                    Metric::Same
                };
                let mut trials = Vec::new();
                let report = trainer.step_with(subject.batch(), on, &mut |progress| {
                    if let Progress::Trial { rate, loss, ratio, accepted, .. } = *progress {
                        trials.push((rate, loss, ratio, accepted));
                    }
                });
                let report = report.expect("a step");
                Step { before, after: trainer.params().to_vec(), report, trials }
            })
            .collect()
    })
}

/// L, its gradient and F at some parameters, by the oracle.
struct Dense<'c> {
    case: &'c Case,
    setting: Setting,
}

impl Dense<'_> {
    fn loss(&self, params: &[f64]) -> f64 {
        let squared: f64 = params.iter().map(|p| p * p).sum();
        let loss: f64 = self.case.network.loss(params, &self.case.examples);
        loss + 0.5 * self.setting.strength * squared
    }

    fn gradient(&self, params: &[f64]) -> DVector<f64> {
        let pull = DVector::from_column_slice(params) * self.setting.strength;
        self.case.network.gradient(params, &self.case.examples) + pull
    }

    fn fisher(&self, params: &[f64]) -> DMatrix<f64> {
        let mut examples = self.case.examples.clone();
        if self.setting.others {
            examples = others(self.case).examples;
        }
        examples.targets.clear();
        self.case.network.fisher_by_enumeration(params, &examples)
    }

    /// The orthonormal basis of a step, as columns; `None` where a vector is near the span of the others, and
    /// what is left of it depends on its rounding.
    fn basis<P: Reference>(
        &self,
        params: &[f64],
        vectors: usize,
        floor: f64,
        previous: Option<&DVector<f64>>,
    ) -> Option<DMatrix<f64>> {
        let fisher = self.fisher(params);
        let empirical = self
            .case
            .network
            .empirical_fisher(params, &self.case.examples);
        let (diagonal, power) = P::diagonal(&fisher, &empirical);
        let shift = floor * diagonal.max() + self.setting.strength;
        let inverse = diagonal.map(|d| (d + shift).powf(-power));
        let mut columns: Vec<DVector<f64>> = Vec::new();
        for index in 0..=vectors {
            let vector = match (index, previous) {
                (0, _) => self.gradient(params),
                (index, None) if index == vectors => break,
                (index, Some(previous)) if index == vectors => previous.clone(),
                _ => {
                    let last = columns.last().expect("a first one");
                    &fisher * last + last * self.setting.strength
                }
            };
            let vector = if index == vectors {
                vector
            } else {
                vector.component_mul(&inverse)
            };
            let length = vector.norm();
            let mut rest = vector;
            for _ in 0..3 {
                for column in &columns {
                    rest -= column * column.dot(&rest);
                }
            }
            if rest.norm() <= 1e-4 * length {
                return None;
            }
            columns.push(rest.normalize());
        }
        Some(DMatrix::from_columns(&columns))
    }
}

/// One direction, all of it: the minimum of the model in the subspace, or no step.
fn first_point<const K: usize, P: Reference>() -> KrylovDescent<f64, K, P> {
    KrylovDescent {
        // Low enough to have no part in it.
        floor: FLOOR,
        search: Search {
            directions: 1,
            halvings: 0,
            ..Search::default()
        },
        ..Default::default()
    }
}

const FLOOR: f64 = 1e-8;

/// The first trial point of each of three steps is the minimum of the model in the span of the Krylov vectors
/// and of the step before.
fn the_model_is_minimised<const K: usize, P: Reference>(
    case: &Case,
    setting: Setting,
) -> Result<(), TestCaseError> {
    let dense = Dense { case, setting };
    let mut previous: Option<DVector<f64>> = None;
    for step in steps(case, first_point::<K, P>(), setting, 3) {
        // A gradient that all but vanishes is a difference of like numbers, in the oracle as in the core.
        if step.report.gradient_norm < 1e-6 {
            return Ok(());
        }
        let Some(basis) = dense.basis::<P>(&step.before, K, FLOOR, previous.as_ref()) else {
            return Ok(());
        };
        let mut projected = basis.tr_mul(&(dense.fisher(&step.before) * &basis));
        for i in 0..projected.nrows() {
            projected[(i, i)] += setting.strength;
        }
        let slope = basis.tr_mul(&dense.gradient(&step.before));
        let values = projected.symmetric_eigenvalues();
        if values.min() <= 1e-4 * values.max() {
            return Ok(());
        }
        let coefficients = projected.lu().solve(&slope).expect("a regular matrix");
        let expected = -(&basis * coefficients);
        // A metric that has saturated sends it off, by the rounding of its small entries.
        if expected.norm() > 1e2 {
            return Ok(());
        }
        let reached = DVector::from_column_slice(&step.before) + &expected;
        let [(rate, loss, ratio, accepted)] = step.trials[..] else {
            return Err(TestCaseError::fail(format!(
                "not one trial: {:?}",
                step.report
            )));
        };
        prop_assert_eq!(rate, 1.0);
        let found = dense.loss(reached.as_slice());
        prop_assert!(
            (loss - found).abs() <= MODEL_MINIMUM * found + LOSS_FLOOR,
            "the loss of the first point is {loss:e}, not {found:e}"
        );
        let linear = slope.dot(&basis.tr_mul(&expected));
        let actual = loss - step.report.loss;
        if actual.abs() > 1e-6 * found {
            let off = (ratio / (actual / linear) - 1.0).abs();
            prop_assert!(off <= MODEL_MINIMUM, "ratio {ratio:e}");
        }
        prop_assert_eq!(
            accepted && loss < step.report.loss,
            step.report.outcome == Outcome::Accepted
        );
        if step.report.outcome != Outcome::Accepted {
            return Ok(());
        }
        // At the end of a descent there is no more than rounding to go.
        if expected.norm() < 1e-8 {
            return Ok(());
        }
        let off = (step.change() - &expected).norm() / expected.norm();
        prop_assert!(off <= MODEL_MINIMUM, "the step is off by {off:e} of it");
        previous = Some(step.change());
    }
    Ok(())
}

/// Full steps: what they report is true, and the loss falls with every one that is taken.
fn the_loss_falls<const K: usize, P: Reference>(
    case: &Case,
    setting: Setting,
) -> Result<(), TestCaseError> {
    let dense = Dense { case, setting };
    let method = KrylovDescent::<f64, K, P>::default();
    for step in steps(case, method, setting, 4) {
        let (before, after) = (dense.loss(&step.before), dense.loss(&step.after));
        let slack = |loss: f64| REPORTED * loss + LOSS_FLOOR;
        prop_assert!((step.report.loss - before).abs() <= slack(before));
        let good = step.trials.iter().filter(|trial| trial.3);
        let good: Vec<f64> = good.map(|trial| trial.1).collect();
        prop_assert!(good.is_sorted_by(|a, b| a >= b) && good.len() <= 30);
        if step.report.outcome == Outcome::Accepted {
            let reported = step.report.loss_after.expect("a loss");
            prop_assert!(reported < step.report.loss);
            prop_assert!((reported - after).abs() <= slack(after));
            prop_assert_eq!(good.last(), Some(&reported));
        } else {
            prop_assert_eq!(&step.before, &step.after);
            prop_assert_eq!(step.report.loss_after, None);
        }
        prop_assert_eq!(step.report.solve, None);
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_first_point_is_the_minimum_of_the_model(
        (case, setting) in (moderate(SMALL), settings())
    ) {
        the_model_is_minimised::<1, Unpreconditioned>(&case, setting)?;
        the_model_is_minimised::<2, Jacobi>(&case, setting)?;
        the_model_is_minimised::<3, Martens>(&case, setting)?;
        the_model_is_minimised::<4, Jacobi>(&case, setting)?;
    }

    #[test]
    fn the_loss_never_rises((case, setting) in (moderate(SMALL), settings())) {
        the_loss_falls::<1, Unpreconditioned>(&case, setting)?;
        the_loss_falls::<3, Jacobi>(&case, setting)?;
        the_loss_falls::<2, Martens>(&case, setting)?;
        // More vectors than there are parameters: the basis ends early.
        the_loss_falls::<70, Unpreconditioned>(&case, setting)?;
    }

    /// One vector, and no step before: the minimum of a convex loss along it, by bisection.
    #[test]
    fn one_vector_is_a_line_search(
        case in shallow(SMALL, Just(Regime::Moderate))
    ) {
        let mut method = KrylovDescent::<f64, 1, Unpreconditioned>::default();
        method.search.directions = 200;
        let [step] = &steps(&case, method, PLAIN, 1)[..] else {
            unreachable!("one step");
        };
        let dense = Dense { case: &case, setting: PLAIN };
        let downhill = -dense.gradient(&step.before);
        prop_assume!(step.report.outcome == Outcome::Accepted);
        let at = |t: f64| -> Vec<f64> {
            step.before.iter().zip(downhill.iter()).map(|(p, d)| p + t * d).collect()
        };
        let slope = |t: f64| dense.gradient(&at(t)).dot(&downhill);
        let (mut low, mut high) = (0.0, 1.0);
        while slope(high) < 0.0 {
            high *= 2.0;
            // Separable classes: there is no minimum.
            prop_assume!(high < 1e2);
        }
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if slope(middle) < 0.0 { low = middle } else { high = middle }
        }
        let change = step.change();
        let reached = change.dot(&downhill) / downhill.norm_squared();
        let aside = (&change - &downhill * reached).norm();
        prop_assert!(aside <= LINE_MINIMUM * change.norm(), "{aside:e} beside the line");
        // Of a minimum the loss tells only half the digits.
        let found = dense.loss(&step.after) - dense.loss(&at(low));
        prop_assert!(
            found <= LINE_MINIMUM * step.report.loss,
            "{found:e} above the minimum: at {reached}, not {low}; {:?}", step.trials
        );
    }

    /// As many vectors as parameters, and a quadratic loss: its minimum, at the first point.
    #[test]
    fn a_quadratic_loss_takes_one_step(
        (inputs, outputs, weighted, strength, tile, seed) in (
            1..4_usize,
            1..3_usize,
            any::<bool>(),
            prop_oneof![Just(0.0), 1e-3..0.1_f64],
            prop_oneof![Just(Tile::One), Just(Tile::Four), Just(Tile::Sixteen)],
            any::<u64>(),
        )
    ) {
        let case = Case::new(Shape {
            widths: vec![inputs, outputs],
            activation: Activation::Tanh,
            likelihood: Likelihood::Gaussian,
            batch: 4 * inputs + 12,
            tile,
            regime: Regime::Moderate,
            labels: Labels::Hard,
            weighted,
            seed,
        });
        let setting = Setting { others: false, strength };
        let dense = Dense { case: &case, setting };
        let [step] = &steps(&case, KrylovDescent::<f64, 8, Jacobi>::default(), setting, 1)[..]
        else {
            unreachable!("one step");
        };
        prop_assert_eq!(step.report.outcome, Outcome::Accepted);
        // F is the Hessian, and one Newton step is the minimum.
        let hessian = dense.fisher(&step.before)
            + DMatrix::identity(step.before.len(), step.before.len()) * strength;
        let newton = hessian.lu().solve(&dense.gradient(&step.before)).expect("a regular matrix");
        let off = (step.change() + &newton).norm() / newton.norm();
        prop_assert!(off <= QUADRATIC_MINIMUM, "{off:e} from the minimum, {:?}", step.trials);
        let (rate, _, ratio, accepted) = step.trials[0];
        prop_assert!(accepted && rate == 1.0);
        prop_assert!((ratio - 0.5).abs() <= 1e-6, "{ratio} at the minimum of a parabola");
    }
}

/// What the method keeps between its steps.
#[test]
fn steps_are_counted() {
    type Learner<'a> = Trainer<'a, f32, KrylovDescent<f32, 2>, 4>;
    let method = KrylovDescent::<f32, 2>::default();
    let case = Case::new(Shape {
        widths: vec![2, 3, 1],
        activation: Activation::Tanh,
        likelihood: Likelihood::Gaussian,
        batch: 6,
        tile: Tile::Four,
        regime: Regime::Moderate,
        labels: Labels::Hard,
        weighted: false,
        seed: 3,
    });
    let subject = Subject::<f32>::new(&case);
    let mut params = subject.params.clone();
    let len = Learner::workspace_len(&subject.model(), Room::NONE);
    let mut workspace = vec![f32::of(f64::NAN); len];
    let mut trainer =
        Learner::new(subject.model(), &mut params, &mut workspace, method).expect("a trainer");
    for steps in 1..=3 {
        trainer.step(subject.batch(), Metric::Same).expect("a step");
        assert_eq!(*trainer.state(), DescentState { steps });
    }
    assert!(widen(trainer.params()).iter().all(|p| p.is_finite()));
}
