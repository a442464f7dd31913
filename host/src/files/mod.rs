//! The files that commands exchange: safetensors for numbers, every output written as a whole.
//!
//! | file | tensors |
//! |---|---|
//! | a model, a vector, a parameter-shaped result | `layers.{i}.weight` `[out, in]` and `layers.{i}.bias` `[out]`, i from 0 |
//! | an output-shaped result | `output` `[batch, dim_out]` |
//! | a loss | `loss` `[1]` |
//!
//! They are f32 or f64, one precision per file. A model says `natgrad.activation` and
//! `natgrad.likelihood` in its metadata, `natgrad.ended` where it was trained here and hashes of its numbers, and may hold the scales of its data as `input.offset`,
//! `input.scale` `[dim_in]`, `target.offset` and `target.scale` `[dim_out]`. The flat parameter
//! vector θ goes layer by layer: the weight row by row, then the bias.

mod disk;
mod model;
mod output;
mod params;
mod rust;
mod tensors;
mod values;
mod words;

pub(crate) use disk::why;
pub use disk::{check_writable, destination, read, write_atomic};
pub use model::Model;
pub use output::{Output, read_loss, write_loss};
pub use params::Params;
pub use rust::RustSource;
pub use values::{Precision, Values, params_hash};
pub use words::{activation_word, likelihood_word, parse_activation, parse_likelihood};
