//! Every operator against the oracle: products, quadratic forms, diagonals, symmetry, linearity.

use nalgebra::{DMatrix, DVector};
use natgrad::operator::{Damped, Diagonal, Exponent, Identity, InverseDiagonal, LinearOperator};
use natgrad::{Likelihood, Scalar};
use proptest::prelude::*;

use super::bound::{Bound, Bounds, count};
use super::strategies::{Case, DENSE, LARGE, SMALL, cases, config, regimes, shallow};
use super::subject::{CURVATURES, Curvature, Subject, narrow, widen};
use super::tolerance::{ELEMENTWISE, IDENTITY, ROUNDING, close, close_number};

/// The dense matrix of the oracle, by the definition.
pub(crate) fn dense(case: &Case, curvature: Curvature) -> DMatrix<f64> {
    let (network, params) = (&case.network, &case.params);
    match curvature {
        Curvature::Fisher => network.fisher_by_enumeration(params, &case.examples),
        Curvature::Hessian => network.hessian(params, &case.examples),
        Curvature::EmpiricalFisher => network.empirical_fisher(params, &case.examples),
        Curvature::Covariance => network.gradient_covariance(params, &case.examples),
    }
}

fn vector(v: &[f64]) -> DVector<f64> {
    DVector::from_column_slice(v)
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    vector(x).dot(&vector(y))
}

/// Av and vᵀAv of a large case, without a matrix.
fn directional(case: &Case, curvature: Curvature, v: &[f64]) -> (DVector<f64>, f64) {
    let (network, params, examples) = (&case.network, &case.params, &case.examples);
    match curvature {
        Curvature::Fisher => (
            network.fisher_product(params, examples, v),
            network.fisher_quadratic_form(params, examples, v),
        ),
        Curvature::Hessian => (
            network.hessian_product(params, examples, v),
            network.hessian_quadratic_form(params, examples, v),
        ),
        Curvature::EmpiricalFisher | Curvature::Covariance => {
            let mut gradients = network.example_gradients(params, examples);
            let shares = vector(&examples.weights) / examples.total_weight();
            if curvature == Curvature::Covariance {
                let mean = &gradients * &shares;
                for mut column in gradients.column_iter_mut() {
                    column -= &mean;
                }
            }
            let along = gradients.tr_mul(&vector(v));
            let weighted = along.component_mul(&shares);
            (&gradients * &weighted, along.dot(&weighted))
        }
    }
}

/// The core's Av and vᵀAv against given ones, which `noise` roundings of their size have gone into.
fn agree<T: Scalar>(
    case: &Case,
    curvature: Curvature,
    v: &[f64],
    (product, quad): (&[f64], f64),
    noise: f64,
) -> Result<(), TestCaseError> {
    let (out, form) = Subject::<T>::new(case).product(curvature, v);
    let (bound, form_bound) = Bounds::new(case).product(curvature, v);
    let what = format!("{curvature:?}: Av");
    close::<T>(&what, &out, product, ROUNDING, bound.rounded(noise))?;
    let what = format!("{curvature:?}: vᵀAv");
    close_number::<T>(&what, form, quad, ROUNDING, form_bound.rounded(noise))
}

/// The roundings of a dense metric and of a product with it: P terms per entry, and for a Gaussian
/// z ± √K − z instead of ±√K in the enumeration, which matters where the outputs are large.
fn dense_noise(case: &Case) -> f64 {
    let enumeration = match case.shape.likelihood {
        Likelihood::Gaussian => 4.0 * Bounds::new(case).logits.size,
        _ => 0.0,
    };
    enumeration + count(case.params.len())
}

fn agree_with_dense(
    case: &Case,
    curvature: Curvature,
    matrix: &DMatrix<f64>,
) -> Result<(), TestCaseError> {
    let mut unit = vec![0.0; case.params.len()];
    let index = usize::try_from(case.shape.seed % 1_000_003).expect("small") % unit.len();
    unit[index] = 1.0;
    for v in [&case.v, &case.u, &unit] {
        let product = matrix * vector(v);
        let quad = product.dot(&vector(v));
        let noise = dense_noise(case);
        agree::<f64>(case, curvature, v, (product.as_slice(), quad), noise)?;
    }
    Ok(())
}

/// The error of w·(Av), for comparisons of two products by dot products.
fn dotted(bound: Bound, v: &[f64]) -> Bound {
    let norm = vector(v).norm();
    Bound {
        size: bound.size * norm,
        error: (bound.error + bound.size * 8.0) * norm,
    }
}

fn symmetric_and_linear<T: Scalar>(case: &Case, curvature: Curvature) -> Result<(), TestCaseError> {
    let subject = Subject::<T>::new(case);
    let bounds = Bounds::new(case);
    let Case { u, v, .. } = case;
    let (au, uau) = subject.product(curvature, u);
    let (av, vav) = subject.product(curvature, v);
    let of = |w: &[f64]| bounds.product(curvature, w).0;
    let slack = Bound {
        error: dotted(of(v), u).error + dotted(of(u), v).error,
        size: 0.0,
    };
    let name = format!("{curvature:?}");
    let number = close_number::<T>;
    number(
        &format!("{name}: u·Av = v·Au"),
        dot(u, &av),
        dot(v, &au),
        IDENTITY,
        slack,
    )?;
    let slack = dotted(of(v), v);
    number(
        &format!("{name}: quad = v·Av"),
        vav,
        dot(v, &av),
        IDENTITY,
        slack,
    )?;

    // 2u − v/2 is exact but for its own rounding, which goes into the comparison.
    let mixed: Vec<f64> = u.iter().zip(v).map(|(u, v)| 2.0 * u - 0.5 * v).collect();
    let (mapped, form) = subject.product(curvature, &mixed);
    let combined = au.iter().zip(&av).map(|(u, v)| 2.0 * u - 0.5 * v);
    let sum = Bound {
        size: 0.0,
        error: 2.0 * of(u).error + of(v).error + of(&mixed).error + of(&mixed).size,
    };
    let combined: Vec<f64> = combined.collect();
    close::<T>(
        &format!("{name}: linear"),
        &mapped,
        &combined,
        IDENTITY,
        sum,
    )?;
    if curvature != Curvature::Hessian {
        prop_assert!(
            uau >= 0.0 && vav >= 0.0 && form >= 0.0,
            "{} is semidefinite",
            name
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    /// Two definitions of the Fisher: expectation of g gᵀ over the model's own targets, and Gauss-Newton.
    #[test]
    fn metrics_agree_with_dense_matrices(case in cases(DENSE)) {
        for curvature in [Curvature::Fisher, Curvature::EmpiricalFisher, Curvature::Covariance] {
            agree_with_dense(&case, curvature, &dense(&case, curvature))?;
        }
        let gauss_newton = case.network.gauss_newton(&case.params, &case.examples);
        agree_with_dense(&case, Curvature::Fisher, &gauss_newton)?;
    }

    #[test]
    fn hessian_agrees_with_the_dense_matrix(case in cases(SMALL)) {
        agree_with_dense(&case, Curvature::Hessian, &dense(&case, Curvature::Hessian))?;
        // The operator and the pass are one computation.
        let subject = Subject::<f64>::new(&case);
        prop_assert_eq!(subject.product(Curvature::Hessian, &case.v), subject.hvp(&case.v));
    }

    #[test]
    fn products_of_large_networks_agree_with_directional_derivatives(case in cases(LARGE)) {
        for curvature in CURVATURES {
            let (product, quad) = directional(&case, curvature, &case.v);
            agree::<f64>(&case, curvature, &case.v, (product.as_slice(), quad), 0.0)?;
        }
    }

    #[test]
    fn products_in_f32_agree_with_f64(case in cases(LARGE)) {
        prop_assume!(case.clear_of_kinks());
        let precise = Subject::<f64>::new(&case);
        for curvature in CURVATURES {
            let (product, quad) = precise.product(curvature, &case.v);
            agree::<f32>(&case, curvature, &case.v, (&product, quad), 0.0)?;
        }
    }

    #[test]
    fn operators_are_symmetric_linear_and_semidefinite(case in cases(LARGE)) {
        for curvature in CURVATURES {
            symmetric_and_linear::<f64>(&case, curvature)?;
            symmetric_and_linear::<f32>(&case, curvature)?;
        }
    }

    #[test]
    fn diagonals_are_exact(case in cases(DENSE)) {
        let bounds = Bounds::new(&case);
        for curvature in [Curvature::Fisher, Curvature::EmpiricalFisher] {
            let expected = dense(&case, curvature).diagonal();
            let (what, bound) = (format!("diagonal of {curvature:?}"), bounds.diagonal(curvature).rounded(dense_noise(&case)));
            let found = Subject::<f64>::new(&case).diagonal(curvature);
            close::<f64>(&what, &found, expected.as_slice(), ROUNDING, bound)?;
            prop_assert!(found.iter().all(|&d| d >= 0.0));
            if case.clear_of_kinks() {
                let found = Subject::<f32>::new(&case).diagonal(curvature);
                close::<f32>(&what, &found, expected.as_slice(), ROUNDING, bound)?;
            }
        }
    }

    /// A generalised linear model: the logits are linear in θ, so that the second term of the Hessian is 0.
    #[test]
    fn without_a_hidden_layer_the_fisher_is_the_hessian(case in shallow(LARGE, regimes())) {
        let subject = Subject::<f64>::new(&case);
        let (fisher, form) = subject.product(Curvature::Fisher, &case.v);
        let (hessian, quad) = subject.product(Curvature::Hessian, &case.v);
        let (bound, form_bound) = Bounds::new(&case).product(Curvature::Fisher, &case.v);
        close::<f64>("Hv = Fv", &hessian, &fisher, ROUNDING, bound)?;
        close_number::<f64>("vᵀHv = vᵀFv", quad, form, ROUNDING, form_bound)?;
    }

    #[test]
    fn damping_and_diagonals_agree_with_dense_arithmetic(
        (case, scale, shift) in (cases(SMALL), 1e-4..10.0_f32, 1e-4..10.0_f32)
    ) {
        elementwise::<f64>(&case, f64::from(scale), f64::from(shift))?;
        elementwise::<f32>(&case, f64::from(scale), f64::from(shift))?;
    }
}

/// Identity, `Diagonal`, `InverseDiagonal` on entries u², and `Damped` on them and on the Fisher.
fn elementwise<T: Scalar>(case: &Case, scale: f64, shift: f64) -> Result<(), TestCaseError> {
    let n = case.params.len();
    let entries: Vec<f64> = case
        .u
        .iter()
        .map(|u| f64::from_bits((u * u).to_bits() >> 32 << 32))
        .collect();
    let (narrowed, s, c) = (narrow::<T>(&entries), T::of(scale), T::of(shift));
    let mut three = Diagonal::new(&narrowed, s, c);
    let m = |power: f64| move |e: &f64| (scale * e + shift).powf(power);
    let each = |f: &dyn Fn(&f64) -> f64| -> Vec<f64> { entries.iter().map(f).collect() };
    let table: [(&str, &mut dyn LinearOperator<T>, Vec<f64>); 6] = [
        ("I", &mut Identity::new(n), vec![1.0; n]),
        ("sI", &mut Identity::scaled(n, s), vec![scale; n]),
        (
            "s·diag(e) + cI",
            &mut Diagonal::new(&narrowed, s, c),
            each(&m(1.0)),
        ),
        (
            "its inverse",
            &mut InverseDiagonal::new(&narrowed, s, c, Exponent::One),
            each(&m(-1.0)),
        ),
        (
            "its inverse power",
            &mut InverseDiagonal::new(&narrowed, s, c, Exponent::ThreeQuarters),
            each(&m(-0.75)),
        ),
        (
            "a sum",
            &mut Damped::new(&mut three, Identity::scaled(n, s)),
            each(&|e| scale * e + shift + scale),
        ),
    ];
    let none = Bound {
        size: 0.0,
        error: 0.0,
    };
    for (name, operator, diagonal) in table {
        prop_assert_eq!(operator.dim(), n, "dim of {}", name);
        let mut out = vec![T::of(f64::NAN); n];
        let quad = operator.apply(&narrow::<T>(&case.v), &mut out).widen();
        let (mut form, found) = (0.0, widen(&out));
        for ((d, v), found) in diagonal.iter().zip(&case.v).zip(&found) {
            close_number::<T>(name, *found, d * v, ELEMENTWISE, none)?;
            form += d * v * v;
        }
        close_number::<T>(name, quad, form, ELEMENTWISE, none)?;
    }

    let subject = Subject::<T>::new(case);
    let (plain, form) = subject.product(Curvature::Fisher, &case.v);
    let (damped, quad) = subject.with(Curvature::Fisher, |fisher| {
        let parts = fisher.parts();
        let mut damped = Damped::new(fisher, Identity::scaled(n, s));
        assert_eq!((damped.dim(), damped.parts()), (n, parts + 1));
        let mut out = vec![T::of(f64::NAN); n];
        let quad = damped.apply(&narrow::<T>(&case.v), &mut out).widen();
        (widen(&out), quad)
    });
    for ((plain, damped), v) in plain.iter().zip(&damped).zip(&case.v) {
        let expected = plain + scale * v;
        let slack = ELEMENTWISE.relative * T::EPSILON.widen() * (plain.abs() + (scale * v).abs());
        prop_assert!(
            (damped - expected).abs() <= slack,
            "{} is not {}",
            damped,
            expected
        );
    }
    let expected = form + scale * dot(&case.v, &case.v);
    close_number::<T>("damped quad", quad, expected, ELEMENTWISE, none)
}
