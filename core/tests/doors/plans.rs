//! Plans that are none, and the sentences of every error.

use natgrad::data::DataError;
use natgrad::{Activation, Error, Likelihood, Model, Plan, PlanError, ShapeError};

fn refuse(widths: &[usize], likelihood: Likelihood, error: PlanError) {
    let found = Model::new(widths, Activation::Relu, likelihood);
    assert_eq!(found.err(), Some(error), "{widths:?}");
}

#[test]
fn plans() {
    use Likelihood::{Bernoulli, Categorical, Gaussian};
    refuse(&[], Gaussian, PlanError::TooFewWidths);
    refuse(&[3], Gaussian, PlanError::TooFewWidths);
    for widths in [[0, 2, 2], [2, 0, 2], [2, 2, 0]] {
        refuse(&widths, Gaussian, PlanError::ZeroWidth);
        refuse(&widths, Categorical, PlanError::ZeroWidth);
    }
    refuse(&[3, 1], Categorical, PlanError::OneClass);
    refuse(&[1, 65_537], Categorical, PlanError::TooManyClasses);
    refuse(&[usize::MAX, 2], Gaussian, PlanError::TooLarge);
    refuse(&[2, usize::MAX], Gaussian, PlanError::TooLarge);
    refuse(&[1, usize::MAX], Bernoulli, PlanError::TooLarge);
    refuse(&[1, usize::MAX / 1024, 1], Bernoulli, PlanError::TooLarge);
    refuse(&[usize::MAX / 1024, 1], Bernoulli, PlanError::TooLarge);

    for (widths, likelihood) in [
        (&[1, 1][..], Gaussian),
        (&[1, 1], Bernoulli),
        (&[3, 2], Categorical),
        (&[1, 65_536], Categorical),
        (&[1, 65_537], Bernoulli),
        (&[usize::MAX / 1024 - 1, 1], Gaussian),
    ] {
        assert!(
            Model::new(widths, Activation::Relu, likelihood).is_ok(),
            "{widths:?}"
        );
    }
}

#[test]
fn plan_of_an_array() {
    let plan = Plan::new([2, 0, 1], Activation::Tanh, Likelihood::Gaussian);
    assert_eq!(plan, Err(PlanError::ZeroWidth));
    let plan = Plan::new([2], Activation::Tanh, Likelihood::Gaussian);
    assert_eq!(plan, Err(PlanError::TooFewWidths));
    let plan = Plan::new([2, 3], Activation::Tanh, Likelihood::Gaussian).unwrap();
    assert_eq!(Model::from(&plan), plan.model());
    assert_eq!((plan.model().widths(), plan.params()), (&[2, 3][..], 9));
    assert_eq!(plan.model().activation(0), Activation::Identity);
    assert_eq!(plan.model().likelihood(), Likelihood::Gaussian);
}

#[test]
fn activations_of_layers() {
    let plan = Plan::new([4, 3, 2, 3, 4], Activation::Logistic, Likelihood::Bernoulli).unwrap();
    let coded = plan.with_activation(1, Activation::Identity).unwrap();
    let each = [
        Activation::Logistic,
        Activation::Identity,
        Activation::Logistic,
    ];
    for (layer, activation) in each.into_iter().enumerate() {
        assert_eq!(plan.model().activation(layer), Activation::Logistic);
        assert_eq!(coded.model().activation(layer), activation);
    }
    assert_eq!(coded.model().activation(3), Activation::Identity);
    assert_eq!(plan.model().with_activations(&each), Ok(coded.model()));
    assert_ne!(plan.model(), coded.model());

    let none = Err(PlanError::NoSuchLayer);
    assert_eq!(plan.with_activation(3, Activation::Tanh), none);
    assert_eq!(
        plan.model().with_activations(&each[1..]),
        Err(PlanError::NoSuchLayer)
    );
}

#[test]
fn sentences_of_plans() {
    for (error, sentence) in [
        (
            PlanError::NoSuchLayer,
            "each hidden layer has one activation",
        ),
        (
            PlanError::TooFewWidths,
            "a network needs at least two widths: its inputs and its outputs",
        ),
        (
            PlanError::ZeroWidth,
            "every width of a network must be at least 1",
        ),
        (
            PlanError::OneClass,
            "a categorical likelihood needs at least two outputs",
        ),
        (
            PlanError::TooManyClasses,
            "a categorical likelihood takes at most 65536 outputs",
        ),
        (
            PlanError::TooLarge,
            "the network has more parameters than memory can be addressed for",
        ),
    ] {
        assert_eq!(error.message(), sentence);
        assert_eq!(error.to_string(), sentence);
        assert_eq!(Error::from(error).to_string(), sentence);
    }
}

#[test]
fn sentences_of_errors() {
    let shape = ShapeError {
        what: "the gradient",
        expected: 9,
        found: 8,
    };
    let input = DataError::Input {
        example: 4,
        feature: 2,
    };
    for (error, sentence) in [
        (
            Error::from(shape),
            "the gradient: length 8, where plan and method ask for 9",
        ),
        (
            Error::from(DataError::Empty),
            "the batch has no example with a weight above 0",
        ),
        (
            Error::from(DataError::Unlabelled),
            "the batch has no targets",
        ),
        (
            Error::from(DataError::ClassesWithoutCategories),
            "class labels need a categorical likelihood",
        ),
        (Error::from(input), "input 2 of example 4 is not finite"),
        (
            Error::from(DataError::Target { example: 7 }),
            "the target of example 7 does not fit the likelihood",
        ),
        (
            Error::from(DataError::Weight { example: 1 }),
            "the weight of example 1 is negative or not finite",
        ),
        (Error::Setting("a sentence"), "a sentence"),
        (
            Error::NonFinite,
            "the parameters, or a number computed at them, are not finite",
        ),
        (Error::NonFiniteUpdate, "the update is not finite"),
        (
            Error::Busy,
            "a step is under way: finish or abandon it first",
        ),
        (Error::Idle, "no step is under way"),
        (
            Error::Unfinished,
            "the step is not ready: advance it further",
        ),
    ] {
        assert_eq!(error.to_string(), sentence);
        let _: &dyn core::error::Error = &error;
    }
    assert_eq!(shape.to_string(), Error::Shape(shape).to_string());
    assert_eq!(input.to_string(), Error::Data(input).to_string());
}
