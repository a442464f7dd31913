//! What `train` leaves behind agrees with itself: with `eval`, with its file, with its options.

use natgrad_host::data::{Builtin, Targets};
use natgrad_tests::Sandbox;
use safetensors::SafeTensors;
use serde_json::Value;

/// Rows that no net of these sizes fits exactly, with the last columns as a likelihood takes them.
fn table(likelihood: &str) -> String {
    let row = |i: u8| {
        let (x, y) = (f64::from(i % 7), f64::from(i * 5 % 11));
        let targets = match likelihood {
            "gaussian" => format!("{},{}", 300.0 + 40.0 * x, x * y - 9.0),
            "bernoulli" => format!("{},{}", i % 2, f64::from(i % 5) / 4.0),
            _ => format!("{}", i % 3),
        };
        format!("{x},{y},{targets}\n")
    };
    (0..30).map(row).collect()
}

fn numbers(file: &[u8], name: &str) -> Vec<f64> {
    let file = SafeTensors::deserialize(file).expect("safetensors");
    let data = file.tensor(name).expect(name).data().to_vec();
    let numbers = data.as_chunks().0;
    numbers.iter().map(|&b| f64::from_le_bytes(b)).collect()
}

/// To the last digit, in either precision: the file holds the parameters, their scales and their meaning.
#[test]
fn eval_measures_what_train_has_measured() {
    let sandbox = Sandbox::new();
    for (likelihood, outputs, measure) in [
        ("gaussian", 2, "rmse"),
        ("bernoulli", 2, "accuracy"),
        ("categorical", 3, "accuracy"),
    ] {
        sandbox.write("d.csv", table(likelihood));
        for options in ["--precision f32", "--precision f64 --activation softplus"] {
            let train = sandbox.json(&format!(
                "train --data d.csv --net 2-3-{outputs} --likelihood {likelihood} --steps 4 {options} --json --out m.st"
            ));
            let eval = sandbox.json("eval --data d.csv --model m.st --validation 0.2 --json");
            let keys = ["train_loss", "test_loss"].map(String::from);
            let measures = ["train", "test"].map(|part| format!("{part}_{measure}"));
            for key in keys.iter().chain(&measures) {
                assert!(train[key].is_number(), "{likelihood}: {key} in {train}");
                assert_eq!(train[key], eval[key], "{likelihood} {options}: {key}");
            }
            assert_eq!(train["params_hash"], eval["params_hash"]);
            // All of a file is test data, unless a share is asked for.
            let whole = sandbox.json("eval --data d.csv --model m.st --json");
            assert!(
                whole["train_loss"].is_null() && whole["examples"] == 30,
                "{whole}"
            );
            let loss = |object: &Value, key: &str| object[key].as_f64().expect("a loss");
            let parts = 24.0 * loss(&eval, "train_loss") + 6.0 * loss(&eval, "test_loss");
            let off = loss(&whole, "test_loss") * 30.0 / parts - 1.0;
            assert!(off.abs() < 1e-5, "{whole} is not the sum of {eval}");
        }
    }
}

#[test]
fn every_method_runs_in_both_precisions_and_says_how_it_ended() {
    let sandbox = Sandbox::new();
    sandbox.write("d.csv", table("categorical"));
    let start = "train --data d.csv --net 2-4-3 --likelihood categorical --batch 8 --json";
    let mut hashes = Vec::new();
    for options in [
        "--optimizer natural",
        "--optimizer natural --damping-metric diagonal --preconditioner martens",
        "--optimizer natural --preconditioner none --line-search",
        "--optimizer natural --metric-batch 4 --warm-start 0.9",
        "--optimizer natural --metric-batch 20 --damping-policy effort",
        "--optimizer natural --damping-metric structural",
        "--optimizer natsgd --metric-batch 20",
        "--optimizer natcg-l --iterations 2",
        "--optimizer natcg-f --iterations 2 --damping-metric diagonal",
        "--optimizer hessian-free --damping 1",
        "--optimizer hessian-free --damping 1 --damping-metric structural",
        "--optimizer newton --metric-batch 4",
        "--optimizer natsgd --solver minres",
        "--optimizer natsgd --solver cg --damping 3",
        "--optimizer gram",
        "--optimizer gram --momentum 0",
        "--optimizer gram --damping-metric identity",
        "--optimizer gram --damping-metric identity --momentum 0 --damping-policy constant",
        "--optimizer gram --metric-batch 4",
        "--optimizer gram --metric-batch 20 --momentum 0",
        "--optimizer gram --l2 0.01",
        "--optimizer krylov-descent --metric-batch 4",
        "--optimizer tonga",
        "--optimizer tonga-centred --damping 2",
        "--optimizer sgd",
        "--optimizer momentum",
        "--optimizer nesterov",
        "--optimizer adam",
    ] {
        for precision in ["f32", "f64"] {
            let line = format!("{start} {options} --precision {precision} --steps 7");
            let object = sandbox.json(&line);
            assert_eq!(object["steps"], 7, "{line}: {object}");
            assert_eq!(object["examples"], 56, "{line}: {object}");
            assert_eq!(object["ended"], "steps", "{line}: {object}");
            assert!(object["macs"].as_u64().is_some_and(|macs| macs > 0));
            assert_eq!(object, {
                let mut again = sandbox.json(&line);
                again["seconds"] = object["seconds"].clone();
                again
            });
            hashes.push(object["params_hash"].to_string());
        }
    }
    let runs = hashes.len();
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), runs, "two methods end at the same parameters");

    let object = sandbox.json(&format!("{start} --optimizer sgd --epochs 2"));
    // Batches of 8 out of the 24 rows that train.
    assert_eq!(
        (&object["steps"], &object["examples"]),
        (&6.into(), &48.into())
    );
    let object = sandbox.json(&format!("{start} --steps 50 --until 100"));
    assert_eq!(
        (&object["ended"], &object["steps"]),
        (&"reached".into(), &1.into())
    );
}

/// What a run has reached before it breaks off is in its file, as if it had been interrupted.
#[test]
fn a_step_that_fails_leaves_the_last_good_model() {
    let sandbox = Sandbox::new();
    sandbox.write("d.csv", table("gaussian"));
    let line = "train --data d.csv --net 2-3-2 --optimizer sgd --rate 1.7 --json";
    let said = sandbox.run(&format!("{line} --steps 1000 --out m.st --plot c.svg"));
    assert_eq!(said.code, Some(2), "{said:?}");
    let object: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(object["ended"], "failed");
    let steps = object["steps"].as_u64().expect("a count");
    assert!((1..1000).contains(&steps), "{object}");
    let sentence = format!("error: d.csv, after step {steps}: the loss or its gradient overflows");
    assert!(said.err.starts_with(&sentence), "{said:?}");
    assert_eq!(said.err.lines().count(), 1, "{said:?}");

    // One step earlier all is well.
    let asked = sandbox.run(&format!("{line} --steps {} --out n.st", steps - 1));
    assert_eq!(asked.code, Some(0), "{asked:?}");
    let ended = |name: &str| {
        let bytes = sandbox.read(name);
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("safetensors");
        header.metadata().as_ref().expect("metadata")["natgrad.ended"].clone()
    };
    assert_eq!(
        (ended("m.st"), ended("n.st")),
        ("failed".into(), "steps".into())
    );
    assert_eq!(sandbox.names(), ["c.svg", "d.csv", "m.st", "n.st"]);
    let product = "product --kind gradient --precision f64 --data d.csv --model m.st --out g.st";
    assert_eq!(
        sandbox.run(product).code,
        Some(0),
        "its parameters are finite"
    );

    // A first step that fails has nothing to leave.
    sandbox.write("vast.csv", "1,2,1e30,0\n3,4,-1e30,1\n3,3,1,2\n1,1,0,2\n");
    let said =
        sandbox.run("train --data vast.csv --net 2-2 --scale none --validation 0 --out v.st");
    assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{said:?}");
    assert!(!sandbox.path("v.st").exists());
}

/// What may not have been meant is said, and what is as usual is not.
#[test]
fn train_says_what_it_takes_as_it_is() {
    let sandbox = Sandbox::new();
    sandbox.write("d.csv", table("gaussian"));
    sandbox.write("c.csv", table("categorical").replace(",1\n", ",2\n"));
    sandbox.write("s.csv", "1,0.5\n2,-1\n3,1\n4,-0.25\n5,2\n6,-1.5\n");
    let mean = "note: column 3 has a mean of ";
    for (line, note) in [
        ("--data d.csv --net 2-2", None),
        ("--data d.csv --net 2-2 --scale none", Some(mean)),
        ("--data d.csv --net 2-2 --init standard.st", None),
        ("--data d.csv --net 2-2 --init none.st", Some(mean)),
        ("--data s.csv --net 1-1 --scale none", None),
        (
            "--data c.csv --net 2-5 --likelihood categorical",
            Some("note: no example that trains has the class 1"),
        ),
        ("--dataset wine", None),
    ] {
        let said = sandbox.run(&format!("train {line} --steps 1"));
        assert_eq!(said.code, Some(0), "{line}: {said:?}");
        match note {
            None => assert_eq!(said.err, "", "{line}"),
            Some(note) => {
                assert!(said.err.starts_with(note), "{line}: {said:?}");
                assert_eq!(said.err.lines().count(), 1, "{line}: {said:?}");
            }
        }
        if line.ends_with("2-2") || line.ends_with("2-2 --scale none") {
            let name = if note.is_some() {
                "none.st"
            } else {
                "standard.st"
            };
            sandbox.json(&format!("train {line} --steps 1 --json --out {name}"));
        }
    }
}

/// Of the rows that train: of Tecator the first 172. Wine keeps its raw units unless asked.
#[test]
fn scales_are_counted_on_the_rows_that_train() {
    let sandbox = Sandbox::new();
    sandbox.json("train --dataset tecator --steps 1 --json --out t.st");
    let file = sandbox.read("t.st");
    let set = Builtin::Tecator.load().expect("compiled in");
    let Targets::Values(fat) = set.targets() else {
        panic!("Tecator has values");
    };
    let first: Vec<f64> = set.inputs().iter().step_by(100).copied().collect();
    let moments = |values: &[f64]| {
        let mean = values[..172].iter().sum::<f64>() / 172.0;
        let squares: f64 = values[..172].iter().map(|x| (x - mean) * (x - mean)).sum();
        (mean, (squares / 172.0).sqrt())
    };
    for (side, values) in [("input", &first), ("target", fat)] {
        let found = (
            numbers(&file, &format!("{side}.offset"))[0],
            numbers(&file, &format!("{side}.scale"))[0],
        );
        let expected = moments(values);
        let near = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-12;
        assert!(
            near(found.0, expected.0) && near(found.1, expected.1),
            "{side}: {found:?}, not {expected:?}"
        );
    }
    for (options, raw) in [
        ("", true),
        ("--scale none", true),
        ("--scale standard", false),
    ] {
        sandbox.json(&format!(
            "train --dataset wine {options} --steps 1 --json --out w.st"
        ));
        let file = sandbox.read("w.st");
        assert_eq!(numbers(&file, "input.scale") == [1.0; 13], raw, "{options}");
        assert_eq!(
            numbers(&file, "input.offset") == [0.0; 13],
            raw,
            "{options}"
        );
        assert_eq!(
            numbers(&file, "target.scale"),
            [1.0; 3],
            "classes are not scaled"
        );
    }
}

/// Every element that opens closes, in order, and the curve is one of them.
#[test]
fn the_plot_is_well_formed() {
    let sandbox = Sandbox::new();
    sandbox.write("a&b.csv", table("gaussian"));
    sandbox.json("train --data a&b.csv --net 2-3-2 --steps 5 --json --plot c.svg");
    let svg = String::from_utf8(sandbox.read("c.svg")).expect("text");
    let mut open = Vec::new();
    let mut elements = 0;
    let text = svg.trim();
    assert!(text.starts_with('<') && text.ends_with('>'), "{svg}");
    for part in text.split('<').skip(1) {
        let (tag, rest) = part.split_once('>').expect("a tag that ends");
        assert!(!rest.contains('>'), "a bare > after <{tag}>");
        let entities = rest.split('&').skip(1);
        for entity in entities.chain(tag.split('&').skip(1)) {
            assert!(entity.contains(';'), "a bare & near <{tag}>");
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{svg}");
        } else if !tag.ends_with('/') && !tag.starts_with(['?', '!']) {
            open.push(tag.split_whitespace().next().expect("a name"));
        }
        elements += usize::from(tag.starts_with("polyline") || tag.starts_with("path"));
    }
    assert!(open.is_empty(), "{open:?} is never closed");
    assert!(elements >= 2, "{elements} curves, not one for each part");
    assert!(svg.contains("a&amp;b.csv"), "the title names the file");
}
