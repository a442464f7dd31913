//! The oracle against a third path: closed values, finite differences, and identities of the metric.

use super::{Examples, Reference, minimum_norm_solve, smallest_eigenvalue, solve_damped};
use nalgebra::{DMatrix, DVector, dmatrix, dvector};
use natgrad::{Activation, Likelihood};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

const LIKELIHOODS: [Likelihood; 3] = [
    Likelihood::Gaussian,
    Likelihood::Bernoulli,
    Likelihood::Categorical,
];

const ACTIVATIONS: [Activation; 5] = [
    Activation::Tanh,
    Activation::Logistic,
    Activation::Relu,
    Activation::Softplus,
    Activation::Identity,
];

/// A network, its parameters, weighted examples with soft targets, and a direction in parameter space.
struct Case {
    network: Reference,
    params: Vec<f64>,
    examples: Examples,
    direction: Vec<f64>,
}

fn case(widths: &[usize], activation: Activation, likelihood: Likelihood) -> Case {
    let network = Reference {
        widths: widths.to_vec(),
        activation,
        likelihood,
    };
    let mut random = Xoshiro256PlusPlus::seed_from_u64(widths.iter().sum::<usize>() as u64);
    let mut draw =
        |count: usize| -> Vec<f64> { (0..count).map(|_| random.random_range(-1.2..1.2)).collect() };
    let params = draw(network.params());
    let direction = draw(network.params());
    let mut examples = Examples::unlabelled((0..4).map(|_| draw(widths[0])).collect());
    examples.weights = vec![1.0, 0.5, 0.0, 2.0];
    for _ in 0..4 {
        let raw = draw(network.logits());
        // A prediction from random logits is a valid target of the same kind.
        examples.targets.push(network.predict(&raw));
    }
    Case {
        network,
        params,
        examples,
        direction,
    }
}

fn all_cases(widths: &[usize]) -> Vec<Case> {
    LIKELIHOODS
        .into_iter()
        .flat_map(|likelihood| ACTIVATIONS.map(|activation| case(widths, activation, likelihood)))
        .collect()
}

/// The largest difference over the largest entry, so that zero matrices never agree.
fn relative_difference(a: &DMatrix<f64>, b: &DMatrix<f64>) -> f64 {
    let scale = a.amax().max(b.amax());
    assert!(
        scale > 1e-3,
        "the comparison is empty: all entries are near 0"
    );
    (a - b).amax() / scale
}

#[track_caller]
fn assert_close(a: &DMatrix<f64>, b: &DMatrix<f64>, tolerance: f64) {
    let difference = relative_difference(a, b);
    assert!(
        difference <= tolerance,
        "relative difference {difference:e} > {tolerance:e}\n{a}{b}"
    );
}

/// [`assert_close`] for vectors, as matrices of one column.
#[track_caller]
fn assert_close_vectors(a: &DVector<f64>, b: &DVector<f64>, tolerance: f64) {
    let column = |v: &DVector<f64>| DMatrix::from_column_slice(v.len(), 1, v.as_slice());
    assert_close(&column(a), &column(b), tolerance);
}

/// Central differences of f at a point: column j is `∂f/∂x_j`, accurate to about 1e-9.
fn finite_differences(point: &[f64], f: impl Fn(&[f64]) -> DVector<f64>) -> DMatrix<f64> {
    const STEP: f64 = 1e-5;
    let columns: Vec<DVector<f64>> = (0..point.len())
        .map(|j| {
            let moved = |step: f64| {
                let mut moved = point.to_vec();
                moved[j] += step;
                f(&moved)
            };
            (moved(STEP) - moved(-STEP)) / (2.0 * STEP)
        })
        .collect();
    DMatrix::from_columns(&columns)
}

fn matvec(matrix: &DMatrix<f64>, v: &[f64]) -> DVector<f64> {
    matrix * DVector::from_column_slice(v)
}

#[test]
fn parameters_are_laid_out_row_major_with_biases_after_weights() {
    let network = Reference {
        widths: vec![2, 2, 1],
        activation: Activation::Identity,
        likelihood: Likelihood::Gaussian,
    };
    assert_eq!(network.params(), 9);
    let params = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
    // h = (1 − 2 + 5, 3 − 4 + 6) = (4, 5); z = 7·4 + 8·5 + 9.
    assert_eq!(network.outputs(&params, &[1.0, -1.0]), [77.0]);
    // The last layer has no activation.
    let rectified = Reference {
        activation: Activation::Relu,
        ..network
    };
    assert_eq!(rectified.outputs(&params, &[-1.0, -1.0]), [7.0 * 2.0 + 9.0]);
    assert_eq!(rectified.outputs(&params.map(|p| -p), &[1.0, 1.0]), [-9.0]);
}

#[test]
fn tiny_tanh_network_by_hand() {
    // z = 2 tanh(x/2) + 1 at x = 2, t = 0, with a = tanh 1 and a' = 1 − a².
    let network = Reference {
        widths: vec![1, 1, 1],
        activation: Activation::Tanh,
        likelihood: Likelihood::Gaussian,
    };
    let params = [0.5, 0.0, 2.0, 1.0];
    let examples = Examples::new(vec![vec![2.0]], vec![vec![0.0]]);
    let (a, z) = (0.761_594_155_955_764_9, 2.523_188_311_911_529_7);
    let slope = 0.419_974_341_614_026_14;
    let close = |x: f64, y: f64| assert!((x - y).abs() < 1e-13, "{x} {y}");

    close(network.loss(&params, &examples), 3.183_239_628_683_477_7);
    let jacobian = dmatrix![4.0 * slope, 2.0 * slope, a, 1.0];
    assert_close(&network.jacobian(&params, &[2.0]), &jacobian, 1e-14);
    let gradient = jacobian.transpose() * dvector![z];
    assert_close_vectors(&network.gradient(&params, &examples), &gradient, 1e-14);
    let fisher = jacobian.tr_mul(&jacobian);
    assert_close(
        &network.fisher_by_enumeration(&params, &examples),
        &fisher,
        1e-13,
    );
    // H = JᵀJ + z ∂²z: ∂²z/∂w² = 2 a'' x² with a'' = −2 a a', ∂²z/∂w∂v = a' x.
    let hessian = network.hessian(&params, &examples);
    close(hessian[(0, 0)], -10.090_613_513_764_165);
    close(hessian[(0, 2)], 3.398_748_717_024_950_4);
    close(hessian[(1, 1)], -2.522_653_378_441_041);
    close(hessian[(3, 3)], 1.0);
}

#[test]
fn softmax_regression_by_hand() {
    // Zero weights and biases (ln 3, 0): p = (3/4, 1/4); x = 2; class 0.
    let network = Reference {
        widths: vec![1, 2],
        activation: Activation::Tanh,
        likelihood: Likelihood::Categorical,
    };
    let params = [0.0, 0.0, 3.0_f64.ln(), 0.0];
    let examples = Examples::new(vec![vec![2.0]], vec![vec![1.0, 0.0]]);
    let loss: f64 = network.loss(&params, &examples);
    assert!((loss - (4.0_f64 / 3.0).ln()).abs() < 1e-15);
    assert_close_vectors(
        &network.gradient(&params, &examples),
        &dvector![-0.5, 0.5, -0.25, 0.25],
        1e-14,
    );
    // F = (diag p − p pᵀ) ⊗ (x, 1)(x, 1)ᵀ with p(1 − p) = 3/16.
    let fisher = dmatrix![
        4.0, -4.0, 2.0, -2.0;
        -4.0, 4.0, -2.0, 2.0;
        2.0, -2.0, 1.0, -1.0;
        -2.0, 2.0, -1.0, 1.0
    ] * (3.0 / 16.0);
    assert_close(&network.gauss_newton(&params, &examples), &fisher, 1e-14);
}

#[test]
fn bernoulli_by_hand() {
    // p = σ(ln 3) = 3/4, t = 1/2: loss = ln 4 − ½ ln 3.
    let network = Reference {
        widths: vec![1, 1],
        activation: Activation::Tanh,
        likelihood: Likelihood::Bernoulli,
    };
    let loss = network.example_loss(&[3.0_f64.ln()], &[0.5]);
    assert!((loss - (4.0_f64.ln() - 0.5 * 3.0_f64.ln())).abs() < 1e-15);
    assert!((network.predict(&[3.0_f64.ln()])[0] - 0.75).abs() < 1e-15);
    assert!((network.output_hessian(&[3.0_f64.ln()])[0] - 0.1875).abs() < 1e-15);
}

#[test]
fn gradient_and_jacobian_agree_with_finite_differences() {
    for case in all_cases(&[3, 4, 3, 2]) {
        let loss = |theta: &[f64]| dvector![case.network.loss(theta, &case.examples)];
        let numeric = finite_differences(&case.params, loss).transpose();
        let gradient = case.network.gradient(&case.params, &case.examples);
        assert_close_vectors(&gradient, &numeric.column(0).into_owned(), 1e-8);

        let input = &case.examples.inputs[0];
        let outputs = |theta: &[f64]| case.network.outputs(theta, input).into();
        let numeric = finite_differences(&case.params, outputs);
        let jacobian = case.network.jacobian(&case.params, input);
        assert_close(&jacobian, &numeric, 1e-8);
    }
}

#[test]
fn hessian_is_symmetric_and_agrees_with_finite_differences_of_the_gradient() {
    for case in all_cases(&[3, 4, 3, 2]) {
        let hessian = case.network.hessian(&case.params, &case.examples);
        assert_close(&hessian, &hessian.transpose(), 1e-13);
        let gradient = |theta: &[f64]| case.network.gradient(theta, &case.examples);
        let numeric = finite_differences(&case.params, gradient);
        assert_close(&hessian, &numeric, 1e-7);
    }
}

#[test]
fn directional_products_agree_with_the_dense_matrices() {
    for case in all_cases(&[3, 4, 3, 2]) {
        let Case {
            network,
            params,
            examples,
            direction,
        } = &case;
        let v = DVector::from_column_slice(direction);
        let input = &examples.inputs[1];
        let jacobian = network.jacobian(params, input);
        assert_close_vectors(
            &network.jvp(params, input, direction),
            &(&jacobian * &v),
            1e-13,
        );
        let u = [0.3, -1.7];
        assert_close_vectors(
            &network.vjp(params, input, &u),
            &jacobian.tr_mul(&dvector![0.3, -1.7]),
            1e-13,
        );

        let product = matvec(&network.hessian(params, examples), direction);
        assert_close_vectors(
            &network.hessian_product(params, examples, direction),
            &product,
            1e-12,
        );
        let form = network.hessian_quadratic_form(params, examples, direction);
        assert!((form - v.dot(&product)).abs() < 1e-11 * (1.0 + form.abs()));

        let product = matvec(&network.gauss_newton(params, examples), direction);
        assert_close_vectors(
            &network.fisher_product(params, examples, direction),
            &product,
            1e-12,
        );
        let form = network.fisher_quadratic_form(params, examples, direction);
        assert!((form - v.dot(&product)).abs() < 1e-12 * (1.0 + form.abs()));
        assert!(form > 1e-3, "the quadratic form is not trivial: {form}");
    }
}

#[test]
fn matching_pairs_have_output_gradient_prediction_minus_target() {
    for case in all_cases(&[2, 3]) {
        let logits = [1.3, -0.4, 0.2];
        let target = &case.examples.targets[0];
        let predicted = DVector::from(case.network.predict(&logits));
        let expected = predicted - DVector::from_column_slice(target);
        let gradient = case.network.output_gradient(&logits, target);
        assert_close_vectors(&gradient, &expected, 1e-13);
    }
}

#[test]
fn output_hessian_has_its_closed_form() {
    let logits = [1.3, -0.4, 0.2];
    for case in all_cases(&[2, 3]) {
        let p = DVector::from(case.network.predict(&logits));
        let closed = match case.network.likelihood {
            Likelihood::Gaussian => DMatrix::identity(3, 3),
            Likelihood::Bernoulli => DMatrix::from_diagonal(&p.map(|p| p * (1.0 - p))),
            Likelihood::Categorical => DMatrix::from_diagonal(&p) - &p * p.transpose(),
        };
        assert_close(&case.network.output_hessian(&logits), &closed, 1e-13);
    }
}

#[test]
fn model_targets_have_the_moments_of_the_likelihood() {
    let logits = [1.3, -0.4, 0.2];
    for case in all_cases(&[2, 3]) {
        let outcomes = case.network.model_targets(&logits);
        let expected_mean = DVector::from(case.network.predict(&logits));
        let mut mass = 0.0;
        let mut mean = DVector::zeros(3);
        let mut covariance = DMatrix::zeros(3, 3);
        for (probability, target) in outcomes {
            let target = DVector::from(target);
            let deviation = &target - &expected_mean;
            mass += probability;
            mean += target * probability;
            covariance += &deviation * deviation.transpose() * probability;
        }
        assert!((mass - 1.0).abs() < 1e-14);
        assert_close_vectors(&mean, &expected_mean, 1e-14);
        // The covariance of t is H_z: the identity behind Fisher = Gauss–Newton.
        assert_close(&covariance, &case.network.output_hessian(&logits), 1e-13);
    }
}

#[test]
fn enumerated_fisher_equals_gauss_newton() {
    for case in all_cases(&[3, 4, 3]) {
        let fisher = case
            .network
            .fisher_by_enumeration(&case.params, &case.examples);
        let gauss_newton = case.network.gauss_newton(&case.params, &case.examples);
        assert_close(&fisher, &gauss_newton, 1e-10);
        assert!(smallest_eigenvalue(&fisher) > -1e-12);
        // Labels are not read, and with the labels of the data the matrix is another one.
        let unlabelled = Examples {
            targets: Vec::new(),
            ..case.examples.clone()
        };
        let again = case
            .network
            .fisher_by_enumeration(&case.params, &unlabelled);
        assert_eq!(fisher, again);
        let empirical = case.network.empirical_fisher(&case.params, &case.examples);
        assert!(relative_difference(&fisher, &empirical) > 0.05);
    }
}

#[test]
fn without_hidden_layers_the_fisher_is_the_hessian() {
    for likelihood in LIKELIHOODS {
        let case = case(&[3, 3], Activation::Tanh, likelihood);
        let fisher = case
            .network
            .fisher_by_enumeration(&case.params, &case.examples);
        let hessian = case.network.hessian(&case.params, &case.examples);
        assert_close(&fisher, &hessian, 1e-12);
    }
}

#[test]
fn the_fisher_is_the_expected_hessian_under_the_model() {
    for case in all_cases(&[2, 4, 3]) {
        let enumerated = case
            .network
            .with_model_targets(&case.params, &case.examples);
        let expected = case.network.hessian(&case.params, &enumerated);
        let fisher = case
            .network
            .fisher_by_enumeration(&case.params, &case.examples);
        assert_close(&fisher, &expected, 1e-12);
        // Under the targets of the data the Hessian is another matrix, and an indefinite one.
        if matches!(case.network.activation, Activation::Tanh) {
            let hessian = case.network.hessian(&case.params, &case.examples);
            assert!(relative_difference(&fisher, &hessian) > 0.05);
            assert!(smallest_eigenvalue(&hessian) < -1e-3);
        }
    }
}

#[test]
fn covariance_is_the_empirical_fisher_less_the_mean_gradient() {
    for case in all_cases(&[3, 4, 3]) {
        let gradient = case.network.gradient(&case.params, &case.examples);
        let uncentred = case.network.empirical_fisher(&case.params, &case.examples);
        let centred = case
            .network
            .gradient_covariance(&case.params, &case.examples);
        let expected = &uncentred - &gradient * gradient.transpose();
        assert_close(&centred, &expected, 1e-12);
        assert!(relative_difference(&centred, &uncentred) > 1e-3);

        let single = case.network.example_gradients(&case.params, &case.examples);
        let mean = single * DVector::from_column_slice(&case.examples.weights) / 3.5;
        assert_close_vectors(&mean, &gradient, 1e-13);
    }
}

#[test]
fn means_are_weighted_and_weight_zero_is_never_evaluated() {
    for case in all_cases(&[3, 4, 3]) {
        let Case {
            network,
            params,
            mut examples,
            ..
        } = case;
        let single = |b: usize| -> f64 {
            network.example_loss(
                &network.outputs(&params, &examples.inputs[b]),
                &examples.targets[b],
            )
        };
        let expected = (single(0) + 0.5 * single(1) + 2.0 * single(3)) / 3.5;
        let loss: f64 = network.loss(&params, &examples);
        assert!((loss - expected).abs() < 1e-14 * (1.0 + expected));

        let quantities = |examples: &Examples| {
            [
                network.hessian(&params, examples),
                network.fisher_by_enumeration(&params, examples),
                network.gauss_newton(&params, examples),
                network.empirical_fisher(&params, examples),
                network.gradient_covariance(&params, examples),
            ]
        };
        let before = quantities(&examples);
        examples.inputs[2].fill(f64::NAN);
        examples.targets[2].fill(f64::NAN);
        assert_eq!(before, quantities(&examples));
        // Only ratios of weights count.
        for weight in &mut examples.weights {
            *weight *= 4.0;
        }
        for (a, b) in before.iter().zip(&quantities(&examples)) {
            assert_close(a, b, 1e-14);
        }
    }
}

#[test]
fn saturated_logits_keep_relative_accuracy() {
    let close = |x: f64, y: f64| assert!((x / y - 1.0).abs() < 1e-13, "{x:e} {y:e}");
    let network = |likelihood, outputs| Reference {
        widths: vec![1, outputs],
        activation: Activation::Tanh,
        likelihood,
    };
    let bernoulli = network(Likelihood::Bernoulli, 1);
    let tail = (-40.0_f64).exp();
    for (z, right, wrong) in [(40.0, 1.0, 0.0), (-40.0, 0.0, 1.0)] {
        close(bernoulli.example_loss(&[z], &[right]), tail);
        close(bernoulli.example_loss(&[z], &[wrong]), 40.0);
        close(bernoulli.output_gradient(&[z], &[right])[0].abs(), tail);
        close(bernoulli.output_hessian(&[z])[0], tail);
    }
    assert_eq!(bernoulli.example_loss(&[1000.0], &[0.0]), 1000.0);
    assert_eq!(bernoulli.example_loss(&[-1000.0], &[0.0]), 0.0);

    let categorical = network(Likelihood::Categorical, 2);
    for (z, right) in [([0.0, -40.0], [1.0, 0.0]), ([-40.0, 0.0], [0.0, 1.0])] {
        let wrong = [right[1], right[0]];
        close(categorical.example_loss(&z, &right), tail);
        close(categorical.example_loss(&z, &wrong), 40.0);
        close(categorical.output_gradient(&z, &right)[0].abs(), tail);
        let hessian = categorical.output_hessian(&z);
        for (entry, sign) in hessian.iter().zip([1.0, -1.0, -1.0, 1.0]) {
            close(*entry, sign * tail);
        }
    }
    assert_eq!(
        categorical.example_loss(&[1000.0, 0.0], &[0.0, 1.0]),
        1000.0
    );
    assert_eq!(categorical.predict(&[-1000.0, 1000.0]), [0.0, 1.0]);
    assert_eq!(categorical.output_hessian(&[1000.0, 0.0]).amax(), 0.0);
}

#[test]
fn activations_saturate_without_overflow() {
    for (activation, low, middle, high) in [
        (Activation::Tanh, -1.0, 1e-9, 1.0),
        (Activation::Logistic, 0.0, 0.500_000_000_25, 1.0),
        (Activation::Relu, 0.0, 1e-9, 1000.0),
        (
            Activation::Softplus,
            0.0,
            std::f64::consts::LN_2 + 5e-10,
            1000.0,
        ),
        (Activation::Identity, -1000.0, 1e-9, 1000.0),
    ] {
        // z = φ(x).
        let network = Reference {
            widths: vec![1, 1, 1],
            activation,
            likelihood: Likelihood::Gaussian,
        };
        let params = [1.0, 0.0, 1.0, 0.0];
        for (x, expected) in [(-1000.0, low), (1e-9, middle), (1000.0, high)] {
            let z: f64 = network.outputs(&params, &[x])[0];
            assert!(
                (z - expected).abs() <= 1e-15 * expected.abs(),
                "{activation:?}({x}) = {z:e}, not {expected:e}"
            );
            let examples = Examples::new(vec![vec![x]], vec![vec![0.5]]);
            let hessian = network.hessian(&params, &examples);
            assert!(hessian.iter().all(|h| h.is_finite()), "{activation:?}({x})");
        }
    }
}

#[test]
fn rectifier_has_derivative_zero_at_its_kink() {
    let network = Reference {
        widths: vec![1, 1, 1],
        activation: Activation::Relu,
        likelihood: Likelihood::Gaussian,
    };
    let at = |bias: f64| network.jacobian(&[1.0, bias, 3.0, 0.0], &[1.0]);
    assert_eq!(at(-1.0), dmatrix![0.0, 0.0, 0.0, 1.0]);
    assert_eq!(at(-0.5), dmatrix![3.0, 3.0, 0.5, 1.0]);
}

#[test]
fn undamped_step_solves_linear_regression() {
    let case = case(&[2, 2], Activation::Identity, Likelihood::Gaussian);
    let Case {
        network,
        mut params,
        mut examples,
        ..
    } = case;
    examples.weights = vec![1.0; 4];
    let gradient = network.gradient(&params, &examples);
    let fisher = network.fisher_by_enumeration(&params, &examples);
    let step = solve_damped(&fisher, &DVector::zeros(6), &gradient);
    for (theta, d) in params.iter_mut().zip(&step) {
        *theta -= d;
    }
    assert!(gradient.amax() > 0.1);
    assert!(network.gradient(&params, &examples).amax() < 1e-13);
}

#[test]
fn dense_solves_by_hand() {
    // (A + diag λ) = [[0, 2], [2, 0]] is indefinite and needs pivoting.
    let indefinite = dmatrix![-1.0, 2.0; 2.0, -3.0];
    let x = solve_damped(&indefinite, &dvector![1.0, 3.0], &dvector![4.0, 6.0]);
    assert_close_vectors(&x, &dvector![3.0, 2.0], 1e-15);

    // Eigenvalues of [[1, 2], [2, 1]] are −1 and 3.
    let smallest = smallest_eigenvalue(&dmatrix![1.0, 2.0; 2.0, 1.0]);
    assert!((smallest + 1.0).abs() < 1e-14);

    // [[1, 1], [1, 1]] x = (3, 1) has no solution; x = (1, 1) is the shortest of the best.
    let x = minimum_norm_solve(&dmatrix![1.0, 1.0; 1.0, 1.0], &dvector![3.0, 1.0], 1e-12);
    assert_close_vectors(&x, &dvector![1.0, 1.0], 1e-14);
}
