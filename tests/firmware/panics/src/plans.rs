//! Plans and models, their sizes, and every error.

use core::error::Error as _;
use core::fmt::{self, Display, Write};
use core::hint::black_box;

use natgrad::budget::Sentence;
use natgrad::data::{DataError, Labels};
use natgrad::optimizer::{StepCosts, StepSolver};
use natgrad::{
    Activation, DualStorage, Error, Likelihood, Model, OverBudget, Pass, Plan, PlanError, Room,
    ShapeError, Storage,
};

use crate::{count, slice, used};

fn activation() -> Activation {
    black_box(Activation::Tanh)
}

fn likelihood() -> Likelihood {
    black_box(Likelihood::Gaussian)
}

pub(crate) fn room() -> Room {
    black_box(Room::NONE)
}

pub(crate) fn pass() -> Pass {
    black_box(Pass::Outputs)
}

fn storage() -> Storage {
    black_box(Storage::NONE)
}

fn plan() -> Option<Plan<3>> {
    let plan = Plan::new(black_box([1; 3]), activation(), likelihood());
    black_box(plan.ok())
}

/// A model of any depth.
pub(crate) fn model() -> Option<Model<'static>> {
    let model = Model::new(slice(), activation(), likelihood());
    black_box(model.ok())
}

/// The functions that describe a network.
pub fn all() {
    plans::<0>();
    plans::<1>();
    plans::<4>();
    if let (Some(one), Some(other)) = (model(), model()) {
        models(&one, &other);
        sizes(&one);
    }
    errors();
}

fn plans<const N: usize>() {
    used(Plan::new(black_box([1; N]), activation(), likelihood()));
    if let Some(plan) = plan() {
        used(Plan::with_activation(
            black_box(plan),
            count(),
            activation(),
        ));
        used(Plan::with_trained(black_box(plan), black_box(0..1)));
        used(Plan::model(black_box(&plan)));
        used(Plan::params(black_box(&plan)));
        used(Plan::trained_params(black_box(&plan)));
        used(Model::from(black_box(&plan)));
    }
}

fn models(model: &Model<'static>, other: &Model<'static>) {
    used(Model::with_activations(black_box(*model), slice()));
    used(Model::with_trained(black_box(*model), black_box(0..1)));
    used(Model::trains(black_box(model), count()));
    used(Model::widths(black_box(model)));
    used(Model::hidden_layers(black_box(model)));
    used(Model::activation(black_box(model), count()));
    used(Model::likelihood(black_box(model)));
    used(Model::dim_in(black_box(model)));
    used(Model::dim_out(black_box(model)));
    used(Model::params(black_box(model)));
    used(Model::trained_params(black_box(model)));
    used(Model::units(black_box(model)));
    used(Model::widest(black_box(model)));
    used(Model::macs(black_box(model), pass()));
    used(Model::step_costs::<f32, 1>(
        black_box(model),
        count(),
        black_box(1_u16),
    ));
    used(Model::step_costs::<f64, 4>(
        black_box(model),
        count(),
        black_box(1_u16),
    ));
    let costs = black_box(Model::step_costs::<f32, 1>(
        model,
        count(),
        black_box(1_u16),
    ));
    used(StepCosts::of(&costs, black_box(StepSolver::Gram)));
    used(StepCosts::cheapest(&costs, count()));
    used(Model::eq(black_box(model), black_box(other)));
}

fn dual() -> DualStorage {
    black_box(DualStorage {
        examples: count(),
        factors: count(),
    })
}

fn sizes(model: &Model<'static>) {
    used(Pass::storage(pass()));
    used(Pass::scratch_len(pass(), model, count()));
    used(Storage::vectors(count()));
    used(Storage::with_scalars(storage(), count()));
    used(Storage::with_dual(storage(), dual()));
    used(Storage::and(storage(), storage()));
    used(DualStorage::len(dual(), model));
    used(Storage::len(storage(), model, count()));
    used(Room::len(room(), model, black_box(Labels::Needed)));
}

/// Takes what is printed, and may refuse it.
struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        used(text);
        black_box(Ok(()))
    }
}

fn errors() {
    let plan = black_box(PlanError::ZeroWidth);
    let shape = black_box(ShapeError {
        what: "a slice",
        expected: 0,
        found: 0,
    });
    let data = black_box(DataError::Empty);
    used(PlanError::message(&plan));
    let over = black_box(OverBudget {
        statics: count(),
        stack: count(),
        budget: count(),
    });
    let sentence = black_box(OverBudget::message(&over));
    used(Sentence::as_str(&sentence));
    used(Error::from(plan));
    used(Error::from(shape));
    used(Error::from(data));
    let error = black_box(Error::Busy);
    used(error.source());
    print(|f| <PlanError as Display>::fmt(&plan, f));
    print(|f| <ShapeError as Display>::fmt(&shape, f));
    print(|f| <OverBudget as Display>::fmt(&over, f));
    print(|f| <DataError as Display>::fmt(&data, f));
    print(|f| <Error as Display>::fmt(&error, f));
}

fn print(print: impl Fn(&mut fmt::Formatter<'_>) -> fmt::Result) {
    used(write!(Console, "{}", fmt::from_fn(print)));
}
