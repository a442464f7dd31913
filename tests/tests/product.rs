//! `natgrad product` against the reference, through files: every kind, likelihood and precision.

use nalgebra::DVector;
use natgrad::{Activation, Likelihood};
use natgrad_host::files::{Model, Output, Params, Values, read_loss};
use natgrad_host::reference::{Examples, Reference};
use natgrad_tests::Sandbox;

const WIDTHS: [usize; 3] = [3, 4, 2];
const ROWS: usize = 5;

/// Numbers in [−1, 1), the same in every run.
fn numbers(seed: u32, len: usize) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 23) - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn rows(values: &[f64], width: usize) -> Vec<Vec<f64>> {
    values.chunks(width).map(<[f64]>::to_vec).collect()
}

fn csv(rows: impl Iterator<Item = Vec<f64>>) -> String {
    rows.map(|row| {
        let cells: Vec<String> = row.iter().map(f64::to_string).collect();
        cells.join(",") + "\n"
    })
    .collect()
}

/// Relative to the norm: a chain of some dozen roundings.
fn near(found: &Values, expected: &[f64], what: &str) {
    let (slack, found): (f64, Vec<f64>) = match found {
        Values::F32(values) => (1e-5, values.iter().map(|&x| f64::from(x)).collect()),
        Values::F64(values) => (1e-13, values.clone()),
    };
    assert_eq!(found.len(), expected.len(), "{what}");
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
    let off = norm(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    let size = norm(&mut expected.iter().copied());
    assert!(
        off <= slack * size.max(1e-3),
        "{what}: {found:?}, not {expected:?}"
    );
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one network, and every product of it: files, expectations, runs"
)]
fn products_through_files_are_those_of_the_reference() {
    let sandbox = Sandbox::new();
    for (likelihood, activation) in [
        (Likelihood::Gaussian, Activation::Softplus),
        (Likelihood::Bernoulli, Activation::Logistic),
        (Likelihood::Categorical, Activation::Tanh),
    ] {
        let reference = Reference {
            widths: WIDTHS.to_vec(),
            activation,
            likelihood,
        };
        let n = reference.params();
        let (theta, v) = (numbers(1, n), numbers(2, n));
        let (x, u) = (numbers(3, ROWS * 3), numbers(4, ROWS * 2));
        let targets: Vec<Vec<f64>> = match likelihood {
            Likelihood::Gaussian => rows(&numbers(5, ROWS * 2), 2),
            Likelihood::Bernoulli => {
                let values: Vec<f64> = numbers(5, ROWS * 2).iter().map(|t| t.abs()).collect();
                rows(&values, 2)
            }
            Likelihood::Categorical => (0..ROWS)
                .map(|i| {
                    if i % 2 == 0 {
                        vec![1.0, 0.0]
                    } else {
                        vec![0.0, 1.0]
                    }
                })
                .collect(),
        };
        let inputs = rows(&x, 3);
        let columns = |target: &Vec<f64>| match likelihood {
            Likelihood::Categorical => vec![target[1]],
            _ => target.clone(),
        };
        let table = inputs
            .iter()
            .zip(&targets)
            .map(|(x, t)| [x.clone(), columns(t)].concat());
        sandbox.write("d.csv", csv(table));
        sandbox.write("x.csv", csv(inputs.iter().cloned()));
        let params = |values: &[f64]| {
            Params::new(WIDTHS.to_vec(), values.to_vec().into()).expect("its length")
        };
        let model = Model {
            params: params(&theta),
            activation: Some(activation),
            likelihood: Some(likelihood),
            scaling: None,
        };
        model.write(&sandbox.path("m.st")).expect("written");
        params(&v).write(&sandbox.path("v.st")).expect("written");
        let shaped = Output::new(ROWS, 2, u.clone().into()).expect("its length");
        shaped.write(&sandbox.path("u.st")).expect("written");

        let examples = Examples::new(inputs.clone(), targets);
        let all = |f: &dyn Fn(&[f64]) -> Vec<f64>| -> Vec<f64> {
            inputs.iter().flat_map(|x| f(x)).collect()
        };
        let mut vjp = vec![0.0; n];
        for (x, u) in inputs.iter().zip(rows(&u, 2)) {
            for (sum, g) in vjp.iter_mut().zip(reference.vjp(&theta, x, &u).iter()) {
                *sum += g;
            }
        }
        let direction = DVector::from_column_slice(&v);
        let expected: Vec<(&str, &str, Vec<f64>)> = vec![
            ("output", "", all(&|x| reference.outputs(&theta, x))),
            ("loss", "", vec![reference.loss(&theta, &examples)]),
            (
                "gradient",
                "",
                reference.gradient(&theta, &examples).as_slice().to_vec(),
            ),
            (
                "jvp",
                "v.st",
                all(&|x| reference.jvp(&theta, x, &v).as_slice().to_vec()),
            ),
            ("vjp", "u.st", vjp),
            (
                "fisher",
                "v.st",
                (reference.fisher_by_enumeration(&theta, &examples) * &direction)
                    .as_slice()
                    .to_vec(),
            ),
            (
                "hessian",
                "v.st",
                (reference.hessian(&theta, &examples) * &direction)
                    .as_slice()
                    .to_vec(),
            ),
            (
                "empirical-fisher",
                "v.st",
                (reference.empirical_fisher(&theta, &examples) * &direction)
                    .as_slice()
                    .to_vec(),
            ),
            (
                "covariance",
                "v.st",
                (reference.gradient_covariance(&theta, &examples) * &direction)
                    .as_slice()
                    .to_vec(),
            ),
        ];
        for (kind, vector, expected) in &expected {
            let label_free = ["output", "jvp", "vjp", "fisher"].contains(kind);
            for data in ["d.csv", "x.csv"] {
                for precision in ["f32", "f64"] {
                    let mut line = format!(
                        "product --kind {kind} --model m.st --data {data} --precision {precision} --out o.st"
                    );
                    if !vector.is_empty() {
                        line = format!("{line} --vector {vector}");
                    }
                    let said = sandbox.run(&line);
                    if data == "x.csv" && !label_free {
                        assert_eq!(said.code, Some(2), "{line}: {said:?}");
                        continue;
                    }
                    assert_eq!(said.code, Some(0), "{line}: {said:?}");
                    let path = sandbox.path("o.st");
                    let found = match *kind {
                        "loss" => read_loss(&path).expect("a loss"),
                        "output" | "jvp" => Output::read(&path, ROWS, 2)
                            .expect("outputs")
                            .values()
                            .clone(),
                        _ => Params::read_for(&path, &WIDTHS)
                            .expect("layers")
                            .theta()
                            .clone(),
                    };
                    near(&found, expected, &format!("{likelihood:?}: {line}"));
                }
            }
        }
    }
}
