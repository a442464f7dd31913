//! Gives the linker the memory map of the target's board.

use std::{env, fs, path::Path};

fn main() {
    let target = env::var("TARGET").expect("cargo sets it");
    let timer = match target.as_str() {
        "thumbv6m-none-eabi" => "nrf51",
        "thumbv8m.main-none-eabihf" => "secure-cmsdk",
        "riscv32imac-unknown-none-elf" => "instructions",
        _ => "cmsdk",
    };
    println!("cargo::rustc-check-cfg=cfg(timer, values(any()))");
    println!("cargo::rustc-cfg=timer=\"{timer}\"");
    let map = format!("../boards/{target}.x");
    println!("cargo::rerun-if-changed={map}");
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::copy(&map, Path::new(&out).join("memory.x")).expect("a memory map of the target");
    println!("cargo::rustc-link-search={out}");
    let text = fs::read_to_string(&map).expect("it is there");
    let ram = text.lines().find(|line| line.trim().starts_with("RAM "));
    let length = ram.and_then(|line| line.rsplit_once(" = "));
    let kib = length.and_then(|(_, length)| length.trim().strip_suffix('K'));
    println!("cargo::rustc-env=RAM_KIB={}", kib.expect("KiB of RAM"));
}
