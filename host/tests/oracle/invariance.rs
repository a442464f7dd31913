//! What must not change a step: units of the inputs and of the parameters (algorithms, 2.6), labels of
//! the metric, examples of weight 0, weights of 1, the tile.

use nalgebra::{DMatrix, DVector};
use natgrad::damping::{Damping, DampingMetric, Marquardt, Tikhonov};
use natgrad::krylov::Cg;
use natgrad::optimizer::{Anchor, L2, NaturalGradient, Plain, Sgd};
use natgrad::precondition::Jacobi;
use natgrad::{Activation, Likelihood, Metric, Room, Scalar, Trainer};
use natgrad_host::reference::solve_damped;
use proptest::prelude::*;

use super::natural::{PLAIN, exact, step};
use super::operators::dense;
use super::strategies::{Case, DENSE, Draw, LARGE, Labels, Regime, Shape, Tile, config, moderate};
use super::subject::{Curvature, Subject, widen, with_tile};

/// The same function of the same sensors in other units: xᵢ · sᵢ and W₁ᵢ / sᵢ, with sᵢ a power of 2; and
/// the factor of every parameter, 1 / sᵢ or 1.
fn in_other_units(case: &Case, seed: u64) -> (Case, DVector<f64>) {
    let mut draw = Draw::new(seed);
    let mut other = case.clone();
    let mut factors = vec![1.0; case.params.len()];
    let inputs = case.network.widths[0];
    for i in 0..inputs {
        let exponent = i32::try_from(draw.below(5)).expect("small") - 2;
        let scale = 2.0_f64.powi(exponent);
        for row in &mut other.examples.inputs {
            row[i] *= scale;
        }
        for row in factors[..inputs * case.network.widths[1]].chunks_mut(inputs) {
            row[i] /= scale;
        }
    }
    for (param, factor) in other.params.iter_mut().zip(&factors) {
        *param *= factor;
    }
    (other, factors.into())
}

/// A full step.
fn direction<D: DampingMetric<f64>>(case: &Case, damping: f64) -> DVector<f64> {
    let (after, ..) = step(case, exact::<Jacobi, D>(damping), &PLAIN);
    DVector::from_vec(after) - DVector::from_column_slice(&case.params)
}

/// The change of the logits by a full step, to first order.
fn change<D: DampingMetric<f64>>(case: &Case, damping: f64) -> DVector<f64> {
    let change = Subject::<f64>::new(case).jvp(direction::<D>(case, damping).as_slice());
    centred(case, change)
}

/// The logits of a softmax without what is common to all classes, which it does not see.
fn centred(case: &Case, change: Vec<f64>) -> DVector<f64> {
    let mut change = change;
    if case.shape.likelihood == Likelihood::Categorical {
        for row in change.chunks_mut(case.network.logits()) {
            let mean = row.iter().sum::<f64>() / row.iter().map(|_| 1.0).sum::<f64>();
            for z in row {
                *z -= mean;
            }
        }
    }
    change.into()
}

fn cosine(a: &DVector<f64>, b: &DVector<f64>) -> f64 {
    a.dot(b) / (a.norm() * b.norm())
}

fn tanh_classifier(seed: u64) -> Case {
    Case::new(Shape {
        widths: vec![5, 6, 4],
        activation: Activation::Tanh,
        likelihood: Likelihood::Categorical,
        batch: 8,
        tile: Tile::Four,
        regime: Regime::Moderate,
        labels: Labels::Classes,
        weighted: false,
        seed,
    })
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.iter().map(|_| 1.0).sum::<f64>()
}

#[test]
fn tikhonov_damping_depends_on_units_and_marquardt_damping_does_not() {
    let cosines = |change: fn(&Case, f64) -> DVector<f64>, damping: f64| {
        mean((0..20).map(|seed| {
            let case = tanh_classifier(seed);
            let (other, _) = in_other_units(&case, seed);
            cosine(&change(&case, damping), &change(&other, damping))
        }))
    };
    let tikhonov = [1e-8, 1e-2, 1.0].map(|damping| cosines(change::<Tikhonov>, damping));
    assert!(tikhonov[0] > 0.9999, "{tikhonov:?}");
    assert!(tikhonov[1] < 0.999 && tikhonov[2] < 0.98, "{tikhonov:?}");
    for damping in [1e-2, 1.0] {
        let marquardt = cosines(change::<Marquardt>, damping);
        assert!(marquardt > 0.999_9, "{marquardt} at {damping}");
    }
}

/// Parameters in other units, θ = S φ: F becomes S F S and g becomes S g. With the core's own F and g.
#[test]
fn the_natural_direction_does_not_depend_on_the_units_of_the_parameters() {
    let cosines = |damping: Option<f64>| {
        mean((0..20).map(|seed| {
            let case = tanh_classifier(seed);
            let subject = Subject::<f64>::new(&case);
            let n = case.params.len();
            let columns: Vec<DVector<f64>> = (0..n)
                .map(|i| {
                    let mut unit = vec![0.0; n];
                    unit[i] = 1.0;
                    subject.product(Curvature::Fisher, &unit).0.into()
                })
                .collect();
            let fisher = DMatrix::from_columns(&columns);
            let gradient = DVector::from_vec(subject.gradient().0);
            let mut draw = Draw::new(seed ^ 8);
            // A sum of uniform numbers, near enough to a normal one: log-normal units.
            let normal = |draw: &mut Draw| (0..12).map(|_| draw.number(0.5)).sum::<f64>();
            let units = DVector::from_fn(n, |_, _| normal(&mut draw).exp());
            let scale = DMatrix::from_diagonal(&units);
            let direction = |scale: &DMatrix<f64>| {
                let (fisher, gradient) = (scale * &fisher * scale, scale * &gradient);
                let direction = match damping {
                    Some(damping) => {
                        solve_damped(&fisher, &DVector::from_element(n, damping), &gradient)
                    }
                    None => gradient,
                };
                centred(&case, subject.jvp((scale * direction).as_slice()))
            };
            cosine(&direction(&DMatrix::identity(n, n)), &direction(&scale))
        }))
    };
    let natural = [1e-9, 1e-4, 1e-2, 1.0].map(|damping| cosines(Some(damping)));
    let plain = cosines(None);
    assert!(natural[0] > 0.9999 && natural[1] > 0.99, "{natural:?}");
    assert!(
        natural.is_sorted_by(|a, b| a > b),
        "damping breaks the invariance: {natural:?}"
    );
    assert!(
        natural[3] < 0.97 && plain < natural[3],
        "{natural:?}, plain {plain}"
    );
}

/// The default method, fixed: everything that a step of a device does.
fn device<T: Scalar, D: DampingMetric<T>>() -> NaturalGradient<T, Cg, Jacobi, D> {
    NaturalGradient {
        damping: Damping {
            initial: T::of(0.1),
            floor: T::of(1e-4),
            ..Damping::default()
        },
        ..NaturalGradient::default()
    }
}

/// The bits of θ after one step with each metric.
fn bits<T: Scalar>(case: &Case, metrics: &[Metric<'_, T>]) -> Vec<Vec<u64>> {
    let subject = Subject::<T>::new(case);
    let steps = metrics.iter().map(|&metric| {
        let mut params = subject.params.clone();
        with_tile!(case.shape.tile, TILE => {
            type Learner<'a, T> = Trainer<'a, T, NaturalGradient<T, Cg, Jacobi, Marquardt>, TILE>;
            let len = Learner::<T>::workspace_len(&subject.model(), Room::NONE);
            let mut workspace = vec![T::ZERO; len];
            let trainer = Learner::new(subject.model(), &mut params, &mut workspace, device());
            trainer.expect("a trainer").step(subject.batch(), metric).expect("a step");
        });
        widen(&params).into_iter().map(f64::to_bits).collect()
    });
    steps.collect()
}

fn same_bits<T: Scalar>(case: &Case) -> Result<(), TestCaseError> {
    let subject = Subject::<T>::new(case);
    // The metric's own examples, with labels and without.
    let labelled = bits::<T>(
        case,
        &[
            Metric::Same,
            Metric::On(subject.batch()),
            Metric::On(subject.unlabelled()),
            Metric::Leading(usize::MAX),
        ],
    );
    let first = &labelled[0];
    prop_assert!(
        labelled.iter().all(|bits| bits == first),
        "labels of the metric"
    );

    let positive = case.examples.weights.iter().position(|&w| w > 0.0);
    let leading = positive.expect("a weight") + 1;
    let part = subject.unlabelled().leading(&subject.model(), leading);
    let parts = bits::<T>(case, &[Metric::Leading(leading), Metric::On(part)]);
    prop_assert_eq!(&parts[0], &parts[1], "the leading examples");

    // Weights of 1 are none, but have each example read by itself.
    if !case.shape.weighted {
        let mut weighted = case.clone();
        weighted.shape.weighted = true;
        let found = bits::<T>(&weighted, &[Metric::Same]);
        prop_assert_eq!(&found[0], first, "weights of 1");
    }

    // Without the examples of weight 0, and with another tile, where the bits are not those of a tile.
    let mut tiles = vec![Tile::One, Tile::Four, Tile::Sixteen];
    if cfg!(feature = "fma") {
        tiles = vec![case.shape.tile];
    }
    for tile in tiles {
        let mut fewer = case.of_weight();
        fewer.shape.tile = tile;
        let found = bits::<T>(&fewer, &[Metric::Same]);
        prop_assert_eq!(&found[0], first, "without examples of weight 0, {:?}", tile);
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_does_not_count_changes_no_bit(case in moderate(LARGE)) {
        same_bits::<f32>(&case)?;
        same_bits::<f64>(&case)?;
    }

    /// A pull toward where the parameters are is none, however strong.
    #[test]
    fn an_anchor_at_the_parameters_changes_no_bit_of_the_gradient(
        (case, strength) in (moderate(LARGE), prop_oneof![1e-6..1.0_f32, 1.0..1e3_f32])
    ) {
        let [none, anchored] = [0.0, strength].map(|strength| {
            let subject = Subject::<f32>::new(&case);
            let (mut params, anchor) = (subject.params.clone(), subject.params.clone());
            let report = with_tile!(case.shape.tile, TILE => {
                type Learner<'a> = Trainer<'a, f32, Sgd<f32, Plain>, TILE>;
                let mut workspace = vec![f32::NAN; Learner::workspace_len(&subject.model(), Room::NONE)];
                let method = Sgd::new(1.0);
                let trainer = Learner::new(subject.model(), &mut params, &mut workspace, method);
                let mut trainer = trainer.expect("a trainer");
                let l2 = L2 { strength, anchor: Anchor::At(&anchor) };
                trainer.regularise(l2).expect("an anchor");
                trainer.step(subject.batch(), Metric::Same).expect("a step")
            });
            let bits: Vec<u32> = params.into_iter().map(f32::to_bits).collect();
            (bits, report.loss.to_bits(), report.gradient_norm.to_bits())
        });
        prop_assert_eq!(none, anchored);
    }

    /// But for the constant c, the ten-thousandth of the mean, in Marquardt's D = diag(F) + c: where it is
    /// c + Δ in the units of the first network, the step is another by (F + λD)⁻¹λΔd, whose length in the
    /// metric is at most √λ |D^−½ Δd|.
    #[test]
    fn a_marquardt_step_does_not_depend_on_the_units_of_the_inputs(
        (case, damping) in (moderate(DENSE), 1e-2..1.0_f64)
    ) {
        let (other, factors) = in_other_units(&case, case.shape.seed);
        let fisher = dense(&case, Curvature::Fisher);
        let diagonal = fisher.diagonal();
        let length = |d: &DVector<f64>| d.dot(&(&fisher * d)).max(0.0).sqrt();
        let one = direction::<Marquardt>(&case, damping);
        let two = direction::<Marquardt>(&other, damping).component_div(&factors);
        prop_assume!(length(&one) > 1e-6);
        let constant = 1e-4 * diagonal.mean();
        let squares = factors.component_mul(&factors);
        let mean = diagonal.component_div(&squares).mean();
        let other_constant = squares * (1e-4 * mean);
        let held = &diagonal + &other_constant;
        let change = other_constant.add_scalar(-constant).component_mul(&one);
        let change = change.component_mul(&change).component_div(&held).sum().sqrt();
        let kept = one.component_mul(&one).component_mul(&held).sum().sqrt();
        let slack = 1.01 * damping.sqrt() * change + 1e-6 * (length(&one) + damping.sqrt() * kept);
        let off = length(&(&two - &one));
        prop_assert!(off <= slack, "off by {off:e}, {slack:e} allowed, of {:e}", length(&one));
    }
}
