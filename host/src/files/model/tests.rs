//! Round trips, and every kind of bad model with the sentence it must give.

use super::*;

fn sample() -> Model {
    let theta: Vec<f32> = (0u8..17).map(|i| f32::from(i) * 0.1).collect();
    Model {
        params: Params::new(vec![2, 3, 2], Values::F32(theta)).unwrap(),
        activation: Some(Activation::Softplus),
        likelihood: Some(Likelihood::Gaussian),
        scaling: Some(Scaling {
            input_offset: vec![0.1, -2.0],
            input_scale: vec![1.0, 1e-3],
            target_offset: vec![0.0, 7.0],
            target_scale: vec![1.0, 2.5],
        }),
        ended: Some(Ended::Interrupted),
    }
}

#[test]
fn a_model_round_trips() {
    let model = sample();
    assert_eq!(Model::parse("m", &model.to_bytes()).unwrap(), model);
    assert_eq!(model.to_bytes(), model.to_bytes());

    let bare = Model {
        params: Params::new(vec![1, 1], Values::F64(vec![0.1, -0.2])).unwrap(),
        activation: None,
        likelihood: None,
        scaling: None,
        ended: None,
    };
    assert_eq!(Model::parse("m", &bare.to_bytes()).unwrap(), bare);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    model.write(&path).unwrap();
    assert_eq!(Model::read(&path).unwrap(), model);
    assert_eq!(Params::read(&path).unwrap(), model.params);
    model.params.write(&path).unwrap();
    assert_eq!(Params::read_for(&path, &[2, 3, 2]).unwrap(), model.params);
    let message = Params::read_for(&path, &[2, 2, 2]).unwrap_err().to_string();
    assert!(
        message.ends_with("has the shape of a net 2-3-2, but the model is a net 2-2-2"),
        "{message}"
    );
}

#[test]
fn the_layout_is_weight_by_rows_then_bias() {
    let bytes = sample().to_bytes();
    let tensors = Tensors::parse("m", &bytes).unwrap();
    let expected: [(&str, &[usize], std::ops::Range<u8>); 4] = [
        ("layers.0.weight", &[3, 2], 0..6),
        ("layers.0.bias", &[3], 6..9),
        ("layers.1.weight", &[2, 3], 9..15),
        ("layers.1.bias", &[2], 15..17),
    ];
    for (name, shape, range) in expected {
        let tensor = &tensors.by_name[name];
        assert_eq!(tensor.shape, shape);
        assert_eq!(
            tensor.values,
            Values::F32(range.map(|i| f32::from(i) * 0.1).collect())
        );
    }
    assert_eq!(tensors.metadata[ACTIVATION], "softplus");
    assert_eq!(tensors.metadata[LIKELIHOOD], "gaussian");
    assert_eq!(
        tensors.by_name["input.scale"].values,
        Values::F64(vec![1.0, 1e-3])
    );
}

#[test]
fn ten_layers_and_more_keep_their_order() {
    let widths: Vec<usize> = (1..=13).collect();
    let params: usize = (1..=12).map(|n| (n + 1) * (n + 1)).sum();
    let theta: Vec<f64> = (0u16..).take(params).map(f64::from).collect();
    let params = Params::new(widths, Values::F64(theta)).unwrap();
    let model = Model {
        params,
        scaling: None,
        ..sample()
    };
    assert_eq!(Model::parse("m", &model.to_bytes()).unwrap(), model);
}

#[test]
fn one_pair_of_scales_is_enough() {
    let mut tensors = Tensors::parse("m", &sample().to_bytes()).unwrap();
    tensors.take("target.offset");
    tensors.take("target.scale");
    tensors.metadata.remove(SCALES_HASH);
    let scaling = Model::parse("m", &tensors.to_bytes())
        .unwrap()
        .scaling
        .unwrap();
    assert_eq!(scaling.input_scale, [1.0, 1e-3]);
    assert_eq!(
        (scaling.target_offset, scaling.target_scale),
        (vec![0.0; 2], vec![1.0; 2])
    );
}

/// A change that spoils a good model, and the end of the sentence that it must give.
type Case = (fn(&mut Tensors), &'static str);

const CASES: &[Case] = &[
    (|t| t.by_name.clear(), "tensor `layers.0.weight` is missing"),
    (
        |t| drop(t.take("layers.0.bias")),
        "tensor `layers.0.bias` is missing",
    ),
    (
        |t| drop(t.take("layers.0.weight")),
        "tensor `layers.0.weight` is missing",
    ),
    (
        |t| drop(t.take("layers.1.weight")),
        "tensor `layers.1.weight` is missing",
    ),
    (
        |t| drop(t.take("layers.1.bias")),
        "tensor `layers.1.bias` is missing",
    ),
    (
        |t| rename(t, "layers.1.weight", "layers.2.weight"),
        "tensor `layers.1.weight` is missing",
    ),
    (
        |t| rename(t, "layers.0.weight", "layers.00.weight"),
        "tensor `layers.0.weight` is missing",
    ),
    (
        |t| t.insert("layers.18446744073709551615.weight", vec![1], f32s(1)),
        "tensor `layers.2.weight` is missing",
    ),
    (
        |t| t.insert("0.weight", vec![1], f32s(1)),
        "tensor `0.weight` is unknown, where layers.0.weight, layers.0.bias and so on are expected, and the scales of input and target",
    ),
    (
        |t| t.insert("layers.1.weight", vec![2, 4], f32s(8)),
        "tensor `layers.1.weight` takes 4 inputs, but the layer before it has 3 outputs",
    ),
    (
        |t| t.insert("layers.0.weight", vec![6], f32s(6)),
        "tensor `layers.0.weight` has the shape [6], not [out, in]",
    ),
    (
        |t| t.insert("layers.0.weight", vec![3, 2, 1], f32s(6)),
        "tensor `layers.0.weight` has the shape [3, 2, 1], not [out, in]",
    ),
    (
        |t| t.insert("layers.0.weight", vec![3, 0], f32s(0)),
        "tensor `layers.0.weight` has the shape [3, 0], with a width of zero",
    ),
    (
        |t| t.insert("layers.0.weight", vec![0, 1 << 62], f32s(0)),
        "tensor `layers.0.weight` has the shape [0, 4611686018427387904], with a width of zero",
    ),
    (
        |t| t.insert("layers.1.bias", vec![3], f32s(3)),
        "tensor `layers.1.bias` has the shape [3], where its weight asks for [2]",
    ),
    (
        |t| t.insert("layers.1.bias", vec![2, 1], f32s(2)),
        "tensor `layers.1.bias` has the shape [2, 1], where its weight asks for [2]",
    ),
    (
        |t| t.insert("layers.0.bias", vec![3], Values::F64(vec![0.0; 3])),
        "tensor `layers.0.bias` has another precision than the tensors before it",
    ),
    (
        |t| t.insert("layers.1.weight", vec![2, 3], Values::F64(vec![0.0; 6])),
        "tensor `layers.1.weight` has another precision than the tensors before it",
    ),
    (
        |t| {
            let spoilt = vec![0.0, f32::NAN, 0.0];
            t.insert("layers.0.bias", vec![3], Values::F32(spoilt));
        },
        "tensor `layers.0.bias` holds NaN or infinity as its value 2",
    ),
    (
        |t| drop(t.take("input.scale")),
        "tensor `input.scale` is missing",
    ),
    (
        |t| drop(t.take("target.offset")),
        "tensor `target.offset` is missing",
    ),
    (
        |t| t.insert("input.scale", vec![2], Values::F64(vec![1.0, 0.0])),
        "tensor `input.scale` holds a scale that is not positive as its value 2",
    ),
    (
        |t| t.insert("target.scale", vec![2], Values::F64(vec![-1.0, 1.0])),
        "tensor `target.scale` holds a scale that is not positive as its value 1",
    ),
    (
        |t| t.insert("input.offset", vec![3], Values::F64(vec![0.0; 3])),
        "tensor `input.offset` has 3 values, but the net has a width of 2 there",
    ),
    (
        |t| t.insert("input.offset", vec![1, 2], Values::F64(vec![0.0; 2])),
        "tensor `input.offset` has the shape [1, 2], not one dimension",
    ),
    (
        |t| set(t, ACTIVATION, "Swish"),
        "its metadata say `Swish` for natgrad.activation, which is unknown",
    ),
    (
        |t| set(t, ENDED, "badly"),
        "its metadata say `badly` for natgrad.ended, which is unknown",
    ),
    (
        |t| set(t, LIKELIHOOD, ""),
        "its metadata say `` for natgrad.likelihood, which is unknown",
    ),
];

fn f32s(n: usize) -> Values {
    Values::F32(vec![0.0; n])
}

fn rename(tensors: &mut Tensors, from: &str, to: &str) {
    let tensor = tensors.take(from).unwrap();
    tensors.insert(to, tensor.shape, tensor.values);
}

fn set(tensors: &mut Tensors, key: &str, word: &str) {
    tensors.metadata.insert(key.into(), word.into());
}

#[test]
fn bad_models_give_their_sentence() {
    for (spoil, sentence) in CASES {
        let mut tensors = Tensors::parse("m", &sample().to_bytes()).unwrap();
        spoil(&mut tensors);
        match Model::parse("m", &tensors.to_bytes()) {
            Ok(_) => panic!("accepted, where `{sentence}` was due"),
            Err(error) => assert_eq!(error.to_string(), format!("m: {sentence}")),
        }
    }
}

/// A CRC finds every single flip, so that each of them is told from a file that another program wrote.
#[test]
fn a_flipped_bit_of_a_number_is_found() {
    let model = sample();
    let good = model.to_bytes();
    let (length, _) = good.split_first_chunk::<8>().unwrap();
    let body = 8 + usize::try_from(u64::from_le_bytes(*length)).unwrap();
    let mut damaged = 0;
    for at in body..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            let error = Model::parse("m", &bytes).unwrap_err();
            damaged += usize::from(matches!(error, Error::Damaged { .. }));
        }
    }
    assert!(damaged > 4 * (good.len() - body), "{damaged}");

    let mut bytes = good;
    *bytes.last_mut().unwrap() ^= 1;
    let message = Model::parse("m", &bytes).unwrap_err().to_string();
    let expected = format!(
        "and the metadata say `{}`",
        params_hash(model.params.theta())
    );
    assert!(
        message.starts_with("m: is damaged") && message.ends_with(&expected),
        "{message}"
    );
}

#[test]
fn other_metadata_are_nobodys_concern() {
    let mut tensors = Tensors::parse("m", &sample().to_bytes()).unwrap();
    set(&mut tensors, "format", "pt");
    assert_eq!(Model::parse("m", &tensors.to_bytes()).unwrap(), sample());
}

#[test]
fn parameters_must_fit_their_net() {
    for (widths, params) in [
        (vec![], 0),
        (vec![2], 0),
        (vec![2, 0], 0),
        (vec![2, 3], 8),
        (vec![2, 3], 10),
        (vec![usize::MAX, 2], 1),
        (vec![64, usize::MAX, 10], 1),
    ] {
        let error = Params::new(widths, Values::F32(vec![0.0; params])).unwrap_err();
        assert!(error.to_string().starts_with("--net: "), "{error}");
    }
}
