//! Whatever is wrong with an option or a file: one sentence that names it, exit code 2, nothing written.

use std::collections::HashMap;

use natgrad_tests::{Said, Sandbox};
use safetensors::tensor::{Dtype, TensorView};

/// A folder with one good file of every kind, and some bad ones.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    tables(&sandbox);
    std::fs::create_dir(sandbox.path("folder")).expect("a writable folder");
    let made = sandbox
        .run("train --data good.csv --net 2-2 --likelihood categorical --steps 2 --out m.st");
    assert_eq!(made.code, Some(0), "{made:?}");
    models(&sandbox);
    sandbox.write("there.st", "kept");
    sandbox
}

fn tables(sandbox: &Sandbox) {
    sandbox.write("good.csv", "a,b,class\n1,2,0\n3,4,1\n5,6,0\n2,2,1\n0,1,0\n");
    sandbox.write("numbers.csv", "1,2,3\n2,3,4\n3,4,5\n5,6,7\n");
    sandbox.write("pairs.csv", "1,2\n3,4\n5,6\n");
    sandbox.write("one.csv", "1,2,0\n");
    sandbox.write("empty.csv", "");
    sandbox.write("header.csv", "a,b,class\n");
    sandbox.write("ragged.csv", "1,2,0\n3,4\n5,6,0\n");
    sandbox.write("text.csv", "1,2,0\n3,four,1\n");
    sandbox.write("word.csv", "1,2,zero\n3,4,1\n");
    sandbox.write("nan.csv", "1,2,0\n3,4,1\n5,nan,0\n");
    sandbox.write("inf.csv", "1,2,0\ninf,4,1\n");
    sandbox.write("hole.csv", "1,2,0\n3,,1\n");
    sandbox.write("class.csv", "1,2,0\n3,4,7\n");
    sandbox.write("negative.csv", "1,2,0\n3,4,-1\n");
    sandbox.write("half.csv", "1,2,0\n3,4,0.5\n");
    sandbox.write("probability.csv", "1,2,0.5\n3,4,1.5\n");
    sandbox.write("huge.csv", "1,2,3\n3,1e39,5\n4,4,4\n");
    sandbox.write("inputs.csv", "1,2\n3,1e39\n");
    sandbox.write("wide.csv", "1e200,2,0\n-1e200,4,1\n1,1,0\n3e200,1,1\n");
    sandbox.write("vast.csv", "1,2,1e30\n3,4,-1e30\n3,3,1\n1,1,0\n");
    sandbox.write("semicolons.csv", "a;b;class\n1;2;0\n3;4;1\n");
    sandbox.write("tabs.csv", "1\t2\t0\n3\t4\t1\n");
    sandbox.write("quote.csv", "1,2,0\n3,\"4,1\n5,6,0\n");
    sandbox.write("nul.csv", "1,2,0\n3,4\0,1\n");
    sandbox.write("steep.csv", "1,2,0\n3e38,4,1\n");
    sandbox.write("binary.csv", [0xff, 0xfe, 0, 1, 2]);
}

const W: &str = "layers.0.weight";
const B: &str = "layers.0.bias";

fn models(sandbox: &Sandbox) {
    let model = sandbox.read("m.st");
    sandbox.write("cut.st", &model[..model.len() - 4]);
    let mut flipped = model;
    // The last digit of the last parameter.
    let at = flipped.len() - 4;
    flipped[at] ^= 1;
    sandbox.write("flipped.st", flipped);
    sandbox.write("foreign.st", "this is no model");
    sandbox.write("length.st", [0xff; 40]);

    let of = |name: &str, tensors: &[(&str, &[usize], f64)]| {
        file(sandbox, name, Dtype::F32, tensors, None);
    };
    of("bare.st", &[(W, &[2, 2], 1.0), (B, &[2], 1.0)]);
    of("large.st", &[(W, &[2, 2], 3e38), (B, &[2], 1.0)]);
    of("nan.st", &[(W, &[2, 2], f64::NAN), (B, &[2], 1.0)]);
    of("other.st", &[(W, &[2, 3], 1.0), (B, &[2], 1.0)]);
    of("rank.st", &[(W, &[4], 1.0), (B, &[2], 1.0)]);
    of("bias.st", &[(W, &[2, 2], 1.0), (B, &[3], 1.0)]);
    of("half.st", &[(W, &[2, 2], 1.0)]);
    of("flat.st", &[(W, &[0, 2], 1.0), (B, &[0], 1.0)]);
    of("single.st", &[(W, &[1, 2], 1.0), (B, &[1], 1.0)]);
    of(
        "extra.st",
        &[(W, &[2, 2], 1.0), (B, &[2], 1.0), ("epoch", &[1], 1.0)],
    );
    of(
        "gap.st",
        &[
            ("layers.1.weight", &[2, 2], 1.0),
            ("layers.1.bias", &[2], 1.0),
        ],
    );
    of("u.st", &[("output", &[4, 2], 1.0)]);
    let chain: [(&str, &[usize], f64); 4] = [
        (W, &[3, 2], 1.0),
        (B, &[3], 1.0),
        ("layers.1.weight", &[2, 4], 1.0),
        ("layers.1.bias", &[2], 1.0),
    ];
    of("chain.st", &chain);
    for (name, scale) in [("zero.st", 0.0), ("infinite.st", f64::INFINITY)] {
        let scaled: [(&str, &[usize], f64); 4] = [
            (W, &[2, 2], 1.0),
            (B, &[2], 1.0),
            ("input.offset", &[2], 0.0),
            ("input.scale", &[2], scale),
        ];
        of(name, &scaled);
    }
    let narrow: [(&str, &[usize], f64); 4] = [
        (W, &[2, 2], 1.0),
        (B, &[2], 1.0),
        ("input.offset", &[2], 0.0),
        ("input.scale", &[2], 0.5),
    ];
    let meant = [("activation", "tanh"), ("likelihood", "categorical")]
        .map(|(key, word)| (format!("natgrad.{key}"), word.to_string()));
    file(
        sandbox,
        "narrow.st",
        Dtype::F32,
        &narrow,
        Some(meant.into()),
    );
    let plain: [(&str, &[usize], f64); 2] = [(W, &[2, 2], 1e300), (B, &[2], 1e300)];
    file(sandbox, "f64.st", Dtype::F64, &plain, None);
    file(sandbox, "f16.st", Dtype::F16, &plain, None);
    let words = [("natgrad.activation".to_string(), "swish".to_string())];
    file(sandbox, "swish.st", Dtype::F64, &plain, Some(words.into()));
}

/// Writes tensors, each of one value throughout.
fn file(
    sandbox: &Sandbox,
    name: &str,
    dtype: Dtype,
    tensors: &[(&str, &[usize], f64)],
    words: Option<HashMap<String, String>>,
) {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the values are meant as f32"
    )]
    let bytes = |value: f64| match dtype {
        Dtype::F64 => value.to_le_bytes().to_vec(),
        Dtype::F32 => (value as f32).to_le_bytes().to_vec(),
        // The number 1, as far as this file needs halves.
        _ => vec![0x00, 0x3c],
    };
    let data: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, shape, value)| bytes(*value).repeat(shape.iter().product()))
        .collect();
    let views = tensors.iter().zip(&data).map(|((name, shape, _), data)| {
        let view = TensorView::new(dtype, shape.to_vec(), data).expect("its length");
        (*name, view)
    });
    sandbox.write(name, safetensors::serialize(views, words).expect("tensors"));
}

const CSV: &str = "train --net 2-2 --likelihood categorical --steps 2 --out there.st --data";
const VALUES: &str = "train --net 2-1 --steps 2 --out there.st --data";
const GOOD: &str =
    "train --data good.csv --net 2-2 --likelihood categorical --out there.st --plot new.svg";
const EVAL: &str = "eval --likelihood categorical --activation tanh --data good.csv --model";
const EXPORT: &str = "export --rust there.st --model";
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
    (CSV, "semicolons.csv", &["semicolons.csv", "row 2", "separated by ';', where commas"]),
    (CSV, "tabs.csv", &["tabs.csv", "row 1", "separated by tabs, where commas"]),
    (CSV, "quote.csv", &["quote.csv", "row 2", "never closed"]),
    (CSV, "nul.csv", &["nul.csv", "row 2", "column 2", "NUL"]),
    (CSV, "ragged.csv", &["ragged.csv", "row 2"]),
    (CSV, "text.csv", &["text.csv", "row 2", "column 2", "four"]),
    (CSV, "nan.csv", &["nan.csv", "row 3", "column 2"]),
    (CSV, "inf.csv", &["inf.csv", "row 2", "column 1"]),
    (CSV, "hole.csv", &["hole.csv", "row 2", "column 2"]),
    (CSV, "class.csv", &["class.csv", "row 2", "column 3", "7"]),
    (CSV, "negative.csv", &["negative.csv", "row 2", "column 3"]),
    (CSV, "half.csv", &["half.csv", "row 2", "column 3"]),
    (CSV, "word.csv", &["word.csv", "row 1", "column 3", "zero"]),
    (CSV, "wide.csv", &["wide.csv", "column 1", "scaled"]),
    (CSV, "wide.csv --scale none --validation 0", &["wide.csv", "column 1", "f32"]),
    (VALUES, "vast.csv --scale none --validation 0", &["vast.csv", "overflows"]),
    ("product --kind loss --model m.st --out there.st --data", "pairs.csv", &["pairs.csv", "2 columns"]),
    ("product --kind output --model m.st --out there.st --data", "hole.csv", &["hole.csv", "row 2", "column 2"]),
    ("product --kind output --model m.st --out there.st --data", "inputs.csv --precision f32", &["inputs.csv", "row 2", "column 2", "f32"]),
    ("product --kind output --activation tanh --likelihood categorical --model large.st --precision f32 --out there.st --data", "pairs.csv", &["pairs.csv", "overflows", "f32"]),
    ("eval --model narrow.st --data", "steep.csv", &["steep.csv", "row 2", "column 1", "3e38", "scale"]),
    ("eval --model m.st --data", "half.csv", &["half.csv", "row 2", "column 3"]),
    ("eval --model m.st --data", "empty.csv", &["empty.csv", "empty"]),
    ("eval --model m.st --data", "missing.csv", &["missing.csv"]),
    (VALUES, "probability.csv --likelihood bernoulli", &["probability.csv", "row 2", "column 3"]),
    (VALUES, "huge.csv --scale none", &["huge.csv", "row 2", "column 2", "f32"]),
    ("train --net 5-2 --steps 2 --data", "numbers.csv", &["numbers.csv", "3 columns"]),
    ("train --net 2-2 --steps 2 --data", "numbers.csv --dataset wine", &["--data", "--dataset"]),
    ("train --net 2-2", "", &["--data", "--dataset"]),
    ("train", "", &["--data", "--dataset"]),
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
    ("train --data pairs.csv", "--net 1-30000000-1 --tile 32 --steps 1 --out there.st", &["--net", "MiB"]),
    ("plan", "--net 3-1 --data good.csv", &["--data"]),
    ("plan", "--net 3-1 --validation 7", &["--validation"]),
    ("plan", "--net 5-3 --dataset wine", &["--dataset", "13"]),
    ("plan", "--net 3-1 --optimizer sgd --metric-batch 4", &["--metric-batch"]),
    (GOOD, "--batch 0", &["--batch"]),
    (GOOD, "--batch 1.5", &["--batch", "1.5"]),
    (GOOD, "--batch", &["--batch"]),
    (GOOD, "--batch -5", &["--batch"]),
    (GOOD, "--steps 0", &["--steps"]),
    (GOOD, "--epochs 0", &["--epochs"]),
    (GOOD, "--epochs 2 --steps 2", &["--epochs", "--steps"]),
    (GOOD, "--tile 3", &["--tile", "3"]),
    (GOOD, "--metric-batch 0", &["--metric-batch"]),
    (GOOD, "--metric-batch 100000", &["--metric-batch"]),
    (GOOD, "--damping -1", &["--damping"]),
    (GOOD, "--damping nan", &["--damping", "NaN"]),
    (GOOD, "--damping 1e300", &["--damping", "1e300", "f32"]),
    (GOOD, "--damping 1e-300", &["--damping", "1e-300", "f32"]),
    (GOOD, "--damping-floor 1e-300", &["--damping-floor", "1e-300", "f32"]),
    (GOOD, "--damping-floor 0", &["--damping-floor"]),
    (GOOD, "--damping 0", &["--damping"]),
    (GOOD, "--damping-floor 5", &["--damping-floor"]),
    (GOOD, "--damping-policy magic", &["--damping-policy", "magic"]),
    (GOOD, "--damping-metric round", &["--damping-metric", "round"]),
    (GOOD, "--rate 0", &["--rate"]),
    (GOOD, "--rate inf", &["--rate"]),
    (GOOD, "--rate 1e300", &["--rate", "1e300", "f32"]),
    (GOOD, "--optimizer sgd --rate 1e-300", &["--rate", "1e-300", "f32"]),
    (GOOD, "--optimizer adam --rate -0.1", &["--rate", "-0.1"]),
    (GOOD, "--iterations 0", &["--iterations"]),
    (GOOD, "--warm-start 2", &["--warm-start"]),
    (GOOD, "--optimizer adam --damping 1", &["--damping", "adam"]),
    (GOOD, "--optimizer sgd --momentum 0.5", &["--momentum", "sgd"]),
    (GOOD, "--momentum 2", &["--momentum", "natural"]),
    (GOOD, "--optimizer momentum --momentum 2", &["--momentum", "2"]),
    (GOOD, "--optimizer momentum --momentum 1", &["--momentum"]),
    (GOOD, "--optimizer nesterov --momentum 0.9999999999", &["--momentum", "f32"]),
    (GOOD, "--optimizer adam --line-search", &["--line-search", "adam"]),
    (GOOD, "--optimizer sgd --metric-batch 2", &["--metric-batch"]),
    (GOOD, "--optimizer krylov-descent --rate 0.5", &["--rate", "krylov-descent"]),
    (GOOD, "--optimizer tonga --iterations 3", &["--iterations", "tonga"]),
    (GOOD, "--optimizer natural --solver minres", &["--solver", "natural"]),
    (GOOD, "--optimizer lbfgs", &["--optimizer", "lbfgs"]),
    (GOOD, "--optimizer newton --warm-start 0.5", &["--warm-start", "newton"]),
    (GOOD, "--optimizer natsgd --damping-metric diagonal", &["--damping-metric", "natsgd"]),
    (GOOD, "--damping-metric kronecker", &["--damping-metric", "gram"]),
    (GOOD, "--optimizer gram --damping-metric diagonal", &["--damping-metric", "kronecker"]),
    (GOOD, "--optimizer gram --damping-metric kronecker --l2 0.1", &["--damping-metric", "--l2"]),
    (GOOD, "--optimizer gram --rate 1", &["--rate", "gram"]),
    (GOOD, "--optimizer gram --iterations 5", &["--iterations", "gram"]),
    (GOOD, "--optimizer gram --preconditioner none", &["--preconditioner", "gram"]),
    (GOOD, "--optimizer gram --momentum 1", &["--momentum"]),
    (GOOD, "--optimizer gram --damping-policy effort", &["--damping-policy", "gram"]),
    (GOOD, "--optimizer gram --damping 1e-7 --damping-floor 1e-6", &["--damping-floor"]),
    ("train", "--dataset digits --optimizer gram --batch 257 --steps 1", &["--batch", "257", "256"]),
    ("train", "--dataset digits --optimizer gram --metric-batch 300 --steps 1", &["--metric-batch", "300"]),
    ("plan", "--net 3-1 --ram much", &["--ram", "much"]),
    (GOOD, "--optimizer natcg-l --preconditioner none", &["--preconditioner", "natcg-l"]),
    (GOOD, "--optimizer natcg-f --damping-metric structural", &["damping metric"]),
    (GOOD, "--optimizer hessian-free --damping-metric diagonal", &["damping metric"]),
    (GOOD, "--validation 1", &["--validation"]),
    (GOOD, "--validation 1.5", &["--validation", "1.5"]),
    (GOOD, "--validation -0.1", &["--validation"]),
    ("eval --model m.st --data good.csv", "--validation 1", &["--validation"]),
    (GOOD, "--validation nan", &["--validation"]),
    (GOOD, "--l2 -1", &["--l2", "-1"]),
    (GOOD, "--l2 1e300", &["--l2", "1e300", "f32"]),
    (GOOD, "--until nan", &["--until"]),
    (GOOD, "--until 0", &["--until"]),
    (GOOD, "--seed 1 --seed 2", &["--seed"]),
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
    ("train --dataset wine --steps 2 --out", "there.st/m.st", &["there.st/m.st"]),
    ("train --dataset wine --steps 2 --plot", "folder", &["folder", "not a file"]),
    ("train --dataset wine --steps 2 --out new.st --plot", "./new.st", &["--plot", "--out"]),
    ("product --kind output --model m.st --data good.csv --out", "nowhere/o.st", &["nowhere/o.st"]),
    ("product --kind output --model m.st --data good.csv --out", "folder", &["folder", "not a file"]),
    ("product --kind output --model m.st --data", "good.csv", &["--out"]),
    // Models and vectors.
    (EVAL, "missing.st", &["missing.st"]),
    (EVAL, "folder", &["folder"]),
    (EVAL, "cut.st", &["cut.st"]),
    (EVAL, "flipped.st", &["flipped.st", "damaged", "parameters"]),
    (EVAL, "foreign.st", &["foreign.st"]),
    (EVAL, "length.st", &["length.st"]),
    (EVAL, "good.csv", &["good.csv"]),
    (EVAL, "nan.st", &["nan.st", "layers.0"]),
    (EVAL, "chain.st", &["chain.st", "layers.1.weight"]),
    (EVAL, "gap.st", &["gap.st", "layers.0"]),
    (EVAL, "extra.st", &["extra.st", "epoch"]),
    (EVAL, "rank.st", &["rank.st", "layers.0.weight", "[4]"]),
    (EVAL, "bias.st", &["bias.st", "layers.0.bias", "[3]"]),
    (EVAL, "half.st", &["half.st", "layers.0.bias", "missing"]),
    (EVAL, "flat.st", &["flat.st", "layers.0.weight", "zero"]),
    (EVAL, "single.st", &["single.st", "two outputs"]),
    (EVAL, "zero.st", &["zero.st", "input.scale"]),
    (EVAL, "infinite.st", &["infinite.st", "input.scale"]),
    (EVAL, "f16.st", &["f16.st", "F16"]),
    (EVAL, "f64.st --precision f32", &["f64.st", "1e300", "f32"]),
    (EVAL, "large.st", &["good.csv", "overflow"]),
    (EVAL, "swish.st", &["swish.st", "natgrad.activation", "swish"]),
    (EVAL, "other.st", &["good.csv", "3 columns"]),
    (EVAL, "u.st", &["u.st", "layers.0.weight"]),
    ("eval --data good.csv --model", "bare.st", &["bare.st", "--activation"]),
    ("eval --data good.csv --model", "bare.st --activation tanh", &["bare.st", "--likelihood"]),
    ("eval --data good.csv --model", "m.st --likelihood gaussian", &["m.st", "--likelihood"]),
    ("eval --data numbers.csv --model", "m.st", &["numbers.csv", "row 1", "column 3"]),
    ("eval --dataset digits --model", "m.st", &["--dataset", "64"]),
    (GOOD, "--init missing.st", &["missing.st"]),
    (GOOD, "--init bare.st", &["--activation", "bare.st"]),
    (GOOD, "--init bare.st --activation tanh --init-scheme sparse", &["--init", "--init-scheme"]),
    (GOOD, "--init m.st --activation relu", &["--activation", "m.st"]),
    ("train --data good.csv --likelihood categorical --activation tanh", "--init single.st", &["single.st", "two outputs"]),
    ("train --data good.csv --net 2-3-2", "--init m.st", &["--net", "m.st"]),
    (PRODUCT, "gradient --threads 2", &["--threads", "alone", "fisher", "gradient"]),
    (PRODUCT, "fisher --vector m.st --threads 0", &["--threads", "0"]),
    (PRODUCT, "fisher", &["--vector"]),
    (PRODUCT, "output --vector m.st", &["--vector"]),
    (PRODUCT, "fisher --vector other.st", &["other.st"]),
    (PRODUCT, "fisher --vector u.st", &["u.st"]),
    (PRODUCT, "hessian --vector nan.st", &["nan.st", "layers.0"]),
    (PRODUCT, "hessian --vector missing.st", &["missing.st"]),
    (PRODUCT, "fisher --precision f32 --vector f64.st", &["f64.st", "1e300", "f32"]),
    (PRODUCT, "hessian --activation relu --vector m.st", &["--activation", "m.st"]),
    (PRODUCT, "vjp --vector u.st", &["u.st", "4"]),
    (PRODUCT, "vjp --vector m.st", &["m.st", "output"]),
    (EXPORT, "missing.st", &["missing.st"]),
    (EXPORT, "cut.st", &["cut.st"]),
    (EXPORT, "flipped.st", &["flipped.st", "damaged"]),
    (EXPORT, "f64.st --activation tanh --likelihood gaussian", &["f64.st", "1e300", "f32"]),
    (EXPORT, "single.st --activation tanh --likelihood categorical", &["single.st", "two outputs"]),
    (EXPORT, "bare.st", &["bare.st", "--activation"]),
    (EXPORT, "m.st --likelihood gaussian", &["m.st", "--likelihood"]),
    ("export --model m.st --rust", "nowhere/m.rs", &["nowhere/m.rs", "folder"]),
    ("export --model", "m.st", &["--rust"]),
    (PRODUCT, "jacobian", &["--kind", "jacobian"]),
];

#[test]
fn a_mistake_is_one_sentence_and_exit_code_2() {
    let sandbox = sandbox();
    let before = sandbox.names();
    let mut wrong = Vec::new();
    for (start, rest, needles) in CASES {
        let line = format!("{start} {rest}");
        let said = sandbox.run(&line);
        let mut problems = problems(&line, &said, needles);
        if sandbox.names() != before {
            problems.push("has left something behind".into());
        }
        if sandbox.read("there.st") != b"kept" {
            problems.push("has touched there.st".into());
        }
        if !problems.is_empty() {
            wrong.push(format!("{line}: {}: {said:?}", problems.join(", ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with the way in which a mistake is reported.
fn problems(line: &str, said: &Said, needles: &[&str]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut expect = |holds: bool, problem: &str| {
        if !holds {
            problems.push(problem.to_string());
        }
    };
    expect(said.code == Some(2), "another exit code");
    expect(said.out.is_empty(), "something on standard output");
    expect(!said.err.contains("panicked"), "a panic");
    let (notes, sentences): (Vec<&str>, Vec<&str>) = said
        .err
        .lines()
        .filter(|line| !line.starts_with("note: column 3 has a mean of "))
        .partition(|line| line.starts_with("note: "));
    let header = "note: the first row of good.csv is taken for a header";
    let expected = line.contains("good.csv").then_some(&header);
    expect(notes.is_empty() || notes.iter().eq(expected), "a note");
    expect(sentences.len() == 1, "not one sentence");
    for sentence in sentences {
        expect(sentence.len() < 300, "a long sentence");
        for needle in needles {
            expect(sentence.contains(needle), &format!("no {needle}"));
        }
    }
    problems
}

/// Under whatever name: nothing is lost by a path that was meant for another option.
#[test]
fn an_output_is_no_input_and_no_other_output() {
    let sandbox = sandbox();
    let train = "train --net 2-2 --likelihood categorical --steps 2 --data good.csv";
    let product = "product --kind fisher --model m.st --vector m.st --data good.csv";
    let folder = sandbox.path("folder");
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        for (target, link) in [("good.csv", "data"), ("m.st", "model"), ("new.st", "later")] {
            symlink(target, sandbox.path(link)).expect("a link");
        }
        symlink("..", folder.join("up")).expect("a link");
    }
    let mut cases = vec![
        (format!("{train} --out good.csv"), "--out", "--data"),
        (
            format!("{train} --plot folder/../good.csv"),
            "--plot",
            "--data",
        ),
        (
            format!("{train} --init m.st --plot m.st"),
            "--plot",
            "--init",
        ),
        (
            format!("{train} --out new.st --plot ./new.st"),
            "--plot",
            "--out",
        ),
        (format!("{product} --out good.csv"), "--out", "--data"),
        (format!("{product} --out m.st"), "--out", "--model"),
        (
            product.replace("m.st --data", "bare.st --data") + " --out bare.st",
            "--out",
            "--vector",
        ),
        (
            "export --model m.st --rust ./m.st".into(),
            "--rust",
            "--model",
        ),
    ];
    if cfg!(unix) {
        cases.extend([
            (format!("{train} --out data"), "--out", "--data"),
            (
                format!("{train} --out folder/up/good.csv"),
                "--out",
                "--data",
            ),
            (
                format!("{train} --out there.st --plot folder/up/there.st"),
                "--plot",
                "--out",
            ),
            // The file is not there yet, and the link leads nowhere.
            (
                format!("{train} --out new.st --plot later"),
                "--plot",
                "--out",
            ),
            (
                format!("{train} --out folder/up/new.st --plot later"),
                "--plot",
                "--out",
            ),
            (format!("{product} --out model"), "--out", "--model"),
            (
                "export --model model --rust m.st".into(),
                "--rust",
                "--model",
            ),
        ]);
    }
    let before = sandbox.names();
    let files = ["good.csv", "m.st", "bare.st", "there.st"];
    let contents = files.map(|name| sandbox.read(name));
    for (line, output, input) in cases {
        let said = sandbox.run(&line);
        assert_eq!(
            (said.code, said.out.as_str()),
            (Some(2), ""),
            "{line}: {said:?}"
        );
        assert!(
            said.err.starts_with(&format!("error: {output}: ")),
            "{line}: {said:?}"
        );
        assert!(
            said.err.contains(&format!("the file that {input} names")),
            "{line}: {said:?}"
        );
        assert_eq!(said.err.lines().count(), 1, "{line}: {said:?}");
        assert_eq!(sandbox.names(), before, "{line}");
        assert!(files.map(|name| sandbox.read(name)) == contents, "{line}");
    }
    let said = sandbox.run(&format!("{train} --out /dev/null --plot /dev/null"));
    assert!(cfg!(not(unix)) || said.code == Some(0), "{said:?}");
}

/// Memory that the system does not have is told from memory that a run may not take.
#[cfg(target_os = "linux")]
#[test]
fn the_system_may_give_less_than_a_run_may_take() {
    let sandbox = sandbox();
    // 480 MB of parameters and workspace, in a quarter of a gigabyte.
    let line = "ulimit -v 262144 && exec \"$0\" train --data pairs.csv --net 1-5000000-1 --steps 1";
    let output = std::process::Command::new("sh")
        .args(["-c", line])
        .arg(natgrad_tests::binary())
        .current_dir(sandbox.path(""))
        .output()
        .expect("a shell");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.starts_with("error: --net: "), "{err}");
    assert!(
        err.ends_with(" MiB of workspace, which the system does not give\n"),
        "{err}"
    );
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
