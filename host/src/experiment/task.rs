//! What several experiments train: a network on a part of a data set.

use natgrad::{Model, Scalar};
use num_traits::Float;

use super::{Halt, Job};
use crate::data::{Builtin, Dataset, Scaling, Split};
use crate::error::Error;
use crate::training::{self, Ended, Init, Natural, Recipe};

/// The share of a data set that tests.
const TEST_SHARE: f64 = 0.2;

/// A network, and data in its units that train and test it.
pub(super) struct Task {
    widths: Vec<usize>,
    builtin: Builtin,
    pub(super) train: Dataset,
    pub(super) test: Dataset,
}

impl Task {
    /// The embedded digits, standardised on what trains, and a network with one hidden layer. The seed
    /// decides what tests.
    pub(super) fn digits(hidden: usize, seed: u64) -> Result<Self, Error> {
        let builtin = Builtin::Digits;
        let set = builtin.load()?;
        let split = Split::seeded(&set, TEST_SHARE, seed)?;
        let train = set.select(&split.train);
        let scaling = Scaling::fit(builtin.scale(), &train, builtin.likelihood())?;
        Ok(Self {
            widths: vec![set.dim_in(), hidden, set.dim_out()],
            builtin,
            train: scaling.apply(&train)?,
            test: scaling.apply(&set.select(&split.test))?,
        })
    }

    pub(super) fn model(&self) -> Result<Model<'_>, Error> {
        let Self {
            widths, builtin, ..
        } = self;
        Model::new(widths, builtin.activation(), builtin.likelihood())
            .map_err(|error| Error::option("the network", error.message()))
    }

    /// Initial parameters.
    pub(super) fn start<T: Scalar + Float>(&self, seed: u64) -> Result<Vec<T>, Error> {
        training::initialise(self.model()?, Init::Glorot, seed, &self.train)
    }

    /// Trains `params` until the recipe or somebody ends it.
    pub(super) fn run<T: Scalar + Float>(
        &self,
        job: &Job<'_>,
        recipe: &Recipe,
        params: &mut [T],
    ) -> Result<training::Record, Halt> {
        let record = training::run(
            self.model()?,
            params,
            recipe,
            &self.train,
            &self.test,
            &mut |_| job.goes_on(),
        )?;
        if record.ended == Ended::Interrupted {
            return Err(Halt::Interrupted);
        }
        if let Some(error) = record.failure {
            return Err(error.into());
        }
        Ok(record)
    }
}

/// Steps of natural gradient on `batch` examples, which are the metric's, too.
pub(super) fn natural_recipe(natural: Natural, batch: usize, steps: usize, seed: u64) -> Recipe {
    Recipe {
        optimizer: training::Optimizer::Natural(natural),
        batch,
        metric_batch: None,
        steps,
        until: None,
        l2: 0.0,
        seed,
        tile: crate::evaluation::TILE,
    }
}
