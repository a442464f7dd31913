//! Numbers of one precision, as files hold them.

use std::fmt;

use natgrad::Scalar;
use num_traits::Float;

use crate::error::Error;

/// The precision of a file or of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 32 bits.
    F32,
    /// 64 bits.
    F64,
}

impl Precision {
    /// The number of this precision that is nearest to `value`; infinity beyond its range.
    pub fn round(self, value: f64) -> f64 {
        match self {
            Self::F32 => f64::from(f32::of(value)),
            Self::F64 => value,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
        })
    }
}

/// A flat array in one of the two precisions.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// 32 bits each.
    F32(Vec<f32>),
    /// 64 bits each.
    F64(Vec<f64>),
}

impl From<Vec<f32>> for Values {
    fn from(values: Vec<f32>) -> Self {
        Self::F32(values)
    }
}

impl From<Vec<f64>> for Values {
    fn from(values: Vec<f64>) -> Self {
        Self::F64(values)
    }
}

impl Values {
    /// No value, in a precision.
    pub fn empty(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32(Vec::new()),
            Precision::F64 => Self::F64(Vec::new()),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their precision.
    pub fn precision(&self) -> Precision {
        match self {
            Self::F32(_) => Precision::F32,
            Self::F64(_) => Precision::F64,
        }
    }

    /// The values in the precision `T`; `file` is what a message calls their source.
    ///
    /// # Errors
    /// When one of them is not finite in `T`.
    pub fn convert<T: Float>(&self, file: &str) -> Result<Vec<T>, Error> {
        let too_large = |value: f64, index: usize| {
            let problem = format!("value {}, {value:e}, does not fit f32", index + 1);
            Error::file(file, problem)
        };
        let finite = |(index, value): (usize, f64)| {
            T::from(value)
                .filter(|v| v.is_finite())
                .ok_or_else(|| too_large(value, index))
        };
        match self {
            Self::F32(values) => values
                .iter()
                .map(|&x| f64::from(x))
                .enumerate()
                .map(finite)
                .collect(),
            Self::F64(values) => values.iter().copied().enumerate().map(finite).collect(),
        }
    }

    /// Appends `other`, which must have the same precision; else gives its values back.
    pub(super) fn append(&mut self, other: Self) -> Result<(), Self> {
        match (self, other) {
            (Self::F32(all), Self::F32(more)) => all.extend(more),
            (Self::F64(all), Self::F64(more)) => all.extend(more),
            (_, other) => return Err(other),
        }
        Ok(())
    }

    /// The place of the first value that is not finite.
    pub(super) fn first_not_finite(&self) -> Option<usize> {
        match self {
            Self::F32(values) => values.iter().position(|x| !x.is_finite()),
            Self::F64(values) => values.iter().position(|x| !x.is_finite()),
        }
    }

    /// A copy of a run of the values; empty beyond their end.
    pub(super) fn run(&self, start: usize, len: usize) -> Self {
        let range = start..start.saturating_add(len);
        match self {
            Self::F32(values) => Self::F32(values.get(range).unwrap_or_default().to_vec()),
            Self::F64(values) => Self::F64(values.get(range).unwrap_or_default().to_vec()),
        }
    }

    pub(super) fn to_le_bytes(&self) -> Vec<u8> {
        match self {
            Self::F32(values) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::F64(values) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }

    /// The values in `bytes`; bytes that do not make up a whole value are left out.
    pub(super) fn from_le_bytes(precision: Precision, bytes: &[u8]) -> Self {
        match precision {
            Precision::F32 => Self::F32(
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|&b| f32::from_le_bytes(b))
                    .collect(),
            ),
            Precision::F64 => Self::F64(
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|&b| f64::from_le_bytes(b))
                    .collect(),
            ),
        }
    }
}

/// The fingerprint of numbers, such as a parameter vector: CRC-32 of its little-endian bytes, as 8 hex digits.
pub fn params_hash(theta: &Values) -> String {
    format!("{:08x}", crc32fast::hash(&theta.to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected digits are those of `zlib.crc32(numpy.array([...], "<f4").tobytes())`.
    #[test]
    fn the_hash_is_that_of_any_other_crc32() {
        assert_eq!(params_hash(&Values::F32(vec![])), "00000000");
        assert_eq!(params_hash(&Values::F32(vec![1.0, -2.5, 0.1])), "a154a02c");
        assert_eq!(params_hash(&Values::F64(vec![1.0, -2.5, 0.1])), "191a0f28");
    }

    #[test]
    fn rounding_is_that_of_the_precision() {
        assert_eq!(Precision::F64.round(1e300), 1e300);
        assert_eq!(Precision::F32.round(1e300), f64::INFINITY);
        assert_eq!(Precision::F32.round(1e-300), 0.0);
        assert_eq!(Precision::F32.round(0.1), f64::from(0.1f32));
        assert!(Precision::F32.round(f64::NAN).is_nan());
    }

    #[test]
    fn bytes_round_trip_bit_by_bit() {
        for values in [
            Values::F32(vec![0.1, -0.0, f32::MIN_POSITIVE, f32::MAX, 1e-45]),
            Values::F64(vec![0.1, -0.0, f64::MIN_POSITIVE, f64::MAX, 5e-324]),
        ] {
            let bytes = values.to_le_bytes();
            let back = Values::from_le_bytes(values.precision(), &bytes);
            assert_eq!(back.to_le_bytes(), bytes);
            assert_eq!(back, values);
        }
    }

    #[test]
    fn conversion_refuses_what_does_not_fit() {
        let values = Values::F64(vec![0.5, 1e39]);
        assert_eq!(values.convert::<f64>("m").unwrap(), [0.5, 1e39]);
        assert_eq!(
            values.convert::<f32>("m").unwrap_err().to_string(),
            "m: value 2, 1e39, does not fit f32"
        );
        assert_eq!(
            Values::F32(vec![0.1]).convert::<f64>("m").unwrap(),
            [f64::from(0.1f32)]
        );
    }
}
