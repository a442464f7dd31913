//! The step in output space against the dense system in the space of the parameters.

#![expect(
    clippy::disallowed_methods,
    reason = "a test may panic, and what the core is compared with is computed by other means"
)]
#![expect(clippy::cast_precision_loss, reason = "small numbers")]

use natgrad::damping::{Damping, DampingPolicy, Tikhonov};
use natgrad::line_search::Trust;
use natgrad::optimizer::{
    Anchor, DualMetric, Gram, Inverse, Kronecker, L2, Method, Momentum, Outcome, Plain, Progress,
    PushThrough, Woodbury,
};
use natgrad::{Activation, Batch, Likelihood, Metric, Mlp, Model, Pass, Room, Trainer};

const EXAMPLES: usize = 5;

type Learner<'a> = Trainer<'a, f64, Gram<f64, EXAMPLES>, 1>;

struct Draws(u64);

impl Draws {
    /// Uniform in [−1, 1).
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    fn vector(&mut self, len: usize) -> Vec<f64> {
        (0..len).map(|_| self.next()).collect()
    }
}

/// x with Ax = b, by elimination with pivots.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for i in 0..n {
        let pivot = (i..n)
            .max_by(|&p, &q| a[p][i].abs().total_cmp(&a[q][i].abs()))
            .unwrap();
        a.swap(i, pivot);
        b.swap(i, pivot);
        for row in i + 1..n {
            let pivot = a[i].clone();
            let factor = a[row][i] / pivot[i];
            for (entry, above) in a[row].iter_mut().zip(pivot) {
                *entry -= factor * above;
            }
            b[row] -= factor * b[i];
        }
    }
    for i in (0..n).rev() {
        let solved: f64 = (i + 1..n).map(|column| a[i][column] * b[column]).sum();
        b[i] -= solved;
        b[i] /= a[i][i];
    }
    b
}

struct Task {
    widths: Vec<usize>,
    likelihood: Likelihood,
    inputs: Vec<f64>,
    targets: Vec<f64>,
    weights: Vec<f64>,
    params: Vec<f64>,
}

impl Task {
    fn new(widths: &[usize], likelihood: Likelihood, seed: u64) -> Self {
        let mut draws = Draws(seed);
        let (dim_in, dim_out) = (widths[0], widths[widths.len() - 1]);
        let targets = (0..EXAMPLES).flat_map(|example| {
            (0..dim_out).map(move |k| match likelihood {
                Likelihood::Gaussian => (example * dim_out + k) as f64 % 3.0 - 1.0,
                Likelihood::Bernoulli => (example + k) as f64 % 2.0,
                Likelihood::Categorical => f64::from(u8::from(example % dim_out == k)),
            })
        });
        let targets = targets.collect();
        let model = Model::new(widths, Activation::Tanh, likelihood).unwrap();
        Self {
            widths: widths.to_vec(),
            likelihood,
            inputs: draws.vector(EXAMPLES * dim_in),
            targets,
            weights: (0..EXAMPLES)
                .map(|b| [1.0, 2.0, 0.0, 0.5, 1.0][b])
                .collect(),
            params: draws.vector(model.params()),
        }
    }

    fn model(&self) -> Model<'_> {
        Model::new(&self.widths, Activation::Tanh, self.likelihood).unwrap()
    }

    fn batch(&self) -> Batch<'_, f64> {
        Batch::new(&*self.inputs, &*self.targets).weighted(&self.weights)
    }

    /// The gradient, and the Fisher information: products with unit vectors, by J and H.
    fn dense(&self) -> (Vec<f64>, Vec<Vec<f64>>) {
        let model = self.model();
        let n = model.params();
        let mut scratch = vec![0.0; Pass::Hessian.scratch_len(&model, 1)];
        let mut mlp = Mlp::<f64, 1>::new(model, &self.params, &mut scratch).unwrap();
        let mut gradient = vec![0.0; n];
        mlp.gradient(&self.batch(), &mut gradient).unwrap();
        let k = model.dim_out();
        let mut means = vec![0.0; EXAMPLES * k];
        mlp.predict(&*self.inputs, &mut means).unwrap();
        let columns: Vec<Vec<f64>> = (0..n)
            .map(|i| {
                let mut unit = vec![0.0; n];
                unit[i] = 1.0;
                let mut out = vec![0.0; EXAMPLES * k];
                mlp.jvp(&*self.inputs, &unit, &mut out).unwrap();
                out
            })
            .collect();
        let total: f64 = self.weights.iter().sum();
        let fisher = (0..n)
            .map(|i| {
                (0..n)
                    .map(|j| {
                        let mut sum = 0.0;
                        for b in 0..EXAMPLES {
                            let at = |c: usize, o: usize| columns[c][b * k + o];
                            let p = |o: usize| means[b * k + o];
                            let form: f64 = match self.likelihood {
                                Likelihood::Gaussian => (0..k).map(|o| at(i, o) * at(j, o)).sum(),
                                Likelihood::Bernoulli => (0..k)
                                    .map(|o| p(o) * (1.0 - p(o)) * at(i, o) * at(j, o))
                                    .sum(),
                                Likelihood::Categorical => {
                                    let mean =
                                        |c: usize| (0..k).map(|o| p(o) * at(c, o)).sum::<f64>();
                                    (0..k).map(|o| p(o) * at(i, o) * at(j, o)).sum::<f64>()
                                        - mean(i) * mean(j)
                                }
                            };
                            sum += self.weights[b] / total * form;
                        }
                        sum
                    })
                    .collect()
            })
            .collect();
        (gradient, fisher)
    }
}

/// A method without bounds and without adaptation, so that a step is d.
fn bare<D: DualMetric, V: Default, I: Inverse>(damping: f64) -> Gram<f64, EXAMPLES, D, V, I> {
    Gram {
        damping: Damping {
            initial: damping,
            policy: DampingPolicy::Constant,
            ..Gram::<f64, EXAMPLES, D, V, I>::default().damping
        },
        trust: Trust::unbounded(),
        ..Gram::default()
    }
}

const CASES: [(&[usize], Likelihood); 7] = [
    (&[3, 4, 1], Likelihood::Gaussian),
    (&[2, 3], Likelihood::Gaussian),
    (&[2, 3, 4, 2], Likelihood::Gaussian),
    (&[3, 4, 2], Likelihood::Bernoulli),
    (&[3, 4, 3], Likelihood::Categorical),
    (&[2, 3, 3, 2], Likelihood::Categorical),
    (&[4, 3], Likelihood::Categorical),
];

/// The steps of a method from the parameters of the task.
fn steps<M: Method<f64>, const TILE: usize>(task: &Task, method: M, count: usize) -> Vec<Vec<f64>> {
    steps_on::<M, TILE>(task, Metric::Same, L2::NONE, method, count)
}

/// The same in the metric of other examples, and with an L2 term.
fn steps_on<M: Method<f64>, const TILE: usize>(
    task: &Task,
    metric: Metric<'_, f64>,
    l2: L2<'_, f64>,
    method: M,
    count: usize,
) -> Vec<Vec<f64>> {
    let model = task.model();
    let mut params = task.params.clone();
    let mut workspace = vec![0.0; Trainer::<f64, M, TILE>::workspace_len(&model, Room::NONE)];
    let mut trainer =
        Trainer::<f64, M, TILE>::new(model, &mut params, &mut workspace, method).unwrap();
    trainer.regularise(l2).unwrap();
    let mut steps = Vec::new();
    for _ in 0..count {
        let before = trainer.params().to_vec();
        let report = trainer.step(task.batch(), metric).unwrap();
        assert_eq!(report.outcome, Outcome::Accepted);
        assert_eq!(report.solve.unwrap().attempts, 1);
        let pairs = trainer.params().iter().zip(&before);
        steps.push(pairs.map(|(new, old)| new - old).collect());
    }
    steps
}

/// −(F + λD)⁻¹(g − λD carried).
fn dense_step(gradient: &[f64], fisher: &[Vec<f64>], damping: &[f64], carried: &[f64]) -> Vec<f64> {
    let n = gradient.len();
    let mut damped = fisher.to_vec();
    for i in 0..n {
        damped[i][i] += damping[i];
    }
    solve(
        damped,
        (0..n)
            .map(|i| damping[i] * carried[i] - gradient[i])
            .collect(),
    )
}

fn assert_close(found: &[f64], expected: &[f64], case: &str) {
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < 1e-11,
            "{case}: {found} {expected}"
        );
    }
}

#[test]
fn without_factors_it_is_the_dense_step() {
    for (widths, likelihood) in CASES {
        let task = Task::new(widths, likelihood, 7);
        let (gradient, fisher) = task.dense();
        let n = gradient.len();
        let k = widths[widths.len() - 1];
        // The trace of F is that of the Gram matrix.
        let unit = (0..n).map(|i| fisher[i][i]).sum::<f64>() / k as f64;
        for relative in [10.0, 1.0] {
            let expected = dense_step(&gradient, &fisher, &vec![relative * unit; n], &vec![0.0; n]);
            let found = steps::<_, 1>(&task, bare::<Tikhonov, Plain, PushThrough>(relative), 1);
            let tiled = steps::<_, 4>(&task, bare::<Tikhonov, Plain, PushThrough>(relative), 1);
            assert_eq!(found, tiled);
            assert_close(&found[0], &expected, &format!("{widths:?} {likelihood:?}"));
        }
    }
}

/// The step before is part of the model: the second step is the dense one of that.
#[test]
fn with_memory_it_is_the_dense_step_about_what_the_last_one_did() {
    for (widths, likelihood) in CASES {
        let mut task = Task::new(widths, likelihood, 11);
        let found = steps::<_, 1>(&task, bare::<Tikhonov, Momentum, PushThrough>(10.0), 2);
        for (p, d) in task.params.iter_mut().zip(&found[0]) {
            *p += d;
        }
        let (gradient, fisher) = task.dense();
        let n = gradient.len();
        let k = widths[widths.len() - 1];
        let unit = (0..n).map(|i| fisher[i][i]).sum::<f64>() / k as f64;
        let carried: Vec<f64> = found[0].iter().map(|d| 0.5 * d).collect();
        let expected = dense_step(&gradient, &fisher, &vec![10.0 * unit; n], &carried);
        assert_close(&found[1], &expected, &format!("{widths:?} {likelihood:?}"));
    }
}

/// D from the definition, about the means of the inputs: forward passes by hand, and the seeds of a unit as the
/// derivatives by its bias. Its diagonal, the T by which a step from there is one of the parameters, and the unit of λ.
fn kronecker(task: &Task) -> (Vec<f64>, Vec<Vec<f64>>, f64) {
    let model = task.model();
    let k = model.dim_out();
    let total: f64 = task.weights.iter().sum();
    let mut scratch = vec![0.0; Pass::Vjp.scratch_len(&model, 1)];
    let mut mlp = Mlp::<f64, 1>::new(model, &task.params, &mut scratch).unwrap();
    let mut means = vec![0.0; EXAMPLES * k];
    mlp.predict(&*task.inputs, &mut means).unwrap();
    let used: Vec<usize> = (0..EXAMPLES).filter(|&b| task.weights[b] > 0.0).collect();

    let mut columns = Vec::new();
    for &b in &used {
        let p = &means[b * k..(b + 1) * k];
        for column in 0..k {
            let q: Vec<f64> = (0..k)
                .map(|o| {
                    let unit = f64::from(u8::from(o == column));
                    match task.likelihood {
                        Likelihood::Gaussian => unit,
                        Likelihood::Bernoulli => unit * (p[o] * (1.0 - p[o])).sqrt(),
                        Likelihood::Categorical => p[column].sqrt() * (unit - p[o]),
                    }
                })
                .collect();
            let width = model.dim_in();
            let mut row = vec![0.0; model.params()];
            mlp.vjp(&task.inputs[b * width..(b + 1) * width], &q, &mut row)
                .unwrap();
            let share = (task.weights[b] / total).sqrt();
            columns.push(row.iter().map(|x| share * x).collect::<Vec<f64>>());
        }
    }

    let mut diagonal = Vec::new();
    let n = model.params();
    let mut back: Vec<Vec<f64>> = (0..n)
        .map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect())
        .collect();
    let mut activations: Vec<Vec<f64>> = used
        .iter()
        .map(|&b| task.inputs[b * model.dim_in()..(b + 1) * model.dim_in()].to_vec())
        .collect();
    let mut start = 0;
    for (layer, pair) in task.widths.windows(2).enumerate() {
        let (fan_in, fan_out) = (pair[0], pair[1]);
        let bias = start + fan_in * fan_out;
        let mean = |of: &dyn Fn(&[f64]) -> f64| {
            activations.iter().map(|a| of(a)).sum::<f64>() / used.len() as f64
        };
        // Hidden units have a zero of their own.
        let centre = |i: usize| if layer == 0 { mean(&|a| a[i]) } else { 0.0 };
        let centre: Vec<f64> = (0..fan_in).map(centre).collect();
        let v: Vec<f64> = (0..fan_in)
            .map(|i| mean(&|a| (a[i] - centre[i]).powi(2)))
            .collect();
        for o in 0..fan_out {
            for i in 0..fan_in {
                // b = b' − Wμ.
                back[bias + o][start + o * fan_in + i] = -centre[i];
            }
        }
        let u: Vec<f64> = (0..fan_out)
            .map(|o| columns.iter().map(|c| c[bias + o] * c[bias + o]).sum())
            .collect();
        let floor = |x: &[f64], share: f64| share * x.iter().sum::<f64>() / x.len() as f64;
        let (least_v, least_u) = (floor(&v, 1e-6), floor(&u, 1e-3));
        for &u in &u {
            diagonal.extend(v.iter().map(|v| v.max(least_v) * u.max(least_u)));
        }
        diagonal.extend(u.iter().map(|u| u.max(least_u)));
        let last = layer + 2 == task.widths.len();
        for a in &mut activations {
            let next = (0..fan_out).map(|o| {
                let row = &task.params[start + o * fan_in..start + (o + 1) * fan_in];
                let z =
                    row.iter().zip(&*a).map(|(w, a)| w * a).sum::<f64>() + task.params[bias + o];
                if last { z } else { z.tanh() }
            });
            *a = next.collect();
        }
        start = bias + fan_out;
    }
    let trace = columns.iter().flat_map(|c| {
        let there = transposed(&back, c);
        let terms = there.iter().zip(&diagonal).map(|(x, d)| x * x / d);
        terms.collect::<Vec<f64>>()
    });
    let unit = trace.sum::<f64>() / k as f64;
    (diagonal, back, unit)
}

/// Tx.
fn product(t: &[Vec<f64>], x: &[f64]) -> Vec<f64> {
    let rows = t.iter();
    rows.map(|row| row.iter().zip(x).map(|(t, x)| t * x).sum())
        .collect()
}

/// Tᵀx.
fn transposed(t: &[Vec<f64>], x: &[f64]) -> Vec<f64> {
    let columns = 0..x.len();
    columns
        .map(|j| t.iter().zip(x).map(|(row, x)| row[j] * x).sum())
        .collect()
}

#[test]
fn with_factors_it_is_the_dense_step_in_their_metric() {
    for (widths, likelihood) in CASES {
        let task = Task::new(widths, likelihood, 13);
        let (gradient, fisher) = task.dense();
        let (diagonal, back, unit) = kronecker(&task);
        let damping: Vec<f64> = diagonal.iter().map(|d| 2.0 * unit * d).collect();
        let rows: Vec<Vec<f64>> = fisher.iter().map(|row| transposed(&back, row)).collect();
        let columns = (0..rows.len()).map(|j| {
            let column: Vec<f64> = rows.iter().map(|row| row[j]).collect();
            transposed(&back, &column)
        });
        let fisher: Vec<Vec<f64>> = columns.collect();
        let gradient = transposed(&back, &gradient);
        let step = dense_step(&gradient, &fisher, &damping, &vec![0.0; gradient.len()]);
        let expected = product(&back, &step);
        let found = steps::<_, 1>(&task, bare::<Kronecker, Plain, PushThrough>(2.0), 1);
        let tiled = steps::<_, 4>(&task, bare::<Kronecker, Plain, PushThrough>(2.0), 1);
        assert_eq!(found, tiled);
        assert_close(&found[0], &expected, &format!("{widths:?} {likelihood:?}"));
    }
}

/// Any gradient, any metric: unlabelled examples of their own, an L2 term toward an anchor, and what the last step did.
#[test]
fn by_woodburys_identity_gradient_and_metric_are_of_different_examples() {
    for (widths, likelihood) in CASES {
        let mut task = Task::new(widths, likelihood, 7);
        let mut others = Task::new(widths, likelihood, 17);
        let anchor = others.params.clone();
        let l2 = L2 {
            strength: 0.3,
            anchor: Anchor::At(&anchor),
        };
        let unlabelled = Batch::unlabelled(&*others.inputs).weighted(&others.weights);
        let method = bare::<Tikhonov, Momentum, Woodbury>(10.0);
        let metric = Metric::On(unlabelled);
        let found = steps_on::<_, 1>(&task, metric, l2, method, 2);
        assert_eq!(found, steps_on::<_, 4>(&task, metric, l2, method, 2));

        let mut carried = vec![0.0; task.params.len()];
        for found in &found {
            others.params.clone_from(&task.params);
            let (mut gradient, _) = task.dense();
            let (_, mut fisher) = others.dense();
            let n = gradient.len();
            let k = widths[widths.len() - 1];
            let unit = (0..n).map(|i| fisher[i][i]).sum::<f64>() / k as f64;
            for i in 0..n {
                gradient[i] += 0.3 * (task.params[i] - anchor[i]);
                fisher[i][i] += 0.3;
            }
            let expected = dense_step(&gradient, &fisher, &vec![10.0 * unit; n], &carried);
            assert_close(found, &expected, &format!("{widths:?} {likelihood:?}"));
            carried = found.iter().map(|d| 0.5 * d).collect();
            for (p, d) in task.params.iter_mut().zip(found) {
                *p += d;
            }
        }
    }
}

/// Where both hold, they are the same step.
#[test]
fn the_two_identities_agree() {
    for (widths, likelihood) in CASES {
        let task = Task::new(widths, likelihood, 19);
        let through = steps::<_, 1>(&task, bare::<Kronecker, Momentum, PushThrough>(2.0), 3);
        let woodbury = steps::<_, 1>(&task, bare::<Kronecker, Momentum, Woodbury>(2.0), 3);
        for (through, woodbury) in through.iter().zip(&woodbury) {
            assert_close(woodbury, through, &format!("{widths:?} {likelihood:?}"));
        }
    }
}

type Through = Gram<f64, EXAMPLES>;
type Wood = Gram<f64, EXAMPLES, Kronecker, Momentum, Woodbury>;

/// What is wrong with the first step of a method, after which nothing has changed.
fn refused<M: Method<f64>>(
    task: &Task,
    model: Model<'_>,
    method: M,
    l2: L2<'_, f64>,
    batch: Batch<'_, f64>,
    metric: Metric<'_, f64>,
) -> natgrad::Error {
    let mut params = task.params.clone();
    let mut workspace = vec![0.0; Trainer::<f64, M, 1>::workspace_len(&model, Room::NONE)];
    let mut trainer =
        Trainer::<f64, M, 1>::new(model, &mut params, &mut workspace, method).unwrap();
    trainer.regularise(l2).unwrap();
    let error = trainer.step(batch, metric).unwrap_err();
    assert_eq!(trainer.params(), &task.params[..]);
    error
}

/// What a system in output space cannot be is refused at the door, and nothing has changed.
#[test]
fn what_does_not_fit_is_refused() {
    let task = Task::new(&[3, 4, 1], Likelihood::Gaussian, 3);
    let model = task.model();
    let inputs = [0.5; 3 * (EXAMPLES + 1)];
    let targets = [0.5; EXAMPLES + 1];
    let larger = Batch::new(&inputs[..], &targets[..]);
    let l2 = L2 {
        strength: 0.1,
        anchor: Anchor::Zero,
    };
    let through = |l2, batch, metric| refused(&task, model, Through::default(), l2, batch, metric);
    let wood = |l2, batch, metric| refused(&task, model, Wood::default(), l2, batch, metric);
    let batch = task.batch();
    let shape = |error| matches!(error, natgrad::Error::Shape(shape) if (shape.expected, shape.found) == (EXAMPLES, EXAMPLES + 1));
    assert!(shape(through(L2::NONE, larger, Metric::Same)));
    assert!(shape(wood(L2::NONE, batch, Metric::On(larger))));
    let setting = |error| matches!(error, natgrad::Error::Setting(_));
    assert!(setting(through(L2::NONE, batch, Metric::On(batch))));
    assert!(setting(through(l2, batch, Metric::Same)));
    assert!(setting(wood(l2, batch, Metric::Same)));
}

/// What a step tells on its way: λ and the promise of every solve, and whether every trial was good enough.
#[derive(Debug, PartialEq)]
enum Told {
    Solved { damping: f64, promise: f64 },
    Tried { accepted: bool },
}

/// What the last step did is dropped before λ is touched: where the model promises nothing with it, and where the loss
/// rises.
#[test]
fn a_memory_that_misleads_is_dropped_before_the_damping_rises() {
    let (mut unpromising, mut rising) = (0, 0);
    let kinds = CASES
        .into_iter()
        .cycle()
        .zip([0.01, 10.0].into_iter().cycle());
    for (seed, ((widths, likelihood), damping)) in (0..200).zip(kinds) {
        let task = Task::new(widths, likelihood, seed);
        let other = Task::new(widths, likelihood, seed + 100);
        let model = task.model();
        let mut params = task.params.clone();
        let mut workspace = vec![0.0; Learner::workspace_len(&model, Room::NONE)];
        // A strong λ holds a step to the memory.
        let mut method = Gram {
            momentum: 0.99,
            ..Gram::default()
        };
        method.damping.initial = damping;
        let mut trainer = Learner::new(model, &mut params, &mut workspace, method).unwrap();
        for batch in [task.batch(), other.batch(), task.batch(), other.batch()] {
            let mut told = Vec::new();
            let report = trainer.step_with(batch, Metric::Same, &mut |progress| match *progress {
                Progress::Solved { solve, damping } => told.push(Told::Solved {
                    damping,
                    promise: solve.last.phi,
                }),
                Progress::Trial { accepted, .. } => told.push(Told::Tried { accepted }),
                _ => {}
            });
            let report = report.unwrap();
            let carries = trainer.state().steps > 1;
            if !carries {
                continue;
            }
            match told[..] {
                [
                    Told::Solved { damping, promise },
                    Told::Solved {
                        damping: again,
                        promise: better,
                    },
                    ..,
                ] if promise >= 0.0 => {
                    assert_eq!((damping, better < 0.0), (again, true), "{told:?}");
                    unpromising += 1;
                }
                [
                    Told::Solved { damping, .. },
                    Told::Tried { accepted: false },
                    Told::Solved { damping: again, .. },
                    ..,
                ] => {
                    assert_eq!(damping, again, "{told:?}");
                    rising += 1;
                }
                _ => continue,
            }
            let solves = told
                .iter()
                .filter(|told| matches!(told, Told::Solved { .. }));
            let attempts = usize::from(report.solve.unwrap().attempts);
            assert_eq!(solves.count(), attempts + 1, "{told:?}");
        }
    }
    assert!(unpromising > 3 && rising > 3, "{unpromising} {rising}");
}

/// Other units and zeros of the inputs, of which the first layer knows, leave every step as it is.
#[test]
fn a_step_about_the_means_does_not_depend_on_units_and_zeros() {
    let (scales, zeros) = ([1e-4, 1e5, 5.0, 1.0], [2e-3, -4e5, 3.0, 0.0]);
    for (widths, likelihood) in CASES {
        let task = Task::new(widths, likelihood, 23);
        let mut raw = Task::new(widths, likelihood, 23);
        let units = scales.into_iter().zip(zeros).take(widths[0]);
        let units: Vec<(f64, f64)> = units.collect();
        for (x, (scale, zero)) in raw.inputs.iter_mut().zip(units.iter().cycle()) {
            *x = zero + scale * *x;
        }
        let (weights, rest) = raw.params.split_at_mut(widths[0] * widths[1]);
        for (row, bias) in weights.chunks_exact_mut(widths[0]).zip(rest) {
            for (weight, (scale, zero)) in row.iter_mut().zip(&units) {
                *weight /= scale;
                *bias -= *weight * zero;
            }
        }
        let losses = |task: &Task| -> Vec<f64> {
            let model = task.model();
            let mut params = task.params.clone();
            let mut workspace = vec![0.0; Learner::workspace_len(&model, Room::NONE)];
            let mut trainer =
                Learner::new(model, &mut params, &mut workspace, Gram::default()).unwrap();
            let step = |_| trainer.step(task.batch(), Metric::Same).unwrap().loss;
            (0..10).map(step).collect()
        };
        let (standardised, raw) = (losses(&task), losses(&raw));
        for (raw, standardised) in raw.iter().zip(&standardised) {
            assert!(
                (raw - standardised).abs() < 1e-8,
                "{widths:?} {raw} {standardised}"
            );
        }
        assert!(standardised[9] < 0.5 * standardised[0]);
    }
}
