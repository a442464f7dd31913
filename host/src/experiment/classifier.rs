//! What experiments on deformed digits share: the digits, the network that tells them apart, its errors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use natgrad::{Activation, Likelihood, Metric, Model};

use super::Setup;
use super::statistics::as_float;
use crate::data::{Dataset, Mnist, Stream, Targets};
use crate::error::Error;
use crate::evaluation::{Examples, TILE};
use crate::training::{self, Init, Optimizer, Steps, refused};

/// What messages call the data.
pub(super) const NAME: &str = "deformed digits";
/// The side of an image.
const SIDE: usize = 12;
pub(super) const PIXELS: usize = SIDE * SIDE;
/// Inputs, hidden units and classes.
const WIDTHS: [usize; 3] = [PIXELS, 48, 10];

/// The network.
pub(super) fn model() -> Result<Model<'static>, Error> {
    Model::new(&WIDTHS, Activation::Tanh, Likelihood::Categorical)
        .map_err(|error| Error::option("the network", error.message()))
}

/// Its initial parameters.
pub(super) fn start(seed: u64, inputs: &Dataset) -> Result<Vec<f32>, Error> {
    training::initialise(model()?, Init::Glorot, seed, inputs)
}

/// Where digits come from: a pen, or handwriting in a folder.
pub(super) enum Digits {
    Drawn,
    Handwritten(Arc<Mnist>),
}

impl Digits {
    pub(super) fn of(setup: &Setup) -> Result<Self, Error> {
        let folder = setup.mnist.as_deref();
        Ok(match folder.map(read_once).transpose()? {
            None => Self::Drawn,
            Some(mnist) => Self::Handwritten(mnist),
        })
    }

    /// Their name among the settings.
    pub(super) fn name(setup: &Setup) -> String {
        let kind = if setup.mnist.is_some() {
            "handwriting of MNIST"
        } else {
            "drawn by a pen"
        };
        kind.into()
    }

    pub(super) fn stream(&self, seed: u64, strength: f64) -> Result<Stream<'_>, Error> {
        match self {
            Self::Drawn => Stream::drawn(seed, strength, SIDE),
            Self::Handwritten(mnist) => {
                Stream::handwritten(&mnist.training, &mnist.test, seed, strength, SIDE)
            }
        }
    }
}

/// The images in `folder`, read once for all runs: it takes seconds, and they half a gigabyte.
fn read_once(folder: &Path) -> Result<Arc<Mnist>, Error> {
    static READ: Mutex<BTreeMap<PathBuf, Arc<Mnist>>> = Mutex::new(BTreeMap::new());
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(mnist) = read.get(folder) {
        return Ok(Arc::clone(mnist));
    }
    let mnist = Arc::new(Mnist::read(folder)?);
    read.insert(folder.into(), Arc::clone(&mnist));
    Ok(mnist)
}

/// Examples with their classes.
pub(super) struct Labelled {
    pub(super) examples: Examples<f32>,
    classes: Vec<u16>,
}

impl Labelled {
    pub(super) fn new(set: &Dataset) -> Result<Self, Error> {
        let Targets::Classes(classes) = set.targets() else {
            return Err(Error::file(set.name(), "has no classes"));
        };
        Ok(Self {
            examples: Examples::new(set)?,
            classes: classes.clone(),
        })
    }
}

/// The network in training. A step that overflows is a result, and no failure of the run: the network is
/// lost, and all that is measured from then on is NaN.
pub(super) struct Training<'a> {
    trainer: Box<dyn Steps<f32> + 'a>,
    lost: bool,
}

impl<'a> Training<'a> {
    pub(super) fn new(
        optimizer: &Optimizer,
        params: &'a mut [f32],
        workspace: &'a mut Vec<f32>,
    ) -> Result<Self, Error> {
        let how = (optimizer, TILE);
        Ok(Self {
            trainer: training::trainer(model()?, params, workspace, how, 0.0, NAME)?,
            lost: false,
        })
    }

    pub(super) fn step(
        &mut self,
        batch: &Examples<f32>,
        metric: Metric<'_, f32>,
    ) -> Result<(), Error> {
        if self.lost {
            return Ok(());
        }
        match self.trainer.step(batch.batch(), metric) {
            Ok(_) => Ok(()),
            Err(natgrad::Error::NonFinite | natgrad::Error::NonFiniteUpdate) => {
                self.lost = true;
                Ok(())
            }
            Err(error) => Err(refused(NAME, error)),
        }
    }

    /// The parameters after the last step that did not overflow.
    pub(super) fn params(&self) -> &[f32] {
        self.trainer.params()
    }

    /// The mean negative log-likelihood of `set`, in nats.
    pub(super) fn loss(&mut self, set: &Labelled) -> Result<f64, Error> {
        if self.lost {
            return Ok(f64::NAN);
        }
        let loss = self.trainer.loss(set.examples.batch());
        loss.map(f64::from).map_err(|error| refused(NAME, error))
    }

    /// The probabilities of the classes `[examples × classes]` of `set`.
    pub(super) fn probabilities(&mut self, set: &Labelled) -> Result<Vec<f32>, Error> {
        let [.., classes] = WIDTHS;
        let mut means = vec![f32::NAN; set.classes.len() * classes];
        if !self.lost {
            self.trainer
                .predict(set.examples.inputs(), &mut means)
                .map_err(|error| refused(NAME, error))?;
        }
        Ok(means)
    }

    /// The share of `set` whose most probable class is another than theirs.
    pub(super) fn error(&mut self, set: &Labelled) -> Result<f64, Error> {
        if self.lost {
            return Ok(f64::NAN);
        }
        let [.., classes] = WIDTHS;
        let means = self.probabilities(set)?;
        let most_probable = |row: &[f32]| {
            let classes = (0_u16..).zip(row);
            let best = classes.max_by(|(_, one), (_, other)| one.total_cmp(other));
            best.map(|(class, _)| class)
        };
        let rows = means.chunks(classes).zip(&set.classes);
        let wrong = rows.filter(|(row, class)| most_probable(row) != Some(**class));
        Ok(as_float(wrong.count()) / as_float(set.classes.len()))
    }
}
