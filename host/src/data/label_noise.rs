//! Labels that are wrong on purpose.

use super::random::{Purpose, Random};
use super::{Dataset, Targets};
use crate::error::Error;

impl Dataset {
    /// The same examples with each class replaced, with the given `probability`, by one of the others, all of
    /// them as probable.
    ///
    /// This is the convention in which the probability is the expected share of wrong labels. Where a
    /// replacement may be the true class again, 1/K of the replaced labels of K classes are right.
    ///
    /// # Errors
    /// When `probability` is not from 0 to 1, or the targets are not classes, of which there are at least
    /// two.
    pub fn with_label_noise(&self, probability: f64, seed: u64) -> Result<Self, Error> {
        let refused = |problem: String| Err(Error::file(&self.name, problem));
        if !(0.0..=1.0).contains(&probability) {
            return refused(format!("{probability:?} is not a probability"));
        }
        let Targets::Classes(labels) = &self.targets else {
            return refused("has no classes that could be wrong".into());
        };
        let Some(others) = self.dim_out.checked_sub(1).filter(|&others| others > 0) else {
            return refused("has one class, which cannot be wrong".into());
        };
        let mut random = Random::new(Purpose::LabelNoise, &[seed]);
        let mut noisy = labels.clone();
        for label in &mut noisy {
            // Both are drawn whatever comes of it, so that more noise keeps what less has made wrong.
            let (wrong, other) = (random.uniform(0.0, 1.0) < probability, random.below(others));
            if wrong {
                let other = u16::try_from(other).unwrap_or_default();
                *label = other + u16::from(other >= *label);
            }
        }
        Ok(Self {
            targets: Targets::Classes(noisy),
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: u16 = 10_000;

    fn set() -> Dataset {
        let labels = Targets::Classes((0..N).map(|k| k % 10).collect());
        let inputs = (0..N).map(f64::from).collect();
        Dataset::new("n", (1, 10), inputs, labels).unwrap()
    }

    fn labels(set: &Dataset) -> &[u16] {
        match set.targets() {
            Targets::Classes(labels) => labels,
            Targets::Values(_) => panic!("this set has classes"),
        }
    }

    fn wrong(a: &Dataset, b: &Dataset) -> Vec<usize> {
        let pairs = labels(a).iter().zip(labels(b)).enumerate();
        pairs
            .filter(|(_, (a, b))| a != b)
            .map(|(row, _)| row)
            .collect()
    }

    /// The number of wrong labels is binomial, and each of the 90 confusions has a tenth of a ninth of it.
    #[test]
    fn as_many_labels_are_wrong_as_asked_for_and_all_confusions_are_as_frequent() {
        let clean = set();
        for probability in [0.1, 0.3, 0.9] {
            let noisy = clean.with_label_noise(probability, 1).unwrap();
            assert_eq!(noisy.inputs(), clean.inputs());
            let wrong = wrong(&clean, &noisy).len();
            let within = |found: usize, p: f64| {
                let n = f64::from(N);
                (super::super::count(found) - n * p).abs() < 5.0 * (n * p * (1.0 - p)).sqrt()
            };
            assert!(within(wrong, probability), "{probability}: {wrong}");
            let mut confusions = [[0; 10]; 10];
            for (true_class, label) in labels(&clean).iter().zip(labels(&noisy)) {
                confusions[usize::from(*true_class)][usize::from(*label)] += 1;
            }
            for (true_class, row) in confusions.iter().enumerate() {
                for (label, &found) in row.iter().enumerate() {
                    let share = if label == true_class {
                        1.0 - probability
                    } else {
                        probability / 9.0
                    };
                    assert!(within(found, share / 10.0), "{confusions:?}");
                }
            }
        }
    }

    #[test]
    fn none_and_all_labels_are_wrong_at_the_ends() {
        let clean = set();
        assert_eq!(clean.with_label_noise(0.0, 1).unwrap(), clean);
        let all = clean.with_label_noise(1.0, 1).unwrap();
        assert_eq!(wrong(&clean, &all).len(), usize::from(N));
        let two = Dataset::new("t", (1, 2), vec![0.0; 2], Targets::Classes(vec![0, 1])).unwrap();
        assert_eq!(labels(&two.with_label_noise(1.0, 9).unwrap()), [1, 0]);
    }

    #[test]
    fn the_seed_decides_and_more_noise_keeps_what_less_has_made_wrong() {
        let clean = set();
        let some = clean.with_label_noise(0.2, 1).unwrap();
        assert_eq!(some, clean.with_label_noise(0.2, 1).unwrap());
        assert_ne!(some, clean.with_label_noise(0.2, 2).unwrap());
        let more = clean.with_label_noise(0.4, 1).unwrap();
        for row in wrong(&clean, &some) {
            assert_eq!(labels(&some)[row], labels(&more)[row]);
        }
        let crc = |set: &Dataset| {
            let bytes: Vec<u8> = labels(set).iter().flat_map(|l| l.to_le_bytes()).collect();
            crc32fast::hash(&bytes)
        };
        assert_eq!(crc(&some), 0x3d96_52d5);
    }

    #[test]
    fn what_cannot_be_wrong_is_refused() {
        for probability in [-0.1, 1.1, f64::NAN] {
            let error = set().with_label_noise(probability, 0).unwrap_err();
            assert!(error.to_string().ends_with("is not a probability"));
        }
        let one = Dataset::new("o", (1, 1), vec![0.0], Targets::Classes(vec![0])).unwrap();
        assert_eq!(
            one.with_label_noise(0.5, 0).unwrap_err().to_string(),
            "o: has one class, which cannot be wrong"
        );
        let values = Dataset::new("v", (1, 1), vec![0.0], Targets::Values(vec![0.0])).unwrap();
        assert_eq!(
            values.with_label_noise(0.5, 0).unwrap_err().to_string(),
            "v: has no classes that could be wrong"
        );
    }
}
