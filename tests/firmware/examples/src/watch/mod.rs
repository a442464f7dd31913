//! A smart watch that tells seven exercises of physiotherapy apart: real recordings, and a classifier trained on
//! other people ([where they come from](../data/README.md)).

pub mod model;

/// The channels' means and deviations over 4 s.
pub const FEATURES: usize = 12;

/// Who wears the watch, and what was recorded of them.
#[derive(Clone, Copy, Debug)]
pub struct Wearer {
    /// The number of the person.
    pub id: u16,
    /// The first 8 s of every recording, which they have labelled.
    pub labelled: Windows,
    /// The rest of the recordings.
    pub later: Windows,
}

/// Windows of 4 s.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// [`FEATURES`] of each window, in thousandths of g and of rad/s.
    pub raw: &'static [i16],
    /// The exercise of each.
    pub classes: &'static [u16],
}

include!(concat!(env!("OUT_DIR"), "/wearers.rs"));
