//! The data sets compiled into this crate, each with the net and the split it is usually run with.

use std::fmt;
use std::io::Read;
use std::str::FromStr;

use flate2::read::GzDecoder;
use natgrad::{Activation, Likelihood};

use super::{Dataset, Scale, Shape, Split, Table};
use crate::error::{Error, excerpt};

/// The seed of every split of an embedded set: the split does not depend on the seed of a run.
const SPLIT_SEED: u64 = 0;

/// The first rows of the Tecator file: its official training set.
const TECATOR_TRAINING: usize = 172;

/// A real data set that is compiled in; `datasets/README.md` says where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Builtin {
    /// UCI optical digits: 1,797 images of 8 × 8 counts from 0 to 16, ten classes.
    Digits,
    /// UCI wine: 13 chemical measurements of 178 wines in their raw units, three classes.
    Wine,
    /// Tecator: 215 near-infrared spectra of meat, 100 channels, and its fat content in percent.
    Tecator,
}

impl Builtin {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Digits, Self::Wine, Self::Tecator];

    /// The word of the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Wine => "wine",
            Self::Tecator => "tecator",
        }
    }

    /// Whom to credit and under which terms the data may be passed on.
    pub const fn attribution(self) -> &'static str {
        match self {
            Self::Digits => concat!(
                include_str!("../../datasets/digits-attribution.txt"),
                "\nFrom a package under this licence:\n\n",
                include_str!("../../datasets/LICENSE-scikit-learn.txt")
            ),
            Self::Wine => concat!(
                include_str!("../../datasets/wine-attribution.txt"),
                "\nFrom a package under this licence:\n\n",
                include_str!("../../datasets/LICENSE-scikit-learn.txt")
            ),
            Self::Tecator => concat!(
                include_str!("../../datasets/tecator-permission.txt"),
                "\nFrom a package under this licence:\n\n",
                include_str!("../../datasets/LICENSE-sktime.txt")
            ),
        }
    }

    /// The widths of the default net, from the inputs to the outputs.
    pub const fn widths(self) -> [usize; 3] {
        match self {
            Self::Digits => [64, 32, 10],
            Self::Wine => [13, 16, 3],
            Self::Tecator => [100, 8, 1],
        }
    }

    /// The likelihood of the targets.
    pub const fn likelihood(self) -> Likelihood {
        match self {
            Self::Digits | Self::Wine => Likelihood::Categorical,
            Self::Tecator => Likelihood::Gaussian,
        }
    }

    /// The hidden activation of the default net.
    pub const fn activation(self) -> Activation {
        Activation::Tanh
    }

    /// The default scaling: none for wine, which is there for its raw units.
    pub const fn scale(self) -> Scale {
        match self {
            Self::Wine => Scale::None,
            Self::Digits | Self::Tecator => Scale::Standard,
        }
    }

    /// The default fraction of rows that test: a fifth, but nothing of wine, which is so small that
    /// its task is to fit it all.
    pub const fn test_fraction(self) -> f64 {
        match self {
            Self::Wine => 0.0,
            Self::Digits | Self::Tecator => 0.2,
        }
    }

    /// The widths and the likelihood of the columns.
    pub const fn shape(self) -> Shape {
        let [dim_in, _, dim_out] = self.widths();
        Shape {
            dim_in,
            dim_out,
            likelihood: self.likelihood(),
        }
    }

    /// The data, in the order of the source and in its units.
    ///
    /// # Errors
    /// Never, unless this crate was built with damaged data files.
    pub fn load(self) -> Result<Dataset, Error> {
        let table = match self {
            Self::Digits => self.unzip(include_bytes!("../../datasets/digits.csv.gz"))?,
            Self::Wine => Table::parse(self.name(), include_bytes!("../../datasets/wine.csv"))?,
            Self::Tecator => self.unzip(include_bytes!("../../datasets/tecator.csv.gz"))?,
        };
        table.into_dataset(&self.shape())
    }

    fn unzip(self, bytes: &[u8]) -> Result<Table, Error> {
        let mut text = Vec::new();
        GzDecoder::new(bytes)
            .read_to_end(&mut text)
            .map_err(|error| Error::file(self.name(), format!("is damaged: {error}")))?;
        Table::parse(self.name(), &text)
    }

    /// The split that `fraction`, or the default, asks for; the same in every run.
    ///
    /// By default a fifth of each class of digits tests, wine trains on all its rows, and Tecator is
    /// split as its publishers split it, the first 172 rows against the last 43. Any other fraction
    /// is a [`Split::seeded`] with a fixed seed.
    ///
    /// # Errors
    /// When `fraction` is not in [0, 1).
    pub fn split(self, set: &Dataset, fraction: Option<f64>) -> Result<Split, Error> {
        match (self, fraction) {
            (Self::Tecator, None) => Ok(Split::leading(TECATOR_TRAINING, set.len(), SPLIT_SEED)),
            (_, fraction) => {
                Split::seeded(set, fraction.unwrap_or(self.test_fraction()), SPLIT_SEED)
            }
        }
    }
}

impl fmt::Display for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Builtin {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|set| set.name() == word)
            .ok_or_else(|| {
                let problem = format!("{} is none of digits, wine and tecator", excerpt(word));
                Error::option("--dataset", problem)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Targets;
    use super::*;

    fn labels(set: &Dataset) -> Vec<u16> {
        match set.targets() {
            Targets::Classes(labels) => labels.clone(),
            Targets::Values(_) => panic!("this set has classes"),
        }
    }

    fn histogram(labels: impl Iterator<Item = u16>) -> [usize; 10] {
        let mut counts = [0; 10];
        for label in labels {
            counts[usize::from(label)] += 1;
        }
        counts
    }

    /// Sums and counts taken from the source file by another program.
    #[test]
    fn digits_are_the_uci_test_set() {
        let set = Builtin::Digits.load().unwrap();
        assert_eq!((set.len(), set.dim_in(), set.dim_out()), (1797, 64, 10));
        // The class counts that UCI prints for the test set.
        let counts = histogram(labels(&set).into_iter());
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        assert_eq!(set.inputs().iter().sum::<f64>(), 561_718.0);
        assert_eq!(set.inputs()[..8], [0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0]);
        let is_count = |x: &f64| x.fract() == 0.0 && (0.0..=16.0).contains(x);
        assert!(set.inputs().iter().all(is_count));
    }

    /// The first row and the class counts are those in UCI's own description.
    #[test]
    fn wine_is_in_its_raw_units() {
        let set = Builtin::Wine.load().unwrap();
        assert_eq!((set.len(), set.dim_in(), set.dim_out()), (178, 13, 3));
        assert_eq!(histogram(labels(&set).into_iter())[..3], [59, 71, 48]);
        let first = [
            14.23, 1.71, 2.43, 15.6, 127.0, 2.8, 3.06, 0.28, 2.29, 5.64, 1.04, 3.92, 1065.0,
        ];
        assert_eq!(set.inputs()[..13], first);
        let proline: f64 = set.inputs().iter().skip(12).step_by(13).sum();
        assert_eq!(proline, 132_947.0);
        let alcohol: f64 = set.inputs().iter().step_by(13).sum();
        assert!((alcohol - 2314.11).abs() < 1e-9);
    }

    /// Sums taken from the source files by another program, the two parts apart.
    #[test]
    fn tecator_is_both_parts_of_the_source() {
        let set = Builtin::Tecator.load().unwrap();
        assert_eq!((set.len(), set.dim_in(), set.dim_out()), (215, 100, 1));
        let Targets::Values(fat) = set.targets() else {
            panic!("this set has values");
        };
        for (rows, fat_sum, sum, first, last) in [
            (0..172, 3112.0, 54_982.147_29, 2.61776, 3.38148),
            (172..215, 787.1, 13_624.825_18, 2.91042, 2.91564),
        ] {
            let inputs = &set.inputs()[rows.start * 100..rows.end * 100];
            assert!((fat[rows].iter().sum::<f64>() - fat_sum).abs() < 1e-9);
            assert!((inputs.iter().sum::<f64>() - sum).abs() < 1e-6);
            assert_eq!((inputs[0], inputs[inputs.len() - 1]), (first, last));
        }
        assert_eq!((fat[0], fat[172], fat[214]), (22.5, 46.3, 42.5));
    }

    /// The split is a part of every published number, so that its rows are pinned.
    #[test]
    fn the_split_of_digits_is_fixed_and_stratified() {
        let set = Builtin::Digits.load().unwrap();
        let split = Builtin::Digits.split(&set, None).unwrap();
        assert_eq!((split.train.len(), split.test.len()), (1438, 359));
        let labels = labels(&set);
        let tested = histogram(split.test.iter().map(|&row| labels[row]));
        assert_eq!(tested, [36, 36, 35, 37, 36, 36, 36, 36, 35, 36]);
        let crc = |rows: &[usize]| {
            let bytes: Vec<u8> = rows
                .iter()
                .flat_map(|&row| (row as u64).to_le_bytes())
                .collect();
            crc32fast::hash(&bytes)
        };
        assert_eq!(
            (crc(&split.train), crc(&split.test)),
            (0xed75_8b10, 0xb87d_57b2)
        );
    }

    #[test]
    fn the_other_splits_are_as_documented() {
        let wine = Builtin::Wine.load().unwrap();
        let split = Builtin::Wine.split(&wine, None).unwrap();
        assert_eq!((split.train.len(), split.test.len()), (178, 0));
        let split = Builtin::Wine.split(&wine, Some(0.25)).unwrap();
        let labels = labels(&wine);
        let tested = histogram(split.test.iter().map(|&row| labels[row]));
        assert_eq!(tested[..3], [15, 18, 12]);

        let tecator = Builtin::Tecator.load().unwrap();
        let split = Builtin::Tecator.split(&tecator, None).unwrap();
        assert!(split.test.iter().copied().eq(172..215));
        assert_eq!(split.train.len(), 172);
        let split = Builtin::Tecator.split(&tecator, Some(0.0)).unwrap();
        assert_eq!(split.train.len(), 215);
        assert!(Builtin::Tecator.split(&tecator, Some(1.0)).is_err());
    }

    #[test]
    fn names_round_trip_and_each_set_names_its_terms() {
        for set in Builtin::ALL {
            assert!(set.attribution().contains("BSD 3-Clause License"));
            assert_eq!(set.to_string().parse::<Builtin>().unwrap(), set);
            assert_eq!(
                set.load().unwrap().inputs_as::<f32>().unwrap().len() % set.widths()[0],
                0
            );
        }
        assert!(Builtin::Digits.attribution().contains("CC BY 4.0"));
        assert!(Builtin::Wine.attribution().contains("CC BY 4.0"));
        assert!(
            Builtin::Tecator
                .attribution()
                .contains("permission note is attached")
        );
        let error = "mnist".parse::<Builtin>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "--dataset: `mnist` is none of digits, wine and tecator"
        );
    }
}
