//! The same bits: 100 steps of every method end on every core as they do on the host.

use scenario::{End, PLAN, dual, largest, natural, rivals, woodbury};

use super::{Build, Verdict, toolchain};

/// The programs of the package `bits`, a group of runs each.
const PROGRAMS: [&str; 4] = ["natural", "dual", "woodbury", "rivals"];

/// The tiles of a host.
const TILES: [usize; 3] = [1, 4, 32];

/// A training run: its name, and what it ended with.
pub type Run = (String, String);

/// Builds the programs, runs them on the board, and says that they end with the bits of the host.
///
/// # Errors
/// A sentence that names the runs that do not.
pub fn check(build: &Build<'_>, host: &[Run]) -> Verdict {
    build.package("bits")?;
    compare(&runs(build)?, host)
}

fn runs(build: &Build<'_>) -> Result<Vec<Run>, String> {
    let mut runs = Vec::new();
    for program in PROGRAMS {
        runs.extend(printed(&build.run(program)?));
    }
    Ok(runs)
}

fn printed(lines: &str) -> Vec<Run> {
    let lines = lines.lines().filter_map(|line| line.split_once(' '));
    let runs = lines.map(|(name, end)| (name.to_string(), end.to_string()));
    runs.collect()
}

/// Says that a build of the host by a profile of cargo ends with the same bits, with every tile.
///
/// # Errors
/// A sentence that names the runs that do not.
pub fn check_host(profile: &str, host: &[Run]) -> Verdict {
    let runs = printed(&toolchain::run_host(profile, "scenario", "host")?);
    let tiles: Vec<&[Run]> = runs.chunks(host.len()).collect();
    for (tile, runs) in TILES.into_iter().zip(&tiles) {
        compare(runs, host).map_err(|sentence| format!("tile {tile}: {sentence}"))?;
    }
    if tiles.len() == TILES.len() {
        Ok(format!("{} methods, tiles {TILES:?}", host.len()))
    } else {
        Err(format!("{} tiles instead of {}", tiles.len(), TILES.len()))
    }
}

/// The same runs on the host.
///
/// # Errors
/// A sentence, when the tiles do not agree, or a run does not train.
pub fn host_runs() -> Result<Vec<Run>, String> {
    let [one, four, many] = [tiled::<1>()?, tiled::<4>()?, tiled::<32>()?];
    if one == four && four == many {
        Ok(one)
    } else {
        Err("the tiles of the host do not agree".into())
    }
}

fn tiled<const TILE: usize>() -> Result<Vec<Run>, String> {
    let mut params = [0.0; PLAN.params()];
    let len = largest(&[
        natural::workspace_len::<TILE>(),
        dual::workspace_len::<TILE>(),
        woodbury::workspace_len::<TILE>(),
        rivals::workspace_len::<TILE>(),
    ]);
    let mut workspace = vec![0.0; len];
    let mut runs = Vec::new();
    let mut seen = |name: &str, end: Result<End, natgrad::Error>| {
        runs.push(match end {
            // Firmware that does nothing would agree with a host that does nothing.
            Ok(end) if end.loss[1] < end.loss[0] => Ok((name.to_string(), end.to_string())),
            Ok(end) => Err(format!("{name} does not train on the host: {:?}", end.loss)),
            Err(error) => Err(format!("{name} fails on the host: {error}")),
        });
    };
    natural::all::<TILE>(&mut params, &mut workspace, &mut seen);
    dual::all::<TILE>(&mut params, &mut workspace, &mut seen);
    woodbury::all::<TILE>(&mut params, &mut workspace, &mut seen);
    rivals::all::<TILE>(&mut params, &mut workspace, &mut seen);
    runs.into_iter().collect()
}

/// Says that the runs of a board are those of the host, or which are not.
fn compare(runs: &[Run], host: &[Run]) -> Verdict {
    if runs.len() != host.len() {
        return Err(format!("{} runs instead of {}", runs.len(), host.len()));
    }
    let other = runs.iter().zip(host).filter(|(run, host)| run != host);
    let other: Vec<&str> = other.map(|(_, host)| host.0.as_str()).collect();
    if other.is_empty() {
        Ok(format!("{} methods, the bits of the host", runs.len()))
    } else {
        Err(format!("other bits of {}", other.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tiles_of_the_host_agree() {
        let runs = host_runs().unwrap();
        assert_eq!(runs.len(), 22);
    }

    #[test]
    fn a_run_that_ends_otherwise_is_named() {
        let run = |name: &str, end: &str| (name.to_string(), end.to_string());
        let host = [run("adam", "01 02 03"), run("sgd", "04 05 06")];
        assert_eq!(
            compare(&host, &host).as_deref(),
            Ok("2 methods, the bits of the host")
        );
        let other = [run("adam", "01 02 03"), run("sgd", "04 05 07")];
        assert_eq!(compare(&other, &host), Err("other bits of sgd".into()));
        assert_eq!(
            compare(&host[..1], &host),
            Err("1 runs instead of 2".into())
        );
    }
}
