//! What the front page promises of real data, with default settings.

use natgrad_tests::Sandbox;
use serde_json::Value;

fn number(object: &Value, key: &str) -> f64 {
    object[key]
        .as_f64()
        .unwrap_or_else(|| panic!("{key} in {object}"))
}

/// The runs of seeds 0 to `seeds` that reach a training loss within the default number of steps.
fn reached(options: &str, seeds: u32, loss: f64) -> Vec<f64> {
    let sandbox = Sandbox::new();
    (0..seeds)
        .map(|seed| {
            sandbox.json(&format!(
                "train --json {options} --until {loss} --seed {seed}"
            ))
        })
        .filter(|object| number(object, "train_loss") <= loss)
        .map(|object| number(&object, "steps"))
        .collect()
}

/// In its raw units wine is learned from nearly every start with λ·diag(F), and from hardly any with λI.
#[test]
fn wine_in_raw_units() {
    let diagonal = reached("--dataset wine", 20, 1e-3);
    assert!(diagonal.len() >= 19, "{diagonal:?}");
    let identity = reached("--dataset wine --damping-metric identity", 20, 1e-3);
    assert!(identity.len() <= 5, "{identity:?}");
    println!("steps with λ·diag(F): {diagonal:?}; with λI: {identity:?}");
}

/// A mean squared error of 0.003 is a loss of 0.0015.
#[test]
fn tecator_to_a_precise_fit() {
    let steps = reached("--dataset tecator", 5, 1.5e-3);
    assert_eq!(steps.len(), 5, "{steps:?}");
    assert!(steps.iter().all(|steps| *steps <= 400.0), "{steps:?}");
}

#[test]
fn digits_without_an_option() {
    let sandbox = Sandbox::new();
    let object = sandbox.json("train --dataset digits --json");
    let accuracy = number(&object, "test_accuracy");
    assert!(accuracy >= 0.96, "{object}");
}
