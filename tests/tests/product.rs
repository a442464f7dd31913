//! `natgrad product` against a network written out here, with files of the `safetensors` crate: nothing of
//! this project stands on the other side, so that an error of layout or of sign cannot cancel.
//!
//! Derivatives come from hyper-dual numbers (Fike & Alonso 2011): exact first and mixed second ones.

use std::collections::HashMap;
use std::ops::{Add, Mul};

use natgrad_tests::Sandbox;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

/// f + a ε₁ + b ε₂ + c ε₁ε₂ with ε₁² = ε₂² = 0.
#[derive(Clone, Copy, Debug, Default)]
struct Hyper {
    f: f64,
    a: f64,
    b: f64,
    c: f64,
}

impl Hyper {
    fn constant(f: f64) -> Self {
        Self {
            f,
            ..Self::default()
        }
    }

    /// A function of the number from its value and its first two derivatives there.
    fn map(self, f: f64, first: f64, second: f64) -> Self {
        Self {
            f,
            a: first * self.a,
            b: first * self.b,
            c: first * self.c + second * self.a * self.b,
        }
    }

    fn tanh(self) -> Self {
        let y = self.f.tanh();
        self.map(y, 1.0 - y * y, -2.0 * y * (1.0 - y * y))
    }

    fn exp(self) -> Self {
        let y = self.f.exp();
        self.map(y, y, y)
    }

    fn ln(self) -> Self {
        let x = self.f;
        self.map(x.ln(), 1.0 / x, -1.0 / (x * x))
    }
}

impl Add for Hyper {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            f: self.f + other.f,
            a: self.a + other.a,
            b: self.b + other.b,
            c: self.c + other.c,
        }
    }
}

impl Mul for Hyper {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self {
            f: self.f * other.f,
            a: self.f * other.a + self.a * other.f,
            b: self.f * other.b + self.b * other.f,
            c: self.f * other.c + self.a * other.b + self.b * other.a + self.c * other.f,
        }
    }
}

/// The tensors of a 3-4-2 net in the order of θ: name, shape, place of the first value.
const TENSORS: [(&str, &[usize], usize); 4] = [
    ("layers.0.weight", &[4, 3], 0),
    ("layers.0.bias", &[4], 12),
    ("layers.1.weight", &[2, 4], 16),
    ("layers.1.bias", &[2], 24),
];
const PARAMS: usize = 26;

/// Inputs and targets; the targets of a categorical likelihood are one-hot.
const EXAMPLES: [([f64; 3], [f64; 2]); 4] = [
    ([0.5, -1.25, 2.0], [1.0, 0.0]),
    ([-0.75, 0.25, 0.5], [0.0, 1.0]),
    ([1.5, 1.0, -0.5], [0.0, 1.0]),
    ([0.0, 0.125, -1.0], [1.0, 0.0]),
];

/// z = W₂ tanh(W₁ x + b₁) + b₂.
fn outputs(theta: &[Hyper], x: &[f64; 3]) -> [Hyper; 2] {
    let hidden: Vec<Hyper> = (0..4)
        .map(|j| {
            let sum = (0..3).fold(theta[12 + j], |sum, i| {
                sum + theta[3 * j + i] * Hyper::constant(x[i])
            });
            sum.tanh()
        })
        .collect();
    [0, 1].map(|k| {
        (0..4).fold(theta[24 + k], |sum, j| {
            sum + theta[16 + 4 * k + j] * hidden[j]
        })
    })
}

fn loss(likelihood: &str, z: [Hyper; 2], t: &[f64; 2]) -> Hyper {
    let minus = |x: f64| Hyper::constant(-x);
    let linear = z[0] * minus(t[0]) + z[1] * minus(t[1]);
    match likelihood {
        "gaussian" => {
            let [r, s] = [z[0] + minus(t[0]), z[1] + minus(t[1])];
            Hyper::constant(0.5) * (r * r + s * s)
        }
        "bernoulli" => {
            let one = Hyper::constant(1.0);
            (one + z[0].exp()).ln() + (one + z[1].exp()).ln() + linear
        }
        _ => (z[0].exp() + z[1].exp()).ln() + linear,
    }
}

/// The Hessian of the loss with respect to z.
fn metric(likelihood: &str, z: [f64; 2]) -> [[f64; 2]; 2] {
    match likelihood {
        "gaussian" => [[1.0, 0.0], [0.0, 1.0]],
        "bernoulli" => {
            let [p, q] = z.map(|z| 1.0 / (1.0 + (-z).exp()));
            [[p * (1.0 - p), 0.0], [0.0, q * (1.0 - q)]]
        }
        _ => {
            let p = 1.0 / (1.0 + (z[1] - z[0]).exp());
            let pq = p * (1.0 - p);
            [[pq, -pq], [-pq, pq]]
        }
    }
}

/// Multiples of 2⁻⁵ in [−1, 1): the same in f32 and f64.
fn numbers(start: u32, len: u32) -> Vec<f64> {
    (start..start + len)
        .map(|i| f64::from((i * 37 + i * i * 11) % 64) / 32.0 - 1.0)
        .collect()
}

fn dot(u: &[f64], v: &[f64]) -> f64 {
    u.iter().zip(v).map(|(u, v)| u * v).sum()
}

/// θ with ε₁ along parameter `i` and ε₂ along v.
fn seeded(theta: &[f64], i: usize, v: &[f64]) -> Vec<Hyper> {
    let mut seeded: Vec<Hyper> = theta.iter().map(|&f| Hyper::constant(f)).collect();
    for (number, &v) in seeded.iter_mut().zip(v) {
        number.b = v;
    }
    seeded[i].a = 1.0;
    seeded
}

/// Every product, by its definition.
fn expected(
    likelihood: &str,
    theta: &[f64],
    v: &[f64],
    u: &[f64],
) -> Vec<(&'static str, Vec<f64>)> {
    let n = f64::from(4_u8);
    let along: Vec<Vec<Hyper>> = (0..PARAMS).map(|i| seeded(theta, i, v)).collect();
    let z = |i: usize, b: usize| outputs(&along[i], &EXAMPLES[b].0);
    let l = |i: usize, b: usize| loss(likelihood, z(i, b), &EXAMPLES[b].1);
    let gradients: Vec<Vec<f64>> = (0..4)
        .map(|b| (0..PARAMS).map(|i| l(i, b).a).collect())
        .collect();
    let mean: Vec<f64> = (0..PARAMS)
        .map(|i| gradients.iter().map(|g| g[i]).sum::<f64>() / n)
        .collect();
    let params = |term: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        (0..PARAMS)
            .map(|i| (0..4).map(|b| term(i, b)).sum())
            .collect()
    };
    let fisher = |i: usize, b: usize| {
        let z = z(i, b);
        let h = metric(likelihood, z.map(|z| z.f));
        let hjv = h.map(|row| row[0] * z[0].b + row[1] * z[1].b);
        (z[0].a * hjv[0] + z[1].a * hjv[1]) / n
    };
    let empirical = |i: usize, b: usize| gradients[b][i] * dot(&gradients[b], v) / n;
    let centred = |i: usize, b: usize| {
        let off = dot(&gradients[b], v) - dot(&mean, v);
        (gradients[b][i] - mean[i]) * off / n
    };
    vec![
        (
            "output",
            (0..4).flat_map(|b| z(0, b).map(|z| z.f)).collect(),
        ),
        ("loss", vec![(0..4).map(|b| l(0, b).f).sum::<f64>() / n]),
        ("gradient", mean.clone()),
        ("jvp", (0..4).flat_map(|b| z(0, b).map(|z| z.b)).collect()),
        (
            "vjp",
            params(&|i, b| z(i, b)[0].a * u[2 * b] + z(i, b)[1].a * u[2 * b + 1]),
        ),
        ("fisher", params(&fisher)),
        ("hessian", params(&|i, b| l(i, b).c / n)),
        ("empirical-fisher", params(&empirical)),
        ("covariance", params(&centred)),
    ]
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the values are the same in f32"
)]
fn bytes(values: &[f64], dtype: Dtype) -> Vec<u8> {
    let bytes = |&value: &f64| match dtype {
        Dtype::F32 => (value as f32).to_le_bytes().to_vec(),
        _ => value.to_le_bytes().to_vec(),
    };
    values.iter().flat_map(bytes).collect()
}

fn params_file(theta: &[f64], dtype: Dtype, words: Option<HashMap<String, String>>) -> Vec<u8> {
    let all = bytes(theta, dtype);
    let size = all.len() / theta.len();
    let views = TENSORS.map(|(name, shape, start)| {
        let len: usize = shape.iter().product();
        let data = &all[size * start..size * (start + len)];
        let view = TensorView::new(dtype, shape.to_vec(), data).expect("its length");
        (name, view)
    });
    safetensors::serialize(views, words).expect("tensors")
}

/// The values of a result, whose names, shapes and precision must be those that the front page promises.
fn result(file: &[u8], kind: &str, dtype: Dtype) -> Vec<f64> {
    let file = SafeTensors::deserialize(file).expect("safetensors");
    let names: &[(&str, &[usize])] = match kind {
        "loss" => &[("loss", &[1])],
        "output" | "jvp" => &[("output", &[4, 2])],
        _ => &TENSORS.map(|(name, shape, _)| (name, shape)),
    };
    assert_eq!(file.len(), names.len(), "{kind}: {:?}", file.names());
    let read = |(name, shape): &(&str, &[usize])| -> Vec<f64> {
        let tensor = file.tensor(name).expect(name);
        assert_eq!((tensor.shape(), tensor.dtype()), (*shape, dtype), "{kind}");
        let singles = || tensor.data().as_chunks().0.iter();
        let doubles = || tensor.data().as_chunks().0.iter();
        match dtype {
            Dtype::F32 => singles().map(|&b| f32::from_le_bytes(b).into()).collect(),
            _ => doubles().map(|&b| f64::from_le_bytes(b)).collect(),
        }
    };
    names.iter().flat_map(read).collect()
}

fn table(likelihood: Option<&str>) -> String {
    let row = |(x, t): &([f64; 3], [f64; 2])| {
        let cells = match likelihood {
            None => x.to_vec(),
            Some("categorical") => [x.as_slice(), &t[1..]].concat(),
            Some(_) => [x.as_slice(), t].concat(),
        };
        let cells: Vec<String> = cells.iter().map(f64::to_string).collect();
        cells.join(",") + "\n"
    };
    EXAMPLES.iter().map(row).collect()
}

#[test]
fn every_product_is_what_its_definition_says() {
    let sandbox = Sandbox::new();
    let (theta, v) = (numbers(1, 26), numbers(40, 26));
    let u = numbers(80, 8);
    sandbox.write("x.csv", table(None));
    for (likelihood, stored) in [
        ("gaussian", Dtype::F64),
        ("bernoulli", Dtype::F32),
        ("categorical", Dtype::F64),
        ("categorical", Dtype::F32),
    ] {
        sandbox.write("d.csv", table(Some(likelihood)));
        let words = [("activation", "tanh"), ("likelihood", likelihood)]
            .map(|(key, word)| (format!("natgrad.{key}"), word.to_string()));
        sandbox.write("m.st", params_file(&theta, stored, Some(words.into())));
        sandbox.write("v.st", params_file(&v, stored, None));
        let data = bytes(&u, stored);
        let view = TensorView::new(stored, vec![4, 2], &data).expect("its length");
        let file = safetensors::serialize([("output", view)], None);
        sandbox.write("u.st", file.expect("tensors"));
        for (kind, expected) in expected(likelihood, &theta, &v, &u) {
            let vector = match kind {
                "output" | "loss" | "gradient" => "",
                "vjp" => "--vector u.st",
                _ => "--vector v.st",
            };
            let label_free = ["output", "jvp", "vjp", "fisher"].contains(&kind);
            let tables: &[&str] = if label_free {
                &["d.csv", "x.csv"]
            } else {
                &["d.csv"]
            };
            for data in tables {
                // A dozen roundings of each precision, relative to the norm.
                for (precision, dtype, slack) in
                    [("f32", Dtype::F32, 4e-6), ("f64", Dtype::F64, 1e-14)]
                {
                    let line = format!(
                        "product --kind {kind} --model m.st {vector} --data {data} --precision {precision} --out o.st"
                    );
                    let said = sandbox.run(&line);
                    assert_eq!(said.code, Some(0), "{line}: {said:?}");
                    let file = sandbox.read("o.st");
                    if kind.contains("fisher") {
                        let shared = sandbox.run(&format!("{line} --threads 3"));
                        assert_eq!(shared.code, Some(0), "{line}: {shared:?}");
                        assert_eq!(sandbox.read("o.st"), file, "{line}");
                    }
                    let found = result(&file, kind, dtype);
                    assert_eq!(found.len(), expected.len(), "{line}");
                    let off: Vec<f64> = found.iter().zip(&expected).map(|(a, b)| a - b).collect();
                    let (off, size) = (dot(&off, &off).sqrt(), dot(&expected, &expected).sqrt());
                    assert!(
                        off <= slack * size && size > 1e-3,
                        "{likelihood}: {line}: off by {:e}: {found:?}, not {expected:?}",
                        off / size
                    );
                }
            }
        }
    }
}
