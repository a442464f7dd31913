//! The report on toys: what it says first, and what it says to machines.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use serde_json::Value;

use super::*;
use crate::experiment::toy::Toy;
use crate::experiment::{Plan, Setup, Shard, Store, execute};

const TOYS: &[&dyn Experiment] = &[&Toy];

/// What the runs of a shard leave behind.
fn archive(scale: Scale, shard: &str) -> Archive {
    let folder = tempfile::tempdir().unwrap();
    let setup = Setup { scale, mnist: None };
    let plan = Plan::new(TOYS, setup, &[], None, false).unwrap();
    let mut store = Store::open(folder.path(), TOYS).unwrap();
    store.begin(&plan, TOYS).unwrap();
    let shard: Shard = shard.parse().unwrap();
    let stop = AtomicBool::new(false);
    execute(&plan.parts(TOYS), shard, &mut store, TOYS, &stop, &|_| {}).unwrap();
    store.archive().clone()
}

fn html(archive: &Archive) -> String {
    let report = Report::new(archive, TOYS).unwrap();
    page::page(&report).unwrap().into_string()
}

/// The text of a page between two marks, without its tags.
fn between(html: &str, from: &str, to: &str) -> String {
    let (_, rest) = html.split_once(from).expect(from);
    let (part, _) = rest.split_once(to).expect(to);
    let mut inside = true;
    let part = part.replace('\u{a0}', " ");
    let visible = part.chars().filter(|&c| {
        let was_inside = inside;
        match c {
            '<' => inside = false,
            '>' => inside = true,
            _ => {}
        }
        was_inside && inside
    });
    visible.collect()
}

#[test]
fn the_first_paragraph_says_what_is_lost_and_what_is_open() {
    let html = html(&archive(Scale::Quick, "0/1"));
    assert_eq!(
        between(&html, "<p class=\"first\">", "</p>"),
        "Natural gradient loses, or falls short of what was claimed for it, on 2 claims: “Half is little”; “A rival \
         is less”. 1 more is not supported, since the interval holds both sides of the threshold or there is \
         none. 2 of 4 claims are supported."
    );
    let first = html.find("<p").expect("a paragraph");
    assert!(html[first..].starts_with("<p class=\"first\">"));
}

#[test]
fn claims_are_judged_by_their_intervals() {
    let archive = archive(Scale::Quick, "0/1");
    let report = Report::new(&archive, TOYS).unwrap();
    let verdicts: Vec<Verdict> = report.claims().map(|claim| claim.verdict).collect();
    let expected = [
        Verdict::Supported,
        Verdict::Contradicted,
        Verdict::Supported,
        Verdict::NotSupported,
    ];
    assert_eq!(verdicts, expected);
    assert_eq!(report.missing(), 0);
}

#[test]
fn the_page_tells_what_is_missing_tuned_and_smoke() {
    let whole = html(&archive(Scale::Quick, "0/1"));
    assert!(!whole.contains("Incomplete") && !whole.contains("smoke"));
    assert!(whole.contains("The tuning runs are not among those of this report"));
    let part = html(&archive(Scale::Quick, "0/3"));
    assert!(
        part.contains("Incomplete: 4 of 6 planned runs are missing"),
        "{part}"
    );
    let full = html(&archive(Scale::Full, "0/1"));
    let says = "whole: the tuning runs prefer rate=2 to rate=1, which is what was used.";
    assert!(full.contains(says), "{full}");
    assert!(full.contains("The tuning runs bear out 0 of 1 choice."));
    assert!(html(&archive(Scale::Smoke, "0/1")).contains("This is a smoke run"));
    assert!(whole.contains("A toy &lt;of&gt; tests") && whole.contains("less &amp; is"));
}

#[test]
fn nothing_to_report_is_a_sentence() {
    let archive = Archive::default();
    let error = Report::new(&archive, TOYS)
        .err()
        .map(|error| error.to_string());
    assert_eq!(
        error.as_deref(),
        Some("report: there are no runs to report")
    );
}

#[test]
fn machines_get_every_number() {
    let archive = archive(Scale::Full, "0/1");
    let report = Report::new(&archive, TOYS).unwrap();
    let folder = tempfile::tempdir().unwrap();
    report.write(folder.path()).unwrap();
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();

    let results: Value = serde_json::from_slice(&read("results.json")).unwrap();
    let toy = &results["experiments"][0];
    assert_eq!(toy["claims"][1]["verdict"], "contradicted");
    assert_eq!(toy["claims"][0]["threshold"]["at-most"], 0.6);
    assert_eq!(toy["claims"][3]["effect"]["value"], Value::Null);
    assert_eq!(toy["claims"][3]["effect"]["low"], Value::Null);
    assert_eq!(toy["choices"][0]["tuning"]["best"], "rate=2");
    assert_eq!(toy["runs"].as_array().map(Vec::len), Some(12));
    assert!(
        !results.to_string().contains("seconds"),
        "timings are no results"
    );

    let numbers = read("toy.csv");
    let mut table = csv::Reader::from_reader(numbers.as_slice());
    let head = ["role", "arm", "seed", "quantity", "x", "value"];
    assert_eq!(table.headers().unwrap(), &head[..]);
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!(
        rows.len(),
        12 * 3 + 6,
        "a number, and a curve of two points or, of half the runs, three"
    );
    let judged = |row: &&csv::StringRecord| {
        (&row[0], &row[1], &row[2], &row[3]) == ("judging", "half", "3", "loss")
    };
    assert_eq!(&rows.iter().find(judged).unwrap()[5], "0.65");
    let timings = String::from_utf8(read("timings.csv")).unwrap();
    assert_eq!(timings.lines().count(), 13);

    let names: BTreeSet<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected = ["index.html", "results.json", "timings.csv", "toy.csv"];
    assert!(names.iter().eq(expected), "{names:?}");
}
