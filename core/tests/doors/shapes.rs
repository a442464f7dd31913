//! Slices of a wrong length, one argument at a time: the error names the slice, what it should be and
//! what it is, and nothing is written. Examples that cannot be used likewise.

use natgrad::curvature::{EmpiricalFisher, Fisher, GradientCovariance, Hessian};
use natgrad::data::{Batch, DataError, Samples, Targets};
use natgrad::optimizer::{Anchor, L2, NaturalGradient};
use natgrad::{Activation, Error, Likelihood, Metric, Mlp, Model, Room, ShapeError, Trainer, init};

const WIDTHS: [usize; 3] = [2, 3, 2];
const PARAMS: usize = 2 * 3 + 3 + 3 * 2 + 2;
const INPUTS: [f32; 6] = [1.0, 2.0, 3.0, -1.0, 0.5, 0.25];
const TARGETS: [f32; 6] = [0.0, 1.0, 0.5, 0.25, 1.0, 0.0];
const MARK: f32 = 7.0;

type Net<'a> = Mlp<'a, f32, 2>;
type Learner<'a> = Trainer<'a, f32, NaturalGradient<f32>, 2>;

fn model(likelihood: Likelihood) -> Model<'static> {
    Model::new(&WIDTHS, Activation::Tanh, likelihood).expect("a plan")
}

fn shape<T>(result: Result<T, Error>, what: &'static str, expected: usize, found: usize) {
    let error = Error::Shape(ShapeError {
        what,
        expected,
        found,
    });
    assert_eq!(result.err(), Some(error));
}

/// Every way in which the lengths of a batch may be wrong.
fn misshapen() -> Vec<(Batch<'static, f32>, &'static str, usize, usize)> {
    const SCALE: [f32; 3] = [1.0; 3];
    let samples = |scale, offset| Samples::new(&[1_u8, 2, 3, 4], scale, offset);
    let words = Samples::new(&[1_i16, 2, 3, 4], &SCALE[..1], &SCALE[..1]);
    let good = Batch::new(&INPUTS, &TARGETS);
    let features = "the scale and offset of the samples";
    vec![
        (
            Batch::new(&INPUTS[..5], &TARGETS),
            "the inputs, as many for each example",
            4,
            5,
        ),
        (
            Batch::new(&INPUTS[..1], &TARGETS),
            "the inputs, as many for each example",
            0,
            1,
        ),
        (Batch::new(&INPUTS, &TARGETS[..5]), "the targets", 6, 5),
        (Batch::new(&INPUTS[..4], &TARGETS), "the targets", 4, 6),
        (Batch::labelled(&INPUTS, &[0, 1]), "the classes", 3, 2),
        (Batch::labelled(&INPUTS, &[0, 1, 0, 1]), "the classes", 3, 4),
        (good.weighted(&SCALE[..2]), "the weights", 3, 2),
        (good.weighted(&[1.0; 4]), "the weights", 3, 4),
        (good.weighted(&[]), "the weights", 3, 0),
        (
            Batch::new(samples(&SCALE, &SCALE), &TARGETS[..4]),
            features,
            2,
            3,
        ),
        (
            Batch::new(samples(&SCALE[..2], &SCALE[..1]), &TARGETS[..4]),
            features,
            2,
            usize::MAX,
        ),
        (Batch::new(words, &TARGETS[..4]), features, 2, 1),
    ]
}

/// A function with its result slice, which must keep its marks.
fn refused(
    len: usize,
    call: impl Fn(&mut Net<'_>, &mut [f32]) -> Result<(), Error>,
) -> Result<(), Error> {
    let (params, mut scratch) = ([0.5; PARAMS], [0.0; 200]);
    let mut out = vec![MARK; len];
    let mut mlp = Net::new(model(Likelihood::Bernoulli), &params, &mut scratch)?;
    let result = call(&mut mlp, &mut out);
    assert!(out.iter().all(|&x| x == MARK), "nothing is written");
    result
}

#[test]
fn network() {
    let model = model(Likelihood::Bernoulli);
    for len in [0, PARAMS - 1, PARAMS + 1] {
        shape(
            Net::new(model, &vec![0.5; len], &mut [0.0; 99]),
            "the parameter vector",
            PARAMS,
            len,
        );
    }
    // One tile of activations is the least.
    shape(
        Net::new(model, &[0.5; PARAMS], &mut [0.0; 13]),
        "the scratch memory",
        14,
        13,
    );
    assert!(Net::new(model, &[0.5; PARAMS], &mut [0.0; 14]).is_ok());
}

#[test]
fn passes() {
    for len in [0, 5, 7] {
        let what = "the output slice";
        shape(
            refused(len, |mlp, out| mlp.outputs(&INPUTS, out)),
            what,
            6,
            len,
        );
        shape(
            refused(len, |mlp, out| mlp.predict(&INPUTS, out)),
            what,
            6,
            len,
        );
        shape(
            refused(len, |mlp, out| mlp.jvp(&INPUTS, &[1.0; PARAMS], out)),
            what,
            6,
            len,
        );
        let what = "the output-shaped vector";
        shape(
            refused(PARAMS, |mlp, out| mlp.vjp(&INPUTS, &vec![1.0; len], out)),
            what,
            6,
            len,
        );
    }
    let batch = Batch::new(&INPUTS, &TARGETS);
    for len in [0, PARAMS - 1, PARAMS + 1] {
        let call = refused(len, |mlp, out| mlp.gradient(&batch, out).map(drop));
        shape(call, "the gradient", PARAMS, len);
        shape(
            refused(len, |mlp, out| mlp.vjp(&INPUTS, &TARGETS, out)),
            "the result",
            PARAMS,
            len,
        );
        let call = refused(len, |mlp, out| {
            mlp.hvp(&batch, &[1.0; PARAMS], out).map(drop)
        });
        shape(call, "the product", PARAMS, len);
        let call = refused(PARAMS, |mlp, out| {
            mlp.hvp(&batch, &vec![1.0; len], out).map(drop)
        });
        shape(call, "the direction", PARAMS, len);
        let call = refused(6, |mlp, out| mlp.jvp(&INPUTS, &vec![1.0; len], out));
        shape(call, "the direction", PARAMS, len);
    }
    let inputs = &INPUTS[..5];
    shape(
        refused(6, |mlp, out| mlp.outputs(inputs, out)),
        "the inputs, as many for each example",
        4,
        5,
    );
    shape(
        refused(6, |mlp, out| mlp.predict(inputs, out)),
        "the inputs, as many for each example",
        4,
        5,
    );
    shape(
        refused(6, |mlp, out| mlp.jvp(inputs, &[1.0; PARAMS], out)),
        "the inputs, as many for each example",
        4,
        5,
    );
    shape(
        refused(PARAMS, |mlp, out| mlp.vjp(inputs, &TARGETS, out)),
        "the inputs, as many for each example",
        4,
        5,
    );
}

/// A call with a batch, and a result slice of length P.
type Call = fn(Net<'_>, Batch<'_, f32>, &mut [f32]) -> Result<(), Error>;

const NEED_TARGETS: [Call; 6] = [
    |mut mlp, batch, _| mlp.loss(&batch).map(drop),
    |mut mlp, batch, out| mlp.gradient(&batch, out).map(drop),
    |mut mlp, batch, out| mlp.hvp(&batch, &[1.0; PARAMS], out).map(drop),
    |mlp, batch, _| Hessian::new(mlp, batch).map(drop),
    |mlp, batch, _| EmpiricalFisher::new(mlp, batch).map(drop),
    |mlp, batch, mean| GradientCovariance::new(mlp, batch, mean).map(drop),
];
const NEED_INPUTS: [Call; 2] = [
    |mlp, batch, _| Fisher::new(mlp, batch).map(drop),
    |mlp, batch, out| init::fold_scales(mlp.model(), &batch, out),
];

fn call(likelihood: Likelihood, batch: Batch<'_, f32>, call: Call) -> Result<(), Error> {
    let (params, mut scratch) = ([0.5; PARAMS], [0.0; 200]);
    let mut out = [MARK; PARAMS];
    let result = call(
        Net::new(model(likelihood), &params, &mut scratch)?,
        batch,
        &mut out,
    );
    if result.is_err() {
        assert!(out.iter().all(|&x| x == MARK), "nothing is written");
    }
    result
}

#[test]
fn batches() {
    for (batch, what, expected, found) in misshapen() {
        for each in NEED_TARGETS.into_iter().chain(NEED_INPUTS) {
            shape(
                call(Likelihood::Categorical, batch, each),
                what,
                expected,
                found,
            );
        }
    }
    let mean = |mlp: Net<'_>, _: &mut [f32]| {
        GradientCovariance::new(mlp, Batch::new(&INPUTS, &TARGETS), &mut [0.0; 3]).map(drop)
    };
    let (params, mut scratch) = ([0.5; PARAMS], [0.0; 200]);
    let mlp = Net::new(model(Likelihood::Gaussian), &params, &mut scratch).unwrap();
    shape(mean(mlp, &mut []), "the mean gradient", PARAMS, 3);
}

const NAN: f32 = f32::NAN;
const INF: f32 = f32::INFINITY;

#[test]
fn targets() {
    use Likelihood::{Bernoulli, Categorical, Gaussian};
    let target = |example| DataError::Target { example };
    let classes = Targets::Classes(&[0, 1, 2]);
    for (likelihood, batch, error) in [
        (Gaussian, Batch::unlabelled(&INPUTS), DataError::Unlabelled),
        (
            Gaussian,
            Batch::new(&INPUTS, classes),
            DataError::ClassesWithoutCategories,
        ),
        (
            Bernoulli,
            Batch::new(&INPUTS, classes),
            DataError::ClassesWithoutCategories,
        ),
        (Categorical, Batch::new(&INPUTS, classes), target(2)),
        (
            Gaussian,
            Batch::new(&INPUTS, &[0.0, 1.0, 2.0, NAN, 0.0, 0.0]),
            target(1),
        ),
        (
            Gaussian,
            Batch::new(&INPUTS, &[-INF, 1.0, 2.0, 0.0, 0.0, 0.0]),
            target(0),
        ),
        (
            Bernoulli,
            Batch::new(&INPUTS, &[0.0, 1.0, 1.0, 0.0, 0.0, 2.0]),
            target(2),
        ),
        (
            Bernoulli,
            Batch::new(&INPUTS, &[0.0, -0.125, 1.0, 0.0, 0.0, 1.0]),
            target(0),
        ),
        (
            Bernoulli,
            Batch::new(&INPUTS, &[0.0, NAN, 1.0, 0.0, 0.0, 1.0]),
            target(0),
        ),
        (
            Categorical,
            Batch::new(&INPUTS, &[0.5, 0.5, 0.5, 0.25, 0.0, 1.0]),
            target(1),
        ),
        (
            Categorical,
            Batch::new(&INPUTS, &[2.0, -1.0, 0.5, 0.5, 0.0, 1.0]),
            target(0),
        ),
        (
            Categorical,
            Batch::new(&INPUTS, &[NAN, 1.0, 0.5, 0.5, 0.0, 1.0]),
            target(0),
        ),
    ] {
        // Weights of 1 have each example looked at by itself.
        for batch in [batch, batch.weighted(&[1.0; 3])] {
            for each in NEED_TARGETS {
                assert_eq!(call(likelihood, batch, each), Err(Error::Data(error)));
            }
            for each in NEED_INPUTS {
                assert_eq!(
                    call(likelihood, batch, each),
                    Ok(()),
                    "targets are not looked at"
                );
            }
        }
    }
}

#[test]
fn inputs_and_weights() {
    const ONES: [f32; 6] = [1.0; 6];
    let good = Batch::new(&INPUTS, &TARGETS);
    let weight = |example| DataError::Weight { example };
    let input = |example, feature| DataError::Input { example, feature };
    for (batch, error) in [
        (Batch::new(&[], &[]), DataError::Empty),
        (good.weighted(&[0.0; 3]), DataError::Empty),
        (good.weighted(&[1.0, -1.0, 1.0]), weight(1)),
        (good.weighted(&[1.0, 1.0, NAN]), weight(2)),
        (good.weighted(&[INF, 1.0, 1.0]), weight(0)),
        (
            Batch::new(&[0.0, 1.0, 2.0, NAN, 0.0, 0.0], &ONES),
            input(1, 1),
        ),
        (
            Batch::new(&[0.0, 1.0, 2.0, 3.0, -INF, NAN], &ONES),
            input(2, 0),
        ),
        (
            Batch::new(&[0.0, 1.0, 2.0, 3.0, -INF, NAN], &ONES).weighted(&[1.0; 3]),
            input(2, 0),
        ),
        (
            Batch::new(Samples::new(&[1_u8; 6], &[1.0, INF], &[0.0; 2]), &ONES),
            input(0, 1),
        ),
    ] {
        for each in NEED_TARGETS.into_iter().chain(NEED_INPUTS) {
            assert_eq!(
                call(Likelihood::Bernoulli, batch, each),
                Err(Error::Data(error))
            );
        }
    }
}

#[test]
fn initialisations() {
    let model = model(Likelihood::Gaussian);
    for len in [0, PARAMS - 1, PARAMS + 1] {
        let mut params = vec![MARK; len];
        let batch = Batch::unlabelled(&INPUTS);
        let what = "the parameter vector";
        shape(init::glorot(model, 1, &mut params), what, PARAMS, len);
        shape(init::sparse(model, 1, &mut params), what, PARAMS, len);
        shape(
            init::fold_scales(model, &batch, &mut params),
            what,
            PARAMS,
            len,
        );
        assert!(params.iter().all(|&p| p == MARK), "nothing is written");
    }
}

#[test]
fn trainers() {
    let model = model(Likelihood::Categorical);
    let needed = Learner::workspace_len(&model, Room::NONE);
    for len in [0, PARAMS - 1, PARAMS + 1] {
        let (mut params, mut memory) = (vec![MARK; len], vec![MARK; needed]);
        let result = Learner::new(model, &mut params, &mut memory, NaturalGradient::default());
        shape(result, "the parameter vector", PARAMS, len);
        assert!(
            params.iter().chain(&memory).all(|&x| x == MARK),
            "nothing is written"
        );
    }
    let (mut params, mut memory) = (vec![MARK; PARAMS], vec![MARK; needed - 1]);
    let result = Learner::new(model, &mut params, &mut memory, NaturalGradient::default());
    shape(result, "the workspace", needed, needed - 1);
    assert!(
        params.iter().chain(&memory).all(|&x| x == MARK),
        "nothing is written"
    );
}

#[test]
fn steps() {
    let model = model(Likelihood::Categorical);
    let (mut params, mut memory) = (vec![0.25; PARAMS], vec![0.0; 500]);
    let mut trainer =
        Learner::new(model, &mut params, &mut memory, NaturalGradient::default()).unwrap();
    let good = Batch::labelled(&INPUTS, &[0, 1, 1]);
    for (batch, what, expected, found) in misshapen() {
        shape(trainer.step(batch, Metric::Same), what, expected, found);
        shape(trainer.step(good, Metric::On(batch)), what, expected, found);
        shape(trainer.begin(batch, Metric::Same), what, expected, found);
        shape(
            trainer.begin(good, Metric::On(batch)),
            what,
            expected,
            found,
        );
        shape(
            trainer.begin_in_place(batch, Metric::Same),
            what,
            expected,
            found,
        );
        shape(
            trainer.begin_in_place(good, Metric::On(batch)),
            what,
            expected,
            found,
        );
        shape(trainer.hold_out(batch), what, expected, found);
        shape(trainer.loss(batch), what, expected, found);
        assert!(!trainer.is_busy());
    }
    shape(
        trainer.predict(&INPUTS, &mut [0.0; 5]),
        "the output slice",
        6,
        5,
    );
    let l2 = L2 {
        strength: 1.0,
        anchor: Anchor::At(&[0.0; 3]),
    };
    shape(trainer.regularise(l2), "the anchor", PARAMS, 3);
    assert!(trainer.params().iter().all(|&p| p == 0.25));
    trainer
        .step(good, Metric::Same)
        .expect("a good step after all of it");
}

/// Numbers that are finite, each of them, and a result that is not.
#[test]
fn results_beyond_the_range_of_the_numbers_are_refused() {
    const FAR: [f32; 6] = [3e18, 3e19, 1e19, 0.0, 0.0, 0.0];
    let model = Model::new(&[1, 3], Activation::Tanh, Likelihood::Categorical).unwrap();
    let beyond = |params: &[f32; 6], input: f32, v: &[f32; 6], u: &[f32; 3]| {
        let (inputs, mut scratch) = ([input], [0.0; 200]);
        let (mut per_output, mut per_param) = ([0.0; 3], [0.0; 6]);
        let batch = Batch::labelled(&inputs, &[0]);
        let mut net = Net::new(model, params, &mut scratch).unwrap();
        [
            net.outputs(&inputs, &mut per_output).err(),
            net.predict(&inputs, &mut per_output).err(),
            net.loss(&batch).err(),
            net.gradient(&batch, &mut per_param).err(),
            net.jvp(&inputs, v, &mut per_output).err(),
            net.vjp(&inputs, u, &mut per_param).err(),
            net.hvp(&batch, v, &mut per_param).err(),
        ]
    };
    let (near, ones) = ([1.0; 6], [1.0; 3]);
    let bad = Some(Error::NonFinite);
    assert_eq!(beyond(&FAR, 1.0, &near, &ones), [None; 7]);
    assert_eq!(beyond(&near, 1e18, &near, &ones), [None; 7]);
    // Logits of 3e38 and beyond; products are taken as they come.
    let found = beyond(&FAR, 1e20, &near, &ones);
    assert_eq!(found, [bad, bad, bad, bad, None, None, None]);
}
