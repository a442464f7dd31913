//! Which examples train and which test: a seeded choice, class by class where there are classes.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{Dataset, Targets, count};
use crate::error::Error;

/// The rows that train and the rows that test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Rows to train on, in a random order, so that any run of them is a fair sample.
    pub train: Vec<usize>,
    /// Rows to test on, in the order of the file.
    pub test: Vec<usize>,
}

impl Split {
    /// Puts a `fraction` of the rows aside for testing, chosen by a generator seeded with `seed`.
    ///
    /// With classes, each class gives its own share, rounded, and keeps at least one row for
    /// training. A positive fraction of two or more rows tests at least one, if a class can spare it.
    ///
    /// # Errors
    /// When `fraction` is not in [0, 1).
    pub fn seeded(set: &Dataset, fraction: f64, seed: u64) -> Result<Self, Error> {
        if !(0.0..1.0).contains(&fraction) {
            let problem = format!("{fraction:?} is not a fraction from 0 to below 1");
            return Err(Error::option("--validation", problem));
        }
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut groups = groups(set);
        for group in &mut groups {
            group.shuffle(&mut generator);
        }
        let mut shares: Vec<usize> = groups.iter().map(|g| share(fraction, g.len())).collect();
        if fraction > 0.0
            && shares.iter().all(|&share| share == 0)
            && let Some((largest, share)) = groups
                .iter()
                .zip(&mut shares)
                .rev()
                .max_by_key(|(group, _)| group.len())
            && largest.len() > 1
        {
            *share = 1;
        }
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for (group, share) in groups.iter().zip(shares) {
            let (tested, trained) = group.split_at_checked(share).unwrap_or_default();
            test.extend_from_slice(tested);
            train.extend_from_slice(trained);
        }
        test.sort_unstable();
        train.shuffle(&mut generator);
        Ok(Self { train, test })
    }

    /// The first `train` rows of `rows` train, the others test; only the order of training is random.
    pub(super) fn leading(train: usize, rows: usize, seed: u64) -> Self {
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut leading: Vec<usize> = (0..train.min(rows)).collect();
        leading.shuffle(&mut generator);
        Self {
            train: leading,
            test: (train..rows).collect(),
        }
    }
}

/// The rows of each class, or all rows as one group.
fn groups(set: &Dataset) -> Vec<Vec<usize>> {
    match set.targets() {
        Targets::Values(_) => vec![(0..set.len()).collect()],
        Targets::Classes(labels) => {
            let classes = labels.iter().max().map_or(0, |&c| usize::from(c) + 1);
            let mut groups = vec![Vec::new(); classes];
            for (row, &label) in labels.iter().enumerate() {
                if let Some(group) = groups.get_mut(usize::from(label)) {
                    group.push(row);
                }
            }
            groups
        }
    }
}

fn share(fraction: f64, rows: usize) -> usize {
    let share = num_traits::cast((fraction * count(rows)).round()).unwrap_or(0);
    share.min(rows.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(labels: &[u16]) -> Dataset {
        let inputs = vec![0.0; labels.len()];
        Dataset::new("c", (1, 10), inputs, Targets::Classes(labels.to_vec())).unwrap()
    }

    fn values(rows: usize) -> Dataset {
        Dataset::new(
            "v",
            (1, 1),
            vec![0.0; rows],
            Targets::Values(vec![0.0; rows]),
        )
        .unwrap()
    }

    fn is_partition(split: &Split, rows: usize) -> bool {
        let mut all = [split.train.clone(), split.test.clone()].concat();
        all.sort_unstable();
        all.into_iter().eq(0..rows)
    }

    #[test]
    fn every_row_is_used_once_and_the_seed_decides() {
        let set = values(101);
        let split = Split::seeded(&set, 0.2, 7).unwrap();
        assert_eq!((split.train.len(), split.test.len()), (81, 20));
        assert!(is_partition(&split, 101));
        assert!(split.test.is_sorted());
        assert!(!split.train.is_sorted());
        assert_eq!(split, Split::seeded(&set, 0.2, 7).unwrap());
        assert_ne!(split, Split::seeded(&set, 0.2, 8).unwrap());
    }

    #[test]
    fn each_class_gives_its_share_and_keeps_a_row() {
        let labels: Vec<u16> = [[0; 50].as_slice(), &[1; 10], &[2; 1]].concat();
        let split = Split::seeded(&classes(&labels), 0.2, 1).unwrap();
        assert!(is_partition(&split, 61));
        let tested = |class: u16| {
            split
                .test
                .iter()
                .filter(|&&row| labels[row] == class)
                .count()
        };
        assert_eq!([tested(0), tested(1), tested(2)], [10, 2, 0]);

        let split = Split::seeded(&classes(&labels), 0.999, 1).unwrap();
        assert_eq!(split.train.len(), 3);
    }

    #[test]
    fn small_sets_still_test_a_row_when_asked_to() {
        for (set, fraction, tested) in [
            (values(0), 0.5, 0),
            (values(1), 0.9, 0),
            (values(2), 0.1, 1),
            (values(9), 0.0, 0),
            (classes(&[0, 1, 2]), 0.4, 0),
            (classes(&[0, 1, 1, 2]), 0.1, 1),
        ] {
            let split = Split::seeded(&set, fraction, 3).unwrap();
            assert_eq!(split.test.len(), tested, "{} rows", set.len());
            assert!(is_partition(&split, set.len()));
        }
    }

    #[test]
    fn fractions_outside_their_range_are_refused() {
        for fraction in [-0.1, 1.0, 1.5, f64::NAN, f64::INFINITY] {
            let error = Split::seeded(&values(5), fraction, 0).unwrap_err();
            assert!(error.to_string().starts_with("--validation: "), "{error}");
        }
    }

    #[test]
    fn a_leading_split_keeps_the_order_of_the_source() {
        let split = Split::leading(4, 6, 0);
        assert_eq!(split.test, [4, 5]);
        assert!(is_partition(&split, 6));
        assert!(is_partition(&Split::leading(9, 6, 0), 6));
    }
}
