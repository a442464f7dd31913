//! The logs of firmware: numbers from the device, and the words for them from its ELF file.

use defmt_decoder::{DecodeError, Table};

/// The lines of a log: the level, and what is said.
///
/// # Errors
/// A sentence, when the ELF file has no words or the bytes are no log.
pub(super) fn decode(image: &[u8], bytes: &[u8]) -> Result<String, String> {
    let table = Table::parse(image)
        .map_err(|error| format!("the words of the log cannot be read: {error}"))?
        .ok_or("the program logs nothing")?;
    let mut decoder = table.new_stream_decoder();
    decoder.received(bytes);
    let mut text = String::new();
    loop {
        match decoder.decode() {
            Ok(frame) => {
                let level = frame.level().map_or("print", |level| level.as_str());
                let message = frame.display_message().to_string();
                text.extend([level, " ", &message, "\n"]);
            }
            Err(DecodeError::UnexpectedEof) => return Ok(text),
            Err(DecodeError::Malformed) => {
                let printed = String::from_utf8_lossy(bytes);
                return Err(format!("no log: {}", printed.trim_end()));
            }
        }
    }
}
