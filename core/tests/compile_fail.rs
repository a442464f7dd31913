//! Mistakes that are errors of the build, each with its sentence.

use std::fs;
use std::path::Path;

/// What must not compile, and the sentence that the user reads.
const MISTAKES: [(&str, &str); 7] = [
    ("zero_width", "every width of a network must be at least 1"),
    (
        "one_class",
        "a categorical likelihood needs at least two outputs",
    ),
    ("budget", "more than the budget of 16384"),
    ("empty_tile", "a tile holds at least one example"),
    (
        "no_eigenvector",
        "TONGA needs an eigenvector and a recent row",
    ),
    (
        "no_krylov_vector",
        "Krylov subspace descent needs a Krylov vector",
    ),
    ("empty_ring", "a ring holds at least one sample"),
];

#[test]
fn mistakes_do_not_compile() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let cases = trybuild::TestCases::new();
    // A program that compiles makes trybuild generate code, where a tile of 0 is found.
    cases.pass("tests/ui/within_budget.rs");
    for (name, _) in MISTAKES {
        cases.compile_fail(format!("tests/ui/{name}.rs"));
    }
    // Here they run.
    drop(cases);
    for (name, sentence) in MISTAKES {
        let output = fs::read_to_string(folder.join(name).with_extension("stderr"))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(output.contains(sentence), "{name} does not say: {sentence}");
    }
}

#[test]
fn every_mistake_is_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let mut found: Vec<String> = fs::read_dir(folder)
        .expect("the folder")
        .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".stderr").map(str::to_owned))
        .collect();
    let mut listed: Vec<_> = MISTAKES
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    found.sort();
    listed.sort();
    assert_eq!(found, listed);
}
