//! Output-shaped files and losses.

use std::path::Path;

use super::disk;
use super::tensors::{Tensors, shape_text};
use super::values::Values;
use crate::error::{Error, shown};

/// An output-shaped array, `[rows × width]` row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    rows: usize,
    width: usize,
    values: Values,
}

impl Output {
    /// The array of `rows` examples and `width` outputs.
    ///
    /// # Errors
    /// When `values` has another length.
    pub fn new(rows: usize, width: usize, values: Values) -> Result<Self, Error> {
        if rows.checked_mul(width) != Some(values.len()) {
            let problem = format!("has {} values, not {rows} × {width}", values.len());
            return Err(Error::file("output", problem));
        }
        Ok(Self {
            rows,
            width,
            values,
        })
    }

    /// The number of examples.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of outputs.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All values, row by row.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// Reads the tensor `output` of the file at `path`, which must be `[rows, width]`.
    ///
    /// # Errors
    /// When the file cannot be read, is no such file, or has another shape.
    pub fn read(path: &Path, rows: usize, width: usize) -> Result<Self, Error> {
        let values = read_one(path, "output", &[rows, width])?;
        Ok(Self {
            rows,
            width,
            values,
        })
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        write_one(
            path,
            "output",
            vec![self.rows, self.width],
            self.values.clone(),
        )
    }
}

/// Writes a loss, which is one value in the precision of the run.
///
/// # Errors
/// When `loss` is not one value, or the file cannot be written.
pub fn write_loss(path: &Path, loss: &Values) -> Result<(), Error> {
    if loss.len() != 1 {
        return Err(Error::file(
            "loss",
            format!("has {} values, not one", loss.len()),
        ));
    }
    write_one(path, "loss", vec![1], loss.clone())
}

/// Reads a loss.
///
/// # Errors
/// When the file cannot be read or is no such file.
pub fn read_loss(path: &Path) -> Result<Values, Error> {
    read_one(path, "loss", &[1])
}

fn write_one(path: &Path, name: &str, shape: Vec<usize>, values: Values) -> Result<(), Error> {
    let mut tensors = Tensors::default();
    tensors.insert(name, shape, values);
    disk::write_atomic(path, &tensors.to_bytes())
}

fn read_one(path: &Path, name: &str, shape: &[usize]) -> Result<Values, Error> {
    let mut tensors = Tensors::parse(&shown(path), &disk::read(path)?)?;
    let tensor = tensors.take(name).ok_or_else(|| tensors.missing(name))?;
    tensors.expect_empty(&format!("only {name} is expected"))?;
    if tensor.shape != shape {
        let problem = format!(
            "has the shape {}, where {} is expected",
            shape_text(&tensor.shape),
            shape_text(shape)
        );
        return Err(tensors.wrong(name, &problem));
    }
    Ok(tensor.values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_and_losses_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("o.safetensors");
        let values = Values::F32(vec![0.1, 2.0, -3.0, 4.0, 5.0, 6.0]);
        let output = Output::new(2, 3, values.clone()).unwrap();
        output.write(&path).unwrap();
        let back = Output::read(&path, 2, 3).unwrap();
        assert_eq!(back, output);
        assert_eq!((back.rows(), back.width(), back.values()), (2, 3, &values));

        for loss in [Values::F64(vec![0.1]), Values::F32(vec![0.1])] {
            write_loss(&path, &loss).unwrap();
            assert_eq!(read_loss(&path).unwrap(), loss);
        }
    }

    #[test]
    fn other_shapes_and_tensors_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("o");
        let output = Output::new(2, 3, Values::F32(vec![0.0; 6])).unwrap();
        output.write(&path).unwrap();
        let message = |result: Result<Values, Error>| result.unwrap_err().to_string();
        assert!(
            message(read_one(&path, "output", &[3, 2]))
                .ends_with("tensor `output` has the shape [2, 3], where [3, 2] is expected")
        );
        assert!(message(read_loss(&path)).ends_with("tensor `loss` is missing"));

        let mut two = Tensors::default();
        two.insert("loss", vec![1], Values::F32(vec![0.0]));
        two.insert("more", vec![1], Values::F32(vec![0.0]));
        disk::write_atomic(&path, &two.to_bytes()).unwrap();
        assert!(message(read_loss(&path)).contains("tensor `more` is unknown"));
        assert!(Output::new(2, 3, Values::F32(vec![0.0; 5])).is_err());
        assert!(write_loss(&path, &Values::F32(vec![])).is_err());
    }
}
