//! The ring of the last samples of a stream.

use natgrad::data::{DataError, Ring};
use natgrad::init;
use natgrad::{Activation, Batch, Likelihood, Mlp, Model, Plan};
use proptest::prelude::*;

type Values = Ring<f32, 2, [f32; 1], 3>;
type Classes = Ring<f32, 2, u16, 4>;

const WIDTHS: [usize; 2] = [2, 1];

fn model() -> Model<'static> {
    Model::new(&WIDTHS, Activation::Identity, Likelihood::Gaussian).expect("a plan")
}

/// Sample number `i`, recognisable.
fn sample(i: u8) -> ([f32; 2], [f32; 1]) {
    let x = f32::from(i);
    ([x, x + 0.5], [-x])
}

fn filled(samples: u8) -> Values {
    let mut ring = Values::new();
    for i in 0..samples {
        let (x, t) = sample(i);
        ring.push(x, t).expect("finite numbers");
    }
    ring
}

/// The first input, and minus the target, of every sample in the batch.
fn content(ring: &Values) -> Vec<(f32, f32)> {
    let batch = ring.batch();
    let mut scratch = [0.0; 64];
    let mut read = |params: [f32; 3], batch: Batch<'_, f32>| -> Vec<f32> {
        (0..batch.len(&model()))
            .map(|example| {
                let mut weights = vec![0.0; batch.len(&model())];
                weights[example] = 1.0;
                let mut mlp = Mlp::<f32, 2>::new(model(), &params, &mut scratch).unwrap();
                mlp.loss(&batch.weighted(&weights)).unwrap()
            })
            .collect()
    };
    // ½(z − t)² for z = 0 and z = x.
    let targets = read([0.0, 0.0, 0.0], batch)
        .into_iter()
        .map(|loss| (2.0 * loss).sqrt());
    let sums = read([1.0, 0.0, 0.0], batch)
        .into_iter()
        .map(|loss| (2.0 * loss).sqrt());
    sums.zip(targets)
        .map(|(sum, target)| (sum - target, target))
        .collect()
}

#[test]
fn empty() {
    for mut ring in [Values::new(), Values::default()] {
        assert!(ring.is_empty());
        assert!(ring.batch().is_empty());
        assert_eq!(ring.batch().len(&model()), 0);
        ring.push([1.0, 2.0], [3.0]).unwrap();
        assert!(!ring.is_empty() && ring.len() == 1);
    }
}

#[test]
fn grows_to_its_capacity() {
    for samples in 0..4 {
        let ring = filled(samples);
        assert_eq!(ring.len(), usize::from(samples));
        assert_eq!(ring.batch().len(&model()), usize::from(samples));
        let expected: Vec<_> = (0..samples).map(|i| (f32::from(i), f32::from(i))).collect();
        assert_eq!(content(&ring), expected);
    }
}

#[test]
fn oldest_gives_way_in_its_place() {
    let places = |samples| {
        content(&filled(samples))
            .into_iter()
            .map(|(x, _)| x)
            .collect::<Vec<_>>()
    };
    assert_eq!(places(4), [3.0, 1.0, 2.0]);
    assert_eq!(places(5), [3.0, 4.0, 2.0]);
    assert_eq!(places(9), [6.0, 7.0, 8.0]);
    // Inputs and targets stay together.
    assert!(content(&filled(200)).iter().all(|(x, t)| x == t));
}

#[test]
fn what_is_not_finite_is_refused_and_changes_nothing() {
    for samples in [0, 2, 3, 5] {
        let mut ring = filled(samples);
        let (before, example) = (content(&ring), ring.len());
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let input = |feature| Err(DataError::Input { example, feature });
            assert_eq!(ring.push([bad, 1.0], [1.0]), input(0));
            assert_eq!(ring.push([1.0, bad], [1.0]), input(1));
            assert_eq!(ring.push([bad, bad], [bad]), input(0));
            assert_eq!(
                ring.push([1.0, 1.0], [bad]),
                Err(DataError::Target { example })
            );
        }
        assert_eq!((content(&ring), ring.len()), (before, example));
    }
}

#[test]
fn clears() {
    let mut ring = filled(5);
    ring.clear();
    assert!(ring.is_empty() && ring.batch().is_empty());
    let (x, t) = sample(9);
    ring.push(x, t).unwrap();
    assert_eq!(content(&ring), [(9.0, 9.0)]);
}

#[test]
fn classes() {
    let plan = Plan::new([2, 3], Activation::Tanh, Likelihood::Categorical).unwrap();
    let mut ring = Classes::new();
    let (mut inputs, mut classes) = (Vec::new(), Vec::new());
    for i in 0..4_u16 {
        let x = [f32::from(i), 1.0];
        ring.push(x, i % 3).unwrap();
        inputs.extend(x);
        classes.push(i % 3);
    }
    let mut params = vec![0.0; plan.params()];
    init::glorot(&plan, 5, &mut params).unwrap();
    let mut scratch = [0.0; 64];
    let mut mlp = Mlp::<f32, 2>::new(&plan, &params, &mut scratch).unwrap();
    let plain = mlp.loss(&Batch::labelled(&inputs[..], &classes)).unwrap();
    assert_eq!(mlp.loss(&ring.batch()), Ok(plain));
    // A class that is none is found where the batch is used.
    ring.push([0.0, 0.0], 3).unwrap();
    let error = DataError::Target { example: 0 };
    assert_eq!(mlp.loss(&ring.batch()), Err(error.into()));
}

proptest! {
    #[test]
    fn holds_the_last_samples(pushes in prop::collection::vec(any::<Option<u8>>(), 0..40)) {
        let mut ring = Values::new();
        let mut model = std::collections::VecDeque::new();
        for push in pushes {
            if let Some(i) = push {
                let (x, t) = sample(i);
                prop_assert!(ring.push(x, t).is_ok());
                model.push_back(f32::from(i));
                if model.len() > 3 {
                    model.pop_front();
                }
            } else {
                prop_assert!(ring.push([1.0, f32::NAN], [0.0]).is_err());
            }
        }
        let mut found: Vec<f32> = content(&ring).into_iter().map(|(x, _)| x).collect();
        let mut expected: Vec<f32> = model.into_iter().collect();
        found.sort_by(f32::total_cmp);
        expected.sort_by(f32::total_cmp);
        prop_assert_eq!(found, expected);
    }
}
