//! Initial parameters: the same bits for a seed everywhere, the distributions they are said to have, and
//! the folding of scales into the first layer.

#![expect(
    clippy::disallowed_methods,
    reason = "a test may panic; the ban is for the crate itself"
)]

use natgrad::data::{Batch, Samples};
use natgrad::{Activation, Inputs, Likelihood, Mlp, Model, Scalar, init};

fn model(widths: &[usize], activation: Activation) -> Model<'_> {
    Model::new(widths, activation, Likelihood::Gaussian).expect("a plan")
}

fn glorot<T: Scalar>(widths: &[usize], activation: Activation, seed: u64) -> Vec<T> {
    let model = model(widths, activation);
    let mut params = vec![T::nan(); model.params()];
    init::glorot(model, seed, &mut params).expect("the length of the plan");
    params
}

fn sparse<T: Scalar>(widths: &[usize], activation: Activation, seed: u64) -> Vec<T> {
    let model = model(widths, activation);
    let mut params = vec![T::nan(); model.params()];
    init::sparse(model, seed, &mut params).expect("the length of the plan");
    params
}

fn bits(params: &[f32]) -> Vec<u32> {
    params.iter().map(|p| p.to_bits()).collect()
}

/// Of this implementation, when it was first complete (x86-64, rustc 1.95): to hold it still.
const GLOROT: [u32; 9] = [
    0x3f90_e8a5,
    0xbf60_fa17,
    0xbf96_7a66,
    0xbfd5_0e4b,
    0,
    0,
    0x3f46_cb83,
    0x3f9b_41e8,
    0,
];
const SPARSE: [u32; 11] = [
    0xbed9_627d,
    0x3e5a_90b2,
    0xbe73_3c5f,
    0x3f01_edf5,
    0xbd14_5175,
    0xbedd_d823,
    0x3f00_0000,
    0x3f00_0000,
    0x3f09_887d,
    0x3e66_9365,
    0,
];

#[test]
fn golden_bits() {
    let found = bits(&glorot(&[2, 2, 1], Activation::Logistic, 42));
    assert_eq!(found, GLOROT, "found {found:#010x?}");
    let found = bits(&sparse(&[3, 2, 1], Activation::Tanh, 42));
    assert_eq!(found, SPARSE, "found {found:#010x?}");
}

#[test]
fn seeds_differ() {
    let widths = [4, 3, 2];
    for f in [glorot::<f32>, sparse::<f32>] {
        assert_eq!(
            f(&widths, Activation::Tanh, 7),
            f(&widths, Activation::Tanh, 7)
        );
        let different =
            [1, 2, u64::MAX, 1 << 32].map(|seed| bits(&f(&widths, Activation::Tanh, seed)));
        for (i, a) in different.iter().enumerate() {
            assert!(different[..i].iter().all(|b| a != b));
        }
    }
}

#[test]
fn f32_and_f64_start_at_the_same_numbers() {
    for activation in [Activation::Tanh, Activation::Logistic, Activation::Relu] {
        for seed in 0..20 {
            let widths = [9, 7, 3];
            // Glorot: three roundings. Normal numbers: near radius 1 the logarithm keeps the rounding of
            // the radius, and a root follows.
            for (single, double, slack) in [
                (
                    glorot::<f32>(&widths, activation, seed),
                    glorot::<f64>(&widths, activation, seed),
                    0.0,
                ),
                (
                    sparse::<f32>(&widths, activation, seed),
                    sparse::<f64>(&widths, activation, seed),
                    1e-5,
                ),
            ] {
                for (a, b) in single.iter().zip(double) {
                    let error = (f64::from(*a) - b).abs();
                    assert!(error <= 4e-7 * b.abs() + slack, "{a} {b}");
                }
            }
        }
    }
}

/// (mean, variance).
fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let mut n = 0.0;
    for _ in values.clone() {
        n += 1.0;
    }
    let mean = values.clone().sum::<f64>() / n;
    (
        mean,
        values.map(|v| (v - mean) * (v - mean)).sum::<f64>() / n,
    )
}

#[test]
fn glorot_is_uniform_within_its_bounds() {
    let widths = [300, 200, 100];
    for (activation, gain) in [(Activation::Tanh, 1.0), (Activation::Logistic, 4.0)] {
        let params = glorot::<f64>(&widths, activation, 11);
        let (hidden, last) = params.split_at(200 * 301);
        for (layer, fans, units, gain) in [(hidden, 500.0, 200, gain), (last, 300.0, 100, 1.0)] {
            let (weights, bias) = layer.split_at(layer.len() - units);
            assert!(bias.iter().all(|&b| b == 0.0));
            let bound = gain * f64::sqrt(6.0 / fans);
            assert!(weights.iter().all(|w| w.abs() <= bound));
            // Five standard deviations of the estimates: of the mean σ/√n, of the variance of a uniform
            // number σ²√(0.8/n).
            let n: f64 = weights.iter().map(|_| 1.0).sum();
            let (mean, variance) = moments(weights.iter().copied());
            let expected = bound * bound / 3.0;
            assert!(mean.abs() < 5.0 * (expected / n).sqrt(), "mean {mean}");
            assert!(
                (variance / expected - 1.0).abs() < 5.0 * (0.8 / n).sqrt(),
                "variance {variance}"
            );
            // The four quarters of the range are equally full: n/4 ± 5√(3n/16).
            for quarter in [-1.0, -0.5, 0.0, 0.5] {
                let inside = |w: &&f64| **w >= quarter * bound && **w < (quarter + 0.5) * bound;
                let count: f64 = weights.iter().filter(inside).map(|_| 1.0).sum();
                assert!(
                    (count - n / 4.0).abs() < 5.0 * (n * 3.0 / 16.0).sqrt(),
                    "{quarter}: {count}"
                );
            }
        }
    }
}

#[test]
fn sparse_has_few_normal_weights() {
    let widths = [400, 300, 100];
    for (activation, factors, biases) in [
        (Activation::Tanh, [0.5, 0.5], [0.5, 0.0]),
        (Activation::Relu, [1.0, 1.0], [0.0, 0.0]),
        (Activation::Logistic, [1.0, 1.0], [0.0, 0.0]),
    ] {
        let params = sparse::<f64>(&widths, activation, 5);
        let (hidden, last) = params.split_at(300 * 401);
        let layers = [(hidden, 400, 300), (last, 300, 100)];
        for ((layer, fan_in, units), (factor, constant)) in
            layers.into_iter().zip(factors.into_iter().zip(biases))
        {
            let (weights, bias) = layer.split_at(fan_in * units);
            assert!(bias.iter().all(|&b| b == constant));
            let (mut full, mut columns) = (0, vec![0; fan_in]);
            for unit in 0..units {
                let row = &weights[unit * fan_in..(unit + 1) * fan_in];
                let incoming = row.iter().filter(|&&w| w != 0.0).count();
                // With replacement: 15 draws out of 300 seldom meet four times.
                assert!((12..=15).contains(&incoming), "{incoming}");
                full += usize::from(incoming == 15);
                for (column, w) in columns.iter_mut().zip(row) {
                    *column += usize::from(*w != 0.0);
                }
            }
            assert!(
                full > units / 2 && full < units,
                "{full} of {units} rows have 15 weights"
            );
            // Columns are drawn alike, the first and the last too.
            let drawn: usize = columns.iter().sum();
            assert!(
                columns.iter().all(|&c| c < 6 * drawn / fan_in),
                "{columns:?}"
            );
            let (low, high) = columns.split_at(fan_in / 2);
            let (low, high) = (low.iter().sum::<usize>(), high.iter().sum::<usize>());
            assert!(low * 10 > high * 9 && high * 10 > low * 9, "{low} {high}");

            let drawn = weights
                .iter()
                .copied()
                .filter(|&w| w != 0.0)
                .map(|w| w / factor);
            let n: f64 = drawn.clone().map(|_| 1.0).sum();
            // Five standard deviations: mean 1/√n, variance √(2/n), fourth moment √(96/n).
            let (mean, variance) = moments(drawn.clone());
            assert!(mean.abs() < 5.0 / n.sqrt(), "mean {mean}");
            assert!(
                (variance - 1.0).abs() < 5.0 * (2.0 / n).sqrt(),
                "variance {variance}"
            );
            let fourth = drawn.map(|w| w * w * w * w).sum::<f64>() / n;
            assert!(
                (fourth - 3.0).abs() < 5.0 * (96.0 / n).sqrt(),
                "fourth moment {fourth}"
            );
        }
    }
}

#[test]
fn sparse_halves_between_tanh_layers() {
    // A layer between two tanh layers is halved on both sides: variance 1/16.
    let params = sparse::<f64>(&[50, 200, 200, 50], Activation::Tanh, 3);
    let middle = &params[200 * 51..200 * 51 + 200 * 200];
    let (_, variance) = moments(middle.iter().copied().filter(|&w| w != 0.0));
    assert!(
        (variance * 16.0 - 1.0).abs() < 5.0 * (2.0_f64 / 2900.0).sqrt(),
        "{variance}"
    );
}

#[test]
fn sparse_with_few_inputs() {
    // More draws than columns: every weight may be hit, and the last draw stays.
    let params = sparse::<f32>(&[1, 3, 1], Activation::Tanh, 9);
    assert!(params.iter().all(|p| p.is_finite()));
    assert!(params[..3].iter().all(|&w| w != 0.0));
}

const RAW: [[f64; 3]; 6] = [
    [1000.0, 0.001, 7.0],
    [1010.0, -0.002, 7.0],
    [990.0, 0.003, 7.0],
    [1025.0, 0.0, 7.0],
    [1003.0, 0.004, 7.0],
    [985.0, -0.001, 7.0],
];

fn outputs<T: Scalar>(params: &[T], inputs: &[T]) -> Vec<T> {
    let (mut scratch, mut out) = (vec![T::ZERO; 200], vec![T::ZERO; inputs.len() / 3 * 2]);
    let mut mlp =
        Mlp::<T, 4>::new(model(&[3, 4, 2], Activation::Tanh), params, &mut scratch).unwrap();
    mlp.outputs(inputs, &mut out).unwrap();
    out
}

/// Folded raw inputs against standardised inputs, with a weight per example.
fn fold<T: Scalar>(weights: &[f64; 6], tolerance: f64) {
    let total: f64 = weights.iter().sum();
    let mut standard = RAW;
    for feature in 0..3 {
        let mean = |f: &dyn Fn(f64) -> f64| -> f64 {
            RAW.iter()
                .zip(weights)
                .map(|(x, w)| w * f(x[feature]))
                .sum::<f64>()
                / total
        };
        let mu = mean(&|x| x);
        let variance = mean(&|x| (x - mu) * (x - mu));
        // The constant feature is centred only.
        let sigma = if feature == 2 { 1.0 } else { variance.sqrt() };
        for (x, raw) in standard.iter_mut().zip(RAW) {
            x[feature] = (raw[feature] - mu) / sigma;
        }
    }
    let of = |rows: &[[f64; 3]; 6]| {
        rows.as_flattened()
            .iter()
            .map(|&x| T::of(x))
            .collect::<Vec<T>>()
    };
    let (raw, standard) = (of(&RAW), of(&standard));
    let weights: Vec<T> = weights.iter().map(|&w| T::of(w)).collect();

    let original = glorot::<T>(&[3, 4, 2], Activation::Tanh, 21);
    let mut folded = original.clone();
    let batch = Batch::unlabelled(&raw[..]).weighted(&weights);
    init::fold_scales(model(&[3, 4, 2], Activation::Tanh), &batch, &mut folded).unwrap();
    let (found, expected) = (outputs(&folded, &raw), outputs(&original, &standard));
    for (a, b) in found.iter().zip(&expected) {
        assert!((*a - *b).abs().widen() < tolerance, "{a} {b}");
    }
    // The weights of the constant feature, and everything behind the first layer.
    for unit in 0..4 {
        assert_eq!(folded[unit * 3 + 2], original[unit * 3 + 2]);
        assert_ne!(folded[unit * 3], original[unit * 3]);
    }
    assert_eq!(folded[16..], original[16..]);
}

#[test]
fn folded_scales_standardise() {
    // f32: inputs of 1000 ± 13 leave 4e-5 of rounding per unit.
    fold::<f32>(&[1.0; 6], 5e-4);
    fold::<f64>(&[1.0; 6], 1e-11);
    fold::<f64>(&[1.0, 0.5, 2.0, 0.0, 1.5, 1.0], 1e-11);
}

#[test]
fn folding_ignores_examples_of_weight_zero() {
    let mut rows = RAW;
    rows[3] = [f64::NAN; 3];
    let weights = [1.0, 1.0, 1.0, 0.0, 1.0, 1.0];
    let kept: Vec<f64> = [0, 1, 2, 4, 5].iter().flat_map(|&i| RAW[i]).collect();
    let model = model(&[3, 4, 2], Activation::Tanh);
    let [mut a, mut b] = [
        glorot::<f64>(&[3, 4, 2], Activation::Tanh, 4),
        glorot(&[3, 4, 2], Activation::Tanh, 4),
    ];
    let batch = Batch::unlabelled(rows.as_flattened()).weighted(&weights);
    init::fold_scales(model, &batch, &mut a).unwrap();
    init::fold_scales(model, &Batch::unlabelled(&kept[..]), &mut b).unwrap();
    assert_eq!(a, b);
}

#[test]
fn constant_feature_that_is_not_hit_exactly() {
    // The mean of 0.1 seven times is not 0.1: the deviation is rounding, not a scale.
    let inputs = [0.1_f32; 7];
    let model = model(&[1, 1], Activation::Tanh);
    let mut params = [2.0, 0.0];
    init::fold_scales(model, &Batch::unlabelled(&inputs), &mut params).unwrap();
    assert_eq!(params[0], 2.0);
    assert!((params[1] + 0.2).abs() < 1e-6);
}

#[test]
fn scales_that_overflow_leave_parameters_finite() {
    // Finite inputs whose sum or squares are not.
    for inputs in [[3e38_f32, 3e38, -1e38], [1e25, -1e25, 0.0]] {
        let model = model(&[1, 1], Activation::Tanh);
        let mut params = [2.0, 0.0];
        let folded = init::fold_scales(model, &Batch::unlabelled(&inputs), &mut params);
        assert!(
            params.iter().all(|p| p.is_finite()),
            "{folded:?} {params:?}"
        );
    }
}

const SCALE: [f32; 3] = [0.5, 0.01, 1.0 / 255.0];
const OFFSET: [f32; 3] = [-3.0, 0.0, 1e-3];

/// Integer samples against the values that they stand for: the same bits.
fn samples_match(samples: Inputs<'_, f32>, raw: &[f32]) {
    let mut values = raw.to_vec();
    for (i, x) in values.iter_mut().enumerate() {
        *x = OFFSET[i % 3] + SCALE[i % 3] * *x;
    }
    let targets: Vec<f32> = (0..values.len() / 3 * 2).map(|i| raw[i] * 0.01).collect();
    let model = model(&[3, 4, 2], Activation::Tanh);
    let params = glorot::<f32>(&[3, 4, 2], Activation::Tanh, 8);

    let run = |inputs: Inputs<'_, f32>| {
        let batch = Batch::new(inputs, &targets[..]);
        let (mut folded, mut gradient) = (params.clone(), params.clone());
        init::fold_scales(model, &batch, &mut folded).unwrap();
        let mut scratch = vec![0.0; 500];
        let mut mlp = Mlp::<f32, 4>::new(model, &params, &mut scratch).unwrap();
        let loss = mlp.gradient(&batch, &mut gradient).unwrap();
        let mut out = vec![0.0; targets.len()];
        mlp.predict(inputs, &mut out).unwrap();
        [bits(&folded), bits(&gradient), bits(&out), bits(&[loss])]
    };
    let found = run(samples);
    assert_eq!(found, run(values[..].into()));
    assert_ne!(found, run(raw.into()), "scale and offset count");
}

#[test]
fn bytes_stand_for_their_values() {
    let raw: Vec<u8> = (0..21_u8).map(|i| i.wrapping_mul(97)).collect();
    let values: Vec<f32> = raw.iter().map(|&x| f32::from(x)).collect();
    assert!(raw.iter().any(|&x| x > 127));
    samples_match(Samples::new(&raw, &SCALE, &OFFSET).into(), &values);
}

#[test]
fn words_stand_for_their_values() {
    let raw: Vec<i16> = (0..21_i16).map(|i| i.wrapping_mul(9973)).collect();
    let values: Vec<f32> = raw.iter().map(|&x| f32::from(x)).collect();
    assert!(raw.iter().any(|&x| x < 0));
    samples_match(Samples::new(&raw, &SCALE, &OFFSET).into(), &values);
}
