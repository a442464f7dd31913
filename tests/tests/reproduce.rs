//! `natgrad reproduce` and `natgrad report`, end to end: every experiment in miniature.

use std::collections::BTreeSet;

use natgrad_tests::{Said, Sandbox};
use scraper::{ElementRef, Html, Selector};
use serde_json::Value;

const MINIATURE: &str = "reproduce --scale smoke";

fn succeed(sandbox: &Sandbox, line: &str) -> Said {
    let said = sandbox.run(line);
    assert_eq!(said.code, Some(0), "{line}: {said:?}");
    said
}

fn refusal(sandbox: &Sandbox, line: &str) -> String {
    let said = sandbox.run(line);
    assert_eq!(
        (said.code, said.out.as_str()),
        (Some(2), ""),
        "{line}: {said:?}"
    );
    assert_eq!(said.err.lines().count(), 1, "{line}: {said:?}");
    said.err.trim_end().into()
}

fn json(sandbox: &Sandbox, name: &str) -> Value {
    serde_json::from_slice(&sandbox.read(name)).expect("JSON")
}

fn select<'h>(html: &'h Html, selector: &str) -> Vec<ElementRef<'h>> {
    let selector = Selector::parse(selector).expect("a selector");
    html.select(&selector).collect()
}

fn text(element: &ElementRef<'_>) -> String {
    let text: String = element.text().collect();
    text.replace('\u{a0}', " ").trim().into()
}

#[test]
fn a_miniature_of_every_experiment_gives_a_page_that_stands_alone() {
    let sandbox = Sandbox::new();
    let said = succeed(&sandbox, MINIATURE);
    assert!(
        said.out.ends_with("report in reproduction/index.html\n"),
        "{said:?}"
    );
    assert!(
        said.err.lines().all(|line| line.contains(": ")),
        "plain lines: {said:?}"
    );
    let page = String::from_utf8(sandbox.read("reproduction/index.html")).expect("UTF-8");
    let html = Html::parse_document(&page);
    assert!(html.errors.is_empty(), "{:?}", html.errors);

    // Nothing is fetched, nothing is run.
    let foreign = select(
        &html,
        "script, link, iframe, img, object, embed, [src], [srcset]",
    );
    assert!(foreign.is_empty(), "{foreign:?}");
    assert!(!page.contains("url(") && !page.contains("@import"));
    let style: String = select(&html, "style").iter().map(text).collect();
    assert!(style.contains("prefers-color-scheme: dark"));
    assert_eq!(select(&html, "meta[name=viewport]").len(), 1);

    // Every link inside the page has its target, and every file beside it is there.
    let ids: Vec<&str> = select(&html, "[id]")
        .iter()
        .filter_map(|e| e.attr("id"))
        .collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
    for link in select(&html, "a[href]") {
        let target = link.attr("href").expect("a target");
        match target.strip_prefix('#') {
            Some(id) => assert!(unique.contains(id), "{target}"),
            None => assert!(!sandbox.read(&format!("reproduction/{target}")).is_empty()),
        }
    }

    let results = json(&sandbox, "reproduction/results.json");
    let experiments = results["experiments"].as_array().expect("experiments");
    assert!(experiments.len() >= 2);
    assert_eq!(results["missing"], Value::Array(Vec::new()));
    for experiment in experiments {
        let name = experiment["name"].as_str().expect("a name");
        let drawn = select(&html, &format!("section#{name} figure svg[role=img]"));
        assert!(!drawn.is_empty(), "{name} has no plot");
        for plot in drawn {
            assert!(
                plot.attr("aria-label")
                    .is_some_and(|label| !label.is_empty())
            );
            assert!(!plot.html().contains("NaN"), "{name}");
        }
        let tables = select(&html, &format!("section#{name} table"));
        assert!(!tables.is_empty(), "{name} has no table");
        let csv = String::from_utf8(sandbox.read(&format!("reproduction/{name}.csv")));
        assert!(csv.expect("UTF-8").lines().count() > 1, "{name}");
    }
}

/// The shape of the table of claims, and not its values: a threshold that moves shows in `claims.txt`.
#[test]
fn the_table_of_claims_has_its_shape() {
    let sandbox = Sandbox::new();
    succeed(&sandbox, MINIATURE);
    let page = String::from_utf8(sandbox.read("reproduction/index.html")).expect("UTF-8");
    let html = Html::parse_document(&page);
    let head: Vec<String> = select(&html, "table.claims thead th")
        .iter()
        .map(text)
        .collect();
    assert_eq!(
        head,
        [
            "claim",
            "threshold",
            "effect, 95 % interval",
            "verdict",
            "experiment"
        ]
    );
    let rows = select(&html, "table.claims tbody tr");
    let results = json(&sandbox, "reproduction/results.json");
    let experiments = results["experiments"].as_array().expect("experiments");
    let ids = experiments.iter().flat_map(|experiment| {
        let claims = experiment["claims"].as_array().expect("claims");
        claims
            .iter()
            .map(|claim| claim["id"].as_str().expect("an id"))
    });
    let lines: Vec<String> = rows
        .iter()
        .zip(ids)
        .map(|(row, id)| {
            let cells = Selector::parse("th, td").expect("a selector");
            let cells: Vec<String> = row.select(&cells).map(|cell| text(&cell)).collect();
            let [claim, threshold, effect, verdict, experiment] = cells.as_slice() else {
                panic!("five cells: {cells:?}");
            };
            let verdicts = ["✓ supported", "? not supported", "✗ contradicted"];
            assert!(verdicts.contains(&verdict.as_str()), "{verdict}");
            assert!(!claim.is_empty() && !effect.is_empty(), "{cells:?}");
            format!("{experiment} | {id} | {threshold}")
        })
        .collect();
    assert_eq!(lines.len(), rows.len());
    let expected: Vec<&str> = include_str!("claims.txt").lines().collect();
    assert_eq!(
        lines,
        expected,
        "a claim came, went, or moved:\n{}",
        lines.join("\n")
    );

    let before_the_table = page.split("<table").next().expect("what is above");
    assert!(before_the_table.contains("<p class=\"first\">"));
    let lines = succeed(&sandbox, "report reproduction").out;
    assert_eq!(lines.lines().count(), expected.len() + 1, "{lines}");
}

/// A file without the figures that are drawn against a clock.
fn untimed(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
    let mut parts = text.split("<figure class=\"timed\">");
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |kept, part| {
        let (_, rest) = part.split_once("</figure>").expect("a figure ends");
        kept + rest
    })
}

#[test]
fn shards_and_repetitions_give_the_same_bytes() {
    let sandbox = Sandbox::new();
    succeed(&sandbox, MINIATURE);
    for shard in 0..2 {
        let line = format!("{MINIATURE} --shard {shard}/2 --out part-{shard}");
        let said = succeed(&sandbox, &line);
        assert!(
            said.out.contains("natgrad report merges the shards"),
            "{said:?}"
        );
    }
    succeed(&sandbox, "report part-0 part-1");
    succeed(&sandbox, "report part-1 merged --out merged");
    succeed(&sandbox, &format!("{MINIATURE} --out again"));
    let names = ["index.html", "results.json", "solver.csv", "invariance.csv"];
    for name in names {
        let untimed = |folder: &str| untimed(&sandbox.read(&format!("{folder}/{name}")));
        let whole = untimed("reproduction");
        for other in ["merged", "again"] {
            assert!(untimed(other) == whole, "{other}/{name} is another");
        }
    }
    // A part is a report, too, and says what it misses.
    let said = succeed(&sandbox, "report part-0");
    assert!(said.err.contains("planned runs are missing"), "{said:?}");
    let page = String::from_utf8(sandbox.read("part-0/index.html")).expect("UTF-8");
    assert!(page.contains("Incomplete: "));
    // The rest of the list, in the same directory.
    succeed(&sandbox, &format!("{MINIATURE} --shard 1/2 --out part-0"));
    succeed(&sandbox, "report part-0");
    assert!(sandbox.read("part-0/results.json") == sandbox.read("merged/results.json"));
}

#[test]
fn what_is_there_is_not_run_again() {
    let sandbox = Sandbox::new();
    let line = format!("{MINIATURE} --only solver --only invariance --out r");
    succeed(&sandbox, &format!("{MINIATURE} --only invariance --out r"));
    let first = sandbox.read("r/runs.jsonl");
    succeed(&sandbox, &line);
    let all = sandbox.read("r/runs.jsonl");
    assert!(all.starts_with(&first) && all.len() > first.len());
    let said = succeed(&sandbox, &line);
    assert!(sandbox.read("r/runs.jsonl") == all);
    assert!(
        said.err.contains("invariance: 4 of 4 runs are there"),
        "{said:?}"
    );

    let more = succeed(&sandbox, &format!("{line} --seeds 3"));
    assert!(
        more.err.contains("invariance: 4 of 6 runs are there"),
        "{more:?}"
    );
    let results = json(&sandbox, "r/results.json");
    for experiment in results["experiments"].as_array().expect("experiments") {
        for claim in experiment["claims"].as_array().expect("claims") {
            assert_eq!(claim["effect"]["seeds"], 3, "{claim}");
        }
    }
}

#[test]
fn wrong_options_and_directories_are_one_sentence() {
    let sandbox = Sandbox::new();
    for (line, message) in [
        (
            "reproduce --only tay",
            "--only: there is no experiment `tay`, only ",
        ),
        ("reproduce --seeds 1", "--seeds: must be from 2"),
        (
            "reproduce --shard 2/2",
            "shards count from 0, so that the last of 2 is 1/2",
        ),
        (
            "reproduce --shard 1",
            "a shard is I/N, such as 0/4 for the first of four",
        ),
        (
            "reproduce --mnist nowhere",
            "--mnist: there is no folder nowhere",
        ),
        ("reproduce --scale huge", "huge"),
        ("report", "DIR"),
        ("report nowhere", "nowhere: holds no runs.jsonl"),
        ("report a b", "a: holds no runs.jsonl"),
    ] {
        let said = refusal(&sandbox, line);
        assert!(said.contains(message), "{line}: {said}");
    }
    assert!(sandbox.names().is_empty(), "nothing is left behind");

    std::fs::create_dir(sandbox.path("empty")).expect("a writable folder");
    std::fs::create_dir(sandbox.path("torn")).expect("a writable folder");
    sandbox.write("torn/runs.jsonl", "");
    for (line, message) in [
        (
            "reproduce --only unlabelled --mnist empty --out r",
            "error: empty: holds no file `train-images-idx3-ubyte`, nor one of its other names",
        ),
        (
            "report torn --out merged",
            "error: torn: no run in runs.jsonl",
        ),
    ] {
        assert_eq!(refusal(&sandbox, line), message, "{line}");
    }
    assert_eq!(sandbox.names(), ["empty", "torn"], "nothing is left behind");

    succeed(&sandbox, &format!("{MINIATURE} --only invariance --out r"));
    let other_scale = refusal(&sandbox, "reproduce --only invariance --out r");
    let expected = "r/runs.jsonl: runs at the scales smoke and quick do not go together; \
                    choose another directory";
    assert!(other_scale.ends_with(expected), "{other_scale}");
    let before = sandbox.read("r/runs.jsonl");
    let mut torn = before.clone();
    torn.truncate(before.len() - 5);
    sandbox.write("r/runs.jsonl", &torn);
    let said = succeed(&sandbox, "report r");
    assert!(said.err.contains("1 planned runs are missing"), "{said:?}");
    sandbox.write("r/runs.jsonl", [before.as_slice(), b"nonsense\n"].concat());
    let garbage = refusal(&sandbox, "report r");
    assert!(garbage.ends_with("row 6: is no line of a run"), "{garbage}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_reproduction_goes_on() {
    let sandbox = Sandbox::new();
    let line = "reproduce --only solver --seeds 50 --out r";
    let said = sandbox.interrupted(line, |sandbox| {
        // The plan, and a finished run.
        let runs = std::fs::read_to_string(sandbox.path("r/runs.jsonl")).unwrap_or_default();
        runs.lines().count() > 1
    });
    assert_eq!((said.code, said.out.as_str()), (Some(130), ""), "{said:?}");
    let last = said.err.lines().last().expect("a line");
    assert!(
        last.starts_with("interrupted: ") && last.ends_with("goes on from there"),
        "{last}"
    );
    let kept = String::from_utf8(sandbox.read("r/runs.jsonl")).expect("UTF-8");
    let kept = kept.lines().count() - 1;
    assert!(
        last.contains(&format!(" {kept} runs are kept in r")),
        "{last}"
    );
    assert!(kept > 0);
}
