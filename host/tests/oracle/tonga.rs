//! Steps of TONGA, through the trainer, against the recursion of a dense matrix.

use nalgebra::{DMatrix, DVector};
use natgrad::optimizer::{Centred, Moment, Outcome, Tonga, Uncentred};
use natgrad::{Metric, Room, Scalar, Trainer};
use natgrad_host::reference::solve_damped;
use proptest::prelude::*;

use super::strategies::{Case, Limits, SMALL, Shape, config, moderate};
use super::subject::{Subject, widen, with_tile};
use super::tolerance::{TONGA, TONGA_AFTER_A_CUT, TONGA_IN_F32, TONGA_ROUNDING};

/// Whether C is about the mean, as a value.
trait Reference: Moment {
    const CENTRED: bool;
}

impl Reference for Uncentred {
    const CENTRED: bool = false;
}

impl Reference for Centred {
    const CENTRED: bool = true;
}

/// C, m and W by their definitions.
struct Dense {
    second: DMatrix<f64>,
    mean: DVector<f64>,
    weight: f64,
    forgetting: f64,
}

impl Dense {
    fn new(params: usize, forgetting: f64) -> Self {
        Self {
            second: DMatrix::zeros(params, params),
            mean: DVector::zeros(params),
            weight: 0.0,
            forgetting,
        }
    }

    fn observe(&mut self, gradient: &DVector<f64>, centred: bool) {
        let before = self.forgetting * self.weight;
        self.weight = before + 1.0;
        let (share, deviation) = if centred {
            (before / self.weight, gradient - &self.mean)
        } else {
            (1.0, gradient.clone())
        };
        self.second = &self.second * self.forgetting + &deviation * deviation.transpose() * share;
        self.mean += deviation / self.weight;
    }

    /// Only the `kept` largest eigenvalues stay; false where the cut goes through nearly equal ones, which is
    /// not defined.
    fn cut(&mut self, kept: usize) -> bool {
        let eigen = self.second.clone().symmetric_eigen();
        let mut order: Vec<usize> = (0..eigen.eigenvalues.len()).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let value = |place: usize| order.get(place).map_or(0.0, |&i| eigen.eigenvalues[i]);
        let (last, next) = (value(kept - 1) / value(0), value(kept) / value(0));
        self.second.fill(0.0);
        for &i in order.iter().take(kept) {
            let vector = eigen.eigenvectors.column(i);
            self.second += vector * vector.transpose() * eigen.eigenvalues[i];
        }
        next < 1e-13 || last - next > 1e-6
    }
}

/// How far the steps of a run are from those of the recursion, at most, relative to the step and to what the
/// rounding of θ and of a gradient of order 1 makes of it. The parameters of the reference are the
/// trainer's own before each step, so that only one step's error is seen.
fn distance<T: Scalar, const K: usize, const B: usize, V: Reference>(
    case: &Case,
    method: Tonga<T, K, B, V>,
    steps: u64,
    cuts: bool,
    tolerance: f64,
) -> Result<f64, TestCaseError> {
    // Other examples in every step.
    let batches: Vec<Case> = (0..steps)
        .map(|step| {
            let shape = case.shape.clone();
            Case::new(Shape {
                seed: shape.seed.wrapping_add(step),
                ..shape
            })
        })
        .collect();
    let subjects: Vec<Subject<'_, T>> = batches.iter().map(Subject::new).collect();
    let subject = Subject::<T>::new(case);
    let mut params = subject.params.clone();
    let [rate, damping, forgetting] =
        [method.rate, method.damping, method.forgetting].map(Scalar::widen);
    let n = params.len();
    let mut dense = Dense::new(n, forgetting);
    let mut worst = 0.0_f64;
    with_tile!(case.shape.tile, TILE => {
        type Learner<'a, T, V, const K: usize, const B: usize> =
            Trainer<'a, T, Tonga<T, K, B, V>, TILE>;
        let len = Learner::<T, V, K, B>::workspace_len(&subject.model(), Room::NONE);
        let mut workspace = vec![T::of(f64::NAN); len];
        let trainer = Learner::new(subject.model(), &mut params, &mut workspace, method);
        let mut trainer = trainer.expect("a trainer");
        for (step, (batch, subject)) in batches.iter().zip(&subjects).enumerate() {
            let before = widen(trainer.params());
            let gradient = case.network.gradient(&before, &batch.examples);
            if cuts && step > 0 && step % B == 0 {
            prop_assume!(dense.cut(K));
            }
            dense.observe(&gradient, V::CENTRED);
            let damped = DVector::from_element(n, damping);
            let expected = solve_damped(&dense.second, &damped, &gradient) * -rate;

            let report = trainer.step(subject.batch(), Metric::Same).expect("a step");
            prop_assert_eq!(report.outcome, Outcome::Accepted);
            prop_assert_eq!(report.solve, None);
            let after = DVector::from_vec(widen(trainer.params()));
            let found = after - DVector::from_column_slice(&before);
            let size = DVector::from_column_slice(&before).norm() + rate / damping;
            let rounding = TONGA_ROUNDING * T::EPSILON.widen() * size;
            let off = (&found - &expected).norm() / (expected.norm() + rounding / tolerance);
            worst = worst.max(off);
            let state = trainer.state();
            prop_assert_eq!((state.recent, state.steps), (step % B + 1, u32::try_from(step + 1)?));
            prop_assert!((state.weight.widen() / dense.weight - 1.0).abs() < 1e-6);
        }
    });
    Ok(worst)
}

fn method<T: Scalar, const K: usize, const B: usize, V: Moment>(
    settings: Settings,
) -> Tonga<T, K, B, V> {
    let mut method = Tonga::new(T::of(settings.rate));
    (method.damping, method.forgetting) = (T::of(settings.damping), T::of(settings.forgetting));
    method
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    rate: f64,
    damping: f64,
    forgetting: f64,
}

fn settings() -> impl Strategy<Value = Settings> {
    let forgetting = prop_oneof![Just(1.0), Just(0.99), 0.1..1.0_f64];
    (0.001..0.1_f64, -3.0..1.0_f64, forgetting).prop_map(|(rate, damping, forgetting)| {
        let damping = 10.0_f64.powf(damping);
        Settings {
            // The first step is one of gradient descent at η/λ, and so are all to which C is small.
            rate: rate * damping,
            damping,
            forgetting,
        }
    })
}

/// No more parameters than eigenvectors: every C has a rank that is kept.
fn tiny() -> impl Strategy<Value = Case> {
    moderate(Limits {
        width: 2,
        params: 6,
        batch: 4,
    })
}

fn is_exact<const K: usize, const B: usize, V: Reference>(
    case: &Case,
    settings: Settings,
    steps: u64,
) -> Result<(), TestCaseError> {
    let off = distance(case, method::<f64, K, B, V>(settings), steps, false, TONGA)?;
    prop_assert!(off <= TONGA, "{off:e} from the step, K = {K}, B = {B}");
    Ok(())
}

fn is_cut<const K: usize, const B: usize, V: Reference>(
    case: &Case,
    settings: Settings,
) -> Result<(), TestCaseError> {
    let off = distance(
        case,
        method::<f64, K, B, V>(settings),
        12,
        true,
        TONGA_AFTER_A_CUT,
    )?;
    prop_assert!(
        off <= TONGA_AFTER_A_CUT,
        "{off:e} from the step, K = {K}, B = {B}"
    );
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    /// The rank of C is the number of steps.
    #[test]
    fn the_recursion_is_exact_while_the_rank_allows(
        (case, settings) in (moderate(SMALL), settings())
    ) {
        prop_assume!(case.clear_of_kinks());
        // No compaction; one; five; one after every step.
        is_exact::<1, 6, Uncentred>(&case, settings, 6)?;
        is_exact::<1, 6, Centred>(&case, settings, 6)?;
        is_exact::<4, 4, Uncentred>(&case, settings, 8)?;
        is_exact::<4, 4, Centred>(&case, settings, 8)?;
        is_exact::<12, 2, Uncentred>(&case, settings, 12)?;
        is_exact::<12, 2, Centred>(&case, settings, 12)?;
        is_exact::<5, 1, Uncentred>(&case, settings, 6)?;
        is_exact::<5, 1, Centred>(&case, settings, 7)?;
    }

    /// The rank of C is the number of parameters.
    #[test]
    fn the_recursion_is_exact_over_many_compactions(
        (case, settings) in (tiny(), settings())
    ) {
        is_exact::<6, 3, Uncentred>(&case, settings, 30)?;
        is_exact::<6, 3, Centred>(&case, settings, 30)?;
        is_exact::<7, 1, Uncentred>(&case, settings, 30)?;
        is_exact::<7, 1, Centred>(&case, settings, 30)?;
    }

    /// And beyond: the largest eigenvalues are kept, and nothing else.
    #[test]
    fn a_compaction_keeps_the_largest_eigenvalues(
        (case, settings) in (moderate(SMALL), settings())
    ) {
        is_cut::<2, 3, Uncentred>(&case, settings)?;
        is_cut::<1, 1, Uncentred>(&case, settings)?;
    }

    #[test]
    fn a_compaction_keeps_the_largest_eigenvalues_about_the_mean(
        (case, settings) in (moderate(SMALL), settings())
    ) {
        is_cut::<2, 3, Centred>(&case, settings)?;
        is_cut::<3, 2, Centred>(&case, settings)?;
    }

    #[test]
    fn the_recursion_in_f32((case, mut settings) in (tiny(), settings())) {
        settings.damping = settings.damping.max(0.1);
        let uncentred = method::<f32, 6, 3, Uncentred>(settings);
        let off = distance(&case, uncentred, 20, false, TONGA_IN_F32)?;
        prop_assert!(off <= TONGA_IN_F32, "{off:e} from the step");
        let off = distance(&case, method::<f32, 6, 3, Centred>(settings), 20, false, TONGA_IN_F32)?;
        prop_assert!(off <= TONGA_IN_F32, "{off:e} from the centred step");
    }
}
