//! Lists, stores and runs of experiments, on toys; and what all real ones keep to.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use tempfile::TempDir;

use super::toy::{Broken, Toy};
use super::*;

const TOYS: &[&dyn Experiment] = &[&Toy];

fn setup(scale: Scale) -> Setup {
    Setup { scale, mnist: None }
}

fn plan(scale: Scale) -> Plan {
    Plan::new(TOYS, setup(scale), &[], None, false).unwrap()
}

fn keys(plan: &Plan) -> Vec<String> {
    let runs = plan.parts(TOYS).into_iter().flat_map(|part| part.runs);
    runs.map(|run| run.key.to_string()).collect()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Runs a shard into `folder`; whether all of it is done.
fn run(
    folder: &Path,
    plan: &Plan,
    shard: Shard,
    registry: &[&dyn Experiment],
) -> Result<bool, Error> {
    let mut store = Store::open(folder, registry)?;
    store.begin(plan, registry)?;
    let parts = plan.parts(registry);
    let stop = AtomicBool::new(false);
    execute(&parts, shard, &mut store, registry, &stop, &|_| {})
}

fn outcomes(folder: &Path) -> Vec<(Key, Outcome)> {
    let archive = Archive::read(folder, TOYS).unwrap();
    let runs = archive.runs();
    runs.map(|record| (record.key.clone(), record.outcome.clone()))
        .collect()
}

fn text(folder: &Path) -> String {
    fs::read_to_string(folder.join(RUNS_FILE)).unwrap()
}

fn refusal<T: fmt::Debug>(result: Result<T, Error>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn every_experiment_keeps_the_rules() {
    let mut ids = BTreeSet::new();
    let mut names = BTreeSet::new();
    let is_word = |word: &str| {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !word.is_empty() && word.chars().all(good)
    };
    let is_label = |label: &str| {
        let good = |c: char| c.is_ascii_alphanumeric() || ".=+-".contains(c);
        !label.is_empty() && label.chars().all(good)
    };
    for experiment in ALL {
        let about = experiment.about();
        let name = about.name;
        // Names and ids are anchors of one page.
        assert!(is_word(name) && names.insert(name), "{name}");
        assert!(!about.hypotheses.is_empty(), "{name} claims nothing");
        for hypothesis in about.hypotheses {
            assert!(is_word(hypothesis.id), "{}", hypothesis.id);
            assert!(ids.insert(hypothesis.id), "{}", hypothesis.id);
            assert!(!hypothesis.claim.ends_with('.'), "{}", hypothesis.id);
        }
        let seeds = about.seeds;
        assert!(2 <= seeds.quick && seeds.quick <= seeds.full, "{name}");
        for scale in [Scale::Smoke, Scale::Quick, Scale::Full] {
            let setup = setup(scale);
            let arms = experiment.arms(&setup);
            let labels: BTreeSet<&str> = arms.iter().map(|arm| arm.label.as_str()).collect();
            assert_eq!(labels.len(), arms.len(), "{name} has an arm twice");
            assert!(labels.iter().all(|label| is_label(label)), "{labels:?}");
            let grids = experiment.grids(&setup);
            let budgets: BTreeSet<usize> = grids.iter().map(|grid| grid.settings.len()).collect();
            assert!(
                budgets.len() <= 1,
                "{name} tunes some method more than others"
            );
            assert_eq!(grids.is_empty(), about.seeds.tuning == 0, "{name}");
            for grid in grids {
                assert!(is_label(grid.method));
                let mut labels = grid.settings.iter().map(|arm| &arm.label);
                assert!(labels.clone().all(|label| is_label(label)), "{labels:?}");
                assert!(labels.any(|label| *label == grid.chosen), "{}", grid.chosen);
            }
            // An analysis of no run claims nothing, and knows every hypothesis.
            let archive = Archive::default();
            let analysis = experiment.analyse(&Results::new(&archive, name, scale));
            let known: BTreeSet<&str> = analysis.effects.iter().map(|effect| effect.0).collect();
            let stated: BTreeSet<&str> = about.hypotheses.iter().map(|h| h.id).collect();
            assert_eq!(known, stated, "{name}");
            assert!(
                analysis
                    .effects
                    .iter()
                    .all(|(_, effect)| !effect.is_known())
            );
        }
    }
    assert!(ids.is_disjoint(&names));
}

#[test]
fn the_list_has_every_arm_on_the_same_seeds() {
    assert_eq!(
        keys(&plan(Scale::Quick)),
        [
            "toy/judging/whole/0",
            "toy/judging/whole/1",
            "toy/judging/whole/2",
            "toy/judging/half/0",
            "toy/judging/half/1",
            "toy/judging/half/2",
        ]
    );
    let full = keys(&plan(Scale::Full));
    assert_eq!(full.len(), 2 * 2 + 2 * 4);
    assert_eq!(full[0], "toy/tuning/whole:rate=1/1000000");
    let tune = Plan::new(TOYS, setup(Scale::Quick), &[], None, true).unwrap();
    assert_eq!(keys(&tune), full[..4]);
    let two = Plan::new(TOYS, setup(Scale::Quick), &["toy".into()], Some(2), false).unwrap();
    assert_eq!(keys(&two).len(), 4);
    assert_eq!(keys(&plan(Scale::Smoke)).len(), 4);
    const { assert!(MOST_SEEDS < TUNING_SEEDS) };

    let unknown = Plan::new(TOYS, setup(Scale::Quick), &["tay".into()], None, false);
    assert_eq!(
        refusal(unknown),
        "--only: there is no experiment `tay`, only toy"
    );
}

#[test]
fn shards_are_a_partition() {
    for of in 1..9 {
        let mut all: Vec<u32> = Vec::new();
        for index in 0..of {
            let shard: Shard = format!("{index}/{of}").parse().unwrap();
            let part: Vec<u32> = shard.select(0..7).collect();
            assert!(part.len() <= 7_usize.div_ceil(of), "{index}/{of}");
            all.extend(part);
        }
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4, 5, 6]);
    }
    assert_eq!("0/1".parse::<Shard>(), Ok(Shard::WHOLE));
    for wrong in ["4/4", "9/4"] {
        let message = wrong.parse::<Shard>().unwrap_err();
        assert_eq!(message, "shards count from 0, so that the last of 4 is 3/4");
    }
    for wrong in ["", "1", "0/0", "-1/2", "1/2/3", "a/b", "/"] {
        let message = wrong.parse::<Shard>().unwrap_err();
        assert_eq!(message, "a shard is I/N, such as 0/4 for the first of four");
    }
}

#[test]
fn shards_merge_to_the_same_numbers_whatever_the_threads() {
    let (whole, parts, merged) = (folder(), [folder(), folder(), folder()], folder());
    let plan = plan(Scale::Full);
    let single = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    assert!(
        single
            .install(|| run(whole.path(), &plan, Shard::WHOLE, TOYS))
            .unwrap()
    );
    let expected = outcomes(whole.path());
    assert_eq!(expected.len(), 12);

    let mut archive = Archive::default();
    for (index, part) in parts.iter().enumerate() {
        let shard = format!("{index}/3").parse().unwrap();
        assert!(run(part.path(), &plan, shard, TOYS).unwrap());
        assert_eq!(outcomes(part.path()).len(), 4);
        let part = Archive::read(part.path(), TOYS).unwrap();
        archive.merge(part, "part", TOYS).unwrap();
    }
    let mut store = Store::open(merged.path(), TOYS).unwrap();
    store.add_all(&archive, TOYS).unwrap();
    // Once more, and with what is there already.
    store.add_all(&archive, TOYS).unwrap();
    let whole = Archive::read(whole.path(), TOYS).unwrap();
    store.add_all(&whole, TOYS).unwrap();
    drop(store);
    assert_eq!(outcomes(merged.path()), expected);
    assert_eq!(text(merged.path()).lines().count(), 1 + 12);
}

/// Files can be joined line by line.
#[test]
fn joined_files_are_a_file() {
    let (first, second, joined) = (folder(), folder(), folder());
    let plan = plan(Scale::Quick);
    run(first.path(), &plan, "0/2".parse().unwrap(), TOYS).unwrap();
    run(second.path(), &plan, "1/2".parse().unwrap(), TOYS).unwrap();
    let both = text(first.path()) + &text(second.path());
    fs::write(joined.path().join(RUNS_FILE), both).unwrap();
    assert_eq!(outcomes(joined.path()).len(), 6);
}

#[test]
fn a_torn_line_is_run_again_and_nothing_else() {
    let (whole, torn) = (folder(), folder());
    let plan = plan(Scale::Quick);
    run(whole.path(), &plan, Shard::WHOLE, TOYS).unwrap();
    let bytes = text(whole.path());
    for cut in [1, 2, 40] {
        fs::write(torn.path().join(RUNS_FILE), &bytes[..bytes.len() - cut]).unwrap();
        assert_eq!(outcomes(torn.path()).len(), 5, "it can be read as it is");
        assert!(run(torn.path(), &plan, Shard::WHOLE, TOYS).unwrap());
        assert_eq!(outcomes(torn.path()), outcomes(whole.path()));
        let first_lines =
            |text: &str| -> Vec<String> { text.lines().take(6).map(String::from).collect() };
        assert_eq!(first_lines(&text(torn.path())), first_lines(&bytes));
    }
    // With nothing to do, nothing is written.
    let before = text(torn.path());
    run(torn.path(), &plan, Shard::WHOLE, TOYS).unwrap();
    assert_eq!(text(torn.path()), before);
}

#[test]
fn an_interruption_keeps_what_has_ended() {
    let folder = folder();
    let plan = plan(Scale::Quick);
    let mut store = Store::open(folder.path(), TOYS).unwrap();
    store.begin(&plan, TOYS).unwrap();
    let stop = AtomicBool::new(false);
    let parts = plan.parts(TOYS);
    let single = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let done = single.install(|| {
        execute(&parts, Shard::WHOLE, &mut store, TOYS, &stop, &|progress| {
            if matches!(progress, Progress::Ended(_)) {
                stop.store(true, Ordering::Relaxed);
            }
        })
    });
    assert!(!done.unwrap());
    drop(store);
    assert_eq!(outcomes(folder.path()).len(), 1);
    assert!(run(folder.path(), &plan, Shard::WHOLE, TOYS).unwrap());
    assert_eq!(outcomes(folder.path()).len(), 6);
}

#[test]
fn one_process_at_a_time() {
    let folder = folder();
    let store = Store::open(folder.path(), TOYS).unwrap();
    let message = refusal(Store::open(folder.path(), TOYS));
    assert!(
        message.ends_with("give every shard a directory of its own"),
        "{message}"
    );
    drop(store);
    Store::open(folder.path(), TOYS).unwrap();
}

#[test]
fn what_diverges_is_a_number_and_what_fails_is_named() {
    let registry: &[&dyn Experiment] = &[&Broken];
    let folder = folder();
    let plan = Plan::new(registry, setup(Scale::Quick), &[], None, false).unwrap();
    let message = refusal(run(folder.path(), &plan, Shard::WHOLE, registry));
    let failed = ["0", "1"].map(|seed| format!("broken/judging/fails/{seed}: --net: is absurd"));
    assert!(failed.contains(&message), "{message}");

    let mut store = Store::open(folder.path(), registry).unwrap();
    let mut parts = plan.parts(registry);
    parts[0].runs.retain(|run| run.key.arm == "diverges");
    let stop = AtomicBool::new(false);
    assert!(execute(&parts, Shard::WHOLE, &mut store, registry, &stop, &|_| {}).unwrap());
    drop(store);
    let archive = Archive::read(folder.path(), registry).unwrap();
    let results = Results::new(&archive, "broken", Scale::Quick);
    assert!(
        results
            .values("diverges", "loss")
            .iter()
            .all(|loss| loss.is_nan())
    );
    assert_eq!(results.band("diverges", "curve", Estimate::mean).len(), 1);
    assert!(!results.ratio("diverges", "diverges", "loss").is_known());
}

/// A line of the store, changed by hand.
fn tampered(change: impl Fn(&str) -> String) -> String {
    let folder = folder();
    run(folder.path(), &plan(Scale::Quick), Shard::WHOLE, TOYS).unwrap();
    let changed = change(&text(folder.path()));
    fs::write(folder.path().join(RUNS_FILE), changed).unwrap();
    let message = refusal(Archive::read(folder.path(), TOYS));
    let place = message.split_once(RUNS_FILE).expect("it names the file").1;
    place.to_string()
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let replace = |from: &'static str, to: &'static str| {
        tampered(move |text| {
            assert!(text.contains(from), "{from} in {text}");
            text.replacen(from, to, 1)
        })
    };
    let version = format!("\"version\":\"{}\"", env!("CARGO_PKG_VERSION"));
    let old = tampered(|text| text.replacen(&version, "\"version\":\"0.0.1\"", 1));
    assert!(
        old.contains(", row 1: the runs are of natgrad 0.0.1"),
        "{old}"
    );
    let moved = replace("{\"at-most\":0.6}", "{\"at-most\":0.5}");
    let expected =
        ", row 1: the runs were begun to judge half-is-less by ≤ 0.5, and it is now ≤ 0.6";
    assert!(moved.starts_with(expected), "{moved}");
    let gone = replace("\"half-is-little\"", "\"half-was-little\"");
    assert!(
        gone.contains("half-is-little by nothing, and it is now ≤ 0.4"),
        "{gone}"
    );
    let unknown = replace("\"experiments\":[\"toy\"]", "\"experiments\":[\"tay\"]");
    assert!(
        unknown.ends_with(", row 1: there is no experiment `tay`"),
        "{unknown}"
    );
    let config = replace("\"config\":\"", "\"config\":\"0");
    assert!(config.contains(", row 2: the run toy/judging/"), "{config}");
    assert!(
        config.contains("has other settings than the experiment has now"),
        "{config}"
    );
    let scale = tampered(|text| {
        let plan = text.lines().next().expect("a plan");
        format!("{plan}\n{}\n", plan.replace("\"quick\"", "\"full\""))
    });
    assert!(
        scale.starts_with(", row 2: runs at the scales quick and full"),
        "{scale}"
    );
    let mnist = tampered(|text| {
        let plan = text.lines().next().expect("a plan");
        format!(
            "{plan}\n{}\n",
            plan.replace("\"mnist\":null", "\"mnist\":\"m\"")
        )
    });
    assert!(
        mnist.starts_with(", row 2: runs with and without MNIST"),
        "{mnist}"
    );
    let twice = tampered(|text| {
        let run = text.lines().last().expect("a run");
        let (start, rest) = run.split_once("\"loss\":").expect("a loss");
        let (_, end) = rest.split_once('}').expect("its end");
        format!("{text}{start}\"loss\":7.5}}{end}\n")
    });
    assert!(twice.ends_with("has two different outcomes"), "{twice}");
    let garbage = tampered(|text| format!("{text}{{\n"));
    assert_eq!(garbage, ", row 8: is no line of a run");
    let orphan = tampered(|text| {
        let runs: Vec<&str> = text.split_inclusive('\n').skip(1).collect();
        runs.concat()
    });
    assert_eq!(orphan, ", row 1: a run comes before its plan");
}

/// Timings differ from run to run, and are no difference.
#[test]
fn the_same_numbers_at_another_speed_are_the_same_run() {
    let folder = folder();
    run(folder.path(), &plan(Scale::Quick), Shard::WHOLE, TOYS).unwrap();
    let text = text(folder.path());
    let (start, _) = text
        .trim_end()
        .rsplit_once("\"seconds\":")
        .expect("seconds");
    let last = start.lines().last().expect("a line");
    let slower = format!("{text}{last}\"seconds\":99.0}}}}\n");
    fs::write(folder.path().join(RUNS_FILE), slower).unwrap();
    assert_eq!(outcomes(folder.path()).len(), 6);
}

#[test]
fn results_pair_by_seed() {
    let folder = folder();
    run(
        folder.path(),
        &plan(Scale::Full),
        "1/3".parse().unwrap(),
        TOYS,
    )
    .unwrap();
    let archive = Archive::read(folder.path(), TOYS).unwrap();
    let results = Results::new(&archive, "toy", Scale::Full);
    // Of twelve runs those at places 1, 4, 7 and 10: a tuning run, whole/0, whole/3 and half/2.
    assert_eq!(results.values("whole", "loss").len(), 2);
    assert_eq!(results.values("half", "loss").len(), 1);
    assert!(results.pairs("half", "whole", "loss").is_empty());

    run(folder.path(), &plan(Scale::Full), Shard::WHOLE, TOYS).unwrap();
    let archive = Archive::read(folder.path(), TOYS).unwrap();
    let results = Results::new(&archive, "toy", Scale::Full);
    assert_eq!(results.seeds(), 4);
    assert_eq!(results.values("half", "loss"), [0.5, 0.55, 0.6, 0.65]);
    let ratio = results.ratio("half", "whole", "loss");
    assert!(
        (ratio.value - 0.5).abs() < 1e-12 && ratio.n == 4,
        "{ratio:?}"
    );
    let band = results.band("whole", "curve", Estimate::mean);
    assert_eq!((band.len(), band[0].x, band[1].y), (2, 0.0, 1.15));
    assert!(
        results
            .values("whole", "no such number")
            .iter()
            .all(|x| x.is_nan())
    );
    assert!(results.values("no such arm", "loss").is_empty());

    let grids = Toy.grids(&setup(Scale::Full));
    let confirmation = results.confirmation(&grids[0]).expect("tuning runs");
    assert_eq!(confirmation.best.as_deref(), Some("rate=2"));
    assert_eq!(confirmation.chosen, "rate=1");
    let none = Archive::default();
    let none = Results::new(&none, "toy", Scale::Full);
    assert_eq!(none.confirmation(&grids[0]), None);
}
