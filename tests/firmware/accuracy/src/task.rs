//! What is learned: a network, its examples, and the accuracies that a run has to reach.

use natgrad::{Activation, Batch, Likelihood, Model, Plan, init};

use crate::data;

/// Targets of examples.
#[derive(Clone, Copy, Debug)]
pub enum Targets {
    /// `[n × K]`.
    Values(&'static [f32]),
    /// `[n]`.
    Classes(&'static [u16]),
}

/// Examples in flash.
#[derive(Clone, Copy, Debug)]
pub struct Set {
    /// `[n × inputs]`.
    pub inputs: &'static [f32],
    /// Of as many examples.
    pub targets: Targets,
}

impl Set {
    /// All of them.
    pub fn batch(&self) -> Batch<'static, f32> {
        match self.targets {
            Targets::Values(values) => Batch::new(self.inputs, values),
            Targets::Classes(classes) => Batch::labelled(self.inputs, classes),
        }
    }
}

/// In what accuracy is measured; each is a function of the mean loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// √ of the mean square of the error of an output.
    Rmse,
    /// The mean square of the error of an output.
    Mse,
    /// The mean negative log-likelihood, in nats.
    Nll,
}

impl Measure {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rmse => "RMSE",
            Self::Mse => "MSE",
            Self::Nll => "NLL",
        }
    }
}

/// A task.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// Its name.
    pub name: &'static str,
    /// Whether the inputs are standardised; otherwise they are in the units that they were measured in.
    pub standardised: bool,
    /// The network.
    pub model: Model<'static>,
    /// What is learned from.
    pub train: Set,
    /// What is held out.
    pub test: Set,
    /// In what accuracy is measured, over all of [`Task::train`].
    pub measure: Measure,
    /// The accuracies, from loose to strict.
    pub accuracies: [f32; 3],
    /// The multiply-accumulates that a run may take, in gradients of all of [`Task::train`].
    pub gradients: u64,
}

impl Task {
    /// The training examples.
    pub fn examples(&self) -> usize {
        self.train.batch().len(&self.model)
    }

    /// The multiply-accumulates of a gradient of all training examples.
    pub fn gradient_macs(&self) -> u64 {
        self.model.macs(natgrad::Pass::Gradient) * self.examples() as u64
    }

    /// The multiply-accumulates that a run may take.
    pub fn budget(&self) -> u64 {
        self.gradients * self.gradient_macs()
    }

    /// The mean loss at which an accuracy is reached.
    pub fn loss_at(&self, accuracy: f32) -> f32 {
        let outputs = self.model.dim_out() as f32;
        match self.measure {
            Measure::Rmse => 0.5 * outputs * accuracy * accuracy,
            Measure::Mse => 0.5 * outputs * accuracy,
            Measure::Nll => accuracy,
        }
    }

    /// Initial parameters: those of Glorot, with the scales of raw inputs folded in.
    ///
    /// # Errors
    /// None is expected.
    pub fn start(&self, seed: u64, params: &mut [f32]) -> Result<(), natgrad::Error> {
        init::glorot(self.model, seed, params)?;
        if !self.standardised {
            init::fold_scales(self.model, &self.train.batch(), params)?;
        }
        Ok(())
    }
}

/// The networks of the tasks.
pub const PLANS: [Plan<3>; 6] = [
    plan([2, 12, 1], Likelihood::Gaussian),
    plan([100, 8, 1], Likelihood::Gaussian),
    plan([13, 16, 3], Likelihood::Categorical),
    plan([12, 8, 7], Likelihood::Categorical),
    plan([8, 3, 8], Likelihood::Gaussian),
    plan([64, 32, 10], Likelihood::Categorical),
];

static PLANS_IN_FLASH: [Plan<3>; 6] = PLANS;

const fn plan(widths: [usize; 3], likelihood: Likelihood) -> Plan<3> {
    match Plan::new(widths, Activation::Tanh, likelihood) {
        Ok(plan) => plan,
        Err(error) => panic!("{}", error.message()),
    }
}

macro_rules! task {
    ($name:literal, $standardised:literal, $plan:literal, $measure:ident, $accuracies:expr, $gradients:literal,
     $targets:ident: $train_inputs:ident => $train_targets:ident, $test_inputs:ident => $test_targets:ident) => {
        Task {
            name: $name,
            standardised: $standardised,
            model: PLANS_IN_FLASH[$plan].model(),
            train: Set {
                inputs: &data::$train_inputs,
                targets: Targets::$targets(&data::$train_targets),
            },
            test: Set {
                inputs: &data::$test_inputs,
                targets: Targets::$targets(&data::$test_targets),
            },
            measure: Measure::$measure,
            accuracies: $accuracies,
            gradients: $gradients,
        }
    };
}

/// All tasks.
#[rustfmt::skip]
pub static TASKS: [Task; 10] = [
    task!("sensor", false, 0, Rmse, [0.01, 0.005, 0.001], 5000,
        Values: SENSOR_RAW_TRAIN => SENSOR_TARGETS_TRAIN, SENSOR_RAW_TEST => SENSOR_TARGETS_TEST),
    task!("sensor", true, 0, Rmse, [0.01, 0.005, 0.001], 5000,
        Values: SENSOR_STANDARDISED_TRAIN => SENSOR_TARGETS_TRAIN, SENSOR_STANDARDISED_TEST => SENSOR_TARGETS_TEST),
    task!("Tecator", false, 1, Mse, [0.01, 0.003, 0.001], 5000,
        Values: TECATOR_RAW_TRAIN => TECATOR_TARGETS_TRAIN, TECATOR_RAW_TEST => TECATOR_TARGETS_TEST),
    task!("Tecator", true, 1, Mse, [0.01, 0.003, 0.001], 5000,
        Values: TECATOR_STANDARDISED_TRAIN => TECATOR_TARGETS_TRAIN, TECATOR_STANDARDISED_TEST => TECATOR_TARGETS_TEST),
    task!("wine", false, 2, Nll, [0.1, 0.01, 0.001], 5000,
        Classes: WINE_RAW_TRAIN => WINE_CLASSES_TRAIN, WINE_RAW_TEST => WINE_CLASSES_TEST),
    task!("wine", true, 2, Nll, [0.1, 0.01, 0.001], 5000,
        Classes: WINE_STANDARDISED_TRAIN => WINE_CLASSES_TRAIN, WINE_STANDARDISED_TEST => WINE_CLASSES_TEST),
    task!("gestures", false, 3, Nll, [0.1, 0.01, 0.001], 5000,
        Classes: GESTURE_RAW_TRAIN => GESTURE_CLASSES_TRAIN, GESTURE_RAW_TEST => GESTURE_CLASSES_TEST),
    task!("gestures", true, 3, Nll, [0.1, 0.01, 0.001], 5000,
        Classes: GESTURE_STANDARDISED_TRAIN => GESTURE_CLASSES_TRAIN, GESTURE_STANDARDISED_TEST => GESTURE_CLASSES_TEST),
    task!("auto-encoder", true, 4, Mse, [0.01, 0.005, 0.0025], 5000,
        Values: PUMP_STANDARDISED_TRAIN => PUMP_STANDARDISED_TRAIN, PUMP_STANDARDISED_TEST => PUMP_STANDARDISED_TEST),
    task!("digits", true, 5, Nll, [0.3, 0.1, 0.01], 200,
        Classes: DIGITS_TRAIN => DIGITS_CLASSES_TRAIN, DIGITS_TEST => DIGITS_CLASSES_TEST),
];
