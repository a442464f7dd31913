//! Parameter-shaped files: the weights and biases of every layer, in the layout of `PyTorch`'s `Linear`.

use std::path::Path;

use super::disk;
use super::tensors::{Tensor, Tensors, shape_text};
use super::values::Values;
use crate::error::{Error, shown};

/// What a parameter file may hold, for messages.
const EXPECTED: &str =
    "layers.0.weight, layers.0.bias and so on are expected, and the scales of input and target";

/// A parameter-shaped vector: the widths of the net and θ, layer by layer the weight row by row,
/// then the bias.
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    widths: Vec<usize>,
    theta: Values,
}

impl Params {
    /// The vector `theta` for a net of `widths`, from the inputs to the outputs.
    ///
    /// # Errors
    /// When there are fewer than two widths, one of them is zero, or the length of `theta` is
    /// another one.
    pub fn new(widths: Vec<usize>, theta: Values) -> Result<Self, Error> {
        let problem = match count(&widths) {
            Some(params) if params == theta.len() => return Ok(Self { widths, theta }),
            Some(params) => format!("takes {params} parameters, but there are {}", theta.len()),
            None => "is no net: it needs two widths or more, none of them zero or huge".into(),
        };
        Err(Error::option(
            "--net",
            format!("{} {problem}", net_text(&widths)),
        ))
    }

    /// The widths of the net, from the inputs to the outputs.
    pub fn widths(&self) -> &[usize] {
        &self.widths
    }

    /// The flat vector θ.
    pub fn theta(&self) -> &Values {
        &self.theta
    }

    /// Reads a vector or a model, of which it takes the parameters only.
    ///
    /// # Errors
    /// When the file cannot be read or is no such file; the message names the tensor.
    pub fn read(path: &Path) -> Result<Self, Error> {
        super::Model::read(path).map(|model| model.params)
    }

    /// Reads a vector for a net of `widths`.
    ///
    /// # Errors
    /// As [`Params::read`], and when the widths are others.
    pub fn read_for(path: &Path, widths: &[usize]) -> Result<Self, Error> {
        let params = Self::read(path)?;
        if params.widths == widths {
            return Ok(params);
        }
        let problem = format!(
            "has the shape of a net {}, but the model is a net {}",
            net_text(&params.widths),
            net_text(widths)
        );
        Err(Error::file(shown(path), problem))
    }

    /// Writes a file of nothing but the layers.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let mut tensors = Tensors::default();
        self.put(&mut tensors);
        disk::write_atomic(path, &tensors.to_bytes())
    }

    pub(super) fn put(&self, tensors: &mut Tensors) {
        let mut start = 0;
        for (layer, (&fan_in, &fan_out)) in self
            .widths
            .iter()
            .zip(self.widths.iter().skip(1))
            .enumerate()
        {
            let weights = self.theta.run(start, fan_out * fan_in);
            start += weights.len();
            let biases = self.theta.run(start, fan_out);
            start += biases.len();
            tensors.insert(weight_name(layer), vec![fan_out, fan_in], weights);
            tensors.insert(bias_name(layer), vec![fan_out], biases);
        }
    }

    /// Takes the layers out of a file and refuses what then remains.
    pub(super) fn take(tensors: &mut Tensors) -> Result<Self, Error> {
        let mut widths = Vec::new();
        let mut theta: Option<Values> = None;
        let mut layer = 0;
        while let Some(weight) = tensors.take(&weight_name(layer)) {
            let bias = tensors
                .take(&bias_name(layer))
                .ok_or_else(|| tensors.missing(&bias_name(layer)))?;
            let (fan_in, fan_out) = check_shapes(tensors, layer, &weight, &bias)?;
            match widths.last() {
                None => widths.push(fan_in),
                Some(&before) if before == fan_in => {}
                Some(&before) => {
                    let problem = format!(
                        "takes {fan_in} inputs, but the layer before it has {before} outputs"
                    );
                    return Err(tensors.wrong(&weight_name(layer), &problem));
                }
            }
            widths.push(fan_out);
            let all = theta.get_or_insert_with(|| Values::empty(weight.values.precision()));
            for (name, values) in [
                (weight_name(layer), weight.values),
                (bias_name(layer), bias.values),
            ] {
                all.append(values).map_err(|_| {
                    tensors.wrong(&name, "has another precision than the tensors before it")
                })?;
            }
            layer += 1;
        }
        if tensors.by_name.keys().any(|name| is_layer(name)) || theta.is_none() {
            return Err(tensors.missing(&weight_name(layer)));
        }
        tensors.expect_empty(EXPECTED)?;
        Ok(Self {
            widths,
            theta: theta.unwrap_or(Values::F32(Vec::new())),
        })
    }
}

fn check_shapes(
    tensors: &Tensors,
    layer: usize,
    weight: &Tensor,
    bias: &Tensor,
) -> Result<(usize, usize), Error> {
    let &[fan_out, fan_in] = weight.shape.as_slice() else {
        let problem = format!("has the shape {}, not [out, in]", shape_text(&weight.shape));
        return Err(tensors.wrong(&weight_name(layer), &problem));
    };
    if fan_out == 0 || fan_in == 0 {
        let problem = format!(
            "has the shape {}, with a width of zero",
            shape_text(&weight.shape)
        );
        return Err(tensors.wrong(&weight_name(layer), &problem));
    }
    if bias.shape != [fan_out] {
        let problem = format!(
            "has the shape {}, where its weight asks for [{fan_out}]",
            shape_text(&bias.shape)
        );
        return Err(tensors.wrong(&bias_name(layer), &problem));
    }
    Ok((fan_in, fan_out))
}

fn weight_name(layer: usize) -> String {
    format!("layers.{layer}.weight")
}

fn bias_name(layer: usize) -> String {
    format!("layers.{layer}.bias")
}

/// Whether a name is that of a weight or bias of some layer, written as we write it.
fn is_layer(name: &str) -> bool {
    let number = name
        .strip_prefix("layers.")
        .and_then(|rest| rest.strip_suffix(".weight").or(rest.strip_suffix(".bias")));
    number.is_some_and(|n| n.parse::<usize>().is_ok_and(|layer| layer.to_string() == n))
}

/// The number of parameters, or `None` for what is no net.
fn count(widths: &[usize]) -> Option<usize> {
    if widths.len() < 2 || widths.contains(&0) {
        return None;
    }
    let mut layers = widths.iter().zip(widths.iter().skip(1));
    layers.try_fold(0usize, |sum, (&fan_in, &fan_out)| {
        let layer = fan_in.checked_add(1)?.checked_mul(fan_out)?;
        sum.checked_add(layer)
    })
}

fn net_text(widths: &[usize]) -> String {
    let widths: Vec<String> = widths.iter().map(usize::to_string).collect();
    widths.join("-")
}
