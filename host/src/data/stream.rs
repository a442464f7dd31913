//! A stream of deformed digits that never repeats, and of which any segment can be drawn anew alone.
//!
//! It stands for NISTP, the deformed characters on which Pascanu & Bengio (section 8), by a protocol of Erhan
//! et al. (2010), measured what the order of the examples decides: one segment of the stream is replaced by
//! another draw, everything else staying as it is, and the variance of the trained network's outputs is that
//! segment's share. Glyphs and deformations are ours, so that numbers on NISTP and on these are not
//! comparable.

use super::deformation::Deformation;
use super::glyphs::{self, CLASSES};
use super::image::{Image, centres, room};
use super::random::{Purpose, Random};
use super::{Dataset, Targets, block, count};
use crate::error::Error;

const NAME: &str = "digit stream";

/// Half the width of the pen, in sides of the image.
const WIDTH: f64 = 0.055;

/// How the width varies: log-normal, with this standard deviation at strength 1.
const LOG_WIDTH: f64 = 0.25;

/// The standard deviation of the noise of a pixel.
const NOISE: f64 = 0.1;

/// Far beyond what can be read, and far below what overflows.
const STRONGEST: f64 = 10.0;

/// The digits of one seed, deformed with one strength, as images of one size.
///
/// An example is a glyph of the source, all of which are equally probable, under a smooth random deformation,
/// with normal noise of standard deviation 0.1 on every pixel. Pixels are cut to [0, 1].
/// `strength` multiplies the deformations and not the noise: at 0.7 digits are easy to read, at 1 hard.
#[derive(Clone, Copy, Debug)]
pub struct Stream<'d> {
    seed: u64,
    strength: f64,
    side: usize,
    training: Source<'d>,
    held_out: Source<'d>,
}

/// Where glyphs come from.
#[derive(Clone, Copy, Debug)]
enum Source<'d> {
    Drawn,
    Scanned {
        side: usize,
        set: &'d Dataset,
        labels: &'d [u16],
    },
}

impl Stream<'static> {
    /// Digits drawn with a pen along poly-lines of our own; its width varies with the deformation.
    ///
    /// # Errors
    /// When `strength` is not from 0 to 10.
    pub fn drawn(seed: u64, strength: f64, side: usize) -> Result<Self, Error> {
        Stream::new(seed, strength, side, [Source::Drawn; 2])
    }
}

impl<'d> Stream<'d> {
    /// Scanned digits: every example deforms an image of `training`, drawn with replacement, and those held
    /// out deform images of `test`.
    ///
    /// The deformation is the same random map as that of drawn digits, but it says where in the scan the ink
    /// of a point comes from, and so is the inverse of how the scan moves.
    ///
    /// # Errors
    /// When `strength` is not from 0 to 10; when a set is empty, has no classes, does not consist of square
    /// images, or has a pixel outside [0, 1]; when the two have different numbers of classes.
    pub fn handwritten(
        training: &'d Dataset,
        test: &'d Dataset,
        seed: u64,
        strength: f64,
        side: usize,
    ) -> Result<Self, Error> {
        let sources = [Source::scanned(training)?, Source::scanned(test)?];
        if training.dim_out() != test.dim_out() {
            let problem = format!(
                "has {} classes, but `{}` has {}",
                test.dim_out(),
                training.name(),
                training.dim_out()
            );
            return Err(Error::file(test.name(), problem));
        }
        Self::new(seed, strength, side, sources)
    }

    fn new(
        seed: u64,
        strength: f64,
        side: usize,
        [training, held_out]: [Source<'d>; 2],
    ) -> Result<Self, Error> {
        if !(0.0..=STRONGEST).contains(&strength) {
            let problem = format!("a strength of {strength:?} is not from 0 to {STRONGEST}");
            return Err(Error::file(NAME, problem));
        }
        Ok(Self {
            seed,
            strength,
            side,
            training,
            held_out,
        })
    }

    /// What decides all its examples, next to the strength and the size of images.
    pub(super) const fn seed(&self) -> u64 {
        self.seed
    }

    /// The first `examples` of draw `draw` of segment `segment`.
    ///
    /// They depend on the stream and on these two numbers alone: a segment drawn anew leaves every other one
    /// as it is, to the bit.
    ///
    /// # Errors
    /// When images have no pixel, or would take more than 1 GiB.
    pub fn segment(&self, segment: u64, draw: u64, examples: usize) -> Result<Dataset, Error> {
        let random = Random::new(Purpose::Segment, &[self.seed, segment, draw]);
        self.generate(random, self.training, examples)
    }

    /// The first `examples` of the set to measure on, which no segment shares.
    ///
    /// # Errors
    /// As [`Stream::segment`].
    pub fn held_out(&self, examples: usize) -> Result<Dataset, Error> {
        let random = Random::new(Purpose::HeldOut, &[self.seed]);
        self.generate(random, self.held_out, examples)
    }

    fn generate(
        &self,
        mut random: Random,
        source: Source<'_>,
        examples: usize,
    ) -> Result<Dataset, Error> {
        let mut pixels = room(NAME, examples, self.side)?;
        let mut labels = Vec::with_capacity(examples);
        for _ in 0..examples {
            let start = pixels.len();
            labels.push(source.draw(&mut random, self.strength, self.side, &mut pixels));
            for pixel in pixels.iter_mut().skip(start) {
                *pixel = (*pixel + random.normal(NOISE)).clamp(0.0, 1.0);
            }
        }
        let widths = (self.side * self.side, source.classes());
        Dataset::new(NAME, widths, pixels, Targets::Classes(labels))
    }
}

impl<'d> Source<'d> {
    fn scanned(set: &'d Dataset) -> Result<Self, Error> {
        let refused = |problem: &str| Err(Error::file(set.name(), problem));
        let side = set.image_side()?;
        let Targets::Classes(labels) = set.targets() else {
            return refused("has no classes");
        };
        if set.is_empty() {
            return refused("holds no image");
        }
        if !set.inputs().iter().all(|x| (0.0..=1.0).contains(x)) {
            return refused("has a pixel outside 0 to 1");
        }
        Ok(Self::Scanned { side, set, labels })
    }

    fn classes(&self) -> usize {
        match self {
            Self::Drawn => CLASSES,
            Self::Scanned { set, .. } => set.dim_out(),
        }
    }

    /// Appends the pixels of a random glyph under a random deformation, and returns its class.
    fn draw(&self, random: &mut Random, strength: f64, side: usize, pixels: &mut Vec<f64>) -> u16 {
        match self {
            Self::Drawn => {
                let digit = random.below(CLASSES);
                let deformation = Deformation::draw(random, strength);
                let width = WIDTH * libm::exp(random.normal(strength * LOG_WIDTH));
                let mut strokes = glyphs::strokes(digit);
                for point in strokes.iter_mut().flatten() {
                    *point = deformation.apply(*point);
                }
                pixels.extend(glyphs::draw(&strokes, width, side));
                u16::try_from(digit).unwrap_or_default()
            }
            Self::Scanned {
                side: from,
                set,
                labels,
            } => {
                let row = random.below(set.len());
                let deformation = Deformation::draw(random, strength);
                let scan = Image {
                    side: *from,
                    pixels: block(set.inputs(), row, set.dim_in()),
                };
                pixels.extend(
                    centres(side).map(|centre| resample(&scan, &deformation, centre, side)),
                );
                labels.get(row).copied().unwrap_or_default()
            }
        }
    }
}

/// The mean ink of a pixel of a deformed scan, over a grid of points no coarser than the scan's pixels: a
/// coarse image sampled at its centres alone would miss strokes.
fn resample(scan: &Image<'_>, deformation: &Deformation, [x, y]: [f64; 2], side: usize) -> f64 {
    let grid = scan.side.div_ceil(side);
    let ink: f64 = centres(grid)
        .map(|[dx, dy]| [x + (dx - 0.5) / count(side), y + (dy - 0.5) / count(side)])
        .map(|point| scan.at(deformation.apply(point)))
        .sum();
    ink / count(grid * grid)
}

#[cfg(test)]
mod tests {
    use super::super::{Mnist, fingerprint};
    use super::*;

    fn classes(set: &Dataset) -> &[u16] {
        match set.targets() {
            Targets::Classes(labels) => labels,
            Targets::Values(_) => panic!("the stream has classes"),
        }
    }

    fn images(set: &Dataset) -> Vec<&[f64]> {
        set.inputs().chunks_exact(set.dim_in()).collect()
    }

    /// The share of digits held out whose nearest mean image is that of another class.
    fn confused(stream: &Stream<'_>) -> f64 {
        let train = stream.segment(0, 0, 2000).unwrap();
        let mut means = vec![vec![0.0; train.dim_in()]; CLASSES];
        for (image, &label) in images(&train).iter().zip(classes(&train)) {
            for (mean, pixel) in means[usize::from(label)].iter_mut().zip(*image) {
                *mean += pixel / 200.0;
            }
        }
        let test = stream.held_out(1000).unwrap();
        let distance =
            |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum() };
        let wrong = images(&test)
            .iter()
            .zip(classes(&test))
            .filter(|(image, label)| {
                let nearest = (0..CLASSES).min_by(|&a, &b| {
                    distance(image, &means[a]).total_cmp(&distance(image, &means[b]))
                });
                nearest != Some(usize::from(**label))
            })
            .count();
        count(wrong) / 1000.0
    }

    #[test]
    fn one_segment_is_drawn_anew_alone() {
        let mnist = Mnist::embedded().unwrap();
        for stream in [
            Stream::drawn(3, 1.0, 12).unwrap(),
            Stream::handwritten(&mnist.training, &mnist.test, 3, 1.0, 12).unwrap(),
        ] {
            let base: Vec<_> = (0..4).map(|s| stream.segment(s, 0, 40).unwrap()).collect();
            for other in 0..4 {
                let fresh = stream.segment(other, 1, 40).unwrap();
                for (segment, base) in base.iter().enumerate() {
                    let draw = u64::from(segment as u64 == other);
                    let again = stream.segment(segment as u64, draw, 40).unwrap();
                    assert_eq!(again == *base, draw == 0, "{segment} {other}");
                    assert_eq!(again == fresh, draw == 1, "{segment} {other}");
                }
            }
        }
    }

    #[test]
    fn no_two_parts_share_an_image() {
        let stream = Stream::drawn(3, 1.0, 8).unwrap();
        let other = Stream::drawn(4, 1.0, 8).unwrap();
        let parts = [
            stream.segment(0, 0, 60),
            stream.segment(0, 1, 60),
            stream.segment(1, 0, 60),
            stream.held_out(60),
            other.segment(0, 0, 60),
            other.held_out(60),
        ]
        .map(Result::unwrap);
        let all: Vec<&[f64]> = parts.iter().flat_map(images).collect();
        for (k, image) in all.iter().enumerate() {
            assert!(!all[..k].contains(image), "image {k} comes twice");
        }
    }

    #[test]
    fn a_shorter_part_is_the_beginning_of_a_longer_one() {
        let stream = Stream::drawn(1, 0.7, 12).unwrap();
        let rows: Vec<usize> = (0..7).collect();
        let long = stream.segment(2, 5, 30).unwrap();
        assert_eq!(stream.segment(2, 5, 7).unwrap(), long.select(&rows));
        let long = stream.held_out(30).unwrap();
        assert_eq!(stream.held_out(7).unwrap(), long.select(&rows));
        assert!(stream.held_out(0).unwrap().is_empty());
    }

    /// Counts of a fair draw of 5,000 stay within five standard deviations of 500, 21 each.
    #[test]
    fn every_class_comes_as_often_as_the_others() {
        let mnist = Mnist::embedded().unwrap();
        for stream in [
            Stream::drawn(8, 1.0, 4).unwrap(),
            Stream::handwritten(&mnist.training, &mnist.test, 8, 1.0, 4).unwrap(),
        ] {
            for set in [stream.segment(0, 0, 5000), stream.held_out(5000)] {
                let set = set.unwrap();
                assert_eq!((set.dim_in(), set.dim_out()), (16, 10));
                assert!(set.inputs().iter().all(|x| (0.0..=1.0).contains(x)));
                let mut counts = [0i32; 10];
                for label in classes(&set) {
                    counts[usize::from(*label)] += 1;
                }
                assert!(counts.iter().all(|n| (n - 500).abs() < 106), "{counts:?}");
            }
        }
    }

    #[test]
    fn digits_become_harder_to_read_with_the_strength() {
        let mnist = Mnist::embedded().unwrap();
        let drawn = [0.0, 0.3, 0.7, 1.0].map(|s| confused(&Stream::drawn(5, s, 12).unwrap()));
        assert_eq!(drawn[0], 0.0);
        assert!(drawn.is_sorted(), "{drawn:?}");
        let scanned = [0.0, 0.7, 1.0].map(|s| {
            confused(&Stream::handwritten(&mnist.training, &mnist.test, 5, s, 12).unwrap())
        });
        assert!(scanned.is_sorted(), "{scanned:?}");
        assert!(scanned[0] < 0.3, "{scanned:?}");
    }

    /// The median of a pixel over many draws, which cutting to [0, 1] does not move.
    #[test]
    fn an_undeformed_scan_is_its_source_and_noise() {
        let mnist = Mnist::embedded().unwrap();
        let one = mnist.training.select(&[3]);
        let stream = Stream::handwritten(&one, &one, 1, 0.0, 28).unwrap();
        let set = stream.segment(0, 0, 401).unwrap();
        assert!(classes(&set).iter().all(|label| classes(&one) == [*label]));
        for (place, source) in one.inputs().iter().enumerate() {
            let mut pixels: Vec<f64> = set
                .inputs()
                .iter()
                .skip(place)
                .step_by(784)
                .copied()
                .collect();
            pixels.sort_by(f64::total_cmp);
            // Five standard errors of the median of 401.
            assert!((pixels[200] - source).abs() < 0.032, "{place}");
            let [low, high] = [pixels[63], pixels[337]].map(|pixel| (pixel - source).abs());
            // The quantiles of one standard deviation, of which at most one is cut off.
            assert!((low.max(high) - 0.1).abs() < 0.04, "{place}: {low} {high}");
        }
    }

    #[test]
    fn a_coarse_scan_is_the_mean_of_its_areas() {
        let mnist = Mnist::embedded().unwrap();
        let still = Deformation::draw(&mut Random::new(Purpose::Segment, &[0]), 0.0);
        for side in [14, 7] {
            let small = mnist.training.shrunk(side).unwrap();
            for row in 0..20 {
                let scan = Image {
                    side: 28,
                    pixels: block(mnist.training.inputs(), row, 784),
                };
                let means = block(small.inputs(), row, side * side);
                for (centre, mean) in centres(side).zip(means) {
                    let ink = resample(&scan, &still, centre, side);
                    assert!((ink - mean).abs() < 1e-12, "{side}, image {row}");
                }
            }
        }
    }

    #[test]
    fn the_bits_are_fixed() {
        let mnist = Mnist::embedded().unwrap();
        let drawn = Stream::drawn(42, 1.0, 12).unwrap();
        let scanned = Stream::handwritten(&mnist.training, &mnist.test, 42, 1.0, 12).unwrap();
        let crcs = [
            drawn.segment(2, 1, 8),
            drawn.held_out(8),
            scanned.segment(2, 1, 8),
            scanned.held_out(8),
        ]
        .map(|set| fingerprint(&set.unwrap()));
        let expected = [0xbb1d_4e5f, 0x8b64_752b, 0xf7be_dbd2, 0xe66e_c492];
        assert_eq!(crcs, expected);
    }

    #[test]
    fn what_makes_no_stream_is_refused() {
        for strength in [-0.1, 10.1, f64::NAN, f64::INFINITY] {
            let error = Stream::drawn(0, strength, 12).unwrap_err().to_string();
            assert!(error.ends_with("is not from 0 to 10"), "{error}");
        }
        assert!(Stream::drawn(0, 1.0, 0).unwrap().held_out(1).is_err());
        assert!(
            Stream::drawn(0, 1.0, 9)
                .unwrap()
                .held_out(usize::MAX)
                .is_err()
        );
        let wildest = Stream::drawn(0, 10.0, 12).unwrap();
        assert_eq!(wildest.segment(0, 0, 200).unwrap().len(), 200);

        let set = |inputs: &[f64], classes: usize, labels: &[u16]| {
            let width = inputs.len().max(4);
            let labels = Targets::Classes(labels.to_vec());
            Dataset::new("s", (width, classes), inputs.to_vec(), labels).unwrap()
        };
        let fine = set(&[0.0, 0.5, 0.5, 1.0], 10, &[9]);
        let values = Targets::Values(vec![0.0]);
        let values = Dataset::new("s", (1, 1), vec![0.0], values).unwrap();
        for (bad, words) in [
            (
                set(&[0.5; 5], 10, &[1]),
                "s: has 5 inputs, which is no square image",
            ),
            (set(&[], 10, &[]), "s: holds no image"),
            (
                set(&[0.0, 0.0, 16.0, 0.0], 10, &[1]),
                "s: has a pixel outside 0 to 1",
            ),
            (values, "s: has no classes"),
            (set(&[0.5; 4], 3, &[1]), "s: has 3 classes, but `s` has 10"),
        ] {
            let error = Stream::handwritten(&fine, &bad, 0, 1.0, 12).unwrap_err();
            assert_eq!(error.to_string(), words);
        }
        assert!(Stream::handwritten(&fine, &fine, 0, 1.0, 12).is_ok());
    }
}
