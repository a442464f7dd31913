//! What the commands print and write, end to end.

use std::process::Stdio;

use natgrad_tests::Sandbox;
use safetensors::SafeTensors;
use serde_json::Value;

fn has_numbers(object: &Value, keys: &[&str]) {
    for key in keys {
        assert!(object[*key].is_number(), "{key} in {object}");
    }
}

#[test]
fn json_has_the_promised_keys() {
    let sandbox = Sandbox::new();
    let train = sandbox.json("train --dataset tecator --steps 5 --json --out m.st");
    let eval = sandbox.json("eval --dataset tecator --model m.st --json");
    for object in [&train, &eval] {
        let keys = [
            "train_loss",
            "test_loss",
            "test_rmse",
            "steps",
            "examples",
            "macs",
            "seconds",
        ];
        has_numbers(object, &keys);
        assert!(object["params_hash"].is_string());
    }
    for key in ["train_loss", "test_loss", "test_rmse", "params_hash"] {
        assert_eq!(train[key], eval[key], "{key}");
    }
    let digits = sandbox.json("train --dataset digits --steps 2 --json");
    has_numbers(&digits, &["test_accuracy"]);
    let plan = sandbox.json("plan --net 64-32-10 --json");
    has_numbers(&plan, &["params", "workspace_bytes", "macs_per_step"]);
    for solver in ["gram", "cg", "dense"] {
        has_numbers(&plan["solvers"][solver], &["macs_per_step", "ram_bytes"]);
    }
    assert!(plan["solver"].is_string(), "{plan}");
    assert_eq!(plan["params"], 2410);
}

#[test]
fn a_plan_is_that_of_its_tile() {
    let sandbox = Sandbox::new();
    for solver in ["gram", "cg", "dense"] {
        let ram = [1, 4, 16, 32].map(|tile| {
            let plan = sandbox.json(&format!("plan --net 64-32-10 --json --tile {tile}"));
            plan["solvers"][solver]["ram_bytes"].as_u64()
        });
        assert!(
            ram.is_sorted_by(|one, more| one < more),
            "{solver}: {ram:?}"
        );
    }
}

#[test]
fn a_run_is_its_seed_whatever_the_tile() {
    let sandbox = Sandbox::new();
    let hash = |options: &str| {
        let line = format!("train --dataset digits --steps 6 --batch 50 --json {options}");
        sandbox.json(&line)["params_hash"].clone()
    };
    let first = hash("");
    for same in ["--seed 0", "--tile 1", "--tile 4", "--tile 16", "--tile 32"] {
        assert_eq!(hash(same), first, "{same}");
    }
    for other in [
        "--seed 1",
        "--precision f64",
        "--l2 0.1",
        "--optimizer adam",
    ] {
        assert_ne!(hash(other), first, "{other}");
    }
}

/// CRC-32 of the little-endian bytes of θ in layout order, from the file alone.
#[test]
fn the_hash_is_that_of_the_file() {
    let sandbox = Sandbox::new();
    for precision in ["f32", "f64"] {
        let line =
            format!("train --dataset wine --steps 3 --precision {precision} --json --out m.st");
        let object = sandbox.json(&line);
        let bytes = sandbox.read("m.st");
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        let mut hasher = crc32fast::Hasher::new();
        for layer in 0..2 {
            for part in ["weight", "bias"] {
                let tensor = file.tensor(&format!("layers.{layer}.{part}")).expect(part);
                hasher.update(tensor.data());
            }
        }
        let expected = format!("{:08x}", hasher.finalize());
        assert_eq!(object["params_hash"], expected);
    }
}

#[test]
fn scales_are_saved_and_kept() {
    let sandbox = Sandbox::new();
    let scale = |file: &str| {
        let bytes = sandbox.read(file);
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        let tensor = file.tensor("input.scale").expect("saved").data().to_vec();
        (tensor, file.tensor("target.offset").is_ok())
    };
    sandbox.json("train --dataset tecator --steps 2 --json --out standard.st");
    sandbox.json("train --dataset tecator --scale none --steps 2 --json --out none.st");
    assert_ne!(scale("standard.st"), scale("none.st"));
    assert_eq!(scale("none.st"), (1.0_f64.to_le_bytes().repeat(100), true));
    // Training that goes on keeps the scales of its start, and starts where that ended.
    let before = sandbox.json("eval --dataset tecator --model standard.st --json");
    sandbox.json("train --dataset tecator --init standard.st --steps 2 --json --out more.st");
    let after = sandbox.json("eval --dataset tecator --model more.st --json");
    assert_eq!(scale("more.st"), scale("standard.st"));
    let loss = |object: &Value| object["train_loss"].as_f64().expect("a loss");
    assert!(loss(&after) < loss(&before), "{after} after {before}");
}

/// In the user's units: against the outputs of `product`, taken back by hand.
#[test]
fn rmse_is_in_the_units_of_the_targets() {
    let sandbox = Sandbox::new();
    let rows: Vec<(f64, f64)> = (0..24_u8)
        .map(|i| (f64::from(i), 1000.0 + 250.0 * f64::from(i % 5)))
        .collect();
    let text = |shift: &dyn Fn(f64) -> f64| -> String {
        let lines: Vec<String> = rows
            .iter()
            .map(|(x, y)| format!("{},{y}", shift(*x)))
            .collect();
        lines.join("\n")
    };
    sandbox.write("d.csv", text(&|x| x));
    let line =
        "train --data d.csv --net 1-3-1 --validation 0 --steps 4 --precision f64 --json --out m.st";
    let object = sandbox.json(line);
    let bytes = sandbox.read("m.st");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let number = |name: &str| {
        let data = file.tensor(name).expect(name).data().to_vec();
        f64::from_le_bytes(data.try_into().expect("one number"))
    };
    let (offset, scale) = (number("input.offset"), number("input.scale"));
    sandbox.write("scaled.csv", text(&|x| (x - offset) / scale));
    let said = sandbox.run("product --kind output --model m.st --data scaled.csv --out o.st");
    assert_eq!(said.code, Some(0), "{said:?}");
    let bytes = sandbox.read("o.st");
    let outputs = SafeTensors::deserialize(&bytes).expect("safetensors");
    let outputs = outputs.tensor("output").expect("output").data().to_vec();
    let squares = outputs
        .as_chunks::<8>()
        .0
        .iter()
        .zip(&rows)
        .map(|(z, (_, y))| {
            let y_hat = f64::from_le_bytes(*z) * number("target.scale") + number("target.offset");
            (y_hat - y) * (y_hat - y)
        });
    let expected = (squares.sum::<f64>() / 24.0).sqrt();
    let found = object["train_rmse"].as_f64().expect("a number");
    assert!(
        (found / expected - 1.0).abs() < 1e-9,
        "{found}, not {expected}"
    );
    assert!(object["test_rmse"].is_null() && object["test_loss"].is_null());
}

#[cfg(unix)]
#[test]
fn interrupted_training_saves_what_there_is() {
    use std::time::{Duration, Instant};

    let sandbox = Sandbox::new();
    let line = "train --dataset digits --steps 10000000 --json --out m.st --plot c.svg";
    let started = Instant::now();
    let said = sandbox.interrupted(line, |_| started.elapsed() > Duration::from_secs(2));
    assert_eq!(said.code, Some(130), "{said:?}");
    let object: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(object["ended"], "interrupted");
    assert!(object["steps"].as_u64().is_some_and(|steps| steps > 0));
    let eval = sandbox.json("eval --dataset digits --model m.st --json");
    assert_eq!(eval["params_hash"], object["params_hash"]);
    assert_eq!(sandbox.names(), ["c.svg", "m.st"]);
}

#[rustfmt::skip]
const METHOD: &[&str] = &[
    "--optimizer", "--rate", "--momentum", "--damping", "--damping-floor", "--damping-policy",
    "--damping-metric", "--solver", "--preconditioner", "--iterations", "--warm-start", "--line-search",
    "--batch", "--metric-batch", "--tile", "--precision", "--net", "--dataset", "--activation",
    "--likelihood", "--json",
];

#[test]
fn help_names_every_option_and_plan_what_a_net_costs() {
    let sandbox = Sandbox::new();
    let said = sandbox.run("--help");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    for command in [
        "train",
        "eval",
        "plan",
        "product",
        "export",
        "reproduce",
        "report",
    ] {
        assert!(said.out.contains(&format!("\n  {command} ")), "{said:?}");
    }
    #[rustfmt::skip]
    let train: &[&str] = &[
        "--data", "--validation", "--steps", "--epochs", "--until", "--l2", "--seed", "--init-scheme",
        "--init", "--scale", "--out", "--plot",
    ];
    let eval = "--model --data --dataset --validation --activation --likelihood --precision --json";
    let product = "--kind --model --vector --data --activation --likelihood --precision --out";
    let export = "--model --activation --likelihood --rust";
    for (command, options) in [
        ("train", [train, METHOD].concat()),
        ("plan", [&["--ram"], METHOD].concat()),
        ("eval", eval.split(' ').collect()),
        ("product", product.split(' ').collect()),
        ("export", export.split(' ').collect()),
    ] {
        let said = sandbox.run(&format!("{command} --help"));
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
        let words: Vec<&str> = said.out.split_whitespace().collect();
        for option in options {
            assert!(words.contains(&option), "{command} {option}: {}", said.out);
        }
    }
    let cost = |options: &str| sandbox.json(&format!("plan --net 4-3-2 --json {options}"));
    let (single, double) = (cost(""), cost("--precision f64"));
    assert_eq!(single["params"], 23);
    for key in ["params_bytes", "workspace_bytes"] {
        let bytes = single[key].as_u64().expect("bytes");
        assert_eq!(double[key], 2 * bytes, "{key}");
    }
    // Forward 4·3 + 3·2; backward the same for the weights, and 3·2 to the hidden layer.
    let sgd = cost("--optimizer sgd --batch 5");
    assert_eq!(sgd["macs_per_step"], 5 * (18 + 18 + 6), "{sgd}");
}

/// By the order of its system: BK in output space, P otherwise; and by what fits.
#[test]
fn plan_says_which_solver_to_take() {
    let sandbox = Sandbox::new();
    let plan = |options: &str| sandbox.json(&format!("plan --json {options}"));
    let cost = |plan: &Value, solver: &str, key: &str| {
        let number = plan["solvers"][solver][key].as_u64();
        number.unwrap_or_else(|| panic!("{solver} {key} in {plan}"))
    };
    for (options, expected) in [
        // One output, few examples.
        ("--net 4-12-1 --batch 16", "gram"),
        ("--net 100-8-1 --batch 43 --precision f64", "gram"),
        // A system of order 640, against 50 products or against 20.
        ("--net 64-32-10 --batch 64 --likelihood categorical", "cg"),
        ("--net 64-32-10 --batch 64 --iterations 20", "cg"),
        ("--net 64-32-10 --batch 8 --iterations 50", "gram"),
        // Four parameters.
        ("--net 3-1 --batch 64", "dense"),
    ] {
        let plan = plan(options);
        assert_eq!(plan["solver"], expected, "{options}: {plan}");
        let macs = ["gram", "cg", "dense"].map(|solver| cost(&plan, solver, "macs_per_step"));
        let fewest = macs.iter().min().expect("three");
        assert_eq!(cost(&plan, expected, "macs_per_step"), *fewest, "{options}");
    }

    let net = "--net 64-32-10 --batch 16 --likelihood categorical";
    let whole = plan(net);
    let bytes = |solver| cost(&whole, solver, "ram_bytes");
    assert!(bytes("cg") < bytes("gram") && bytes("gram") < bytes("dense"));
    let within = |ram: u64| plan(&format!("{net} --ram {ram}"));
    for (ram, expected, fits) in [
        (bytes("dense"), Value::from("gram"), [true, true, true]),
        (bytes("gram"), "gram".into(), [true, true, false]),
        (bytes("gram") - 1, "cg".into(), [false, true, false]),
        (bytes("cg") - 1, Value::Null, [false, false, false]),
    ] {
        let plan = within(ram);
        assert_eq!(plan["solver"], expected, "{ram} bytes: {plan}");
        let found = ["gram", "cg", "dense"].map(|solver| plan["solvers"][solver]["fits"].clone());
        assert_eq!(found, fits.map(Value::from), "{ram} bytes: {plan}");
    }

    // What is asked for and what is compared are the same method.
    let gram = plan(&format!("{net} --optimizer gram"));
    let macs = cost(&gram, "gram", "macs_per_step");
    assert_eq!(gram["macs_per_step"], macs);
    let said = sandbox.run(&format!("plan {net} --ram 1000"));
    assert!(
        said.out.contains("none of them fits in 1000 bytes"),
        "{said:?}"
    );
    let said = sandbox.run(&format!("plan {net}"));
    assert!(said.out.contains("that fit: gram\n"), "{said:?}");
    // More than the command line trains with: a device's capacity is its batch.
    let said = sandbox.run("plan --net 4-3-1 --batch 1000");
    assert_eq!(said.code, Some(0), "{said:?}");
}

/// A reader that goes away, such as `head`, is no error.
#[test]
fn a_closed_output_is_no_panic() {
    let sandbox = Sandbox::new();
    for line in [
        "train --dataset wine --steps 20 --json",
        "train --dataset wine --steps 20 --out m.st --plot c.svg",
        "eval --dataset wine --model m.st",
        "train --help",
        "plan --net 3-2",
    ] {
        let mut child = sandbox
            .command(line.split_whitespace())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*err), (Some(0), ""), "{line}");
    }
    assert_eq!(sandbox.names(), ["c.svg", "m.st"]);
}

/// A result that is lost for any other reason is one.
#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.json("train --dataset wine --steps 2 --json --out m.st");
    for line in [
        "train --dataset wine --steps 2 --json",
        "train --dataset wine --steps 2",
        "eval --dataset wine --model m.st --json",
        "eval --dataset wine --model m.st",
        "plan --net 3-2 --json",
        "plan --net 3-2",
        "--help",
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let output = sandbox
            .command(line.split_whitespace())
            .stdout(full.expect("a device"))
            .output()
            .expect("it runs");
        let err = String::from_utf8_lossy(&output.stderr);
        let expected = "error: standard output: cannot be written: the disk is full\n";
        assert_eq!((output.status.code(), &*err), (Some(2), expected), "{line}");
    }
}

/// The classifier that a firmware example ships is what its page says: trained here, to the bit.
#[test]
fn export_writes_the_model_of_the_example() {
    let sandbox = Sandbox::new();
    let example = natgrad_tests::root().join("tests/firmware/examples");
    let read = |file: &str| std::fs::read_to_string(example.join(file)).expect(file);
    sandbox.write("others.csv", read("data/others.csv"));
    let page = read("data/README.md");
    let commands = page
        .lines()
        .filter_map(|line| line.strip_prefix("natgrad "));
    for command in commands {
        let said = sandbox.run(&command.replace("../src/watch/", ""));
        assert_eq!(said.code, Some(0), "{command}: {said:?}");
    }
    let written = String::from_utf8(sandbox.read("model.rs")).expect("Rust source is text");
    assert!(
        written == read("src/watch/model.rs"),
        "another model:\n{written}"
    );
}
