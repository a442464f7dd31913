//! A rectangular table of finite numbers read from a CSV file.

use std::path::Path;

use ::csv::{ReaderBuilder, StringRecord};
use natgrad::Likelihood;

use super::{Dataset, Shape, Targets, block};
use crate::error::{Error, excerpt, shown};
use crate::files;

/// The cells of a CSV file, all of them finite numbers, and the lines they came from.
///
/// Cells are separated by commas and may be quoted; blank lines, spaces around a cell, a byte
/// order mark and either kind of line end are ignored. The first row is a header when at least one
/// of its cells is a text, which `nan` and `inf` are not: they are numbers, and refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    name: String,
    header: Option<Vec<String>>,
    columns: usize,
    cells: Vec<f64>,
    lines: Vec<u64>,
}

impl Table {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When the file cannot be read, or as [`Table::parse`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::parse(&shown(path), &files::read(path)?)
    }

    /// Reads the bytes of a file that messages call `name`.
    ///
    /// # Errors
    /// When the bytes are not UTF-8 or hold a NUL, a quote is not closed, a row has not as many cells as
    /// the first or is separated by something else than commas, a cell is not a finite number, or there
    /// is no row of numbers.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, Error> {
        let text = utf8(name, bytes)?;
        if let Some(line) = open_quote(text) {
            return Err(Error::row(
                name,
                line,
                "a quote opens here and is never closed",
            ));
        }
        let mut table = Self {
            name: name.into(),
            header: None,
            columns: 0,
            cells: Vec::new(),
            lines: Vec::new(),
        };
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes());
        let mut lines = LineCounter::new(text);
        let mut record = StringRecord::new();
        let mut first = true;
        while reader
            .read_record(&mut record)
            .map_err(|error| Error::file(name, format!("is not a CSV file: {error}")))?
        {
            record.trim();
            if record.iter().all(str::is_empty) && record.len() < 2 {
                continue;
            }
            let start = record.position().map_or(0, ::csv::Position::byte);
            let line = lines.line_of_row_at(start);
            if first {
                table.columns = record.len();
            }
            let separated = || {
                let separator = record.iter().find_map(separator)?;
                let problem = format!("is separated by {separator}, where commas are expected");
                Some(Error::row(name, line, problem))
            };
            if first && is_header(&record) {
                if let Some(error) = separated() {
                    return Err(error);
                }
                table.header = Some(record.iter().map(str::to_owned).collect());
            } else if let Err(error) = table.push(line, &record) {
                return Err(separated().unwrap_or(error));
            }
            first = false;
        }
        if table.lines.is_empty() {
            let problem = match table.header {
                Some(_) => "holds a header and no row of numbers",
                None => "is empty",
            };
            return Err(Error::file(name, problem));
        }
        Ok(table)
    }

    fn push(&mut self, line: u64, record: &StringRecord) -> Result<(), Error> {
        if record.len() != self.columns {
            let problem = format!(
                "has {}, but the first row has {}",
                cells(record.len()),
                self.columns
            );
            return Err(Error::row(&self.name, line, problem));
        }
        for (column, cell) in (1..).zip(record) {
            let number =
                number(cell).map_err(|problem| Error::cell(&self.name, line, column, problem))?;
            self.cells.push(number);
        }
        self.lines.push(line);
        Ok(())
    }

    /// The number of rows, the header not counted.
    pub fn rows(&self) -> usize {
        self.lines.len()
    }

    /// The number of columns, the same in every row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The first row, if it was taken as a header.
    pub fn header(&self) -> Option<&[String]> {
        self.header.as_deref()
    }

    /// Inputs and targets by the convention of this project: the first `dim_in` columns are the
    /// inputs; for a categorical likelihood the last column is the class index, counted from 0,
    /// else the last `dim_out` columns are the targets.
    ///
    /// # Errors
    /// When the number of columns is another one, a class is not an integer from 0 to
    /// `dim_out` − 1, or a Bernoulli target is not between 0 and 1.
    pub fn into_dataset(self, shape: &Shape) -> Result<Dataset, Error> {
        self.check_width(shape)?;
        let row = |index: usize| {
            let cells = block(&self.cells, index, self.columns);
            cells.split_at_checked(shape.dim_in).unwrap_or_default()
        };
        let rows = 0..self.rows();
        let inputs = rows.clone().flat_map(|i| row(i).0).copied().collect();
        let values = rows.flat_map(|i| row(i).1).copied();
        let mut set = Dataset {
            name: self.name.clone(),
            dim_in: shape.dim_in,
            dim_out: shape.dim_out,
            inputs,
            targets: Targets::Values(Vec::new()),
            lines: self.lines.clone(),
        };
        set.targets = match shape.likelihood {
            Likelihood::Gaussian => Targets::Values(values.collect()),
            Likelihood::Bernoulli => {
                let values: Vec<f64> = values.collect();
                if let Some(at) = values.iter().position(|t| !(0.0..=1.0).contains(t)) {
                    let column = shape.dim_in + at % shape.dim_out;
                    let problem = format!(
                        "{} is no Bernoulli target, which lies between 0 and 1",
                        brief(values.get(at).copied().unwrap_or_default())
                    );
                    return Err(set.cell(at / shape.dim_out, column, problem));
                }
                Targets::Values(values)
            }
            Likelihood::Categorical => {
                let label = |(index, value)| {
                    class(value, shape.dim_out).ok_or_else(|| {
                        let last = shape.dim_out.saturating_sub(1);
                        let problem = format!(
                            "{} is no class, which is an integer from 0 to {last}",
                            brief(value)
                        );
                        set.cell(index, shape.dim_in, problem)
                    })
                };
                Targets::Classes(values.enumerate().map(label).collect::<Result<_, _>>()?)
            }
        };
        Ok(set)
    }

    /// Inputs alone, for what needs no targets: every column is an input, and the targets that a
    /// [`Dataset`] has to have are 0.
    ///
    /// # Errors
    /// When the number of columns is not `dim_in`.
    pub fn into_inputs(self, shape: &Shape) -> Result<Dataset, Error> {
        if self.columns != shape.dim_in {
            self.check_width(shape)?;
        }
        let rows = self.rows();
        Ok(Dataset {
            name: self.name,
            dim_in: shape.dim_in,
            dim_out: shape.dim_out,
            inputs: self.cells,
            targets: Targets::Values(vec![0.0; rows.saturating_mul(shape.dim_out)]),
            lines: self.lines,
        })
    }

    fn check_width(&self, shape: &Shape) -> Result<(), Error> {
        let targets = shape.target_columns();
        if shape.dim_in == 0 || shape.dim_out == 0 {
            return Err(Error::option("--net", "a width is zero"));
        }
        if shape.dim_in.checked_add(targets) == Some(self.columns) {
            return Ok(());
        }
        let kind = match shape.likelihood {
            Likelihood::Categorical => "class",
            Likelihood::Gaussian | Likelihood::Bernoulli if targets == 1 => "target",
            Likelihood::Gaussian | Likelihood::Bernoulli => "targets",
        };
        let inputs = if shape.dim_in == 1 { "input" } else { "inputs" };
        let columns = if self.columns == 1 {
            "column"
        } else {
            "columns"
        };
        let problem = format!(
            "has {} {columns}, but the net takes {} {inputs} and {targets} {kind}",
            self.columns, shape.dim_in
        );
        Err(Error::file(&self.name, problem))
    }
}

/// The text without its byte order mark, or the place of the first byte that is none.
fn utf8<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, Error> {
    let after = |before: &str, problem: &str| {
        let line = LineCounter::new(before).line_at_end();
        let last = before.rsplit(['\n', '\r']).next().unwrap_or_default();
        let column = 1 + last.matches(',').count();
        Error::cell(name, line, column, problem)
    };
    let text = str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        after(&String::from_utf8_lossy(valid), "is not UTF-8 text")
    })?;
    // Valid UTF-8, but what ASCII looks like in UTF-16.
    if let Some((before, _)) = text.split_once('\0') {
        return Err(after(before, "holds a NUL byte, which UTF-8 text does not"));
    }
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The line of a quote that opens a cell and is not closed, so that all that follows is one cell.
fn open_quote(text: &str) -> Option<u64> {
    let mut open = None;
    // A quote opens at the beginning of a cell; and right behind another, since two of them stand for one.
    let mut may_open = true;
    for (at, byte) in (0..).zip(text.bytes()) {
        match (open, byte) {
            (None, b'"') if may_open => open = Some(at),
            (None, _) => may_open = matches!(byte, b',' | b'\n' | b'\r'),
            (Some(_), b'"') => (open, may_open) = (None, true),
            (Some(_), _) => {}
        }
    }
    open.map(|at| LineCounter::new(text).line_of_row_at(at))
}

/// What separates the numbers of a cell that holds several.
fn separator(cell: &str) -> Option<&'static str> {
    let number = |piece: &str| piece.trim().parse::<f64>().is_ok();
    let marked = [(';', "';'"), ('\t', "tabs")];
    let mark = marked
        .into_iter()
        .find(|(mark, _)| cell.contains(*mark) && cell.split(*mark).any(number));
    if let Some((_, name)) = mark {
        return Some(name);
    }
    // Spaces stand in texts as well.
    let mut words = cell.split_whitespace();
    (words.clone().count() > 1 && words.all(number)).then_some("spaces")
}

/// Whether the first row is a header: it holds a text, and no number that could be a measurement.
///
/// A row of numbers with one text in it is a mistake in the data and shall be reported, but a header may
/// name columns by numbers too: `0,1,2,3,class`, or the wavelengths of a spectrum. Such names are
/// three or more, at equal distances.
fn is_header(record: &StringRecord) -> bool {
    let numbers: Vec<f64> = record.iter().filter_map(|cell| cell.parse().ok()).collect();
    let text = record
        .iter()
        .any(|cell| !cell.is_empty() && cell.parse::<f64>().is_err());
    let names = match numbers[..] {
        [] => true,
        [a, b, _, ..] => {
            let mut steps = numbers.windows(2).map(|pair| pair[1] - pair[0]);
            b > a && steps.all(|step| step == b - a)
        }
        _ => false,
    };
    text && names
}

fn number(cell: &str) -> Result<f64, String> {
    if cell.is_empty() {
        return Err("the cell is empty".into());
    }
    match cell.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) => Err(format!("{} is not a finite number", excerpt(cell))),
        Err(_) => Err(format!("{} is not a number", excerpt(cell))),
    }
}

fn class(value: f64, classes: usize) -> Option<u16> {
    let label = num_traits::cast::<f64, u16>(value).filter(|&label| f64::from(label) == value)?;
    (usize::from(label) < classes).then_some(label)
}

/// A number as messages show it, never hundreds of digits long.
fn brief(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude < 1e15 && (magnitude > 1e-5 || magnitude == 0.0) {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

fn cells(n: usize) -> String {
    format!("{n} cell{}", if n == 1 { "" } else { "s" })
}

/// Line numbers for byte offsets that only grow.
///
/// The reader says where a record starts, but takes blank lines before it as a part of it.
struct LineCounter<'a> {
    text: &'a [u8],
    offset: usize,
    line: u64,
}

impl<'a> LineCounter<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text: text.as_bytes(),
            offset: 0,
            line: 1,
        }
    }

    /// The line of the first byte at or after `start` that is no line end.
    fn line_of_row_at(&mut self, start: u64) -> u64 {
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        while let Some(&byte) = self.text.get(self.offset) {
            if self.offset >= start && !matches!(byte, b'\n' | b'\r') {
                break;
            }
            let next = self.text.get(self.offset + 1);
            if byte == b'\n' || (byte == b'\r' && next != Some(&b'\n')) {
                self.line += 1;
            }
            self.offset += 1;
        }
        self.line
    }

    fn line_at_end(mut self) -> u64 {
        self.line_of_row_at(u64::MAX)
    }
}

#[cfg(test)]
mod tests;
