//! A model file: parameters, what they mean, and the scales of the data they were trained on.

use std::path::Path;

use natgrad::{Activation, Likelihood};

use super::params::Params;
use super::tensors::{Tensors, shape_text};
use super::values::{Values, params_hash};
use super::{disk, words};
use crate::data::Scaling;
use crate::error::{Error, excerpt, shown};
use crate::training::Ended;

const ACTIVATION: &str = "natgrad.activation";
const LIKELIHOOD: &str = "natgrad.likelihood";
const ENDED: &str = "natgrad.ended";
const PARAMS_HASH: &str = "natgrad.params_hash";
const SCALES_HASH: &str = "natgrad.scales_hash";

/// A model as its file holds it.
///
/// What a foreign file leaves out is `None`: the command line may supply it.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The widths and θ.
    pub params: Params,
    /// The hidden activation.
    pub activation: Option<Activation>,
    /// The likelihood.
    pub likelihood: Option<Likelihood>,
    /// The scales of the data; without them the model takes the data as they are.
    pub scaling: Option<Scaling>,
    /// How the training ended.
    pub ended: Option<Ended>,
}

impl Model {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When the file cannot be read, or as [`Model::parse`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::parse(&shown(path), &disk::read(path)?)
    }

    /// Reads the bytes of a file that messages call `file`.
    ///
    /// # Errors
    /// When they are no safetensors file, layers are missing or do not chain, a tensor is unknown
    /// or neither f32 nor f64, a value is not finite, or the metadata hold an unknown word;
    /// [`Error::Damaged`], when they hold a hash that is not that of the numbers.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Error> {
        let mut tensors = Tensors::parse(file, bytes)?;
        let activation = word(&tensors, ACTIVATION, words::parse_activation)?;
        let likelihood = word(&tensors, LIKELIHOOD, words::parse_likelihood)?;
        let ended = word(&tensors, ENDED, Ended::named)?;
        let input = pair(&mut tensors, "input.offset", "input.scale")?;
        let target = pair(&mut tensors, "target.offset", "target.scale")?;
        let params = Params::take(&mut tensors)?;
        let scaling = scaling(&tensors, &params, input, target)?;
        check_hash(&tensors, PARAMS_HASH, "parameters", params.theta())?;
        check_hash(&tensors, SCALES_HASH, "scales", &scales(scaling.as_ref()))?;
        Ok(Self {
            params,
            activation,
            likelihood,
            scaling,
            ended,
        })
    }

    /// The bytes of the file; the same model gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut tensors = Tensors::default();
        self.params.put(&mut tensors);
        if let Some(scaling) = &self.scaling {
            for (name, values) in [
                ("input.offset", &scaling.input_offset),
                ("input.scale", &scaling.input_scale),
                ("target.offset", &scaling.target_offset),
                ("target.scale", &scaling.target_scale),
            ] {
                tensors.insert(name, vec![values.len()], Values::F64(values.clone()));
            }
        }
        let words = [
            (ACTIVATION, self.activation.map(words::activation_word)),
            (LIKELIHOOD, self.likelihood.map(words::likelihood_word)),
            (ENDED, self.ended.map(Ended::word)),
        ];
        for (key, word) in words {
            if let Some(word) = word {
                tensors.metadata.insert(key.into(), word.into());
            }
        }
        let hashes = [
            (PARAMS_HASH, params_hash(self.params.theta())),
            (SCALES_HASH, params_hash(&scales(self.scaling.as_ref()))),
        ];
        for (key, hash) in hashes {
            tensors.metadata.insert(key.into(), hash);
        }
        tensors.to_bytes()
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        disk::write_atomic(path, &self.to_bytes())
    }
}

/// All scales in one, for their hash; none of them without scales.
fn scales(scaling: Option<&Scaling>) -> Values {
    let all = scaling.map(|scaling| {
        let Scaling {
            input_offset,
            input_scale,
            target_offset,
            target_scale,
        } = scaling;
        [input_offset, input_scale, target_offset, target_scale].map(Vec::as_slice)
    });
    Values::F64(all.unwrap_or_default().concat())
}

/// Refuses numbers that are not those of their hash. A file of others need not have one.
fn check_hash(
    tensors: &Tensors,
    key: &str,
    part: &'static str,
    values: &Values,
) -> Result<(), Error> {
    let found = params_hash(values);
    match tensors.metadata.get(key) {
        Some(said) if *said != found => Err(Error::Damaged {
            file: tensors.file.clone(),
            part,
            found,
            said: excerpt(said),
        }),
        _ => Ok(()),
    }
}

fn word<T>(
    tensors: &Tensors,
    key: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Error> {
    let Some(word) = tensors.metadata.get(key) else {
        return Ok(None);
    };
    parse(word).map(Some).ok_or_else(|| {
        let problem = format!(
            "its metadata say {} for {key}, which is unknown",
            excerpt(word)
        );
        Error::file(&tensors.file, problem)
    })
}

/// An offset and a scale, which come together or not at all.
struct Pair {
    offset_name: &'static str,
    offset: Vec<f64>,
    scale_name: &'static str,
    scale: Vec<f64>,
}

fn pair(
    tensors: &mut Tensors,
    offset_name: &'static str,
    scale_name: &'static str,
) -> Result<Option<Pair>, Error> {
    let (offset, scale) = match (tensors.take(offset_name), tensors.take(scale_name)) {
        (None, None) => return Ok(None),
        (Some(offset), Some(scale)) => (offset, scale),
        (Some(_), None) => return Err(tensors.missing(scale_name)),
        (None, Some(_)) => return Err(tensors.missing(offset_name)),
    };
    for (name, tensor) in [(offset_name, &offset), (scale_name, &scale)] {
        if tensor.shape.len() != 1 {
            let problem = format!(
                "has the shape {}, not one dimension",
                shape_text(&tensor.shape)
            );
            return Err(tensors.wrong(name, &problem));
        }
    }
    Ok(Some(Pair {
        offset_name,
        offset: offset.values.convert(&tensors.file)?,
        scale_name,
        scale: scale.values.convert(&tensors.file)?,
    }))
}

fn scaling(
    tensors: &Tensors,
    params: &Params,
    input: Option<Pair>,
    target: Option<Pair>,
) -> Result<Option<Scaling>, Error> {
    if input.is_none() && target.is_none() {
        return Ok(None);
    }
    let width = |end: Option<&usize>| end.copied().unwrap_or_default();
    let (dim_in, dim_out) = (
        width(params.widths().first()),
        width(params.widths().last()),
    );
    let mut scaling = Scaling::identity(dim_in, dim_out);
    if let Some(pair) = input {
        check_pair(tensors, &pair, dim_in)?;
        (scaling.input_offset, scaling.input_scale) = (pair.offset, pair.scale);
    }
    if let Some(pair) = target {
        check_pair(tensors, &pair, dim_out)?;
        (scaling.target_offset, scaling.target_scale) = (pair.offset, pair.scale);
    }
    Ok(Some(scaling))
}

fn check_pair(tensors: &Tensors, pair: &Pair, width: usize) -> Result<(), Error> {
    for (name, values) in [
        (pair.offset_name, &pair.offset),
        (pair.scale_name, &pair.scale),
    ] {
        if values.len() != width {
            let problem = format!(
                "has {} values, but the net has a width of {width} there",
                values.len()
            );
            return Err(tensors.wrong(name, &problem));
        }
    }
    match pair.scale.iter().position(|&scale| scale <= 0.0) {
        None => Ok(()),
        Some(at) => {
            let problem = format!("holds a scale that is not positive as its value {}", at + 1);
            Err(tensors.wrong(pair.scale_name, &problem))
        }
    }
}

#[cfg(test)]
mod tests;
