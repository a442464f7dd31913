//! All runs on the host, by tiles of 1, 4 and 32: prints `name params state losses` for each, tile after tile.

use scenario::{PLAN, dual, natural, rivals, woodbury};

fn main() {
    print::<1>();
    print::<4>();
    print::<32>();
}

fn print<const TILE: usize>() {
    let mut params = [0.0; PLAN.params()];
    let len = scenario::largest(&[
        natural::workspace_len::<TILE>(),
        dual::workspace_len::<TILE>(),
        woodbury::workspace_len::<TILE>(),
        rivals::workspace_len::<TILE>(),
    ]);
    let mut workspace = vec![0.0; len];
    let seen = |name: &str, end: Result<scenario::End, natgrad::Error>| match end {
        Ok(end) => println!("{name} {end}"),
        Err(error) => println!("{name} {error}"),
    };
    natural::all::<TILE>(&mut params, &mut workspace, seen);
    dual::all::<TILE>(&mut params, &mut workspace, seen);
    woodbury::all::<TILE>(&mut params, &mut workspace, seen);
    rivals::all::<TILE>(&mut params, &mut workspace, seen);
}
