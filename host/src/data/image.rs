//! Square images as rows of pixels: their size, their coarser copies, and their values between pixels.

use super::{Dataset, count};
use crate::error::Error;

/// A set that takes more was not meant.
const MOST_BYTES: usize = 1 << 30;

/// An empty vector with room for the pixels of `examples` images of `side` × `side`.
///
/// # Errors
/// When an image has no pixel, or when they would take more than 1 GiB.
pub(super) fn room(name: &str, examples: usize, side: usize) -> Result<Vec<f64>, Error> {
    if side == 0 {
        return Err(Error::file(name, "images need at least one pixel"));
    }
    let pixels = side
        .checked_mul(side)
        .and_then(|area| area.checked_mul(examples))
        .filter(|&pixels| pixels <= MOST_BYTES / size_of::<f64>())
        .ok_or_else(|| {
            let problem =
                format!("{examples} images of {side} × {side} pixels take more than 1 GiB");
            Error::file(name, problem)
        })?;
    Ok(Vec::with_capacity(pixels))
}

/// The centres of the pixels of an image that fills the unit square, row by row from the top.
pub(super) fn centres(side: usize) -> impl Iterator<Item = [f64; 2]> {
    let middle = move |k: usize| (count(k) + 0.5) / count(side);
    (0..side).flat_map(move |row| (0..side).map(move |column| [middle(column), middle(row)]))
}

/// One image of a set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Image<'d> {
    pub(super) side: usize,
    pub(super) pixels: &'d [f64],
}

impl Image<'_> {
    /// The value at a point of the unit square, linear between the centres of pixels and 0 outside.
    pub(super) fn at(&self, [x, y]: [f64; 2]) -> f64 {
        let split = |u: f64| {
            let u = u * count(self.side) - 0.5;
            (u.floor(), u - u.floor())
        };
        let ((column, right), (row, lower)) = (split(x), split(y));
        (1.0 - lower)
            * ((1.0 - right) * self.pixel(row, column) + right * self.pixel(row, column + 1.0))
            + lower
                * ((1.0 - right) * self.pixel(row + 1.0, column)
                    + right * self.pixel(row + 1.0, column + 1.0))
    }

    fn pixel(&self, row: f64, column: f64) -> f64 {
        let place = |k: f64| num_traits::cast::<_, usize>(k).filter(|&k| k < self.side);
        place(row)
            .zip(place(column))
            .and_then(|(row, column)| self.pixels.get(row * self.side + column))
            .map_or(0.0, |&pixel| pixel)
    }
}

impl Dataset {
    /// The side of the square images that the inputs are.
    ///
    /// # Errors
    /// When the number of inputs is not a square.
    pub fn image_side(&self) -> Result<usize, Error> {
        let side = self.dim_in.isqrt();
        if side * side == self.dim_in {
            return Ok(side);
        }
        let problem = format!("has {} inputs, which is no square image", self.dim_in);
        Err(Error::file(&self.name, problem))
    }

    /// The same examples with images of `side` × `side` pixels, each the mean over the area that it covers.
    ///
    /// # Errors
    /// When the inputs are not square images of at least that side, or `side` is 0.
    pub fn shrunk(&self, side: usize) -> Result<Self, Error> {
        let from = self.image_side()?;
        if side == 0 || side > from {
            let problem = format!("images of side {from} cannot be averaged to side {side}");
            return Err(Error::file(&self.name, problem));
        }
        let mut inputs = room(&self.name, self.len(), side)?;
        for image in self.inputs.chunks_exact(self.dim_in) {
            for row in 0..side {
                for column in 0..side {
                    let sum: f64 = overlaps(from, side, row)
                        .flat_map(|(y, height)| {
                            overlaps(from, side, column)
                                .map(move |(x, width)| (y * from + x, height * width))
                        })
                        .filter_map(|(place, area)| Some(count(area) * image.get(place)?))
                        .sum();
                    inputs.push(sum / count(from * from));
                }
            }
        }
        Ok(Self {
            name: self.name.clone(),
            dim_in: side * side,
            dim_out: self.dim_out,
            inputs,
            targets: self.targets.clone(),
            lines: self.lines.clone(),
        })
    }
}

/// The pixels of a line of `from` that pixel `k` of a line of `to` covers, with the length that each gives.
///
/// The lengths are whole numbers, of a unit in which a new pixel is `from` long and an old one `to`.
fn overlaps(from: usize, to: usize, k: usize) -> impl Iterator<Item = (usize, usize)> {
    let (start, end) = (k * from, (k + 1) * from);
    (start / to..end.div_ceil(to)).map(move |old| {
        let length = end.min((old + 1) * to) - start.max(old * to);
        (old, length)
    })
}

#[cfg(test)]
mod tests {
    use super::super::Targets;
    use super::*;

    fn images(side: usize, pixels: &[f64]) -> Dataset {
        let labels = Targets::Classes((0..).take(pixels.len() / (side * side)).collect());
        Dataset::new("i", (side * side, 9), pixels.to_vec(), labels).unwrap()
    }

    #[test]
    fn a_coarser_image_holds_the_means_of_areas() {
        let set = images(2, &[0.0, 1.0, 2.0, 3.0, 4.0, 4.0, 8.0, 8.0]);
        let small = set.shrunk(1).unwrap();
        assert_eq!(small.inputs(), [1.5, 6.0]);
        assert_eq!(small.targets(), set.targets());
        assert_eq!(set.shrunk(2).unwrap(), set);

        // 3 to 2: a new pixel is a whole old one, two halves and a quarter, of 9/4 in all.
        let set = images(3, &[1.0, 2.0, 0.0, 4.0, 8.0, 0.0, 0.0, 0.0, 9.0]);
        let expected = [
            (1.0 + 2.0 / 2.0 + 4.0 / 2.0 + 8.0 / 4.0) / 2.25,
            (2.0 / 2.0 + 8.0 / 4.0) / 2.25,
            (4.0 / 2.0 + 8.0 / 4.0) / 2.25,
            (8.0 / 4.0 + 9.0) / 2.25,
        ];
        let small = set.shrunk(2).unwrap();
        for (value, expected) in small.inputs().iter().zip(expected) {
            assert!((value - expected).abs() < 1e-15, "{value} {expected}");
        }
    }

    #[test]
    fn a_coarser_image_keeps_the_mean() {
        let pixels: Vec<f64> = (0..28 * 28).map(|k| f64::from(k * k % 101)).collect();
        let set = images(28, &pixels);
        let mean = |set: &Dataset| set.inputs().iter().sum::<f64>() / count(set.dim_in());
        for side in [1, 5, 12, 14, 27, 28] {
            let small = set.shrunk(side).unwrap();
            assert_eq!(small.image_side().unwrap(), side);
            assert!((mean(&small) - mean(&set)).abs() < 1e-12, "{side}");
        }
    }

    #[test]
    fn what_cannot_be_averaged_is_refused() {
        let set = images(2, &[0.0; 4]);
        for side in [0, 3, usize::MAX] {
            let error = set.shrunk(side).unwrap_err().to_string();
            let expected = format!("i: images of side 2 cannot be averaged to side {side}");
            assert_eq!(error, expected);
        }
        let row = Dataset::new("r", (3, 1), vec![0.0; 3], Targets::Classes(vec![0])).unwrap();
        assert_eq!(
            row.shrunk(1).unwrap_err().to_string(),
            "r: has 3 inputs, which is no square image"
        );
    }

    #[test]
    fn values_between_pixels_are_linear_and_fade_at_the_edge() {
        let image = Image {
            side: 2,
            pixels: &[1.0, 3.0, 5.0, 7.0],
        };
        for (point, value) in [
            ([0.25, 0.25], 1.0),
            ([0.75, 0.25], 3.0),
            ([0.25, 0.75], 5.0),
            ([0.5, 0.25], 2.0),
            ([0.5, 0.5], 4.0),
            ([0.0, 0.25], 0.5),
            ([1.0, 1.0], 7.0 / 4.0),
            ([-0.25, 0.25], 0.0),
            ([1e300, 0.5], 0.0),
            ([-1e300, 0.5], 0.0),
        ] {
            assert_eq!(image.at(point), value, "{point:?}");
        }
        let found: Vec<f64> = centres(2).map(|centre| image.at(centre)).collect();
        assert_eq!(found, image.pixels);
    }

    #[test]
    fn absurd_sizes_are_refused_before_they_are_allocated() {
        assert!(room("r", 0, usize::MAX).is_err());
        assert!(room("r", usize::MAX, 2).is_err());
        assert_eq!(
            room("r", 3, 0).unwrap_err().to_string(),
            "r: images need at least one pixel"
        );
        assert_eq!(
            room("r", 2_000_000, 28).unwrap_err().to_string(),
            "r: 2000000 images of 28 × 28 pixels take more than 1 GiB"
        );
        assert!(room("r", 60_000, 28).is_ok());
    }
}
