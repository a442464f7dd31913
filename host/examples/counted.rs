//! A gradient and Fisher products, each in a function of its own for callgrind to count: what `host-counts` of the package
//! `natgrad-tests` runs.
//!
//! Prints the instruction set that the kernels are chosen for, and then a line for each call of [`counted`], in its order:
//! network, batch, tile, pass and FLOPs. An example, since a bench target would have the binary built beside it.

#[path = "../benches/harness/mod.rs"]
mod harness;

use harness::{Case, Row, name, passes};
use natgrad_host::training::tile_for;

const NETWORKS: [&[usize]; 3] = [&[8, 16, 4], &[64, 32, 10], &[784, 100, 10]];
const BATCHES: [usize; 3] = [1, 16, 256];

fn main() {
    println!("{}", instruction_set());
    for widths in NETWORKS {
        for batch in BATCHES {
            let tile = tile_for(batch);
            for Row {
                pass,
                measured: (),
                flops,
            } in passes(&Case::new(widths, batch), counted)
            {
                println!("{},{batch},{tile},{pass},{flops}", name(widths));
            }
        }
    }
}

/// What is counted: all that happens between its beginning and its end.
#[inline(never)]
fn counted(call: &mut dyn FnMut()) {
    call();
}

/// As it is found at run time: an emulator of a processor may have less than the processor.
fn instruction_set() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            return "avx512";
        }
        if is_x86_feature_detected!("avx2") {
            return "avx2";
        }
    }
    "plain"
}
