//! The command line of natgrad.
fn main() {}
