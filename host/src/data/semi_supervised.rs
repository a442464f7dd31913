//! Few labelled and many unlabelled examples: what the metric can learn from inputs that have no target.
//!
//! It stands for the Toronto Face Database, on which Pascanu & Bengio (section 7) ask this, and which cannot
//! be passed on with this crate.

use rand::seq::SliceRandom;

use super::random::{Purpose, Random};
use super::{Dataset, Stream};
use crate::error::Error;

/// The numbers of examples of each part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartSizes {
    /// Those to train on.
    pub labelled: usize,
    /// Those whose inputs alone are known.
    pub unlabelled: usize,
    /// Those that decide when to stop.
    pub validation: usize,
    /// Those that measure the outcome.
    pub test: usize,
}

impl Default for PartSizes {
    fn default() -> Self {
        Self {
            labelled: 300,
            unlabelled: 3000,
            validation: 1000,
            test: 3000,
        }
    }
}

/// The four parts, which have no example in common.
#[derive(Clone, Debug, PartialEq)]
pub struct SemiSupervised {
    /// The examples to train on, the only ones whose labels may be wrong.
    pub labelled: Dataset,
    /// Inputs `[n × dim_in]`; their labels are not kept, so that nothing can be trained on them.
    pub unlabelled: Vec<f64>,
    /// The examples that decide when to stop.
    pub validation: Dataset,
    /// The examples that measure the outcome.
    pub test: Dataset,
}

impl SemiSupervised {
    /// Parts of a stream: what is trained on are its segments 0 and 1, what is measured on is held out.
    ///
    /// A label to train on is wrong with the probability `label_noise`, as in [`Dataset::with_label_noise`].
    ///
    /// # Errors
    /// When images have no pixel or would take more than 1 GiB, or `label_noise` is not from 0 to 1.
    pub fn of_stream(
        stream: &Stream<'_>,
        sizes: PartSizes,
        label_noise: f64,
    ) -> Result<Self, Error> {
        let labelled = stream.segment(0, 0, sizes.labelled)?;
        let measured = stream.held_out(sizes.validation.saturating_add(sizes.test))?;
        let rows: Vec<usize> = (0..measured.len()).collect();
        let (validation, test) = rows.split_at_checked(sizes.validation).unwrap_or_default();
        Ok(Self {
            labelled: labelled.with_label_noise(label_noise, stream.seed())?,
            unlabelled: stream.segment(1, 0, sizes.unlabelled)?.into_inputs(),
            validation: measured.select(validation),
            test: measured.select(test),
        })
    }

    /// Parts of a labelled set, drawn without replacement by a generator seeded with `seed`, which also
    /// decides what labels are wrong.
    ///
    /// # Errors
    /// When the set has fewer examples than the parts together, or as [`Dataset::with_label_noise`].
    pub fn of_set(
        set: &Dataset,
        sizes: PartSizes,
        label_noise: f64,
        seed: u64,
    ) -> Result<Self, Error> {
        let mut rows: Vec<usize> = (0..set.len()).collect();
        rows.shuffle(Random::new(Purpose::Partition, &[seed]).generator());
        let mut rest = rows.as_slice();
        let mut part = |size: usize| {
            let (part, others) = rest.split_at_checked(size).ok_or_else(|| {
                let problem = format!("holds too few examples for the parts, {} in all", set.len());
                Error::file(set.name(), problem)
            })?;
            rest = others;
            Ok(set.select(part))
        };
        Ok(Self {
            labelled: part(sizes.labelled)?.with_label_noise(label_noise, seed)?,
            unlabelled: part(sizes.unlabelled)?.into_inputs(),
            validation: part(sizes.validation)?,
            test: part(sizes.test)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Mnist, Targets, fingerprint};
    use super::*;

    const SMALL: PartSizes = PartSizes {
        labelled: 60,
        unlabelled: 200,
        validation: 50,
        test: 90,
    };

    fn numbered(n: u16) -> Dataset {
        let labels = Targets::Classes((0..n).map(|k| k % 10).collect());
        Dataset::new("n", (1, 10), (0..n).map(f64::from).collect(), labels).unwrap()
    }

    fn labels(set: &Dataset) -> &[u16] {
        match set.targets() {
            Targets::Classes(labels) => labels,
            Targets::Values(_) => panic!("this set has classes"),
        }
    }

    /// All images of all parts, each with its sizes checked.
    fn images(parts: &SemiSupervised) -> Vec<&[f64]> {
        let width = parts.labelled.dim_in();
        let lens = [
            parts.labelled.len(),
            parts.validation.len(),
            parts.test.len(),
        ];
        assert_eq!(lens, [SMALL.labelled, SMALL.validation, SMALL.test]);
        assert_eq!(parts.unlabelled.len(), SMALL.unlabelled * width);
        let all = [
            parts.labelled.inputs(),
            &parts.unlabelled,
            parts.validation.inputs(),
            parts.test.inputs(),
        ];
        all.into_iter()
            .flat_map(|inputs| inputs.chunks_exact(width))
            .collect()
    }

    #[test]
    fn no_example_is_in_two_parts() {
        let stream = Stream::drawn(2, 1.0, 12).unwrap();
        let set = numbered(400);
        let stream = SemiSupervised::of_stream(&stream, SMALL, 0.3).unwrap();
        let set = SemiSupervised::of_set(&set, SMALL, 0.3, 2).unwrap();
        for parts in [stream, set] {
            let images = images(&parts);
            assert_eq!(images.len(), 400);
            for (k, image) in images.iter().enumerate() {
                assert!(!images[..k].contains(image), "image {k} comes twice");
            }
        }
    }

    #[test]
    fn only_labels_to_train_on_are_wrong() {
        let stream = Stream::drawn(2, 1.0, 12).unwrap();
        let set = numbered(400);
        for noise in [0.3, 1.0] {
            let pairs = [0.0, noise].map(|p| {
                [
                    SemiSupervised::of_stream(&stream, SMALL, p).unwrap(),
                    SemiSupervised::of_set(&set, SMALL, p, 2).unwrap(),
                ]
            });
            let [clean, noisy] = pairs;
            for (clean, noisy) in clean.iter().zip(&noisy) {
                assert_eq!(clean.labelled.inputs(), noisy.labelled.inputs());
                assert_eq!(clean.unlabelled, noisy.unlabelled);
                assert_eq!(clean.validation, noisy.validation);
                assert_eq!(clean.test, noisy.test);
                let pairs = labels(&clean.labelled).iter().zip(labels(&noisy.labelled));
                let wrong = pairs.filter(|(a, b)| a != b).count();
                let range = if noise < 1.0 { 4..=34 } else { 60..=60 };
                assert!(range.contains(&wrong), "{noise}: {wrong}");
            }
        }
    }

    /// In `numbered` an input tells its label.
    #[test]
    fn rows_keep_their_labels() {
        let parts = SemiSupervised::of_set(&numbered(400), SMALL, 0.0, 5).unwrap();
        for part in [&parts.labelled, &parts.validation, &parts.test] {
            for (input, label) in part.inputs().iter().zip(labels(part)) {
                assert_eq!(input % 10.0, f64::from(*label));
            }
        }
        let other = SemiSupervised::of_set(&numbered(400), SMALL, 0.0, 6).unwrap();
        assert_ne!(parts, other);
    }

    #[test]
    fn handwriting_to_measure_on_was_not_trained_on() {
        let mnist = Mnist::embedded().unwrap();
        let (ones, twos) = (1, 2);
        let of_class = |set: &Dataset, class: u16| {
            let rows = labels(set).iter().enumerate();
            let rows: Vec<usize> = rows
                .filter(|(_, l)| **l == class)
                .map(|(row, _)| row)
                .collect();
            set.select(&rows)
        };
        let (ones, twos) = (of_class(&mnist.training, ones), of_class(&mnist.test, twos));
        let stream = Stream::handwritten(&ones, &twos, 1, 1.0, 12).unwrap();
        let parts = SemiSupervised::of_stream(&stream, SMALL, 0.0).unwrap();
        assert!(labels(&parts.labelled).iter().all(|&label| label == 1));
        assert!(labels(&parts.validation).iter().all(|&label| label == 2));
        assert!(labels(&parts.test).iter().all(|&label| label == 2));
    }

    #[test]
    fn the_bits_are_fixed() {
        let stream = Stream::drawn(42, 1.0, 12).unwrap();
        let mnist = Mnist::embedded().unwrap();
        let sizes = PartSizes {
            labelled: 8,
            unlabelled: 8,
            validation: 8,
            test: 8,
        };
        let crcs = [
            SemiSupervised::of_stream(&stream, sizes, 0.5).unwrap(),
            SemiSupervised::of_set(&mnist.training, sizes, 0.5, 42).unwrap(),
        ]
        .map(|parts| [parts.labelled, parts.validation, parts.test].map(|set| fingerprint(&set)));
        let expected = [
            [0x48ed_5509, 0x8b64_752b, 0x89e9_73e6],
            [0xb3d9_acf6, 0x0fb5_9e4b, 0x1271_36ec],
        ];
        assert_eq!(crcs, expected);
    }

    #[test]
    fn what_cannot_be_split_is_refused() {
        let error = SemiSupervised::of_set(&numbered(399), SMALL, 0.0, 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "n: holds too few examples for the parts, 399 in all"
        );
        let huge = PartSizes {
            test: usize::MAX,
            ..SMALL
        };
        assert!(SemiSupervised::of_set(&numbered(400), huge, 0.0, 1).is_err());
        let stream = Stream::drawn(2, 1.0, 12).unwrap();
        assert!(SemiSupervised::of_stream(&stream, huge, 0.0).is_err());
        assert!(SemiSupervised::of_stream(&stream, SMALL, 1.5).is_err());
    }
}
