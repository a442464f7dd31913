//! Networks, their passes, and their curvature.

use core::hint::black_box;
use core::ops::{Deref, DerefMut};

use natgrad::curvature::{
    Curvature, CurvatureOperator, Empirical, Factored, GradientCovariance, Natural, Newton, Phased,
    PhasedRows, PhasedTile,
};
use natgrad::{Mlp, Scalar, Workspace};

use crate::algebra::operator;
use crate::examples::{batch, inputs};
use crate::numbers::number;
use crate::plans::model;
use crate::{count, slice, slice_mut, used};

/// The functions of a network that is not trained.
pub fn all<T: Scalar, const TILE: usize>() {
    workspace::<T, 0>();
    workspace::<T, 16>();
    passes::<T, TILE>();
    curvature::<T, Natural, TILE>();
    curvature::<T, Empirical, TILE>();
    curvature::<T, Newton, TILE>();
    factored::<T, Natural, TILE>();
    factored::<T, Empirical, TILE>();
    phased::<T, Natural, TILE>();
    phased::<T, Empirical, TILE>();
    covariance::<T, TILE>();
}

fn workspace<T: Scalar, const LEN: usize>() {
    used(Workspace::<T, LEN>::default());
    let mut workspace = Workspace::<T, LEN>::new();
    used(Workspace::deref(black_box(&workspace)));
    used(Workspace::deref_mut(black_box(&mut workspace)));
}

fn mlp<T: Scalar, const TILE: usize>() -> Option<Mlp<'static, T, TILE>> {
    let mlp = Mlp::new(model()?, slice(), slice_mut());
    black_box(mlp.ok())
}

fn passes<T: Scalar, const TILE: usize>() {
    if let Some(mut mlp) = mlp::<T, TILE>() {
        let mlp = &mut mlp;
        used(Mlp::model(black_box(mlp)));
        used(Mlp::params(black_box(mlp)));
        used(Mlp::outputs(black_box(mlp), inputs(), slice_mut()));
        used(Mlp::predict(black_box(mlp), inputs(), slice_mut()));
        used(Mlp::loss(black_box(mlp), &batch()));
        used(Mlp::gradient(black_box(mlp), &batch(), slice_mut()));
        used(Mlp::jvp(black_box(mlp), inputs(), slice(), slice_mut()));
        used(Mlp::vjp(black_box(mlp), inputs(), slice(), slice_mut()));
        used(Mlp::hvp(black_box(mlp), &batch(), slice(), slice_mut()));
    }
}

fn curvature<T: Scalar, C: Curvature<T>, const TILE: usize>() {
    if let Some(mlp) = mlp::<T, TILE>()
        && let Ok(product) = CurvatureOperator::<T, C, TILE>::new(mlp, batch())
    {
        let product = CurvatureOperator::with_structure(black_box(product), number());
        let mut product = CurvatureOperator::keeping(black_box(product), slice_mut());
        operator(black_box(&mut product));
    }
}

fn factored<T: Scalar, C: Factored<T>, const TILE: usize>() {
    if let Some(mlp) = mlp::<T, TILE>()
        && let Ok(mut product) = CurvatureOperator::<T, C, TILE>::new(mlp, batch())
    {
        let product = &mut product;
        used(CurvatureOperator::diagonal_parts(black_box(product)));
        CurvatureOperator::add_diagonal_part(black_box(product), count(), slice_mut());
        CurvatureOperator::diagonal(black_box(product), slice_mut());
    }
}

fn phased<T: Scalar, C: Factored<T>, const TILE: usize>() {
    if let Some(model) = model()
        && let Ok(phased) = Phased::<T, C, TILE>::new(model, slice(), batch())
    {
        let phased = Phased::with_structure(black_box(phased), number());
        let phased = black_box(&phased);
        used(Phased::clone(phased));
        used(Phased::dim(phased));
        used(Phased::tiles(phased));
        used(Phased::tile_len(phased));
        used(Phased::scratch_len(phased));
        let scratch = Phased::scratch(phased, slice_mut());
        let tile = Phased::tile(phased, count(), slice_mut());
        if let (Ok(mut scratch), Ok(mut tile)) = (black_box(scratch), black_box(tile)) {
            PhasedTile::propagate(black_box(&mut tile), slice(), black_box(&mut scratch));
            PhasedTile::add_form(black_box(&tile), black_box(&mut number()));
            for rows in black_box(Phased::layers(phased, slice_mut())) {
                used(PhasedRows::rows(black_box(&rows)));
                used(PhasedRows::macs(black_box(&rows)));
                let (mut upper, lower) = PhasedRows::split_at(black_box(rows), count());
                used(lower);
                PhasedRows::deposit(
                    black_box(&mut upper),
                    black_box(core::slice::from_ref(&tile)),
                );
            }
        }
    }
}

fn covariance<T: Scalar, const TILE: usize>() {
    if let Some(mlp) = mlp::<T, TILE>()
        && let Ok(mut product) = GradientCovariance::new(mlp, batch(), slice_mut())
    {
        let product = &mut product;
        operator(black_box(product));
    }
}
