//! The one error of the host crate: its text is one sentence that names the file and the cell, or the option.

use std::path::Path;

/// What is wrong with something that came from outside.
///
/// Rows and columns count from 1 as they stand in the file: the row is the line number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something about a file as a whole.
    #[error("{file}: {problem}")]
    File {
        /// The file as the user named it.
        file: String,
        /// What is wrong, in the words that follow the place.
        problem: String,
    },
    /// A file whose numbers are not those that it was written with.
    #[error(
        "{file}: is damaged, or was changed with its metadata kept: its {part} have the hash {found}, and the metadata say {said}"
    )]
    Damaged {
        /// The file as the user named it.
        file: String,
        /// Which of its numbers.
        part: &'static str,
        /// Their hash.
        found: String,
        /// The hash that the file promises.
        said: String,
    },
    /// Something about one row of a file.
    #[error("{file}, row {row}: {problem}")]
    Row {
        /// The file as the user named it.
        file: String,
        /// The line number.
        row: u64,
        /// What is wrong, in the words that follow the place.
        problem: String,
    },
    /// Something about one cell of a file.
    #[error("{file}, row {row}, column {column}: {problem}")]
    Cell {
        /// The file as the user named it.
        file: String,
        /// The line number.
        row: u64,
        /// The number of the column.
        column: usize,
        /// What is wrong, in the words that follow the place.
        problem: String,
    },
    /// A training run that could not go on.
    #[error("{file}, after step {step}: {problem}")]
    Step {
        /// The data as the user named them.
        file: String,
        /// The steps that were taken.
        step: usize,
        /// What is wrong, in the words that follow the place.
        problem: String,
    },
    /// Something about an option of the command line.
    #[error("{option}: {problem}")]
    Option {
        /// The option as it is typed.
        option: String,
        /// What is wrong, in the words that follow the option.
        problem: String,
    },
    /// A plot that cannot be drawn.
    #[error("the plot cannot be drawn: {problem}")]
    Plot {
        /// What is wrong.
        problem: String,
    },
}

impl Error {
    /// A problem of the file called `file`.
    pub fn file(file: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::File {
            file: file.into(),
            problem: problem.into(),
        }
    }

    /// A problem of one row, by its line number.
    pub fn row(file: impl Into<String>, row: u64, problem: impl Into<String>) -> Self {
        Self::Row {
            file: file.into(),
            row,
            problem: problem.into(),
        }
    }

    /// A problem of one cell, by its line number and its column, both from 1.
    pub fn cell(
        file: impl Into<String>,
        row: u64,
        column: usize,
        problem: impl Into<String>,
    ) -> Self {
        Self::Cell {
            file: file.into(),
            row,
            column,
            problem: problem.into(),
        }
    }

    /// A problem of an option such as `--net`.
    pub fn option(option: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Option {
            option: option.into(),
            problem: problem.into(),
        }
    }
}

/// `path` as messages show it: on one line, whatever it holds.
pub fn shown(path: &Path) -> String {
    one_line(&path.to_string_lossy())
}

/// The beginning of a foreign text, quoted and on one line, for a message.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 40;
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{}`", one_line(&short))
}

pub(crate) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_place() {
        let cases = [
            (Error::file("a.csv", "is empty"), "a.csv: is empty"),
            (Error::row("a.csv", 3, "is short"), "a.csv, row 3: is short"),
            (
                Error::cell("a.csv", 3, 4, "is text"),
                "a.csv, row 3, column 4: is text",
            ),
            (Error::option("--net", "is absurd"), "--net: is absurd"),
        ];
        for (error, text) in cases {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn foreign_text_stays_short_and_on_one_line() {
        assert_eq!(excerpt("abc"), "`abc`");
        assert_eq!(excerpt("a\nb\u{1b}c"), "`a\u{fffd}b\u{fffd}c`");
        assert_eq!(excerpt(&"x".repeat(1000)), format!("`{}…`", "x".repeat(40)));
        assert_eq!(shown(Path::new("a\nb.csv")), "a\u{fffd}b.csv");
    }
}
