//! The container: named tensors and metadata in the safetensors format.
//!
//! Reading goes through the crate `safetensors`, but not through its `SafeTensors::deserialize`,
//! which adds sizes of the header to one another without a check. Writing is done here, because the
//! crate keeps metadata in a map of random order, and the same model must give the same bytes.

use std::collections::BTreeMap;

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde_json::{Value, json};

use super::values::{Precision, Values};
use crate::error::{Error, excerpt, one_line};

/// A tensor: its shape and its values, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) values: Values,
}

/// The tensors of a file and its metadata, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tensors {
    pub(super) file: String,
    pub(super) by_name: BTreeMap<String, Tensor>,
    pub(super) metadata: BTreeMap<String, String>,
}

impl Tensors {
    /// Reads the bytes of a file that messages call `file`.
    pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Self, Error> {
        let foreign = |why: String| Error::file(file, format!("is not a safetensors file: {why}"));
        let (length, rest) = bytes
            .split_first_chunk::<8>()
            .ok_or_else(|| foreign("it is shorter than 8 bytes".into()))?;
        let length = u64::from_le_bytes(*length);
        let (header, body) = usize::try_from(length)
            .ok()
            .and_then(|length| rest.split_at_checked(length))
            .ok_or_else(|| {
                let held = rest.len();
                foreign(format!("it is cut off or foreign, as its header of {length} bytes would not fit into its {held}"))
            })?;
        let header: Metadata = serde_json::from_slice(header).map_err(|error| {
            foreign(format!(
                "its header is wrong: {}",
                one_line(&error.to_string())
            ))
        })?;
        if header.data_len() != body.len() {
            let (promised, held) = (header.data_len(), body.len());
            return Err(foreign(format!(
                "its header promises {promised} bytes of data, but it holds {held}"
            )));
        }
        let mut all = Self {
            file: file.into(),
            ..Self::default()
        };
        for (name, info) in header.tensors() {
            let precision = match info.dtype {
                Dtype::F32 => Precision::F32,
                Dtype::F64 => Precision::F64,
                other => {
                    return Err(
                        all.wrong(&name, &format!("is {other}, but only F32 and F64 are read"))
                    );
                }
            };
            let (start, end) = info.data_offsets;
            let values = Values::from_le_bytes(precision, body.get(start..end).unwrap_or_default());
            if let Some(at) = values.first_not_finite() {
                return Err(all.wrong(
                    &name,
                    &format!("holds NaN or infinity as its value {}", at + 1),
                ));
            }
            let shape = info.shape.clone();
            all.by_name.insert(name, Tensor { shape, values });
        }
        all.metadata
            .extend(header.metadata().clone().unwrap_or_default());
        Ok(all)
    }

    /// The bytes of the file: the same tensors and metadata give the same bytes.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut header = serde_json::Map::new();
        if !self.metadata.is_empty() {
            header.insert("__metadata__".into(), json!(self.metadata));
        }
        let mut body = Vec::new();
        // The wider ones first, so that each value is aligned in the file.
        for precision in [Precision::F64, Precision::F32] {
            for (name, tensor) in &self.by_name {
                if tensor.values.precision() != precision {
                    continue;
                }
                let start = body.len();
                body.extend(tensor.values.to_le_bytes());
                let dtype = match precision {
                    Precision::F32 => "F32",
                    Precision::F64 => "F64",
                };
                let entry = json!({
                    "dtype": dtype,
                    "shape": tensor.shape,
                    "data_offsets": [start, body.len()],
                });
                header.insert(name.clone(), entry);
            }
        }
        let mut text = Value::Object(header).to_string().into_bytes();
        text.resize(text.len().next_multiple_of(8), b' ');
        [(text.len() as u64).to_le_bytes().as_slice(), &text, &body].concat()
    }

    pub(super) fn insert(&mut self, name: impl Into<String>, shape: Vec<usize>, values: Values) {
        self.by_name.insert(name.into(), Tensor { shape, values });
    }

    /// Takes the tensor `name` out, if it is there.
    pub(super) fn take(&mut self, name: &str) -> Option<Tensor> {
        self.by_name.remove(name)
    }

    /// Refuses whatever has not been taken.
    pub(super) fn expect_empty(&self, expected: &str) -> Result<(), Error> {
        match self.by_name.keys().next() {
            None => Ok(()),
            Some(name) => Err(self.wrong(name, &format!("is unknown, where {expected}"))),
        }
    }

    pub(super) fn wrong(&self, tensor: &str, problem: &str) -> Error {
        Error::file(&self.file, format!("tensor {} {problem}", excerpt(tensor)))
    }

    pub(super) fn missing(&self, tensor: &str) -> Error {
        Error::file(&self.file, format!("tensor {} is missing", excerpt(tensor)))
    }
}

/// A shape as messages show it.
pub(super) fn shape_text(shape: &[usize]) -> String {
    format!("{shape:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Tensors {
        let mut tensors = Tensors::default();
        tensors.insert("a", vec![3], Values::F32(vec![0.1, -0.0, 3.0]));
        tensors.insert("b", vec![2, 1], Values::F64(vec![0.1, 1e300]));
        tensors.metadata.insert("k".into(), "v \"quoted\"".into());
        tensors.metadata.insert("j".into(), "w".into());
        tensors
    }

    #[test]
    fn what_is_written_is_read_here_and_by_the_crate() {
        let bytes = sample().to_bytes();
        assert_eq!(bytes, sample().to_bytes());
        assert_eq!(Tensors::parse("", &bytes).unwrap(), sample());

        let by_crate = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(by_crate.len(), 2);
        let view = by_crate.tensor("b").unwrap();
        assert_eq!(
            (view.dtype(), view.shape()),
            (Dtype::F64, [2, 1].as_slice())
        );
        let expected: Vec<u8> = [0.1f64, 1e300]
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect();
        assert_eq!(view.data(), expected);
        let (header, _) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(header % 8, 0);
    }

    fn with_header(header: &str, body: &[u8]) -> Vec<u8> {
        let length = (header.len() as u64).to_le_bytes();
        [length.as_slice(), header.as_bytes(), body].concat()
    }

    #[test]
    fn foreign_bytes_give_one_sentence() {
        let huge = u64::MAX.to_le_bytes().to_vec();
        // Eight tensors of nearly 2⁶¹ bytes: their sum fits, the sum with the header does not.
        let each = (1u64 << 61) - 8;
        let vast: Vec<String> = (0..8)
            .map(|i| {
                let (start, end) = (i * each, (i + 1) * each);
                format!(
                    r#""t{i}":{{"dtype":"F64","shape":[{}],"data_offsets":[{start},{end}]}}"#,
                    each / 8
                )
            })
            .collect();
        let tail = format!(
            r#""u":{{"dtype":"U8","shape":[56],"data_offsets":[{},{}]}}"#,
            8 * each,
            8 * each + 56
        );
        let vast = format!("{{{},{tail}}}", vast.join(","));
        let nested = "[".repeat(100_000);
        let f16 = r#"{"x":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}"#;
        let bf16 = r#"{"x":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}"#;
        let i64 = r#"{"x":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#;
        let f32 = r#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
        let gap = r#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#;
        let shape = r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#;
        let product =
            r#"{"x":{"dtype":"F32","shape":[9223372036854775807,9],"data_offsets":[0,4]}}"#;
        let cases: &[(Vec<u8>, &str)] = &[
            (vec![], "it is shorter than 8 bytes"),
            (b"PK\x03\x04".to_vec(), "it is shorter than 8 bytes"),
            (b"PK\x03\x04 a zip archive".to_vec(), "would not fit"),
            (huge, "would not fit"),
            (with_header("", b""), "its header is wrong"),
            (with_header("{", b""), "its header is wrong"),
            (with_header("[1]", b""), "its header is wrong"),
            (with_header(&nested, b""), "its header is wrong"),
            (
                with_header(r#"{"__metadata__":{"k":1}}"#, b""),
                "its header is wrong",
            ),
            (
                with_header(r#"{"x":{"dtype":"F12"}}"#, b""),
                "its header is wrong",
            ),
            (with_header(gap, &[0; 8]), "its header is wrong"),
            (with_header(shape, &[0; 4]), "its header is wrong"),
            (with_header(product, &[0; 4]), "its header is wrong"),
            (
                with_header(&vast, b""),
                "promises 18446744073709551608 bytes",
            ),
            (
                with_header(f32, &[0; 3]),
                "promises 4 bytes of data, but it holds 3",
            ),
            (
                with_header(f32, &[0; 5]),
                "promises 4 bytes of data, but it holds 5",
            ),
            (
                with_header(f16, &[0; 2]),
                "tensor `x` is F16, but only F32 and F64 are read",
            ),
            (
                with_header(bf16, &[0; 2]),
                "tensor `x` is BF16, but only F32 and F64 are read",
            ),
            (
                with_header(i64, &[0; 8]),
                "tensor `x` is I64, but only F32 and F64 are read",
            ),
            (
                with_header(f32, &f32::NAN.to_le_bytes()),
                "tensor `x` holds NaN or infinity as its value 1",
            ),
            (
                with_header(f32, &f32::INFINITY.to_le_bytes()),
                "tensor `x` holds NaN",
            ),
        ];
        for (bytes, words) in cases {
            let message = Tensors::parse("m", bytes).unwrap_err().to_string();
            assert!(
                message.starts_with("m: ") && message.contains(words),
                "{message} / {words}"
            );
            assert!(!message.contains('\n') && message.len() < 300, "{message}");
        }
    }

    #[test]
    fn a_cut_or_flipped_file_never_panics() {
        let bytes = sample().to_bytes();
        for length in 0..bytes.len() {
            assert!(
                Tensors::parse("m", &bytes[..length]).is_err(),
                "cut at {length}"
            );
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                let _ = Tensors::parse("m", &flipped);
            }
        }
    }
}
