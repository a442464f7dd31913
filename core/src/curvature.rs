//! The curvatures as operators over a batch: Fisher, Hessian, empirical Fisher, gradient covariance.
//!
//! All of them are means over the batch, Σ wᵦ(·)ᵦ / Σ wᵦ, and matrix-free: a product is one forward pass,
//! one R-operator, one multiplication at the outputs and one backward pass, tile by tile. A part is a
//! tile. The share wᵦ / Σ w sits in each example's output seed.
//!
//! A step knows its curvature as a type that implements [`Curvature`]: [`Natural`], [`Empirical`] or
//! [`Newton`].

use crate::data::{Batch, Labels};
use crate::error::Error;
use crate::kernels;
use crate::mlp::{Mlp, Tile, gradient_tile, tiles};
use crate::operator::LinearOperator;
use crate::plan::{Model, Pass};
use crate::scalar::Scalar;
use crate::workspace::exact;

/// Which curvature a step divides the gradient by, as a type.
pub trait Curvature<T: Scalar>: Copy + Default + sealed::Sealed {
    /// Whether it looks at the targets of the metric batch.
    const LABELS: Labels;

    /// The pass of a product: its scratch memory and its arithmetic.
    const PASS: Pass;

    /// The pass of a length.
    const LENGTH_PASS: Pass;

    /// The curvature over the examples of a step.
    type Operator<'a, const TILE: usize>: LinearOperator<T>;

    /// It, with `structure` times the metric of the hidden units beside it (structural damping; 0 for none).
    fn over<const TILE: usize>(examples: Examples<'_, T>, structure: T)
    -> Self::Operator<'_, TILE>;

    /// How many examples the operator has loaded.
    fn loaded<const TILE: usize>(operator: &Self::Operator<'_, TILE>) -> usize;

    /// Adds one part of vᵀCv to `quad`, C without `structure`, and raises `reach` to the largest change |Jᵦv| of a
    /// logit. There are as many parts as of a product; `spare` `[P]` is memory that may be
    /// overwritten.
    fn add_length_part<const TILE: usize>(
        operator: &mut Self::Operator<'_, TILE>,
        part: usize,
        v: &[T],
        spare: &mut [T],
        quad: &mut T,
        reach: &mut T,
    );
}

mod sealed {
    pub trait Sealed {}
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

impl sealed::Sealed for Natural {}
impl sealed::Sealed for Empirical {}
impl sealed::Sealed for Newton {}

impl<T: Scalar> Curvature<T> for Natural {
    const LABELS: Labels = Labels::Unused;
    const PASS: Pass = Pass::Product;
    const LENGTH_PASS: Pass = Pass::Jvp;
    type Operator<'a, const TILE: usize> = Fisher<'a, T, TILE>;

    fn over<const TILE: usize>(examples: Examples<'_, T>, structure: T) -> Fisher<'_, T, TILE> {
        Fisher {
            examples,
            structure,
        }
    }

    fn loaded<const TILE: usize>(operator: &Fisher<'_, T, TILE>) -> usize {
        operator.examples.loaded
    }

    fn add_length_part<const TILE: usize>(
        operator: &mut Fisher<'_, T, TILE>,
        part: usize,
        v: &[T],
        _: &mut [T],
        quad: &mut T,
        reach: &mut T,
    ) {
        let Examples { model, params, .. } = operator.examples;
        let mut tile = operator.examples.load::<TILE>(Pass::Product, part);
        tile.forward_tangent(&model, params, v);
        let form = tile.seed_metric(&model);
        tile.add_forms(&form, quad);
        tile.raise_reach(&model, reach);
    }
}

impl<T: Scalar> Curvature<T> for Empirical {
    const LABELS: Labels = Labels::Needed;
    const PASS: Pass = Pass::Product;
    const LENGTH_PASS: Pass = Pass::Jvp;
    type Operator<'a, const TILE: usize> = EmpiricalFisher<'a, T, TILE>;

    fn over<const TILE: usize>(
        examples: Examples<'_, T>,
        structure: T,
    ) -> EmpiricalFisher<'_, T, TILE> {
        EmpiricalFisher {
            examples,
            structure,
        }
    }

    fn loaded<const TILE: usize>(operator: &EmpiricalFisher<'_, T, TILE>) -> usize {
        operator.examples.loaded
    }

    fn add_length_part<const TILE: usize>(
        operator: &mut EmpiricalFisher<'_, T, TILE>,
        part: usize,
        v: &[T],
        _: &mut [T],
        quad: &mut T,
        reach: &mut T,
    ) {
        let Examples { model, params, .. } = operator.examples;
        let mut tile = operator.examples.load::<TILE>(Pass::Product, part);
        tile.forward_tangent(&model, params, v);
        let mut sum = T::ZERO;
        let form = tile.seed_gradients(&model, T::ZERO, &mut sum);
        tile.add_forms(&form, quad);
        tile.raise_reach(&model, reach);
    }
}

impl<T: Scalar> Curvature<T> for Newton {
    const LABELS: Labels = Labels::Needed;
    const PASS: Pass = Pass::Hessian;
    const LENGTH_PASS: Pass = Pass::Hessian;
    type Operator<'a, const TILE: usize> = Hessian<'a, T, TILE>;

    fn over<const TILE: usize>(examples: Examples<'_, T>, structure: T) -> Hessian<'_, T, TILE> {
        Hessian {
            examples,
            structure,
        }
    }

    fn loaded<const TILE: usize>(operator: &Hessian<'_, T, TILE>) -> usize {
        operator.examples.loaded
    }

    fn add_length_part<const TILE: usize>(
        operator: &mut Hessian<'_, T, TILE>,
        part: usize,
        v: &[T],
        spare: &mut [T],
        quad: &mut T,
        reach: &mut T,
    ) {
        let Examples { model, params, .. } = operator.examples;
        let mut tile = operator.examples.load::<TILE>(Pass::Hessian, part);
        tile.forward_tangent(&model, params, v);
        tile.raise_reach(&model, reach);
        tile.backward_tangent(&model, params, v, T::ZERO, spare, quad);
    }
}

/// A network at its parameters, and the examples that a curvature is a mean over.
pub struct Examples<'a, T> {
    pub(crate) model: Model<'a>,
    pub(crate) params: &'a [T],
    pub(crate) scratch: &'a mut [T],
    pub(crate) batch: Batch<'a, T>,
    /// Σ wᵦ.
    pub(crate) total: T,
    /// How many examples have been loaded: what the arithmetic of a step is counted by.
    pub(crate) loaded: usize,
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
        Ok(Self {
            model,
            params,
            scratch,
            batch,
            total,
            loaded: 0,
        })
    }

    fn tiles<const TILE: usize>(&self) -> usize {
        tiles::<TILE>(self.batch.len(&self.model))
    }

    fn load<const TILE: usize>(&mut self, pass: Pass, index: usize) -> Tile<'_, T, TILE> {
        let Self { model, params, .. } = *self;
        let mut tile = Tile::carve(&model, pass, &mut *self.scratch);
        tile.load(&model, &self.batch, index, self.total);
        tile.forward(&model, params);
        self.loaded = self.loaded.saturating_add(tile.lanes());
        tile
    }
}

/// The Fisher information F = E_x E_{t ~ p(t|x)} [∇log p ∇log pᵀ] = (1/B) Σ JᵦᵀHᵦJᵦ, with the examples for
/// the law of x. Equal to the extended Gauss-Newton matrix for these likelihoods; it needs no targets.
///
/// Cost of a product: [`Pass::Product`] per example. `quad` is a sum of terms that are not negative.
/// Reference: Pascanu & Bengio, equations 1, 7 and 8, section 5; algorithms 1.2 and 1.3.
pub struct Fisher<'a, T, const TILE: usize> {
    examples: Examples<'a, T>,
    structure: T,
}

impl<'a, T: Scalar, const TILE: usize> Fisher<'a, T, TILE> {
    /// The Fisher of `mlp` over the inputs of `batch`; targets are not looked at.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Data`].
    pub fn new(mlp: Mlp<'a, T, TILE>, batch: Batch<'a, T>) -> Result<Self, Error> {
        let examples = Examples::admit(mlp, batch, Labels::Unused, Pass::Product)?;
        Ok(Self::over(examples))
    }

    pub(crate) fn over(examples: Examples<'a, T>) -> Self {
        Self {
            examples,
            structure: T::ZERO,
        }
    }

    pub(crate) fn loaded(&self) -> usize {
        self.examples.loaded
    }

    /// The Fisher with structural damping: F + `weight` · (1/B) Σ J_hᵀH_hJ_h over the hidden units h, each read
    /// as an output of its own. A logistic unit is a Bernoulli mean, H = a(1 − a) by its
    /// pre-activation; a tanh unit likewise for (1 + a)/2, H = 1 − a²; any other the mean of a Gaussian,
    /// H = φ′².
    ///
    /// Cost of a product: as without. Reference: Martens & Sutskever 2012, section 6; Pascanu & Bengio,
    /// section 5; algorithms 2.2.
    #[must_use]
    pub fn with_structure(self, weight: T) -> Self {
        Self {
            structure: weight,
            ..self
        }
    }

    /// Adds tile `part` of vᵀFv, vᵀFw and wᵀFw to `gram`, without a backward pass.
    ///
    /// Cost: [`Pass::Product`] per example, which is that of two R-operators and a forward pass.
    pub(crate) fn add_gram_part(&mut self, part: usize, v: &[T], w: &[T], gram: &mut [T; 3]) {
        let Examples { model, params, .. } = self.examples;
        let mut tile = self.examples.load::<TILE>(Pass::Product, part);
        let [vv, vw, ww] = gram;
        tile.forward_tangent(&model, params, v);
        let form = tile.seed_metric(&model);
        tile.add_forms(&form, vv);
        // The seeds of v are still there when the tangents of w are.
        tile.forward_tangent(&model, params, w);
        tile.add_seeds_along(&model, vw);
        let form = tile.seed_metric(&model);
        tile.add_forms(&form, ww);
    }

    /// The number of parts of [`Fisher::add_diagonal_part`]: K per tile.
    pub fn diagonal_parts(&self) -> usize {
        let outputs = self.examples.model.dim_out();
        self.examples.tiles::<TILE>().saturating_mul(outputs)
    }

    /// Adds one part of diag(F), exactly, to `out` `[P]`: one column of Q per output and tile, with
    /// H = QQᵀ, so that diag(F) = (1/B) Σᵦ Σₖ (Jᵦᵀqₖ)². The columns are the outer loop, for the order of
    /// summation not to depend on the tile.
    ///
    /// Cost: [`Pass::Vjp`] per example and output. Reference: algorithms 3.3 (Chapelle & Erhan 2011
    /// estimate it by random signs).
    pub fn add_diagonal_part(&mut self, part: usize, out: &mut [T]) {
        let tiles = self.examples.tiles::<TILE>();
        let (Some(column), Some(index)) = (part.checked_div(tiles), part.checked_rem(tiles)) else {
            return;
        };
        let (model, params) = (self.examples.model, self.examples.params);
        let mut tile = self.examples.load::<TILE>(Pass::Vjp, index);
        tile.seed_root(&model, column);
        tile.backward_squared(&model, params, out);
    }

    /// diag(F), exactly, into `out` `[P]`.
    pub fn diagonal(&mut self, out: &mut [T]) {
        kernels::fill(T::ZERO, out);
        for part in 0..self.diagonal_parts() {
            self.add_diagonal_part(part, out);
        }
    }
}

impl<T: Scalar, const TILE: usize> LinearOperator<T> for Fisher<'_, T, TILE> {
    fn dim(&self) -> usize {
        self.examples.model.params()
    }

    fn parts(&self) -> usize {
        self.examples.tiles::<TILE>()
    }

    fn apply_part(&mut self, part: usize, v: &[T], out: &mut [T], quad: &mut T) {
        let (model, params) = (self.examples.model, self.examples.params);
        let mut tile = self.examples.load::<TILE>(Pass::Product, part);
        tile.forward_tangent(&model, params, v);
        let mut form = tile.seed_metric(&model);
        tile.backward_structural(&model, params, self.structure, out, &mut form);
        tile.add_forms(&form, quad);
    }
}

/// The Hessian of the mean loss. Symmetric, indefinite: `quad` may be negative.
///
/// Cost of a product: [`Pass::Hessian`] per example. Reference: Pearlmutter 1994.
pub struct Hessian<'a, T, const TILE: usize> {
    examples: Examples<'a, T>,
    structure: T,
}

impl<'a, T: Scalar, const TILE: usize> Hessian<'a, T, TILE> {
    /// The Hessian of `mlp` over `batch`, which needs targets.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Data`].
    pub fn new(mlp: Mlp<'a, T, TILE>, batch: Batch<'a, T>) -> Result<Self, Error> {
        let examples = Examples::admit(mlp, batch, Labels::Needed, Pass::Hessian)?;
        Ok(Self {
            examples,
            structure: T::ZERO,
        })
    }
}

impl<T: Scalar, const TILE: usize> LinearOperator<T> for Hessian<'_, T, TILE> {
    fn dim(&self) -> usize {
        self.examples.model.params()
    }

    fn parts(&self) -> usize {
        self.examples.tiles::<TILE>()
    }

    fn apply_part(&mut self, part: usize, v: &[T], out: &mut [T], quad: &mut T) {
        let (model, params) = (self.examples.model, self.examples.params);
        let mut tile = self.examples.load::<TILE>(Pass::Hessian, part);
        tile.forward_tangent(&model, params, v);
        tile.backward_tangent(&model, params, v, self.structure, out, quad);
    }
}

/// The empirical Fisher (1/B) Σ gᵦgᵦᵀ of per-example gradients: the targets are the data's, not the
/// model's. Not a metric of the model; here for preconditioning, for TONGA and for comparison.
///
/// Cost of a product: [`Pass::Product`] per example; gᵦ·v comes from the R-operator, gᵦ·v = (p − t)·Jv.
/// Reference: Pascanu & Bengio, section 4.
pub struct EmpiricalFisher<'a, T, const TILE: usize> {
    examples: Examples<'a, T>,
    structure: T,
}

impl<'a, T: Scalar, const TILE: usize> EmpiricalFisher<'a, T, TILE> {
    /// The empirical Fisher of `mlp` over `batch`, which needs targets.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Data`].
    pub fn new(mlp: Mlp<'a, T, TILE>, batch: Batch<'a, T>) -> Result<Self, Error> {
        let examples = Examples::admit(mlp, batch, Labels::Needed, Pass::Product)?;
        Ok(Self::over(examples))
    }

    pub(crate) fn over(examples: Examples<'a, T>) -> Self {
        Self {
            examples,
            structure: T::ZERO,
        }
    }

    pub(crate) fn loaded(&self) -> usize {
        self.examples.loaded
    }

    /// Adds one tile of the diagonal, (1/B) Σ gᵦ∘gᵦ, to `out` `[P]`: *per-example* squares, which the
    /// square of the batch gradient is not. There are [`LinearOperator::parts`] of them.
    ///
    /// Cost: [`Pass::Gradient`] per example. Reference: Martens 2010, section 4.7.
    pub fn add_diagonal_part(&mut self, part: usize, out: &mut [T]) {
        let (model, params) = (self.examples.model, self.examples.params);
        let mut tile = self.examples.load::<TILE>(Pass::Gradient, part);
        tile.seed_unscaled_residual(&model);
        tile.backward_squared(&model, params, out);
    }

    /// The diagonal (1/B) Σ gᵦ∘gᵦ, into `out` `[P]`.
    pub fn diagonal(&mut self, out: &mut [T]) {
        kernels::fill(T::ZERO, out);
        for part in 0..self.parts() {
            self.add_diagonal_part(part, out);
        }
    }
}

impl<T: Scalar, const TILE: usize> LinearOperator<T> for EmpiricalFisher<'_, T, TILE> {
    fn dim(&self) -> usize {
        self.examples.model.params()
    }

    fn parts(&self) -> usize {
        self.examples.tiles::<TILE>()
    }

    fn apply_part(&mut self, part: usize, v: &[T], out: &mut [T], quad: &mut T) {
        let (model, params) = (self.examples.model, self.examples.params);
        let mut tile = self.examples.load::<TILE>(Pass::Product, part);
        tile.forward_tangent(&model, params, v);
        let mut sum = T::ZERO;
        let mut form = tile.seed_gradients(&model, T::ZERO, &mut sum);
        tile.backward_structural(&model, params, self.structure, out, &mut form);
        tile.add_forms(&form, quad);
    }
}

/// The centred covariance of per-example gradients, (1/B) Σ (gᵦ − ḡ)(gᵦ − ḡ)ᵀ.
///
/// ḡ is computed first ([`GradientCovariance::prepare`], in slices [`GradientCovariance::prepare_part`])
/// and kept; the one-pass form (1/B) Σ gᵦgᵦᵀ − ḡḡᵀ loses digits in `f32` as soon as the gradients agree.
/// One more part than tiles: the last takes ḡ times the sum of the coefficients off.
///
/// Cost of a product: [`Pass::Product`] per example; memory P for ḡ. Reference: Le Roux et al. 2008
/// (TONGA); Pascanu & Bengio, section 4.
pub struct GradientCovariance<'a, T, const TILE: usize> {
    examples: Examples<'a, T>,
    mean: &'a mut [T],
    /// ḡ·v of the product under way.
    along: T,
    /// Σ scaleᵦ cᵦ of the product under way; zero but for rounding.
    sum: T,
}

impl<'a, T: Scalar, const TILE: usize> GradientCovariance<'a, T, TILE> {
    /// The covariance of `mlp` over `batch`, which needs targets; `mean` `[P]` is memory for ḡ.
    /// [`GradientCovariance::prepare`] it before the first product.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Data`].
    pub fn new(
        mlp: Mlp<'a, T, TILE>,
        batch: Batch<'a, T>,
        mean: &'a mut [T],
    ) -> Result<Self, Error> {
        exact("the mean gradient", mlp.model().params(), mean.len())?;
        let examples = Examples::admit(mlp, batch, Labels::Needed, Pass::Product)?;
        Ok(Self {
            examples,
            mean,
            along: T::ZERO,
            sum: T::ZERO,
        })
    }

    /// Computes ḡ.
    pub fn prepare(&mut self) {
        for part in 0..self.examples.tiles::<TILE>() {
            self.prepare_part(part);
        }
    }

    /// Adds tile `part` to ḡ; part 0 starts afresh.
    pub fn prepare_part(&mut self, part: usize) {
        if part == 0 {
            kernels::fill(T::ZERO, self.mean);
        }
        let Examples {
            model,
            params,
            batch,
            total,
            ..
        } = self.examples;
        let mut loss = T::ZERO;
        gradient_tile::<T, TILE>(
            &model,
            params,
            self.examples.scratch,
            &batch,
            part,
            total,
            self.mean,
            &mut loss,
        );
    }
}

impl<T: Scalar, const TILE: usize> LinearOperator<T> for GradientCovariance<'_, T, TILE> {
    fn dim(&self) -> usize {
        self.examples.model.params()
    }

    fn parts(&self) -> usize {
        self.examples.tiles::<TILE>().saturating_add(1)
    }

    fn apply_part(&mut self, part: usize, v: &[T], out: &mut [T], quad: &mut T) {
        if part == 0 {
            self.along = kernels::dot(self.mean, v);
            self.sum = T::ZERO;
        }
        if part >= self.examples.tiles::<TILE>() {
            kernels::axpy(-self.sum, self.mean, out);
            return;
        }
        let (model, params) = (self.examples.model, self.examples.params);
        let mut tile = self.examples.load::<TILE>(Pass::Product, part);
        tile.forward_tangent(&model, params, v);
        let form = tile.seed_gradients(&model, self.along, &mut self.sum);
        tile.backward(&model, params, out);
        tile.add_forms(&form, quad);
    }
}
