//! A console without formatting, for programs whose size counts.

use semihosting::io::{self, Write};

/// Prints words as a line, in hexadecimal.
pub fn print(words: &[u32]) {
    let Ok(mut out) = io::stdout() else { return };
    for word in words {
        let mut text = *b"00000000 ";
        for (place, digit) in text.iter_mut().take(8).enumerate() {
            let nibble = (word >> (28 - 4 * place)) as u8 & 15;
            *digit = match nibble {
                0..10 => b'0' + nibble,
                _ => b'a' - 10 + nibble,
            };
        }
        let _ = out.write(&text);
    }
    let _ = out.write(b"\n");
}
