//! Whatever is wrong with an option or a file: one sentence that names it, exit code 2, nothing written.

use natgrad_tests::Sandbox;
use safetensors::tensor::{Dtype, TensorView};

/// A folder with one good file of every kind, and some bad ones.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("good.csv", "a,b,class\n1,2,0\n3,4,1\n5,6,0\n2,2,1\n0,1,0\n");
    sandbox.write("numbers.csv", "1,2,3\n2,3,4\n3,4,5\n5,6,7\n");
    sandbox.write("one.csv", "1,2,0\n");
    sandbox.write("empty.csv", "");
    sandbox.write("header.csv", "a,b,class\n");
    sandbox.write("ragged.csv", "1,2,0\n3,4\n5,6,0\n");
    sandbox.write("text.csv", "1,2,0\n3,four,1\n");
    sandbox.write("nan.csv", "1,2,0\n3,4,1\n5,nan,0\n");
    sandbox.write("inf.csv", "1,2,0\ninf,4,1\n");
    sandbox.write("hole.csv", "1,2,0\n3,,1\n");
    sandbox.write("class.csv", "1,2,0\n3,4,7\n");
    sandbox.write("negative.csv", "1,2,0\n3,4,-1\n");
    sandbox.write("half.csv", "1,2,0\n3,4,0.5\n");
    sandbox.write("probability.csv", "1,2,0.5\n3,4,1.5\n");
    sandbox.write("huge.csv", "1,2,3\n3,1e39,5\n4,4,4\n");
    sandbox.write("binary.csv", [0xff, 0xfe, 0, 1, 2]);
    std::fs::create_dir(sandbox.path("folder")).expect("a writable folder");

    let made = sandbox
        .run("train --data good.csv --net 2-2 --likelihood categorical --steps 2 --out m.st");
    assert_eq!(made.code, Some(0), "{made:?}");
    let model = sandbox.read("m.st");
    sandbox.write("cut.st", &model[..model.len() - 4]);
    sandbox.write("foreign.st", "this is no model");
    sandbox.write("length.st", [0xff; 40]);
    tensors(
        &sandbox,
        "bare.st",
        &[("layers.0.weight", &[2, 2]), ("layers.0.bias", &[2])],
        1.0,
    );
    tensors(
        &sandbox,
        "nan.st",
        &[("layers.0.weight", &[2, 2]), ("layers.0.bias", &[2])],
        f32::NAN,
    );
    tensors(
        &sandbox,
        "chain.st",
        &[
            ("layers.0.weight", &[3, 2]),
            ("layers.0.bias", &[3]),
            ("layers.1.weight", &[2, 4]),
            ("layers.1.bias", &[2]),
        ],
        1.0,
    );
    tensors(
        &sandbox,
        "gap.st",
        &[("layers.1.weight", &[2, 2]), ("layers.1.bias", &[2])],
        1.0,
    );
    tensors(
        &sandbox,
        "other.st",
        &[("layers.0.weight", &[2, 3]), ("layers.0.bias", &[2])],
        1.0,
    );
    tensors(
        &sandbox,
        "extra.st",
        &[
            ("layers.0.weight", &[2, 2]),
            ("layers.0.bias", &[2]),
            ("epoch", &[1]),
        ],
        1.0,
    );
    tensors(&sandbox, "u.st", &[("output", &[4, 2])], 1.0);
    sandbox.write("there.st", "kept");
    sandbox
}

fn tensors(sandbox: &Sandbox, name: &str, shapes: &[(&str, &[usize])], value: f32) {
    let data: Vec<Vec<u8>> = shapes
        .iter()
        .map(|(_, shape)| value.to_le_bytes().repeat(shape.iter().product()))
        .collect();
    let views = shapes.iter().zip(&data).map(|((name, shape), data)| {
        let view = TensorView::new(Dtype::F32, shape.to_vec(), data).expect("its length");
        (*name, view)
    });
    sandbox.write(name, safetensors::serialize(views, None).expect("tensors"));
}

const CSV: &str = "train --net 2-2 --likelihood categorical --steps 2 --out there.st --data";
const VALUES: &str = "train --net 2-1 --steps 2 --out there.st --data";
const GOOD: &str =
    "train --data good.csv --net 2-2 --likelihood categorical --out there.st --plot new.svg";
const EVAL: &str = "eval --likelihood categorical --activation tanh --data good.csv --model";
const PRODUCT: &str = "product --data good.csv --out there.st --model m.st --kind";

/// What is run, and what the sentence has to name.
#[rustfmt::skip]
const CASES: &[(&str, &str, &[&str])] = &[
    // Data.
    (CSV, "missing.csv", &["missing.csv", "no such file"]),
    (CSV, "folder", &["folder", "not a file"]),
    (CSV, "empty.csv", &["empty.csv", "empty"]),
    (CSV, "header.csv", &["header.csv", "no row"]),
    (CSV, "binary.csv", &["binary.csv", "UTF-8"]),
    (CSV, "one.csv", &["one.csv", "one row"]),
    (CSV, "ragged.csv", &["ragged.csv", "row 2"]),
    (CSV, "text.csv", &["text.csv", "row 2", "column 2", "four"]),
    (CSV, "nan.csv", &["nan.csv", "row 3", "column 2"]),
    (CSV, "inf.csv", &["inf.csv", "row 2", "column 1"]),
    (CSV, "hole.csv", &["hole.csv", "row 2", "column 2"]),
    (CSV, "class.csv", &["class.csv", "row 2", "column 3", "7"]),
    (CSV, "negative.csv", &["negative.csv", "row 2", "column 3"]),
    (CSV, "half.csv", &["half.csv", "row 2", "column 3"]),
    (VALUES, "probability.csv --likelihood bernoulli", &["probability.csv", "row 2", "column 3"]),
    (VALUES, "huge.csv --scale none", &["huge.csv", "row 2", "column 2", "f32"]),
    ("train --net 5-2 --steps 2 --data", "numbers.csv", &["numbers.csv", "3 columns"]),
    ("train --net 2-2 --steps 2 --data", "numbers.csv --dataset wine", &["--data", "--dataset"]),
    ("train --net 2-2", "", &["--data"]),
    ("train --net 5-3 --dataset", "wine", &["--dataset", "13"]),
    ("train --dataset", "iris", &["--dataset", "iris"]),
    // Options.
    (GOOD, "--net 64-100000000-10", &["--net"]),
    ("train --data good.csv", "--net 64-100000000-10", &["--net", "GiB"]),
    ("plan", "--net 64-99999999999999999999-10", &["--net"]),
    ("plan", "--net 18446744073709551615-18446744073709551615", &["--net"]),
    ("plan", "--net 0-3", &["--net"]),
    ("plan", "--net 3-0-3", &["--net"]),
    ("plan", "--net 5", &["--net"]),
    ("plan", "--net abc", &["--net", "abc"]),
    ("plan", "--net 64--10", &["--net"]),
    ("plan", "--net -3-2", &["--net"]),
    ("plan", "", &["--net"]),
    ("plan --net 3-1", "--likelihood categorical", &["--net", "two outputs"]),
    ("plan --net 3-1", "--batch 0", &["--batch"]),
    ("plan --net 3-1", "--tile 0", &["--tile"]),
    ("train --data good.csv", "--likelihood categorical", &["--net"]),
    (GOOD, "--batch 0", &["--batch"]),
    (GOOD, "--batch -5", &["--batch"]),
    (GOOD, "--steps 0", &["--steps"]),
    (GOOD, "--epochs 0", &["--epochs"]),
    (GOOD, "--epochs 2 --steps 2", &["--epochs", "--steps"]),
    (GOOD, "--tile 3", &["--tile", "3"]),
    (GOOD, "--metric-batch 0", &["--metric-batch"]),
    (GOOD, "--metric-batch 100000", &["--metric-batch"]),
    (GOOD, "--damping -1", &["--damping"]),
    (GOOD, "--damping nan", &["--damping"]),
    (GOOD, "--damping 0", &["--damping"]),
    (GOOD, "--damping-floor 5", &["--damping-floor"]),
    (GOOD, "--damping-policy magic", &["--damping-policy", "magic"]),
    (GOOD, "--damping-metric round", &["--damping-metric", "round"]),
    (GOOD, "--rate 0", &["--rate"]),
    (GOOD, "--rate inf", &["--rate"]),
    (GOOD, "--iterations 0", &["--iterations"]),
    (GOOD, "--warm-start 2", &["--warm-start"]),
    (GOOD, "--optimizer adam --damping 1", &["--damping", "adam"]),
    (GOOD, "--optimizer sgd --momentum 0.5", &["--momentum", "sgd"]),
    (GOOD, "--optimizer momentum --momentum 1", &["--momentum"]),
    (GOOD, "--optimizer sgd --metric-batch 2", &["--metric-batch"]),
    (GOOD, "--optimizer newton", &["--optimizer", "newton"]),
    (GOOD, "--validation 1", &["--validation"]),
    (GOOD, "--validation -0.1", &["--validation"]),
    (GOOD, "--validation nan", &["--validation"]),
    (GOOD, "--l2 -1", &["--l2"]),
    (GOOD, "--until nan", &["--until"]),
    (GOOD, "--seed -1", &["--seed"]),
    (GOOD, "--precision f16", &["--precision", "f16"]),
    (GOOD, "--scale half", &["--scale", "half"]),
    (GOOD, "--frobnicate", &["--frobnicate"]),
    ("", "", &["a command is needed"]),
    ("frobnicate", "", &["frobnicate"]),
    // Outputs.
    ("train --dataset wine --steps 2 --out", "nowhere/m.st", &["nowhere/m.st", "folder"]),
    ("train --dataset wine --steps 2 --out", "folder", &["folder", "not a file"]),
    ("train --dataset wine --steps 2 --plot", "nowhere/c.svg", &["nowhere/c.svg"]),
    ("product --kind output --model m.st --data good.csv --out", "nowhere/o.st", &["nowhere/o.st"]),
    // Models and vectors.
    (EVAL, "missing.st", &["missing.st"]),
    (EVAL, "folder", &["folder"]),
    (EVAL, "cut.st", &["cut.st"]),
    (EVAL, "foreign.st", &["foreign.st"]),
    (EVAL, "length.st", &["length.st"]),
    (EVAL, "good.csv", &["good.csv"]),
    (EVAL, "nan.st", &["nan.st", "layers.0"]),
    (EVAL, "chain.st", &["chain.st", "layers.1.weight"]),
    (EVAL, "gap.st", &["gap.st", "layers.0"]),
    (EVAL, "extra.st", &["extra.st", "epoch"]),
    (EVAL, "u.st", &["u.st", "layers.0.weight"]),
    ("eval --data good.csv --model", "bare.st", &["bare.st", "--activation"]),
    ("eval --data good.csv --model", "bare.st --activation tanh", &["bare.st", "--likelihood"]),
    ("eval --data good.csv --model", "m.st --likelihood gaussian", &["m.st", "--likelihood"]),
    ("eval --data numbers.csv --model", "m.st", &["numbers.csv", "row 1", "column 3"]),
    ("eval --dataset digits --model", "m.st", &["--dataset", "64"]),
    (GOOD, "--init missing.st", &["missing.st"]),
    ("train --data good.csv --net 2-3-2", "--init m.st", &["--net", "m.st"]),
    (PRODUCT, "fisher", &["--vector"]),
    (PRODUCT, "output --vector m.st", &["--vector"]),
    (PRODUCT, "fisher --vector other.st", &["other.st"]),
    (PRODUCT, "fisher --vector u.st", &["u.st"]),
    (PRODUCT, "vjp --vector u.st", &["u.st", "4"]),
    (PRODUCT, "vjp --vector m.st", &["m.st", "output"]),
    (PRODUCT, "jacobian", &["--kind", "jacobian"]),
];

#[test]
fn a_mistake_is_one_sentence_and_exit_code_2() {
    let sandbox = sandbox();
    let before = sandbox.names();
    for (start, rest, needles) in CASES {
        let line = format!("{start} {rest}");
        let said = sandbox.run(&line);
        assert_eq!(said.code, Some(2), "{line}: {said:?}");
        assert_eq!(said.out, "", "{line}");
        let sentences: Vec<&str> = said
            .err
            .lines()
            .filter(|line| !line.starts_with("note: "))
            .collect();
        assert_eq!(sentences.len(), 1, "{line}: {said:?}");
        assert!(!said.err.contains("panicked"), "{line}: {said:?}");
        for needle in *needles {
            assert!(
                sentences[0].contains(needle),
                "{line}: no {needle} in {said:?}"
            );
        }
        assert_eq!(sandbox.names(), before, "{line} has left something behind");
        assert_eq!(sandbox.read("there.st"), b"kept", "{line}");
    }
}

#[test]
fn what_is_only_little_is_accepted() {
    let sandbox = sandbox();
    for line in [
        "eval --model m.st --data one.csv",
        "product --kind gradient --model m.st --data one.csv --out g.st",
        "train --data good.csv --net 2-2 --likelihood categorical --steps 1 --validation 0",
    ] {
        let said = sandbox.run(line);
        assert_eq!(said.code, Some(0), "{line}: {said:?}");
    }
}
