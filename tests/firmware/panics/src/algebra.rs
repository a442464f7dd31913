//! Operators, solvers, and what a solver is given.

use core::hint::black_box;

use natgrad::Scalar;
use natgrad::damping::{Damping, DampingMetric, DampingPolicy, Marquardt, Structural, Tikhonov};
use natgrad::krylov::{self, Cg, Minres, MinresQlp, Solver, Start, Stop, System};
use natgrad::line_search::{LineSearch, Trust};
use natgrad::operator::{Diagonal, Exponent, Identity, InverseDiagonal, LinearOperator, Sum};
use natgrad::precondition::{
    DampingForm, Diagonals, Jacobi, Martens, Preconditioner, Unpreconditioned,
};

use crate::numbers::number;
use crate::{count, slice, slice_mut, used};

/// The functions of operators and solvers.
pub fn all<T: Scalar>() {
    operators::<T>();
    solver::<T, Cg>();
    solver::<T, Cg<3>>();
    solver::<T, Minres>();
    solver::<T, MinresQlp>();
    preconditioner::<T, Unpreconditioned>();
    preconditioner::<T, Jacobi>();
    preconditioner::<T, Martens>();
    metric::<T, Tikhonov>();
    metric::<T, Marquardt>();
    metric::<T, Structural<T>>();
    used(Damping::<T, Marquardt>::default());
    used(DampingPolicy::<T>::levenberg_marquardt());
    used(Structural::<T>::default());
    used(Stop::<T>::default());
    used(LineSearch::<T>::backtracking());
    used(Trust::<T>::default());
    used(Trust::<T>::unbounded());
}

/// The functions of any operator.
pub(crate) fn operator<T: Scalar, A: LinearOperator<T>>(a: &mut A) {
    used(LinearOperator::dim(black_box(&*a)));
    used(LinearOperator::parts(black_box(&*a)));
    let mut quad = number();
    LinearOperator::apply_part(black_box(a), count(), slice(), slice_mut(), &mut quad);
    used(quad);
    used(LinearOperator::apply(black_box(a), slice(), slice_mut()));
}

fn operators<T: Scalar>() {
    let mut identity = Identity::<T>::new(count());
    operator(black_box(&mut identity));
    operator(&mut Identity::<T>::scaled(count(), number()));
    let mut diagonal = Diagonal::<T>::new(slice(), number(), number());
    operator(black_box(&mut diagonal));
    let exponent = black_box(Exponent::One);
    let mut inverse = InverseDiagonal::<T>::new(slice(), number(), number(), exponent);
    operator(black_box(&mut inverse));
    let first: &mut dyn LinearOperator<T> = black_box(&mut identity);
    operator(&mut Sum::new(first, black_box(diagonal)));
}

fn solver<T: Scalar, S: Solver<T>>() {
    let stop = black_box(Stop::default());
    let start = || black_box(Start::Zero);
    let (mut identity, mut inverse) = (Identity::new(count()), Identity::new(count()));
    let mut state = <S as Solver<T>>::begin(start());
    used(<S as Solver<T>>::iterates(black_box(&state)));
    used(<S as Solver<T>>::iterate(
        black_box(&state),
        slice_mut(),
        count(),
        count(),
    ));
    let by_slices = system(&mut identity, &mut inverse);
    used(<S as Solver<T>>::advance(
        black_box(&mut state),
        by_slices,
        &stop,
        slice_mut(),
    ));
    let whole = system(&mut identity, &mut inverse);
    used(krylov::solve::<T, S>(whole, &stop, start(), slice_mut()));
}

/// Any operator, any preconditioner.
fn system<'a, T: Scalar>(
    operator: &'a mut Identity<T>,
    preconditioner: &'a mut Identity<T>,
) -> System<'a, T> {
    System {
        operator: black_box::<&mut dyn LinearOperator<T>>(operator),
        preconditioner: black_box::<&mut dyn LinearOperator<T>>(preconditioner),
        rhs: slice(),
    }
}

fn diagonals<T: Scalar>() -> Diagonals<'static, T> {
    Diagonals {
        fisher: slice(),
        fisher_mean: number(),
        squares: slice(),
    }
}

fn form<T: Scalar>() -> DampingForm<T> {
    DampingForm {
        scale: number(),
        shift: number(),
    }
}

fn preconditioner<T: Scalar, P: Preconditioner<T>>() {
    operator(&mut <P as Preconditioner<T>>::operator(
        count(),
        diagonals(),
        form(),
    ));
}

fn metric<T: Scalar, D: DampingMetric<T>>() {
    let metric = black_box(D::default());
    used(DampingMetric::form(
        &metric,
        number::<T>(),
        number(),
        number(),
    ));
    used(DampingMetric::structure(&metric, number::<T>()));
    used(<D as DampingMetric<T>>::check(&metric));
    operator(&mut <D as DampingMetric<T>>::operator(
        count(),
        diagonals(),
        form(),
    ));
}
