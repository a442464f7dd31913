//! What a command says: its result on standard output, its notes on standard error.

use std::io::{ErrorKind, Write, stderr, stdout};

use serde::Serialize;

use crate::error::Error;
use crate::evaluation::{Measure, Quality};
use crate::files::why;

/// A line of result. A reader that has gone away is not an error.
///
/// # Errors
/// When it cannot be written for another reason: what ends well has said its result.
pub(super) fn result(line: &str) -> Result<(), Error> {
    let mut out = stdout();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let problem = format!("cannot be written: {}", why(&error));
            Err(Error::file("standard output", problem))
        }
        _ => Ok(()),
    }
}

/// A line beside the result.
pub(super) fn note(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}

/// The one JSON object of a command.
///
/// # Errors
/// As [`result`].
pub(super) fn json(object: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string(object)
        .map_err(|error| Error::file("the result", format!("is no JSON: {error}")))?;
    result(&text)
}

/// The quality of a model on one part of the data, as JSON keys that start with `prefix`.
pub(super) fn quality(
    object: &mut serde_json::Map<String, serde_json::Value>,
    prefix: &str,
    quality: Option<Quality>,
    classes: bool,
) {
    let measure = if classes { "accuracy" } else { "rmse" };
    let value = quality.map(|quality| match quality.measure {
        Measure::Accuracy(value) | Measure::Rmse(value) => value,
    });
    object.insert(format!("{prefix}_loss"), quality.map(|q| q.loss).into());
    object.insert(format!("{prefix}_{measure}"), value.into());
}

/// The same for a person.
pub(super) fn sentence(part: &str, quality: Option<Quality>) -> Option<String> {
    let quality = quality?;
    let measure = match quality.measure {
        Measure::Accuracy(accuracy) => format!("accuracy {:.2} %", 100.0 * accuracy),
        Measure::Rmse(rmse) => format!("RMSE {}", number(rmse, 5)),
    };
    let loss = number(quality.loss, 6);
    Some(format!("{part}: loss {loss}, {measure}"))
}

/// A number with so many digits after the point, by a power of ten where they would say nothing.
pub(super) fn number(value: f64, digits: usize) -> String {
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        format!("{value:.digits$}")
    } else {
        format!("{value:.digits$e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_short_and_says_something() {
        for (value, text) in [
            (0.0, "0.00000"),
            (0.0012, "0.00120"),
            (-1234.5, "-1234.50000"),
            (9_999_999.0, "9999999.00000"),
            (1e-9, "1.00000e-9"),
            (4.25e300, "4.25000e300"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(number(value, 5), text);
        }
    }
}
