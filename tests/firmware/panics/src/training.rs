//! Trainers, by every method.

use core::hint::black_box;

use natgrad::curvature::Empirical;
use natgrad::damping::{Marquardt, Structural, Tikhonov};
use natgrad::krylov::{Cg, Minres, MinresQlp};
use natgrad::optimizer::{
    Adam, Centred, Conjugation, Full, Gram, Guarded, Kronecker, KrylovDescent, L2, Local, Method,
    Moment, Momentum, NaturalCg, NaturalGradient, Nesterov, Newton, Plain, Progress, Search, Sgd,
    Slice, Tonga, Uncentred, Velocity, Woodbury,
};
use natgrad::precondition::{Jacobi, Martens, Unpreconditioned};
use natgrad::{Scalar, Trainer};

use crate::examples::{batch, inputs, metric};
use crate::numbers::number;
use crate::plans::{model, room};
use crate::{count, slice_mut, used};

/// Natural gradient, by every solver.
pub fn natural<T: Scalar, const TILE: usize>() {
    guarded::<T, _, TILE>(NaturalGradient::<T, Cg, Jacobi, Marquardt>::default());
    guarded::<T, _, TILE>(NaturalGradient::<T, Minres, Unpreconditioned, Tikhonov>::nat_sgd());
    guarded::<T, _, TILE>(NaturalGradient::<T, MinresQlp, Martens, Tikhonov>::default());
}

/// Natural gradient by other curvatures, and its relatives.
pub fn relatives<T: Scalar, const TILE: usize>() {
    guarded::<T, _, TILE>(NaturalGradient::<
        T,
        Cg,
        Unpreconditioned,
        Tikhonov,
        Empirical,
    >::default());
    guarded::<T, _, TILE>(Newton::<T>::default());
    guarded::<T, _, TILE>(
        NaturalGradient::<T, Cg<2>, Martens, Structural<T>>::hessian_free(number()),
    );
}

/// Natural conjugate gradient.
pub fn conjugate<T: Scalar, const TILE: usize>() {
    used(Full::default());
    conjugation(Local);
    conjugation(Full::default());
    guarded::<T, _, TILE>(NaturalCg::<T, Local>::default());
    guarded::<T, _, TILE>(NaturalCg::<T, Full, Minres, Jacobi, Marquardt>::default());
}

/// The methods without a linear system.
pub fn rivals<T: Scalar, const TILE: usize>() {
    velocity::<T, Plain>();
    velocity::<T, Momentum>();
    velocity::<T, Nesterov>();
    moment::<T, Uncentred>();
    moment::<T, Centred>();
    trainer::<T, _, TILE>(Sgd::<T, Plain>::new(number()));
    trainer::<T, _, TILE>(Sgd::<T, Momentum>::new(number()));
    trainer::<T, _, TILE>(Sgd::<T, Nesterov>::new(number()));
    trainer::<T, _, TILE>(Adam::new(number::<T>()));
    trainer::<T, _, TILE>(Tonga::<T, 3, 4, Uncentred>::new(number()));
    trainer::<T, _, TILE>(Tonga::<T, 1, 1, Centred>::new(number()));
    trainer::<T, _, TILE>(Gram::<T, 3, Kronecker, Momentum>::default());
    trainer::<T, _, TILE>(Gram::<T, 1, Tikhonov, Plain>::default());
    trainer::<T, _, TILE>(Gram::<T, 3, Kronecker, Momentum, Woodbury>::default());
    used(Search::<T>::default());
    guarded::<T, _, TILE>(KrylovDescent::<T, 3, Jacobi>::default());
    guarded::<T, _, TILE>(KrylovDescent::<T, 1, Martens>::default());
}

fn conjugation<J: Conjugation>(conjugation: J) {
    used(Conjugation::evaluations(black_box(&conjugation)));
    used(Conjugation::check(black_box(&conjugation)));
}

fn velocity<T: Scalar, V: Velocity>() {
    used(<V as Velocity>::update::<T>(number(), number(), number()));
}

fn moment<T: Scalar, V: Moment>() {
    used(<V as Moment>::share::<T>(number()));
}

/// The functions of a method, and of its trainer, when it can hold out.
fn guarded<T: Scalar, M: Method<T> + Guarded + Copy, const TILE: usize>(method: M) {
    if let Some(mut trainer) = trainer::<T, M, TILE>(method) {
        used(Trainer::hold_out(black_box(&mut trainer), batch()));
    }
}

/// The functions of a method, and of its trainer.
fn trainer<T: Scalar, M: Method<T> + Copy, const TILE: usize>(
    method: M,
) -> Option<Trainer<'static, T, M, TILE>> {
    let method = black_box(method);
    used(Method::check(&method));
    if let Some(model) = model() {
        used(Method::admit(
            &method,
            &model,
            &batch(),
            &metric(),
            black_box(&L2::NONE),
        ));
    }
    let mut state = black_box(Method::start(&method));
    let step = black_box(Method::begin(&method, &state));
    Method::abandon(&method, black_box(&mut state), &step);
    let end = Method::finish(
        &method,
        black_box(&mut state),
        &step,
        slice_mut(),
        slice_mut(),
    );
    used(end);

    let model = model()?;
    used(Trainer::<T, M, TILE>::workspace_len(&model, room()));
    used(Trainer::<T, M, TILE>::bytes(&model, room()));
    used(Trainer::<T, M, TILE>::stack());
    used(Trainer::<T, M, TILE>::fits(&model, room(), count()));
    used(Trainer::<T, M, TILE>::slice_macs(&model));
    used(Trainer::<T, M, TILE>::slice_units(&model));
    used(Trainer::<T, M, TILE>::finish_macs(&model));
    used(Slice::macs(black_box(M::SLICE), &model, count()));
    used(Slice::units(&model, count()));
    let trainer = Trainer::<T, M, TILE>::new(model, slice_mut(), slice_mut(), method);
    let mut trainer = black_box(trainer.ok())?;
    {
        let trainer = &mut trainer;
        used(Trainer::model(black_box(trainer)));
        used(Trainer::params(black_box(trainer)));
        used(Trainer::state(black_box(trainer)));
        used(Trainer::is_busy(black_box(trainer)));
        used(Trainer::method(black_box(trainer)));
        used(Trainer::method_mut(black_box(trainer)));
        used(Trainer::restart(black_box(trainer)));
        used(Trainer::regularise(black_box(trainer), black_box(L2::NONE)));
        used(Trainer::step(black_box(trainer), batch(), metric()));
        let observe: &mut dyn FnMut(&Progress<T>) = &mut |progress| used(progress);
        let observe = black_box(observe);
        used(Trainer::step_with(
            black_box(trainer),
            batch(),
            metric(),
            observe,
        ));
        used(Trainer::begin(black_box(trainer), batch(), metric()));
        used(Trainer::begin_in_place(
            black_box(trainer),
            batch(),
            metric(),
        ));
        used(Trainer::advance(black_box(trainer)));
        used(Trainer::advance_until(black_box(trainer), || {
            black_box(true)
        }));
        used(Trainer::finish(black_box(trainer)));
        Trainer::abandon(black_box(trainer));
        used(Trainer::loss(black_box(trainer), batch()));
        used(Trainer::predict(black_box(trainer), inputs(), slice_mut()));
    }
    Some(trainer)
}
