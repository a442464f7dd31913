//! Firmware on emulated cores, where there are emulators and a compiler for their cores.

use std::process::Command;

#[test]
#[ignore = "needs emulators and a compiler for their cores: `cargo run -p natgrad-tests --bin on-target`"]
fn firmware_passes_every_check_on_every_core() {
    let status = Command::new(env!("CARGO_BIN_EXE_on-target")).status();
    assert!(status.unwrap().success());
}
