//! Optima that are known, arithmetic that is counted by hand, and every way to end.

use argmin::core::{CostFunction, Gradient};
use argmin::solver::linesearch::LineSearch;
use nalgebra::{DMatrix, DVector};
use natgrad::{Activation, Likelihood, Pass};

use super::*;
use crate::data::{Builtin, Scale, Scaling, Targets};
use crate::reference::{self, Reference};
use crate::training::{self, Init, Optimizer, Recipe};

const UNLIMITED: Budget = Budget {
    iterations: 10_000,
    macs: u64::MAX,
};

fn iterations(iterations: u64) -> Budget {
    Budget {
        iterations,
        ..UNLIMITED
    }
}

fn both(model: &Model<'_>) -> [Baseline; 2] {
    [Baseline::LBFGS, Baseline::nonlinear_cg(model)]
}

/// `rows × columns` numbers in [−1, 1] without a pattern.
fn scattered(rows: u32, columns: u32, phase: f64) -> Vec<f64> {
    (0..rows * columns)
        .map(|k| (1.7 * f64::from(k * k + 1) + phase).sin())
        .collect()
}

fn set(widths: (usize, usize), inputs: Vec<f64>, targets: Targets) -> Dataset {
    Dataset::new("set", widths, inputs, targets).unwrap()
}

/// 12 examples of three inputs and two targets.
fn regression() -> Dataset {
    let targets = Targets::Values(scattered(12, 2, 0.5));
    set((3, 2), scattered(12, 3, 0.0), targets)
}

/// 12 examples of two inputs, in three classes that no plane separates.
fn classes() -> Dataset {
    let labels = (0..12).map(|k| k * k % 3 + k % 2).collect();
    set((2, 3), scattered(12, 2, 2.0), Targets::Classes(labels))
}

fn linear(widths: &[usize], likelihood: Likelihood) -> Model<'_> {
    Model::new(widths, Activation::Identity, likelihood).unwrap()
}

fn hidden(widths: &[usize]) -> Model<'_> {
    Model::new(widths, Activation::Tanh, Likelihood::Gaussian).unwrap()
}

/// A run that watches every step.
struct Watched {
    summary: Summary,
    /// Iteration, loss and multiply-accumulates.
    steps: Vec<(u64, f64, u64)>,
    params: Vec<f64>,
}

fn watched(
    model: Model<'_>,
    start: &[f64],
    baseline: Baseline,
    l2: f64,
    train: &Dataset,
    budget: Budget,
) -> Watched {
    let mut params = start.to_vec();
    let mut steps = Vec::new();
    let mut last = Vec::new();
    let summary = run(
        model,
        &mut params,
        baseline,
        l2,
        train,
        budget,
        &mut |step| {
            steps.push((step.iteration, step.loss, step.macs));
            last = step.params.to_vec();
            true
        },
    )
    .unwrap();
    assert_eq!(params, last, "the parameters left are those told last");
    let (iteration, loss, macs) = *steps.last().unwrap();
    assert_eq!(iteration, summary.iterations);
    assert_eq!(loss, summary.loss);
    assert!(macs <= summary.macs);
    for (index, pair) in (0..).zip(steps.windows(2)) {
        let ((k, before, spent), (next, after, more)) = (pair[0], pair[1]);
        assert_eq!((k, next), (index, index + 1));
        assert!(after < before, "iteration {next}: {before:e} to {after:e}");
        assert!(more > spent);
    }
    Watched {
        summary,
        steps,
        params,
    }
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b));
    squares.sum::<f64>().sqrt()
}

#[test]
fn a_linear_network_reaches_the_least_squares_solution() {
    let set = regression();
    let model = linear(&[3, 2], Likelihood::Gaussian);
    let Targets::Values(targets) = set.targets() else {
        unreachable!()
    };
    let n = set.len();
    let inputs = DMatrix::from_row_slice(n, 3, set.inputs()).insert_column(3, 1.0);
    let targets = DMatrix::from_row_slice(n, 2, targets);
    for l2 in [0.0, 0.3] {
        // (XᵀX/n + l₂I) W = XᵀT/n, the bias being the weight of a constant input.
        let scale = f64::from(u32::try_from(n).unwrap());
        let normal = inputs.tr_mul(&inputs) / scale + DMatrix::identity(4, 4) * l2;
        let solution = normal
            .cholesky()
            .unwrap()
            .solve(&(inputs.tr_mul(&targets) / scale));
        // Weights [out × in] by rows are those of the solution by columns; then the biases.
        let weights = solution.rows(0, 3);
        let expected: Vec<f64> = weights.iter().chain(&solution.row(3)).copied().collect();
        for baseline in both(&model) {
            let end = watched(model, &[0.5; 8], baseline, l2, &set, UNLIMITED);
            let error = distance(&end.params, &expected);
            assert!(error < 1e-7, "{baseline:?}, l2 {l2}: off by {error:e}");
            assert!(end.summary.iterations < 40, "{:?}", end.summary);
            assert!(matches!(
                end.summary.ended,
                Ended::Stalled | Ended::Stationary
            ));
        }
    }
}

#[test]
fn a_direction_that_does_not_descend_is_no_end() {
    // β ≥ 0 alone does not keep nonlinear CG from turning uphill, after searches that are not exact. Of
    // these 40 runs 5 would end at the first such direction, if they were not restarted there.
    let inputs: Vec<f64> = scattered(8, 1, 0.0).iter().map(|x| 10.0 * x).collect();
    let targets = scattered(8, 1, 0.5);
    // A straight line is the best that a chain of linear layers can do, and leaves ½ (Var t − Cov² / Var x).
    let mean = |of: &dyn Fn(f64, f64) -> f64| {
        let pairs = inputs.iter().zip(&targets);
        pairs.map(|(x, t)| of(*x, *t)).sum::<f64>() / 8.0
    };
    let (x_mean, t_mean) = (mean(&|x, _| x), mean(&|_, t| t));
    let covariance = mean(&|x, t| (x - x_mean) * (t - t_mean));
    let explained = covariance * covariance / mean(&|x, _| (x - x_mean) * (x - x_mean));
    let least = 0.5 * (mean(&|_, t| (t - t_mean) * (t - t_mean)) - explained);

    let set = set((1, 1), inputs.clone(), Targets::Values(targets.clone()));
    let model = linear(&[1, 1, 1, 1], Likelihood::Gaussian);
    let baseline = Baseline::NonlinearCg { restart: u64::MAX };
    for seed in 0..40 {
        let mut start = training::initialise::<f64>(model, Init::Glorot, seed, &set).unwrap();
        for theta in &mut start {
            *theta *= 5.0;
        }
        let end = watched(model, &start, baseline, 0.0, &set, UNLIMITED).summary;
        assert!(
            (end.loss - least).abs() < 1e-12,
            "seed {seed}: {end:?}, {least:?}"
        );
    }
}

/// The minimum of the reference's loss and ½ l₂ |θ|², by Newton's method with halved steps.
fn newton(network: &Reference, examples: &reference::Examples, l2: f64) -> DVector<f64> {
    let objective = |theta: &DVector<f64>| {
        network.loss(theta.as_slice(), examples) + 0.5 * l2 * theta.norm_squared()
    };
    let mut theta = DVector::zeros(network.params());
    for _ in 0..50 {
        let gradient = network.gradient(theta.as_slice(), examples) + l2 * &theta;
        let hessian = network.hessian(theta.as_slice(), examples);
        let damping = DVector::from_element(theta.len(), l2);
        let step = reference::solve_damped(&hessian, &damping, &gradient);
        let halves = (0..40).map(|k| &theta - 0.5_f64.powi(k) * &step);
        let lower = halves
            .into_iter()
            .find(|trial| objective(trial) < objective(&theta));
        let Some(lower) = lower else { break };
        theta = lower;
    }
    theta
}

#[test]
fn logistic_regression_reaches_the_optimum_of_newtons_method() {
    let inputs = || {
        scattered(12, 2, 2.0)
            .chunks(2)
            .map(<[f64]>::to_vec)
            .collect()
    };
    let classes = classes();
    let Targets::Classes(labels) = classes.targets() else {
        unreachable!()
    };
    let one_hot = labels
        .iter()
        .map(|&label| (0..3).map(|k| f64::from(u8::from(k == label))).collect());
    let shares: Vec<f64> = scattered(12, 1, 1.0).iter().map(|t| t * t).collect();
    let shares_of = shares.iter().map(|t| vec![*t]);
    let cases = [
        (
            Likelihood::Categorical,
            vec![2, 3],
            reference::Examples::new(inputs(), one_hot.collect()),
            classes.clone(),
        ),
        (
            Likelihood::Bernoulli,
            vec![2, 1],
            reference::Examples::new(inputs(), shares_of.collect()),
            set(
                (2, 1),
                scattered(12, 2, 2.0),
                Targets::Values(shares.clone()),
            ),
        ),
    ];
    for (likelihood, widths, examples, set) in cases {
        let model = linear(&widths, likelihood);
        let network = Reference {
            widths: widths.clone(),
            activation: Activation::Identity,
            likelihood,
        };
        let l2 = 0.01;
        let optimum = newton(&network, &examples, l2);
        let least = network.loss(optimum.as_slice(), &examples) + 0.5 * l2 * optimum.norm_squared();
        for baseline in both(&model) {
            let start = vec![0.1; model.params()];
            let end = watched(model, &start, baseline, l2, &set, UNLIMITED);
            let error = distance(&end.params, optimum.as_slice());
            assert!(
                error < 1e-6,
                "{likelihood:?}, {baseline:?}: off by {error:e}"
            );
            assert!((end.summary.loss - least).abs() < 1e-14, "{likelihood:?}");
        }
    }
}

/// Two examples x = ±1 with targets ±20: L = 200 − 20 w + ½ (w² + b²), whose Hessian is I.
fn round() -> Dataset {
    set((1, 1), vec![1.0, -1.0], Targets::Values(vec![20.0, -20.0]))
}

#[test]
fn the_arithmetic_is_what_a_hand_counts() {
    let model = linear(&[1, 1], Likelihood::Gaussian);
    // One weight: a gradient takes a product forward and one backward, for each of two examples.
    let gradient = 4;
    // From 0 along −g = (20, 0) the slope at α is −400 (1 − α), and the first trial is 1/|g| = 0.05. As it
    // does not bracket the minimum, the next one goes to at most 0.05 + 4 · 0.05 = 0.25, where the slope
    // is down to 0.75 of what it was: enough for L-BFGS with c₂ = 0.9, too little for CG with c₂ = 0.1,
    // whose third trial is the minimum α = 1.
    let cases = [
        (Baseline::LBFGS, 2, 0.25 * 20.0),
        (Baseline::nonlinear_cg(&model), 3, 20.0),
    ];
    for (baseline, trials, w) in cases {
        let end = watched(model, &[0.0; 2], baseline, 0.0, &round(), iterations(1));
        assert_eq!(end.steps[0], (0, 200.0, gradient));
        assert_eq!(end.steps[1].2, (1 + trials) * gradient, "{baseline:?}");
        assert_eq!(end.summary.macs, (1 + trials) * gradient);
        assert!(distance(&end.params, &[w, 0.0]) < 1e-12, "{:?}", end.params);
        assert_eq!(end.summary.ended, Ended::Iterations);
    }
}

#[test]
fn a_gradient_costs_what_a_step_of_the_core_reports() {
    let set = regression();
    let widths = [3, 4, 2];
    let model = hidden(&widths);
    let start = training::initialise::<f64>(model, Init::Glorot, 1, &set).unwrap();
    let recipe = Recipe {
        optimizer: Optimizer::Sgd(0.1),
        batch: set.len(),
        metric_batch: None,
        steps: 1,
        until: None,
        l2: 0.7,
        seed: 0,
        tile: 4,
    };
    let nothing = set.select(&[]);
    let mut loss = 0.0;
    let record = training::run(
        model,
        &mut start.clone(),
        &recipe,
        &set,
        &nothing,
        &mut |watch| {
            loss = watch.loss;
            true
        },
    )
    .unwrap();
    let end = watched(model, &start, Baseline::LBFGS, 0.7, &set, iterations(0));
    assert_eq!(end.summary.macs, record.macs);
    assert_eq!(end.summary.macs, 12 * model.macs(Pass::Gradient));
    assert!((end.summary.loss - loss).abs() < 1e-14 * loss);
}

#[test]
fn what_is_known_is_not_evaluated_again() {
    let set = regression();
    let model = linear(&[3, 2], Likelihood::Gaussian);
    let examples = Examples::<f64>::new(&set).unwrap();
    let objective = Objective::new(model, examples.batch(), 0.1, u64::MAX).unwrap();
    let problem = &objective;
    let (here, there) = (vec![0.1; 8], vec![0.2; 8]);
    let start = objective.start(&here, "set").unwrap();
    let one = objective.macs();
    assert_eq!(problem.cost(&here).unwrap(), start.loss);
    assert_eq!(problem.gradient(&here).unwrap(), start.gradient);
    assert_eq!(objective.macs(), one);
    let gradient = problem.gradient(&there).unwrap();
    let loss = problem.cost(&there).unwrap();
    assert_eq!(objective.macs(), 2 * one);
    assert_ne!(loss, start.loss);
    assert_ne!(gradient, start.gradient);
    objective.recall(&start);
    assert_eq!(problem.cost(&here).unwrap(), start.loss);
    assert_eq!(objective.macs(), 2 * one);
    assert_eq!(problem.cost(&there).unwrap(), loss);
    assert_eq!(objective.macs(), 3 * one);
    // Nor is the iterate at which a method starts anew.
    let solver = NonlinearConjugateGradient::new(
        Search::new(0.1, FirstTrial::SameDecrease),
        PolakRibierePlus::new(),
    );
    assert!(Descent::new(&objective, solver, &start).is_some());
    assert_eq!(objective.macs(), 3 * one);
    // argmin's search fails at +∞, and goes astray at NaN.
    assert_eq!(problem.cost(&vec![f64::NAN; 8]).unwrap(), f64::INFINITY);
}

/// The first iteration whose loss differs in two runs.
fn parting(one: &Watched, other: &Watched) -> Option<usize> {
    let pairs = one.steps.iter().zip(&other.steps);
    pairs.into_iter().position(|(a, b)| a.1 != b.1)
}

#[test]
fn the_past_is_as_long_as_it_is_set() {
    let set = regression();
    let widths = [3, 5, 2];
    let model = hidden(&widths);
    let start = training::initialise::<f64>(model, Init::Glorot, 3, &set).unwrap();
    let run = |baseline| watched(model, &start, baseline, 0.0, &set, iterations(20));
    // Iteration k has k − 1 pairs to look back on.
    let remembering = |memory| run(Baseline::Lbfgs { memory });
    let all = remembering(1000);
    for memory in [1, 5, 10] {
        assert_eq!(parting(&remembering(memory), &all), Some(memory + 2));
    }
    // argmin counts iterations from 0, and sets the β of the next one.
    let restarting = |restart| run(Baseline::NonlinearCg { restart });
    let parted = parting(&restarting(5), &restarting(u64::MAX));
    assert_eq!(parted, Some(7));
}

#[test]
fn a_run_repeats_itself_bit_for_bit() {
    let set = regression();
    let widths = [3, 5, 2];
    let model = hidden(&widths);
    let start = training::initialise::<f64>(model, Init::Glorot, 3, &set).unwrap();
    for baseline in both(&model) {
        let ends = [(); 2].map(|()| watched(model, &start, baseline, 1e-3, &set, iterations(60)));
        assert_eq!(ends[0].steps, ends[1].steps);
        assert_eq!(ends[0].params, ends[1].params);
        assert_eq!(ends[0].summary, ends[1].summary);
    }
}

#[test]
fn a_run_ends_when_it_is_told_to() {
    let set = regression();
    let widths = [3, 5, 2];
    let model = hidden(&widths);
    let start = training::initialise::<f64>(model, Init::Glorot, 3, &set).unwrap();
    for baseline in both(&model) {
        for at in [0, 3] {
            let mut params = start.clone();
            let mut told = Vec::new();
            let mut spent = 0;
            let observe = &mut |step: Step<'_>| {
                told = step.params.to_vec();
                spent = step.macs;
                step.iteration < at
            };
            let end = run(model, &mut params, baseline, 0.0, &set, UNLIMITED, observe).unwrap();
            assert_eq!(end.ended, Ended::Interrupted);
            assert_eq!((end.iterations, end.macs), (at, spent));
            assert_eq!(params, told);
            assert_eq!(params == start, at == 0);
        }
    }
}

#[test]
fn a_budget_of_arithmetic_is_kept() {
    let set = regression();
    let widths = [3, 5, 2];
    let model = hidden(&widths);
    let start = training::initialise::<f64>(model, Init::Glorot, 3, &set).unwrap();
    let gradient = 12 * model.macs(Pass::Gradient);
    for baseline in both(&model) {
        for evaluations in 1..30 {
            for rest in [0, gradient - 1] {
                let macs = evaluations * gradient + rest;
                let budget = Budget { macs, ..UNLIMITED };
                let end = watched(model, &start, baseline, 0.0, &set, budget);
                assert_eq!(end.summary.ended, Ended::Macs);
                assert_eq!(end.summary.macs, evaluations * gradient);
            }
        }
    }
}

#[test]
fn a_run_at_a_minimum_ends_there() {
    let model = linear(&[1, 1], Likelihood::Gaussian);
    for baseline in both(&model) {
        let end = watched(model, &[20.0, 0.0], baseline, 0.0, &round(), UNLIMITED);
        assert_eq!(end.summary.ended, Ended::Stationary);
        assert_eq!((end.summary.iterations, end.summary.macs), (0, 4));
    }
}

#[test]
fn a_small_regression_on_tecator_learns() {
    let all = Builtin::Tecator.load().unwrap();
    let scaling = Scaling::fit(Scale::Standard, &all, Likelihood::Gaussian).unwrap();
    let set = scaling.apply(&all).unwrap();
    let widths = [set.dim_in(), 6, set.dim_out()];
    let model = hidden(&widths);
    let start = training::initialise::<f64>(model, Init::Glorot, 1, &set).unwrap();
    for baseline in both(&model) {
        let end = watched(model, &start, baseline, 1e-4, &set, iterations(100));
        assert_eq!(end.summary.ended, Ended::Iterations);
        let share = end.summary.loss / end.steps[0].1;
        assert!(share < 0.02, "{baseline:?} leaves {share} of the loss");
    }
}

#[test]
fn what_cannot_be_computed_with_is_refused() {
    let set = regression();
    let model = linear(&[3, 2], Likelihood::Gaussian);
    let lbfgs = Baseline::LBFGS;
    let cg = Baseline::nonlinear_cg(&model);
    let gradient = 12 * model.macs(Pass::Gradient);
    let poor = Budget {
        macs: gradient - 1,
        ..UNLIMITED
    };
    let nan = [&[0.0; 7][..], &[f64::NAN]].concat();
    let lbfgs_of = |memory| Baseline::Lbfgs { memory };
    let finite = "set: the loss or its gradient is not finite";
    let l2 = "the L2 strength: must be finite and not negative";
    let memory = "the memory of L-BFGS: must be from 1 to 1000";
    let cases: [(&[f64], Baseline, f64, Budget, &str); 13] = [
        (&nan, lbfgs, 0.0, UNLIMITED, finite),
        (&nan, cg, 0.0, UNLIMITED, finite),
        (&[f64::INFINITY; 8], cg, 0.0, UNLIMITED, finite),
        (&[1e200; 8], lbfgs, 0.0, UNLIMITED, finite),
        (
            &[0.0; 7],
            lbfgs,
            0.0,
            UNLIMITED,
            "set: the parameter vector",
        ),
        (&[0.0; 8], lbfgs, -1.0, UNLIMITED, l2),
        (&[0.0; 8], cg, f64::NAN, UNLIMITED, l2),
        (&[0.0; 8], cg, f64::INFINITY, UNLIMITED, l2),
        (&[0.0; 8], lbfgs_of(0), 0.0, UNLIMITED, memory),
        (&[0.0; 8], lbfgs_of(1001), 0.0, UNLIMITED, memory),
        (
            &[0.0; 8],
            Baseline::NonlinearCg { restart: 0 },
            0.0,
            UNLIMITED,
            "the restart of nonlinear CG: must be at least 1",
        ),
        (
            &[0.0; 8],
            lbfgs,
            0.0,
            poor,
            "the multiply-accumulates: must pay",
        ),
        (
            &[0.0; 8],
            cg,
            0.0,
            poor,
            "the multiply-accumulates: must pay",
        ),
    ];
    for (start, baseline, l2, budget, words) in cases {
        let mut params = start.to_vec();
        let observe = &mut |_: Step<'_>| panic!("nothing has begun");
        let error = run(model, &mut params, baseline, l2, &set, budget, observe).unwrap_err();
        assert!(error.to_string().starts_with(words), "{error} / {words}");
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&params), bits(start));
    }
    let bernoulli = linear(&[3, 2], Likelihood::Bernoulli);
    let mut params = [0.0; 8];
    let error = run(
        bernoulli,
        &mut params,
        lbfgs,
        0.0,
        &set,
        UNLIMITED,
        &mut |_| true,
    );
    assert!(
        error
            .unwrap_err()
            .to_string()
            .starts_with("set: the target")
    );
    let empty = set.select(&[]);
    let error = run(
        model,
        &mut params,
        lbfgs,
        0.0,
        &empty,
        UNLIMITED,
        &mut |_| true,
    );
    assert!(error.unwrap_err().to_string().starts_with("set: the batch"));
}

/// A function of one number, and where it has been evaluated.
struct Line<F> {
    value_and_slope: F,
    visited: std::cell::RefCell<Vec<f64>>,
}

impl<F: Fn(f64) -> (f64, f64)> CostFunction for &Line<F> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, x: &Vec<f64>) -> Result<f64, argmin::core::Error> {
        self.visited.borrow_mut().push(x[0]);
        Ok((self.value_and_slope)(x[0]).0)
    }
}

impl<F: Fn(f64) -> (f64, f64)> Gradient for &Line<F> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, x: &Vec<f64>) -> Result<Vec<f64>, argmin::core::Error> {
        Ok(vec![(self.value_and_slope)(x[0]).1])
    }
}

/// Searches from 0; returns where it ended, if it did, and all trials.
fn search(
    mut search: Search,
    direction: f64,
    value_and_slope: impl Fn(f64) -> (f64, f64),
) -> (Option<f64>, Vec<f64>) {
    let (value, slope) = value_and_slope(0.0);
    let line = Line {
        value_and_slope,
        visited: std::cell::RefCell::default(),
    };
    search.search_direction(vec![direction]);
    let start = State::new()
        .param(vec![0.0])
        .cost(value)
        .gradient(vec![slope]);
    let mut problem = Problem::new(&line);
    let found = search.next_iter(&mut problem, start).ok();
    let end = found.map(|(state, _)| state.get_param().unwrap()[0]);
    (end, line.visited.take())
}

fn parabola(minimum: f64) -> impl Fn(f64) -> (f64, f64) {
    move |x| (0.5 * (x - minimum) * (x - minimum), x - minimum)
}

#[test]
fn a_first_search_begins_with_a_step_no_longer_than_one() {
    for (minimum, first) in [(-100.0, -1.0), (100.0, 1.0), (0.25, 0.25)] {
        let searched = Search::new(0.9, FirstTrial::Unit);
        let (_, trials) = search(searched, minimum, parabola(minimum));
        assert_eq!(trials[0], first);
    }
}

#[test]
fn a_later_search_begins_where_its_kind_says() {
    for (kind, first) in [(FirstTrial::Unit, 3.0), (FirstTrial::SameDecrease, 12.0)] {
        let persistent = Search::new(0.1, kind);
        // gᵀs = −6 · 6.
        let (end, _) = search(persistent.clone(), 6.0, parabola(6.0));
        assert!((end.unwrap() - 6.0).abs() < 1e-12);
        // α = −36 / (−3 · 3) = 4 along d = 3.
        let (_, trials) = search(persistent, 3.0, parabola(3.0));
        assert!((trials[0] - first).abs() < 1e-12, "{kind:?}: {trials:?}");
    }
}

#[test]
fn a_trial_that_overflows_is_shortened() {
    let walled = |x: f64| {
        if x > 0.02 {
            (f64::INFINITY, f64::NAN)
        } else {
            parabola(1.0)(x)
        }
    };
    let (end, trials) = search(Search::new(0.999, FirstTrial::Unit), 1.0, walled);
    assert_eq!(trials.len(), 4, "{trials:?}");
    assert!((end.unwrap() - 0.01).abs() < 1e-15);
    let nowhere = |x: f64| (if x == 0.0 { 1.0 } else { f64::NAN }, -1.0);
    let (end, trials) = search(Search::new(0.9, FirstTrial::Unit), 1.0, nowhere);
    assert_eq!((end, trials.len()), (None, 40));
}

#[test]
fn a_search_that_leads_nowhere_fails() {
    let searched = |direction, line: fn(f64) -> (f64, f64)| {
        search(Search::new(0.1, FirstTrial::Unit), direction, line)
    };
    // Up, and sideways.
    assert_eq!(searched(-1.0, |x| (-x, -1.0)), (None, vec![]));
    assert_eq!(searched(0.0, |x| (-x, -1.0)), (None, vec![]));
    // A slope that the values contradict.
    assert_eq!(searched(1.0, |x| (x, -1.0)).0, None);
    // No minimum.
    let (end, trials) = searched(1.0, |x| (-x, -1.0));
    assert_eq!(end, None);
    assert!(trials.len() <= 40, "{}", trials.len());
    // Nothing that could be compared.
    let (end, trials) = searched(1.0, |x| {
        if x > 1.0 {
            (f64::NAN, f64::NAN)
        } else {
            (-x, -1.0)
        }
    });
    assert_eq!((end, trials.len()), (None, 41));
}
