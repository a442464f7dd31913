//! The IDX format of MNIST: a header with the sizes of a tensor, then its values, here bytes.
//!
//! ```text
//! 0, 0, type, rank    bytes; the type of unsigned bytes is 8
//! size₁ … size_rank   32 bits each, most significant byte first
//! values              the last index varies fastest
//! ```

use std::array;
use std::borrow::Cow;
use std::io::Read;

use flate2::bufread::MultiGzDecoder;

use crate::error::Error;

/// Every MNIST-like set fits; a file made to expand without end does not.
const LARGEST: u64 = 1 << 28;

const UNSIGNED_BYTES: u8 = 8;

/// How a file compressed by gzip begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A tensor of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Idx<const RANK: usize> {
    pub(super) sizes: [usize; RANK],
    pub(super) values: Vec<u8>,
}

impl<const RANK: usize> Idx<RANK> {
    /// Reads the bytes of the file called `name`, which may be compressed by gzip.
    ///
    /// # Errors
    /// When they are not an IDX file of unsigned bytes of that rank, from its first byte to its last.
    pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<Self, Error> {
        let refused = |problem: String| Err(Error::file(name, problem));
        let bytes = if bytes.starts_with(&GZIP) {
            Cow::from(expand(name, bytes)?)
        } else {
            Cow::from(bytes)
        };
        let Some((&[zero, zero_too, kind, rank], rest)) = bytes.split_first_chunk() else {
            return refused("is too short for an IDX file".into());
        };
        if (zero, zero_too, kind) != (0, 0, UNSIGNED_BYTES) {
            return refused("is not an IDX file of unsigned bytes".into());
        }
        if usize::from(rank) != RANK {
            return refused(format!("has {rank} dimensions instead of {RANK}"));
        }
        let Some((sizes, values)) = rest.split_at_checked(4 * RANK) else {
            return refused("is too short for its header".into());
        };
        let mut sizes = sizes
            .as_chunks()
            .0
            .iter()
            .map(|&size| u32::from_be_bytes(size));
        let sizes = array::from_fn(|_| sizes.next().map_or(0, |size| size as usize));
        let claimed = sizes.iter().map(|&size| size as u128).product::<u128>();
        if claimed != values.len() as u128 {
            return refused(format!(
                "holds {} values, but its header says {claimed}",
                values.len()
            ));
        }
        Ok(Self {
            sizes,
            values: values.to_vec(),
        })
    }
}

fn expand(name: &str, compressed: &[u8]) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(compressed)
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::file(name, format!("is damaged: {error}")))?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > LARGEST) {
        let problem = format!("expands to more than {} MiB", LARGEST >> 20);
        return Err(Error::file(name, problem));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn message<const RANK: usize>(bytes: &[u8]) -> String {
        Idx::<RANK>::parse("f", bytes).unwrap_err().to_string()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    const TWO_BY_THREE: [u8; 18] = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255];

    #[test]
    fn a_file_gives_its_sizes_and_values_compressed_or_not() {
        let expected = Idx {
            sizes: [2, 3],
            values: vec![1, 2, 3, 4, 5, 255],
        };
        let (first, second) = TWO_BY_THREE.split_at(7);
        for bytes in [
            TWO_BY_THREE.to_vec(),
            gzip(&TWO_BY_THREE),
            [gzip(first), gzip(second)].concat(),
        ] {
            assert_eq!(Idx::parse("f", &bytes).unwrap(), expected);
        }
        let empty = [0, 0, 8, 1, 0, 0, 0, 0];
        assert!(Idx::<1>::parse("f", &empty).unwrap().values.is_empty());
    }

    #[test]
    fn every_part_of_the_header_is_checked() {
        let good = TWO_BY_THREE;
        for len in 0..4 {
            assert_eq!(
                message::<2>(&good[..len]),
                "f: is too short for an IDX file"
            );
        }
        for len in 4..12 {
            assert_eq!(message::<2>(&good[..len]), "f: is too short for its header");
        }
        for place in 0..3 {
            let mut bad = good;
            bad[place] ^= 1;
            assert_eq!(
                message::<2>(&bad),
                "f: is not an IDX file of unsigned bytes"
            );
        }
        assert_eq!(message::<1>(&good), "f: has 2 dimensions instead of 1");
        assert_eq!(message::<3>(&good), "f: has 2 dimensions instead of 3");
    }

    #[test]
    fn the_values_are_as_many_as_the_header_says() {
        let good = TWO_BY_THREE;
        for len in 12..18 {
            let expected = format!("f: holds {} values, but its header says 6", len - 12);
            assert_eq!(message::<2>(&good[..len]), expected);
        }
        assert_eq!(
            message::<2>(&[good.as_slice(), &[0]].concat()),
            "f: holds 7 values, but its header says 6"
        );
        let mut absurd = good;
        absurd[4..12].fill(255);
        assert_eq!(
            message::<2>(&absurd),
            "f: holds 6 values, but its header says 18446744065119617025"
        );
        let mut endless = good.to_vec();
        endless.splice(4..12, [255; 16]);
        endless[3] = 4;
        assert!(message::<4>(&endless).contains("f: holds 6 values, but its header says 34028"));
    }

    #[test]
    fn damaged_compression_is_refused() {
        let whole = gzip(&TWO_BY_THREE);
        for len in 2..whole.len() {
            let message = message::<2>(&whole[..len]);
            assert!(message.starts_with("f: is damaged: "), "{message}");
        }
        let trailing = message::<2>(&[whole.as_slice(), b"more"].concat());
        assert!(trailing.starts_with("f: is damaged: "), "{trailing}");
        let mut flipped = whole.clone();
        flipped[whole.len() - 6] ^= 1;
        assert!(message::<2>(&flipped).starts_with("f: is damaged: "));
    }

    #[test]
    fn a_file_that_expands_without_end_is_refused() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let mebibyte = vec![0; 1 << 20];
        for _ in 0..=LARGEST >> 20 {
            encoder.write_all(&mebibyte).unwrap();
        }
        let bomb = encoder.finish().unwrap();
        assert_eq!(message::<1>(&bomb), "f: expands to more than 256 MiB");
    }
}
