//! The course of a solve: its rules of stopping, the value of the model, starts and checkpoints.

use natgrad::krylov::{Advance, Cg, Solver, Start, Status, Stop, System, solve};
use natgrad::operator::{Diagonal, Identity, LinearOperator};

use super::{Dense, cold, hard, limit, observe, ramp, run, true_residual};

#[test]
fn limit_reached() {
    for iterations in 1..5 {
        let (end, x) = cold(&mut hard::<8>(), &ramp::<8>(), &limit(iterations));
        assert_eq!((end.status, end.last.count), (Status::Limit, iterations));
        assert!(x.iter().all(|x| x.is_finite()) && end.last.phi < 0.0);
    }
}

#[test]
fn residual_reached_is_true() {
    for refresh in [0, 1, 3] {
        let stop = Stop {
            residual: 1e-3,
            refresh,
            ..limit(200)
        };
        let mut a = hard::<8>();
        let (end, x) = cold(&mut a, &ramp::<8>(), &stop);
        assert_eq!(end.status, Status::Residual, "refresh {refresh}");
        let residual = true_residual(&a, &x, &ramp::<8>());
        assert!(residual < 2e-3, "refresh {refresh}: {residual}");
    }
}

#[test]
fn refreshed_residual_is_the_true_one() {
    let mut a = hard::<8>();
    let (end, x) = cold(
        &mut a,
        &ramp::<8>(),
        &Stop {
            refresh: 6,
            ..limit(6)
        },
    );
    let residual = true_residual(&a, &x, &ramp::<8>());
    assert_eq!(end.last.count, 6);
    assert!((f64::from(end.last.residual) - residual).abs() < 1e-3 * residual);
}

#[test]
fn progress_stops_by_its_rule() {
    let rhs: [f32; 40] = core::array::from_fn(|i| if i % 2 == 0 { 1.0 } else { -0.5 });
    let entries: [f32; 40] = core::array::from_fn(|i| {
        let i = f32::from(u8::try_from(i).unwrap());
        0.02 + i * i
    });
    let stop = Stop {
        progress: 5e-2,
        ..limit(300)
    };
    let (seen, end, ..) = observe::<Cg>(&mut Diagonal::new(&entries, 1.0, 0.0), &rhs, &stop);
    assert_eq!(end.status, Status::Progress);
    // The rule, from what the observer saw: φ₁ is the earliest that counts.
    let mut phi = vec![0.0];
    phi.extend(seen.iter().map(|iteration| iteration.phi));
    if phi.len() <= usize::from(end.last.count) {
        phi.push(end.last.phi);
    }
    let stalled = |i: usize| {
        let k = if i > 100 { i.div_ceil(10) } else { 10 };
        i > k && (phi[i] - phi[i - k]) / phi[i] < f32::from(u16::try_from(k).unwrap()) * 5e-2
    };
    let first = (1..phi.len()).find(|&i| stalled(i));
    assert_eq!(first, Some(usize::from(end.last.count)));
}

/// Second differences, up to the sign: with 1s on the right CG needs half the order, and its value falls all the way.
struct Chain<const N: usize>;

impl<const N: usize> LinearOperator<f32> for Chain<N> {
    fn dim(&self) -> usize {
        N
    }

    fn parts(&self) -> usize {
        1
    }

    fn apply_part(&mut self, _: usize, v: &[f32], out: &mut [f32], quad: &mut f32) {
        for (i, out) in out.iter_mut().enumerate() {
            let before = i.checked_sub(1).map_or(0.0, |i| v[i]);
            let behind = v.get(i + 1).copied().unwrap_or(0.0);
            let product = (v[i] - before) + (v[i] - behind);
            *out += product;
            *quad += v[i] * product;
        }
    }
}

/// The iterate that a late one is compared with is 31 back, not a tenth of the way.
#[test]
fn progress_is_looked_for_over_the_window_and_no_further() {
    let mut told_apart = 0;
    for progress in [1.6e-3, 1.4e-3, 1.2e-3, 1e-3] {
        let stop = Stop {
            progress,
            ..limit(700)
        };
        let (seen, end, ..) = observe::<Cg>(&mut Chain::<1400>, &[1.0; 1400], &stop);
        assert_eq!(end.status, Status::Progress);
        assert!(end.last.count > 320, "{end:?}");
        let mut phi = vec![0.0];
        phi.extend(seen.iter().map(|iteration| iteration.phi));
        if phi.len() <= usize::from(end.last.count) {
            phi.push(end.last.phi);
        }
        let first = |most: usize| {
            (1..phi.len()).find(|&i| {
                let k = i.div_ceil(10).clamp(10, most);
                let share = f32::from(u16::try_from(k).unwrap()) * progress;
                i > k && (phi[i] - phi[i - k]) / phi[i] < share
            })
        };
        assert_eq!(first(31), Some(usize::from(end.last.count)));
        told_apart += usize::from(first(usize::MAX) != first(31));
    }
    assert!(told_apart > 0, "a window of any length would do");
}

#[test]
fn value_of_the_model_falls_and_is_the_models() {
    let mut a = hard::<8>();
    let (seen, end, _, memory) = observe::<Cg>(&mut a, &ramp::<8>(), &limit(6));
    assert!(
        seen.iter()
            .zip(1..)
            .all(|(seen, count)| seen.count == count)
    );
    assert!(seen.is_sorted_by(|a, b| b.phi < a.phi), "{seen:?}");
    let x = &memory[..8];
    let mut phi = 0.0;
    for (i, row) in a.0.iter().enumerate() {
        let ax: f64 = row
            .iter()
            .zip(x)
            .map(|(&a, &x)| f64::from(a) * f64::from(x))
            .sum();
        phi += f64::from(x[i]) * (0.5 * ax - f64::from(ramp::<8>()[i]));
    }
    assert!((phi - f64::from(end.last.phi)).abs() < 1e-4 * phi.abs());
}

#[test]
fn end_is_the_end() {
    let (_, end, mut state, mut memory) = observe::<Cg>(&mut hard::<4>(), &ramp::<4>(), &limit(2));
    let before = memory.clone();
    for _ in 0..3 {
        let system = System {
            operator: &mut hard::<4>(),
            preconditioner: &mut Identity::new(4),
            rhs: &ramp::<4>(),
        };
        let again = <Cg as Solver<f32>>::advance(&mut state, system, &limit(2), &mut memory);
        assert_eq!(again, Advance::Done(end));
    }
    assert_eq!(memory, before);
}

#[test]
fn warm_start_that_helps() {
    let mut a = Dense([[4.0, 1.0], [1.0, 3.0]]);
    let exact = [1.0, 2.0];
    let stop = Stop::default();
    let (end, x) = run::<Cg>(
        &mut a,
        &mut Identity::new(2),
        &[6.0, 7.0],
        &stop,
        Some(&exact),
    );
    assert_eq!((end.status, end.last.count), (Status::Residual, 0));
    assert_eq!((x, end.last.phi), (exact.to_vec(), -10.0));
}

#[test]
fn warm_start_above_zero_falls_back() {
    let b = ramp::<8>();
    let stop = limit(5);
    let (cold_end, cold_x) = cold(&mut hard::<8>(), &b, &stop);
    for start in [100.0, -100.0, 1e30, f32::NAN, f32::INFINITY] {
        let warm = [start; 8];
        let (end, x) = run::<Cg>(
            &mut hard::<8>(),
            &mut Identity::new(8),
            &b,
            &stop,
            Some(&warm),
        );
        assert_eq!((end, x), (cold_end, cold_x.clone()), "from {start}");
    }
}

/// The iterates that are kept, at ⌈5 · 1.3ʲ⌉.
const KEPT: [u16; 7] = [5, 7, 9, 11, 15, 19, 25];

#[test]
fn checkpoints_are_the_iterates_of_their_count() {
    let b = ramp::<30>();
    let last = [3, 5, 6, 8, 12, 26];
    for iterations in last {
        let (_, end, state, mut memory) =
            observe::<Cg<3>>(&mut hard::<30>(), &b, &limit(iterations));
        assert_eq!((end.status, end.last.count), (Status::Limit, iterations));
        let mut kept: Vec<u16> = KEPT
            .into_iter()
            .filter(|&k| k < iterations)
            .rev()
            .take(3)
            .collect();
        kept.insert(0, iterations);
        assert_eq!(
            <Cg<3> as Solver<f32>>::iterates(&state),
            kept.len(),
            "after {iterations}"
        );
        for (age, &count) in kept.iter().enumerate() {
            let (_, expected) = cold(&mut hard::<30>(), &b, &limit(count));
            let (x, free) = <Cg<3> as Solver<f32>>::iterate(&state, &mut memory, 30, age);
            assert_eq!(x, expected, "age {age} after {iterations}");
            for free in free {
                free.fill(7.0);
            }
        }
        // Older than what is kept: nothing sensible, but no panic.
        <Cg<3> as Solver<f32>>::iterate(&state, &mut memory, 30, 99);
    }
}

/// Positive definite for so many products.
struct Expiring {
    a: Dense<30>,
    products: u16,
}

impl LinearOperator<f32> for Expiring {
    fn dim(&self) -> usize {
        self.a.dim()
    }

    fn parts(&self) -> usize {
        self.a.parts()
    }

    fn apply_part(&mut self, part: usize, v: &[f32], out: &mut [f32], quad: &mut f32) {
        self.a.apply_part(part, v, out, quad);
        if part + 1 == self.parts() {
            if self.products == 0 {
                *quad = -1.0;
            }
            self.products = self.products.saturating_sub(1);
        }
    }
}

#[test]
fn an_iterate_that_is_the_last_is_kept_once() {
    let b = ramp::<30>();
    for (products, kept) in [(4, [4, 0]), (5, [5, 0]), (6, [6, 5]), (7, [7, 5])] {
        let mut a = Expiring {
            a: hard::<30>(),
            products,
        };
        let (_, end, state, mut memory) = observe::<Cg<3>>(&mut a, &b, &limit(40));
        assert_eq!(
            (end.status, end.last.count),
            (Status::NonPositiveCurvature, products)
        );
        let counts: Vec<u16> = kept.into_iter().filter(|&count| count > 0).collect();
        assert_eq!(<Cg<3> as Solver<f32>>::iterates(&state), counts.len());
        for (age, &count) in counts.iter().enumerate() {
            let (_, expected) = cold(&mut hard::<30>(), &b, &limit(count));
            let (x, _) = <Cg<3> as Solver<f32>>::iterate(&state, &mut memory, 30, age);
            assert_eq!(x, expected, "age {age} after {products}");
        }
    }
}

#[test]
fn memory_of_any_length_ends() {
    let b = ramp::<5>();
    for len in 0..40 {
        let mut memory = vec![1.0; len];
        let system = System {
            operator: &mut Identity::scaled(5, 2.0),
            preconditioner: &mut Identity::new(5),
            rhs: &b,
        };
        solve::<f32, Cg<1>>(system, &limit(20), Start::Zero, &mut memory);
        // x, r, p, q and one checkpoint; what lies behind them is not touched.
        assert!(memory.iter().skip(5 * 5).all(|&m| m == 1.0));
    }
}
