//! What the slices of a solver multiply, counted by the numbers themselves, against what it says of them.

extern crate std;

use core::cell::Cell;

use std::vec;
use std::vec::Vec;

use super::{Advance, Cg, Minres, MinresQlp, Solver, Start, Stop, System};
use crate::operator::LinearOperator;
use crate::scalar::counted::{Count, Counted};

/// So many that what a slice computes once, or for each iteration before, does not make one more per element.
const DIM: usize = 512;

/// A diagonal, of whose products nothing is counted, and which tells of them.
struct Uncounted<'a> {
    entries: Vec<f32>,
    applied: &'a Cell<bool>,
}

impl LinearOperator<Counted> for Uncounted<'_> {
    fn dim(&self) -> usize {
        self.entries.len()
    }

    fn parts(&self) -> usize {
        1
    }

    fn apply_part(&mut self, _: usize, v: &[Counted], out: &mut [Counted], quad: &mut Counted) {
        for ((&entry, v), out) in self.entries.iter().zip(v).zip(out) {
            out.0 += entry * v.0;
            quad.0 += entry * v.0 * v.0;
        }
        self.applied.set(true);
    }
}

/// The multiply-accumulates per element of the dearest slice without a product, and of the dearest with M⁻¹, of a solve
/// with M⁻¹ of that sign.
fn dearest<S: Solver<Counted>>(start: Start, sign: f32) -> [usize; 2] {
    let [of_operator, of_preconditioner] = [Cell::new(false), Cell::new(false)];
    let entries = |period: u16| (0_u16..).map(move |i| 1.0 / (1.0 + f32::from(i % period)));
    let mut operator = Uncounted {
        entries: entries(7).take(DIM).collect(),
        applied: &of_operator,
    };
    let mut preconditioner = Uncounted {
        entries: entries(3).map(|entry| sign * entry).take(DIM).collect(),
        applied: &of_preconditioner,
    };
    let rhs = vec![Counted(1.0); DIM];
    let mut memory = vec![Counted(0.125); S::VECTORS * DIM];
    let stop = Stop {
        iterations: 5,
        refresh: 2,
        ..Stop::default()
    };
    let mut state = S::begin(start);
    let [mut without, mut with] = [0; 2];
    loop {
        of_operator.set(false);
        of_preconditioner.set(false);
        let system = System {
            operator: &mut operator,
            preconditioner: &mut preconditioner,
            rhs: &rhs,
        };
        Count::take();
        let advance = S::advance(&mut state, system, &stop, &mut memory);
        let macs = usize::try_from(Count::take().macs).unwrap_or(usize::MAX) / DIM;
        match (of_operator.get(), of_preconditioner.get()) {
            (true, _) => {}
            (false, true) => with = macs.max(with),
            (false, false) => without = macs.max(without),
        }
        if matches!(advance, Advance::Done(_)) {
            return [without, with];
        }
    }
}

/// The dearest of solves that take all paths: from 0 and from a start, and with M⁻¹ that is not positive.
fn check<S: Solver<Counted>>() {
    let [mut without, mut with] = [0; 2];
    for start in [Start::Zero, Start::Warm] {
        for sign in [1.0, -1.0] {
            let [one, other] = dearest::<S>(start, sign);
            (without, with) = (one.max(without), other.max(with));
        }
    }
    assert_eq!([without, with], [S::MACS, S::BESIDE]);
}

#[test]
fn the_dearest_slices_multiply_as_often_as_conjugate_gradients_say() {
    check::<Cg>();
}

#[test]
fn the_dearest_slices_multiply_as_often_as_minres_says() {
    check::<Minres>();
}

#[test]
fn the_dearest_slices_multiply_as_often_as_minres_qlp_says() {
    check::<MinresQlp>();
}
