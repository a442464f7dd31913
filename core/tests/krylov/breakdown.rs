//! How a solve ends when it cannot end well: every breakdown is a status, and the iterate is usable.

use natgrad::krylov::{Cg, Status, Stop};
use natgrad::operator::{Diagonal, Identity, LinearOperator};

use super::{Dense, cold, hard, limit, ramp, run, true_residual};

#[test]
fn zero_right_hand_side() {
    for warm in [None, Some(&[3.0, 4.0, 5.0][..])] {
        let rhs = [0.0; 3];
        let (end, x) = run::<Cg>(
            &mut hard::<3>(),
            &mut Identity::new(3),
            &rhs,
            &Stop::default(),
            warm,
        );
        assert_eq!(end.status, Status::ZeroRightHandSide);
        assert_eq!((end.last.count, end.last.phi, x), (0, 0.0, vec![0.0; 3]));
    }
}

#[test]
fn no_unknown() {
    let (end, x) = cold(&mut Identity::new(0), &[], &Stop::default());
    assert_eq!((end.status, x.len()), (Status::ZeroRightHandSide, 0));
}

#[test]
fn one_unknown() {
    let (end, x) = cold(&mut Dense([[4.0]]), &[2.0], &Stop::default());
    assert_eq!(
        (end.status, end.last.count, x),
        (Status::Residual, 1, vec![0.5])
    );
    assert_eq!((end.last.phi, end.last.residual), (-0.5, 0.0));
}

#[test]
fn singular_and_consistent() {
    // Rank 2, and b in its range.
    let mut a = Dense([[2.0, 0.0, 2.0], [0.0, 1.0, 0.0], [2.0, 0.0, 2.0]]);
    let b = [4.0, 3.0, 4.0];
    let (end, x) = cold(
        &mut a,
        &b,
        &Stop {
            residual: 1e-5,
            ..limit(50)
        },
    );
    assert_eq!(end.status, Status::Residual);
    assert!(true_residual(&a, &x, &b) < 1e-5);
}

#[test]
fn singular_and_inconsistent() {
    let mut a = Dense([[2.0, 0.0], [0.0, 0.0]]);
    let (end, x) = cold(&mut a, &[1.0, 1.0], &limit(50));
    assert_eq!(end.status, Status::NonPositiveCurvature);
    // The first iterate, along b: α = b·b / bᵀAb = 1.
    assert_eq!((end.last.count, x), (1, vec![1.0, 1.0]));

    let (end, x) = cold(&mut Dense([[0.0; 2]; 2]), &[1.0, 1.0], &limit(50));
    assert_eq!(end.status, Status::NonPositiveCurvature);
    assert_eq!((end.last.count, end.last.phi, x), (0, 0.0, vec![0.0; 2]));
}

#[test]
fn negative_curvature_at_once() {
    let (end, x) = cold(
        &mut Dense([[-1.0, 0.0], [0.0, 2.0]]),
        &[1.0, 0.5],
        &limit(50),
    );
    assert_eq!(end.status, Status::NonPositiveCurvature);
    assert_eq!((end.last.count, end.last.phi, x), (0, 0.0, vec![0.0; 2]));
}

#[test]
fn negative_curvature_later() {
    let mut a = Dense([[4.0, 0.0], [0.0, -1.0]]);
    let b = [4.0, 0.5];
    let (end, x) = cold(&mut a, &b, &limit(50));
    assert_eq!(
        (end.status, end.last.count),
        (Status::NonPositiveCurvature, 1)
    );
    let (before, last) = cold(&mut a, &b, &limit(1));
    assert_eq!(
        (before.status, before.last.phi),
        (Status::Limit, end.last.phi)
    );
    assert_eq!(x, last, "x is the last iterate before");
    assert!(end.last.phi < 0.0);
}

#[test]
fn curvature_that_is_only_rounding() {
    // The second entry is below ε times the first: what CG sees there is no curvature.
    let mut a = Dense([[1.0, 0.0], [0.0, 1e-9]]);
    let (end, x) = cold(&mut a, &[1.0, 1e-3], &limit(50));
    assert_eq!(end.status, Status::NonPositiveCurvature);
    assert!(x.iter().all(|x| x.abs() < 2.0), "{x:?}");
}

#[test]
fn operator_that_is_not_finite() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut a = hard::<3>();
        a.0[1][2] = bad;
        let (end, _) = cold(&mut a, &[1.0, 2.0, 3.0], &limit(50));
        assert_eq!(end.status, Status::NonFinite, "{bad}");
    }
    // Finite, but the product overflows.
    let (end, _) = cold(
        &mut Dense([[3e38, 0.0], [0.0, 1.0]]),
        &[1e10, 1.0],
        &limit(50),
    );
    assert_eq!(end.status, Status::NonFinite);
}

#[test]
fn operator_that_fails_later() {
    struct Late(Dense<4>, usize);
    impl LinearOperator<f32> for Late {
        fn dim(&self) -> usize {
            4
        }
        fn parts(&self) -> usize {
            4
        }
        fn apply_part(&mut self, part: usize, v: &[f32], out: &mut [f32], quad: &mut f32) {
            self.1 += 1;
            self.0.apply_part(part, v, out, quad);
            if self.1 == 11 {
                // The image only: the form stays finite.
                out[0] = f32::NAN;
            }
        }
    }
    let (end, _) = cold(&mut Late(hard(), 0), &ramp::<4>(), &limit(50));
    assert_eq!((end.status, end.last.count), (Status::NonFinite, 3));
}

#[test]
fn right_hand_side_that_is_not_finite() {
    for bad in [f32::NAN, f32::INFINITY] {
        for warm in [None, Some(&[1.0, 1.0][..])] {
            let rhs = [1.0, bad];
            let (end, x) = run::<Cg>(
                &mut Identity::new(2),
                &mut Identity::new(2),
                &rhs,
                &limit(9),
                warm,
            );
            assert_eq!((end.status, end.last.count), (Status::NonFinite, 0));
            assert_eq!(x, [0.0, 0.0]);
        }
    }
}

#[test]
fn preconditioner_of_zeros() {
    let (end, x) = run::<Cg>(
        &mut hard::<3>(),
        &mut Identity::scaled(3, 0.0),
        &ramp::<3>(),
        &limit(9),
        None,
    );
    assert_eq!((end.last.count, x), (0, vec![0.0; 3]));
    assert_eq!(end.status, Status::NonPositivePreconditioner);
}

#[test]
fn preconditioner_that_is_negative() {
    let (end, x) = run::<Cg>(
        &mut hard::<3>(),
        &mut Identity::scaled(3, -1.0),
        &ramp::<3>(),
        &limit(9),
        None,
    );
    assert_eq!((end.last.count, x), (0, vec![0.0; 3]));
    assert_eq!(end.status, Status::NonPositivePreconditioner);
}

#[test]
fn preconditioner_that_is_singular() {
    // It cannot move the second unknown; the first is solved for.
    let mut m = Diagonal::new(&[0.5, 0.0], 1.0, 0.0);
    let (end, x) = run::<Cg>(
        &mut Dense([[2.0, 0.0], [0.0, 2.0]]),
        &mut m,
        &[2.0, 2.0],
        &limit(9),
        None,
    );
    assert_eq!((end.last.count, x), (1, vec![1.0, 0.0]));
    assert_eq!(end.status, Status::NonPositivePreconditioner);
}

#[test]
fn preconditioner_that_is_not_finite() {
    for bad in [f32::NAN, f32::INFINITY] {
        let entries = [1.0, bad];
        let mut m = Diagonal::new(&entries, 1.0, 0.0);
        let (end, _) = run::<Cg>(&mut Identity::new(2), &mut m, &[1.0, 1.0], &limit(9), None);
        assert_eq!(end.status, Status::NonFinite);
    }
}

#[test]
fn small_numbers() {
    let b = [1e-20, 2e-20];
    let (end, x) = cold(&mut Dense([[2.0, 0.0], [0.0, 4.0]]), &b, &Stop::default());
    assert!(end.status != Status::NonFinite && end.last.count > 0);
    assert!(x.iter().all(|x| (x / 5e-21 - 1.0).abs() < 1e-3), "{x:?}");
    // Where b·b underflows, b is as good as 0.
    let (end, x) = cold(&mut Identity::new(2), &[1e-30, 1e-30], &Stop::default());
    assert_eq!((end.status, x), (Status::ZeroRightHandSide, vec![0.0; 2]));
    // A small operator: x is large.
    let (end, x) = cold(
        &mut Identity::scaled(2, 1e-20),
        &[1.0, 2.0],
        &Stop::default(),
    );
    assert_eq!(end.status, Status::Residual);
    assert!((x[0] / 1e20 - 1.0).abs() < 1e-5);
}

#[test]
fn large_numbers() {
    let (end, x) = cold(
        &mut Dense([[2.0, 0.0], [0.0, 4.0]]),
        &[1e18, 2e18],
        &Stop::default(),
    );
    assert_eq!(end.status, Status::Residual);
    assert!(x.iter().all(|x| (x / 5e17 - 1.0).abs() < 1e-4), "{x:?}");
    // Where b·b overflows, there is no answer, and no wrong one.
    let (end, x) = cold(&mut Identity::new(2), &[1e20, 1e20], &Stop::default());
    assert_eq!((end.status, x), (Status::NonFinite, vec![0.0; 2]));
    // A large operator: x is small.
    let (end, x) = cold(
        &mut Identity::scaled(2, 1e20),
        &[1.0, 2.0],
        &Stop::default(),
    );
    assert_eq!(end.status, Status::Residual);
    assert!((x[0] / 1e-20 - 1.0).abs() < 1e-5);
}
