//! The curvatures as operators over a batch: Fisher, Hessian, empirical Fisher, gradient covariance.
//!
//! All of them are means over the batch, Σ wᵦ(·)ᵦ / Σ wᵦ, and matrix-free: a product is one forward pass,
//! one R-operator, one multiplication at the outputs and one backward pass, tile by tile. A part is a
//! tile. The share wᵦ / Σ w sits in each example's output seed.
//!
//! A step knows its curvature as a type that implements [`Curvature`]: [`Natural`], [`Empirical`] or
//! [`Newton`].

use core::marker::PhantomData;

use crate::data::{Batch, Labels, Targets};
use crate::error::Error;
use crate::kernels;
use crate::mlp::{Mlp, Parameters, Tile, tiles};
use crate::operator::LinearOperator;
use crate::plan::{Model, Pass};
use crate::scalar::Scalar;

mod covariance;
mod phased;
#[cfg(test)]
mod tests;

pub use covariance::GradientCovariance;
pub use phased::{Phased, PhasedRows, PhasedScratch, PhasedTile};

use self::sealed::Forward;

/// Which curvature a step divides the gradient by, as a type.
pub trait Curvature<T: Scalar>: Copy + Default + sealed::Product<T> {
    /// Whether it looks at the targets of the metric batch.
    const LABELS: Labels;

    /// The pass of a product: its scratch memory and its arithmetic.
    const PASS: Pass;

    /// The pass of a length.
    const LENGTH_PASS: Pass;
}

/// A curvature (1/B) Σᵦ JᵦᵀQᵦQᵦᵀJᵦ whose Q has few columns, so that its diagonal is a sum of squares.
pub trait Factored<T: Scalar>: Curvature<T> + sealed::Columns<T> {
    /// The pass of a column: its scratch memory and its arithmetic.
    const COLUMN_PASS: Pass;
}

mod sealed {
    use crate::mlp::{Parameters, Tile};
    use crate::plan::Model;
    use crate::scalar::Scalar;

    /// A tile of the examples after its forward pass, and the network that it went through.
    pub struct Forward<'a, T, const TILE: usize> {
        pub(super) tile: Tile<'a, T, TILE>,
        pub(super) model: &'a Model<'a>,
        pub(super) params: &'a Parameters<'a, T>,
    }

    /// What a curvature makes of a tile that has the tangents of a vector v.
    pub trait Product<T: Scalar> {
        /// Adds Cv to `out` and vᵀCv to `quad`, with `structure` times the metric of the hidden units in C.
        fn add_product<const TILE: usize>(
            forward: &mut Forward<'_, T, TILE>,
            v: &[T],
            structure: T,
            out: &mut [T],
            quad: &mut T,
        );

        /// Adds vᵀCv to `quad`; `spare` `[P]` is memory that may be overwritten.
        fn add_form<const TILE: usize>(
            forward: &mut Forward<'_, T, TILE>,
            v: &[T],
            spare: &mut [T],
            quad: &mut T,
        );
    }

    /// The columns of Q, by which vectors at the outputs become seeds.
    pub trait Columns<T: Scalar> {
        /// Seeds the tile, which has the tangents of a vector, with QQᵀ times those of the logits; returns the form of
        /// each lane.
        fn seed_product<const TILE: usize>(forward: &mut Forward<'_, T, TILE>) -> [T; TILE];

        /// How many there are.
        fn columns(model: &Model<'_>) -> usize;

        /// Seeds the tile with one of them.
        fn seed<const TILE: usize>(forward: &mut Forward<'_, T, TILE>, column: usize);
    }
}

/// The Fisher information: see [`Fisher`]. The natural gradient's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Natural;

/// The empirical Fisher: see [`EmpiricalFisher`]. For comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Empirical;

/// The Hessian of the loss: see [`Hessian`]. Indefinite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Newton;

impl<T: Scalar> Curvature<T> for Natural {
    const LABELS: Labels = Labels::Unused;
    const PASS: Pass = Pass::Product;
    const LENGTH_PASS: Pass = Pass::Jvp;
}

impl<T: Scalar> Factored<T> for Natural {
    const COLUMN_PASS: Pass = Pass::Vjp;
}

// One implementation for all of [`sealed::Columns`] would make programs of natural gradient 2 kB larger on cores
// without a floating-point unit: it stands here for each.
impl<T: Scalar> sealed::Product<T> for Natural {
    fn add_product<const TILE: usize>(
        forward: &mut Forward<'_, T, TILE>,
        _: &[T],
        structure: T,
        out: &mut [T],
        quad: &mut T,
    ) {
        let form = <Self as sealed::Columns<T>>::seed_product(forward);
        forward.backward(form, structure, out, quad);
    }

    fn add_form<const TILE: usize>(
        forward: &mut Forward<'_, T, TILE>,
        _: &[T],
        _: &mut [T],
        quad: &mut T,
    ) {
        let form = <Self as sealed::Columns<T>>::seed_product(forward);
        forward.tile.add_forms(&form, quad);
    }
}

/// H = QQᵀ at the outputs, a column for each of them.
impl<T: Scalar> sealed::Columns<T> for Natural {
    fn seed_product<const TILE: usize>(forward: &mut Forward<'_, T, TILE>) -> [T; TILE] {
        forward.tile.seed_metric(forward.model)
    }

    fn columns(model: &Model<'_>) -> usize {
        model.dim_out()
    }

    fn seed<const TILE: usize>(forward: &mut Forward<'_, T, TILE>, column: usize) {
        forward.tile.seed_root(forward.model, column);
    }
}

impl<T: Scalar> Curvature<T> for Empirical {
    const LABELS: Labels = Labels::Needed;
    const PASS: Pass = Pass::Product;
    const LENGTH_PASS: Pass = Pass::Jvp;
}

impl<T: Scalar> Factored<T> for Empirical {
    const COLUMN_PASS: Pass = Pass::Gradient;
}

impl<T: Scalar> sealed::Product<T> for Empirical {
    fn add_product<const TILE: usize>(
        forward: &mut Forward<'_, T, TILE>,
        _: &[T],
        structure: T,
        out: &mut [T],
        quad: &mut T,
    ) {
        let form = <Self as sealed::Columns<T>>::seed_product(forward);
        forward.backward(form, structure, out, quad);
    }

    fn add_form<const TILE: usize>(
        forward: &mut Forward<'_, T, TILE>,
        _: &[T],
        _: &mut [T],
        quad: &mut T,
    ) {
        let form = <Self as sealed::Columns<T>>::seed_product(forward);
        forward.tile.add_forms(&form, quad);
    }
}

/// One column, the residual: its squares are *per example*, which the square of the batch gradient is not.
impl<T: Scalar> sealed::Columns<T> for Empirical {
    fn seed_product<const TILE: usize>(forward: &mut Forward<'_, T, TILE>) -> [T; TILE] {
        let mut sum = T::ZERO;
        forward
            .tile
            .seed_gradients(forward.model, T::ZERO, &mut sum)
    }

    fn columns(_: &Model<'_>) -> usize {
        1
    }

    fn seed<const TILE: usize>(forward: &mut Forward<'_, T, TILE>, _: usize) {
        forward.tile.seed_unscaled_residual(forward.model);
    }
}

impl<T: Scalar> Curvature<T> for Newton {
    const LABELS: Labels = Labels::Needed;
    const PASS: Pass = Pass::Hessian;
    const LENGTH_PASS: Pass = Pass::Hessian;
}

impl<T: Scalar> sealed::Product<T> for Newton {
    fn add_product<const TILE: usize>(
        forward: &mut Forward<'_, T, TILE>,
        v: &[T],
        structure: T,
        out: &mut [T],
        quad: &mut T,
    ) {
        let Forward {
            tile,
            model,
            params,
        } = forward;
        tile.backward_tangent(model, **params, v, structure, out, quad);
    }

    fn add_form<const TILE: usize>(
        forward: &mut Forward<'_, T, TILE>,
        v: &[T],
        spare: &mut [T],
        quad: &mut T,
    ) {
        Self::add_product(forward, v, T::ZERO, spare, quad);
    }
}

impl<T: Scalar, const TILE: usize> Forward<'_, T, TILE> {
    /// A product, from the seeds that the tile has and from their forms.
    fn backward(&mut self, mut form: [T; TILE], structure: T, out: &mut [T], quad: &mut T) {
        let Self {
            tile,
            model,
            params,
        } = self;
        tile.backward_structural(model, **params, structure, out, &mut form);
        tile.add_forms(&form, quad);
    }
}

/// A network at its parameters, and the examples that a curvature is a mean over.
pub struct Examples<'a, T> {
    pub(crate) model: Model<'a>,
    pub(crate) params: Parameters<'a, T>,
    pub(crate) scratch: &'a mut [T],
    pub(crate) batch: Batch<'a, T>,
    /// Σ wᵦ.
    pub(crate) total: T,
    pub(crate) kept: Kept<'a, T>,
    /// How many examples have been gone over, and those of them whose activations were there: what the arithmetic of a
    /// step is counted by.
    loaded: usize,
    restored: usize,
}

/// Activations that stay from one product to the next, as long as neither the parameters nor the examples change: those
/// of the first tiles, as many as there is memory for.
pub(crate) struct Kept<'a, T> {
    pub(crate) memory: &'a mut [T],
    /// The tiles whose activations are there.
    pub(crate) tiles: usize,
}

impl<'a, T> Kept<'a, T> {
    /// Nothing stays.
    pub(crate) fn nothing() -> Self {
        Self {
            memory: &mut [],
            tiles: 0,
        }
    }

    /// The memory of a tile, if there is some.
    fn tile<const TILE: usize>(
        memory: &'a mut [T],
        model: &Model<'_>,
        index: usize,
    ) -> Option<&'a mut [[T; TILE]]> {
        let (rows, _) = memory.as_chunks_mut();
        let start = index.checked_mul(model.units())?;
        rows.get_mut(start..start.checked_add(model.units())?)
    }
}

impl<'a, T: Scalar> Examples<'a, T> {
    fn admit<const TILE: usize>(
        mlp: Mlp<'a, T, TILE>,
        batch: Batch<'a, T>,
        labels: Labels,
        pass: Pass,
    ) -> Result<Self, Error> {
        let (_, total) = mlp.admit(&batch, labels, pass)?;
        let (model, params, scratch) = mlp.into_parts();
        let kept = Kept::nothing();
        Ok(Self::new(model, params, scratch, batch, total, kept))
    }

    pub(crate) fn new(
        model: Model<'a>,
        params: Parameters<'a, T>,
        scratch: &'a mut [T],
        batch: Batch<'a, T>,
        total: T,
        kept: Kept<'a, T>,
    ) -> Self {
        Self {
            model,
            params,
            scratch,
            batch,
            total,
            kept,
            loaded: 0,
            restored: 0,
        }
    }

    /// The multiply-accumulates of what was done, each example by `pass`.
    fn macs(&self, pass: Pass) -> u64 {
        let all = self.model.macs(pass).saturating_mul(self.loaded as u64);
        let forward = self.model.macs(Pass::Outputs);
        all.saturating_sub(forward.saturating_mul(self.restored as u64))
    }

    fn tiles<const TILE: usize>(&self) -> usize {
        tiles::<TILE>(self.batch.len(&self.model))
    }

    fn forward<const TILE: usize>(&mut self, pass: Pass, index: usize) -> Forward<'_, T, TILE> {
        let (model, params) = (&self.model, &self.params);
        let mut tile = Tile::carve(model, pass, &mut *self.scratch);
        let kept = Kept::tile(&mut *self.kept.memory, model, index);
        let keeps = kept.is_some();
        if let Some(kept) = kept {
            tile = tile.on(kept);
        }
        // In its place from here on: it is large.
        let mut forward = Forward {
            tile,
            model,
            params,
        };
        let there = keeps && index < self.kept.tiles;
        let (batch, total) = (&self.batch, self.total);
        forward_pass(
            &mut forward.tile,
            model,
            *params,
            batch,
            index,
            total,
            there,
        );
        if there {
            self.restored = self.restored.saturating_add(forward.tile.lanes());
        } else if keeps {
            // Tiles are gone over in order.
            self.kept.tiles = index.saturating_add(1);
        }
        self.loaded = self.loaded.saturating_add(forward.tile.lanes());
        forward
    }
}

/// The forward pass of tile `index`, unless its activations are `there`.
fn forward_pass<T: Scalar, const TILE: usize>(
    tile: &mut Tile<'_, T, TILE>,
    model: &Model<'_>,
    params: Parameters<'_, T>,
    batch: &Batch<'_, T>,
    index: usize,
    total: T,
    there: bool,
) {
    if there {
        tile.readmit(model, batch, index, total);
    } else {
        tile.load(model, batch, index, total);
        tile.forward(model, params);
    }
}

/// A curvature over a batch as an operator: [`Fisher`], [`EmpiricalFisher`] or [`Hessian`].
///
/// Cost of a product: [`Curvature::PASS`] per example.
pub struct CurvatureOperator<'a, T, C, const TILE: usize> {
    examples: Examples<'a, T>,
    structure: T,
    curvature: PhantomData<C>,
}

/// The Fisher information F = E_x E_{t ~ p(t|x)} [∇log p ∇log pᵀ] = (1/B) Σ JᵦᵀHᵦJᵦ, with the examples for
/// the law of x. Equal to the extended Gauss-Newton matrix for these likelihoods; it needs no targets.
///
/// Cost of a product: [`Pass::Product`] per example. `quad` is a sum of terms that are not negative. Of
/// [`Factored`]: H = QQᵀ has a column per output, so that diag(F) = (1/B) Σᵦ Σₖ (Jᵦᵀqₖ)², exactly as long as no √p or
/// √(p(1 − p)) in Q is below e⁻⁴⁰, where it is held.
///
/// Reference: Pascanu & Bengio 2014, equations 1, 7 and 8, section 5. (Chapelle & Erhan 2011 estimate the diagonal by
/// random signs.)
pub type Fisher<'a, T, const TILE: usize> = CurvatureOperator<'a, T, Natural, TILE>;

/// The empirical Fisher (1/B) Σ gᵦgᵦᵀ of per-example gradients: the targets are the data's, not the
/// model's. Not a metric of the model; here for preconditioning, for TONGA and for comparison.
///
/// Cost of a product: [`Pass::Product`] per example; gᵦ·v comes from the R-operator, gᵦ·v = (p − t)·Jv. Of
/// [`Factored`]: one column, so that its diagonal is (1/B) Σ gᵦ∘gᵦ.
///
/// Reference: Pascanu & Bengio, section 4; Martens 2010, section 4.7.
pub type EmpiricalFisher<'a, T, const TILE: usize> = CurvatureOperator<'a, T, Empirical, TILE>;

/// The Hessian of the mean loss. Symmetric, indefinite: `quad` may be negative.
///
/// Cost of a product: [`Pass::Hessian`] per example. Reference: Pearlmutter 1994.
pub type Hessian<'a, T, const TILE: usize> = CurvatureOperator<'a, T, Newton, TILE>;

impl<'a, T: Scalar, C: Curvature<T>, const TILE: usize> CurvatureOperator<'a, T, C, TILE> {
    /// The curvature of `mlp` over `batch`, which needs targets unless [`Curvature::LABELS`] says that they are
    /// not looked at.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Data`].
    pub fn new(mlp: Mlp<'a, T, TILE>, batch: Batch<'a, T>) -> Result<Self, Error> {
        let examples = Examples::admit(mlp, batch, C::LABELS, C::PASS)?;
        Ok(Self::over(examples))
    }

    /// The curvature with memory in which the activations of the first tiles stay from one product to the next, Σ
    /// widths · `TILE` scalars for each tile; what is left over stays unused. No bit changes.
    ///
    /// Cost of a product: as without, but no forward pass of an example whose activations are there, from the second
    /// product on.
    #[must_use]
    pub fn keeping(mut self, memory: &'a mut [T]) -> Self {
        self.examples.kept = Kept { memory, tiles: 0 };
        self
    }

    pub(crate) fn over(mut examples: Examples<'a, T>) -> Self {
        // What is not looked at needs no loading.
        if matches!(C::LABELS, Labels::Unused) {
            examples.batch.targets = Targets::Unlabelled;
        }
        Self {
            examples,
            structure: T::ZERO,
            curvature: PhantomData,
        }
    }

    /// The multiply-accumulates of what was done, each example by `pass`, but for the forward passes of activations
    /// that were kept.
    pub(crate) fn macs(&self, pass: Pass) -> u64 {
        self.examples.macs(pass)
    }

    /// The tiles whose activations are kept.
    pub(crate) fn kept(&self) -> usize {
        self.examples.kept.tiles
    }

    /// The curvature with structural damping: C + `weight` · (1/B) Σ J_hᵀH_hJ_h over the hidden units h, each
    /// read as an output of its own. A logistic unit is a Bernoulli mean, H = a(1 − a) by its
    /// pre-activation; a tanh unit likewise for (1 + a)/2, H = 1 − a²; any other the mean of a Gaussian,
    /// H = φ′².
    ///
    /// Cost of a product: as without. Reference: Martens & Sutskever 2012, on structural damping; Pascanu & Bengio
    /// 2014, section 5.
    #[must_use]
    pub fn with_structure(self, weight: T) -> Self {
        Self {
            structure: weight,
            ..self
        }
    }

    /// The tile `part`, with the tangents of `v`.
    fn tangents(&mut self, part: usize, v: &[T]) -> Forward<'_, T, TILE> {
        let mut forward = self.examples.forward(C::PASS, part);
        forward
            .tile
            .forward_tangent(forward.model, *forward.params, v);
        forward
    }

    /// Adds one part of vᵀCv to `quad`, C without its structure, and raises `reach` to the largest change |Jᵦv| of
    /// a logit. There are as many parts as of a product; `spare` `[P]` is memory that may be
    /// overwritten.
    ///
    /// Cost: [`Curvature::LENGTH_PASS`] per example.
    pub(crate) fn add_length_part(
        &mut self,
        part: usize,
        v: &[T],
        spare: &mut [T],
        quad: &mut T,
        reach: &mut T,
    ) {
        let mut forward = self.tangents(part, v);
        forward.tile.raise_reach(forward.model, reach);
        C::add_form(&mut forward, v, spare, quad);
    }
}

impl<T: Scalar, C: Factored<T>, const TILE: usize> CurvatureOperator<'_, T, C, TILE> {
    /// The number of parts of [`CurvatureOperator::add_diagonal_part`]: one per column and tile.
    pub fn diagonal_parts(&self) -> usize {
        let columns = C::columns(&self.examples.model);
        self.examples.tiles::<TILE>().saturating_mul(columns)
    }

    /// Adds one part of the diagonal to `out` `[P]`: (Jᵦᵀqₖ)² of one column and tile. The columns are the outer
    /// loop, for the order of summation not to depend on the tile.
    ///
    /// Cost: [`Factored::COLUMN_PASS`] per example and column.
    pub fn add_diagonal_part(&mut self, part: usize, out: &mut [T]) {
        let tiles = self.examples.tiles::<TILE>();
        let (Some(column), Some(index)) = (part.checked_div(tiles), part.checked_rem(tiles)) else {
            return;
        };
        let mut forward = self.examples.forward::<TILE>(C::COLUMN_PASS, index);
        C::seed(&mut forward, column);
        let Forward {
            tile,
            model,
            params,
        } = &mut forward;
        tile.backward_squared(model, **params, out);
    }

    /// The diagonal, into `out` `[P]`. That of [`Fisher`] is exact down to a √p or √(p(1 − p)) of e⁻⁴⁰, below which Q
    /// is held there.
    ///
    /// Cost: [`Factored::COLUMN_PASS`] per example and column.
    pub fn diagonal(&mut self, out: &mut [T]) {
        kernels::fill(T::ZERO, out);
        for part in 0..self.diagonal_parts() {
            self.add_diagonal_part(part, out);
        }
    }
}

impl<T: Scalar, const TILE: usize> Fisher<'_, T, TILE> {
    /// Adds tile `part` of vᵀFv, vᵀFw and wᵀFw to `gram`, without a backward pass.
    ///
    /// Cost: [`Pass::Product`] per example, which is that of two R-operators and a forward pass.
    pub(crate) fn add_gram_part(&mut self, part: usize, v: &[T], w: &[T], gram: &mut [T; 3]) {
        let Forward {
            tile,
            model,
            params,
        } = &mut self.tangents(part, v);
        let [vv, vw, ww] = gram;
        let form = tile.seed_metric(model);
        tile.add_forms(&form, vv);
        // The seeds of v are still there when the tangents of w are.
        tile.forward_tangent(model, **params, w);
        tile.add_seeds_along(model, vw);
        let form = tile.seed_metric(model);
        tile.add_forms(&form, ww);
    }
}

impl<T: Scalar, C: Curvature<T>, const TILE: usize> LinearOperator<T>
    for CurvatureOperator<'_, T, C, TILE>
{
    fn dim(&self) -> usize {
        self.examples.model.trained_params()
    }

    fn parts(&self) -> usize {
        self.examples.tiles::<TILE>()
    }

    fn apply_part(&mut self, part: usize, v: &[T], out: &mut [T], quad: &mut T) {
        let structure = self.structure;
        let mut forward = self.tangents(part, v);
        C::add_product(&mut forward, v, structure, out, quad);
    }
}
