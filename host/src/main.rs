//! The command line of natgrad.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    natgrad_host::cli::main()
}
