//! Curves: images of smooth curves, each to be reconstructed by an auto-encoder.
//!
//! After Hinton & Salakhutdinov (2006): images of a curve through three random points of the plane, and so
//! six degrees of freedom in hundreds of pixels. Their rendering code was not published: what follows is our
//! own, and numbers on their images and on these are not comparable.
//!
//! ```text
//! P₁, P₂, P₃    uniform in [0.15, 0.85]², the unit square being the image
//! C(t)          the quadratic with C(0) = P₁, C(½) = P₂, C(1) = P₃, at 40 points evenly spaced in t
//! pixel         max over the points of exp(−d² / 2s²), d from the centre of the pixel, s = 0.9 / side
//! ```

use std::array;

use libm::exp;

use super::image::{centres, room};
use super::random::{Purpose, Random};
use super::{Dataset, Targets, count};
use crate::error::Error;

const NAME: &str = "curves";

const POINTS: usize = 40;

/// Half the width of the pen, in pixels.
const WIDTH: f64 = 0.9;

/// All curves of one seed as images of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Curves {
    seed: u64,
    side: usize,
}

impl Curves {
    /// Images of `side` × `side` pixels; Hinton & Salakhutdinov's are 28 × 28.
    pub const fn new(seed: u64, side: usize) -> Self {
        Self { seed, side }
    }

    /// The first `examples` images to train on, values in [0, 1], each its own target.
    ///
    /// # Errors
    /// When `side` is 0, or the images would take more than 1 GiB.
    pub fn training(&self, examples: usize) -> Result<Dataset, Error> {
        self.generate(Purpose::CurvesTraining, examples)
    }

    /// The first `examples` images to test on, which are others than those to train on.
    ///
    /// # Errors
    /// As [`Curves::training`].
    pub fn test(&self, examples: usize) -> Result<Dataset, Error> {
        self.generate(Purpose::CurvesTest, examples)
    }

    fn generate(&self, purpose: Purpose, examples: usize) -> Result<Dataset, Error> {
        let mut random = Random::new(purpose, &[self.seed]);
        let mut pixels = room(NAME, examples, self.side)?;
        for _ in 0..examples {
            draw(&curve(&mut random), self.side, &mut pixels);
        }
        let area = self.side * self.side;
        Dataset::new(NAME, (area, area), pixels.clone(), Targets::Values(pixels))
    }
}

fn curve(random: &mut Random) -> [[f64; 2]; POINTS] {
    let through: [[f64; 2]; 3] = array::from_fn(|_| array::from_fn(|_| random.uniform(0.15, 0.85)));
    array::from_fn(|k| {
        let t = count(k) / count(POINTS - 1);
        // Lagrange's polynomials for the nodes 0, ½ and 1.
        let weights = [
            (2.0 * t - 1.0) * (t - 1.0),
            4.0 * t * (1.0 - t),
            t * (2.0 * t - 1.0),
        ];
        array::from_fn(|axis| {
            let terms = weights.iter().zip(&through);
            terms.map(|(weight, point)| weight * point[axis]).sum()
        })
    })
}

fn draw(points: &[[f64; 2]], side: usize, pixels: &mut Vec<f64>) {
    let width = WIDTH / count(side);
    pixels.extend(centres(side).map(|[x, y]| {
        // The exponential falls with the distance, so that the largest value is that of the nearest point.
        let nearest = points
            .iter()
            .map(|[px, py]| (x - px) * (x - px) + (y - py) * (y - py))
            .fold(f64::INFINITY, f64::min);
        exp(-nearest / (2.0 * width * width))
    }));
}

#[cfg(test)]
mod tests {
    use super::super::fingerprint;
    use super::*;

    #[test]
    fn a_curve_passes_through_its_three_points() {
        let mut random = Random::new(Purpose::CurvesTraining, &[3]);
        let curve = curve(&mut random);
        let mut again = Random::new(Purpose::CurvesTraining, &[3]);
        let [x, y]: [f64; 2] = array::from_fn(|_| again.uniform(0.15, 0.85));
        assert_eq!(curve[0], [x, y]);
        // The middle point belongs to t = ½, between the points 19 and 20 of 0 to 39.
        let [x, y]: [f64; 2] = array::from_fn(|_| again.uniform(0.15, 0.85));
        let [left, right] = [curve[19], curve[20]];
        assert!((f64::midpoint(left[0], right[0]) - x).abs() < 2e-3);
        assert!((f64::midpoint(left[1], right[1]) - y).abs() < 2e-3);
        let last: [f64; 2] = array::from_fn(|_| again.uniform(0.15, 0.85));
        assert_eq!(curve[39], last);
    }

    #[test]
    fn a_pixel_shows_the_distance_to_the_nearest_point() {
        let mut pixels = Vec::new();
        draw(&[[0.5, 1.0 / 6.0], [0.5, 0.5]], 3, &mut pixels);
        let one = exp(-1.0 / (2.0 * 0.81));
        let two = exp(-2.0 / (2.0 * 0.81));
        let expected = [one, 1.0, one, one, 1.0, one, two, one, two];
        for (pixel, expected) in pixels.iter().zip(expected) {
            assert!((pixel - expected).abs() < 1e-12, "{pixels:?}");
        }
    }

    #[test]
    fn images_are_their_own_targets_within_the_unit_interval() {
        for side in [1, 12, 28] {
            let set = Curves::new(1, side).training(50).unwrap();
            assert_eq!(
                (set.len(), set.dim_in(), set.dim_out()),
                (50, side * side, side * side)
            );
            assert_eq!(set.targets(), &Targets::Values(set.inputs().to_vec()));
            assert!(set.inputs().iter().all(|x| (0.0..=1.0).contains(x)));
        }
        assert!(Curves::new(1, 12).training(0).unwrap().is_empty());
    }

    #[test]
    fn the_seed_decides_and_the_parts_are_disjoint() {
        let curves = Curves::new(5, 12);
        let (training, test) = (curves.training(300).unwrap(), curves.test(300).unwrap());
        assert_eq!(training, Curves::new(5, 12).training(300).unwrap());
        assert_eq!(
            curves.training(20).unwrap(),
            training.select(&(0..20).collect::<Vec<_>>())
        );
        let other = Curves::new(6, 12).training(300).unwrap();
        let images = |set: &Dataset| {
            let images = set.inputs().chunks_exact(144);
            images.map(<[f64]>::to_vec).collect::<Vec<_>>()
        };
        let all = [images(&training), images(&test), images(&other)].concat();
        for (k, image) in all.iter().enumerate() {
            assert!(!all[..k].contains(image), "image {k} comes twice");
        }
    }

    /// What the best constant reconstruction leaves, as another program with other random numbers finds it,
    /// within five standard errors of 2,000 images.
    #[test]
    fn the_spread_about_the_mean_image_is_as_measured() {
        for (side, expected, within) in [(12, 8.86, 0.27), (28, 25.96, 0.76)] {
            let set = Curves::new(0, side).training(2000).unwrap();
            let images = || set.inputs().chunks_exact(side * side);
            let mut mean = vec![0.0; side * side];
            for image in images() {
                for (mean, pixel) in mean.iter_mut().zip(image) {
                    *mean += pixel / count(set.len());
                }
            }
            let error: f64 = images()
                .flat_map(|image| image.iter().zip(&mean))
                .map(|(pixel, mean)| (pixel - mean) * (pixel - mean))
                .sum();
            let error = error / count(set.len());
            assert!((error - expected).abs() < within, "side {side}: {error}");
        }
    }

    #[test]
    fn the_bits_are_fixed() {
        let curves = Curves::new(42, 12);
        let crcs = [curves.training(8), curves.test(8)].map(|set| fingerprint(&set.unwrap()));
        assert_eq!(crcs, [0xc721_27a0, 0x5936_6810]);
    }

    #[test]
    fn absurd_sizes_are_refused() {
        assert!(Curves::new(0, 0).training(1).is_err());
        assert!(Curves::new(0, usize::MAX).training(1).is_err());
        assert!(Curves::new(0, 28).training(usize::MAX).is_err());
    }
}
