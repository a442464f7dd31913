//! A budget of RAM, and the sentence that says by how much a plan breaks it.

use core::fmt;

/// Training takes more RAM than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct OverBudget {
    /// Bytes of parameters, workspace and trainer.
    pub statics: usize,
    /// Bytes of stack below the caller of a step.
    pub stack: usize,
    /// Bytes that there are.
    pub budget: usize,
}

impl OverBudget {
    /// The error in one sentence, for a build that it ends.
    pub const fn message(&self) -> Sentence {
        let needed = self.statics.saturating_add(self.stack);
        let mut sentence = Sentence {
            text: [0; CAPACITY],
            len: 0,
        };
        sentence.push("training takes ");
        sentence.push_number(needed);
        sentence.push(" bytes of RAM, ");
        sentence.push_number(self.stack);
        sentence.push(" of them stack: ");
        sentence.push_number(needed.saturating_sub(self.budget));
        sentence.push(" more than the budget of ");
        sentence.push_number(self.budget);
        sentence
    }
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message().as_str())
    }
}

impl core::error::Error for OverBudget {}

/// Room for the words of [`OverBudget::message`] and four numbers of 20 digits.
const CAPACITY: usize = 160;

/// A sentence with numbers in it, made while the program is compiled.
#[derive(Clone, Copy, Debug)]
pub struct Sentence {
    text: [u8; CAPACITY],
    len: usize,
}

impl Sentence {
    /// The sentence.
    pub const fn as_str(&self) -> &str {
        let Some((text, _)) = self.text.split_at_checked(self.len) else {
            return "";
        };
        match core::str::from_utf8(text) {
            Ok(text) => text,
            Err(_) => "",
        }
    }

    const fn push(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        while let [byte, more @ ..] = rest {
            self.push_byte(*byte);
            rest = more;
        }
    }

    const fn push_number(&mut self, number: usize) {
        if number >= 10 {
            self.push_number(number / 10);
        }
        #[expect(clippy::cast_possible_truncation, reason = "a digit fits")]
        self.push_byte(b'0' + (number % 10) as u8);
    }

    const fn push_byte(&mut self, byte: u8) {
        if let Some((_, [place, ..])) = self.text.split_at_mut_checked(self.len) {
            *place = byte;
            self.len += 1;
        }
    }
}
