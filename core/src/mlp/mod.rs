//! The passes over a network: forward, backward (`Jᵀu`, gradient), R-operator (`Jv`), R-backward (`Hv`).
//!
//! An [`Mlp`] is a model, its parameters and scratch memory for one tile of `TILE` examples. The
//! examples of a batch are computed tile by tile, and every sum over examples runs example by example:
//! the bits of a result do not depend on `TILE`.

mod layers;
mod tile;

pub(crate) use layers::{Parameters, layers_mut, trained_layers_mut, trained_mut};
pub(crate) use tile::Tile;

use crate::data::{Batch, Inputs, Labels};
use crate::error::Error;
use crate::kernels;
use crate::plan::{Model, Pass};
use crate::scalar::Scalar;
use crate::workspace::{at_least, exact};

/// A network ready to compute: model, parameters of all layers, and scratch memory of at least
/// [`Pass::scratch_len`] scalars for the passes that are called.
///
/// ```
/// use natgrad::{Activation, Batch, Likelihood, Mlp, Pass, Plan};
///
/// const PLAN: Plan<3> = match Plan::new([2, 3, 1], Activation::Tanh, Likelihood::Gaussian) {
///     Ok(plan) => plan,
///     Err(error) => panic!("{}", error.message()),
/// };
/// let params = [0.1_f32; PLAN.params()];
/// let mut scratch = [0.0; Pass::Hessian.scratch_len(&PLAN.model(), 4)];
/// let mut mlp = Mlp::<f32, 4>::new(&PLAN, &params, &mut scratch)?;
///
/// let (inputs, targets) = ([1.0, 2.0, 3.0, 4.0], [0.5, -0.5]);
/// let mut gradient = [0.0; PLAN.params()];
/// let loss = mlp.gradient(&Batch::new(&inputs, &targets), &mut gradient)?;
/// assert!(loss > 0.0);
/// # Ok::<(), natgrad::Error>(())
/// ```
#[derive(Debug)]
pub struct Mlp<'a, T, const TILE: usize> {
    model: Model<'a>,
    params: &'a [T],
    scratch: &'a mut [T],
}

impl<'a, T: Scalar, const TILE: usize> Mlp<'a, T, TILE> {
    /// A network from its plan, the parameters of all its layers and scratch memory.
    ///
    /// # Errors
    /// [`Error::Shape`], when `params` is not of length [`Model::params`], or the scratch memory does not hold one tile
    /// of activations.
    pub fn new(
        model: impl Into<Model<'a>>,
        params: &'a [T],
        scratch: &'a mut [T],
    ) -> Result<Self, Error> {
        let model = model.into();
        exact("the parameter vector", model.params(), params.len())?;
        let needed = Pass::Outputs.scratch_len(&model, TILE);
        at_least("the scratch memory", needed, scratch.len())?;
        Ok(Self {
            model,
            params,
            scratch,
        })
    }

    /// The model.
    pub fn model(&self) -> Model<'a> {
        self.model
    }

    /// The parameters of all layers.
    pub fn params(&self) -> &'a [T] {
        self.params
    }

    /// Logits z of every example: `out` is `[batch × dim_out]`.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Data`] for an input that is not finite; [`Error::NonFinite`] where a result leaves
    /// the range of the numbers: what is in `out` is not to be used then.
    ///
    /// Cost: [`Pass::Outputs`] per example.
    pub fn outputs<'i>(
        &mut self,
        inputs: impl Into<Inputs<'i, T>>,
        out: &mut [T],
    ) -> Result<(), Error> {
        self.forward_into(&Batch::unlabelled(inputs), out, |_, _| {})
    }

    /// Means of the targets under the model: z, σ(z) or softmax(z); `out` is `[batch × dim_out]`.
    ///
    /// # Errors
    /// As [`Mlp::outputs`].
    ///
    /// Cost: [`Pass::Outputs`] per example.
    pub fn predict<'i>(
        &mut self,
        inputs: impl Into<Inputs<'i, T>>,
        out: &mut [T],
    ) -> Result<(), Error> {
        self.forward_into(&Batch::unlabelled(inputs), out, |tile, model| {
            tile.means(model);
        })
    }

    fn forward_into(
        &mut self,
        batch: &Batch<'_, T>,
        out: &mut [T],
        finish: impl Fn(&mut Tile<'_, T, TILE>, &Model<'_>),
    ) -> Result<(), Error> {
        let (model, params) = (self.model, self.parameters());
        let tiles = self.admit_inputs(batch, Pass::Outputs)?;
        exact("the output slice", self.outputs_len(batch), out.len())?;
        let mut tile = Tile::carve(&model, Pass::Outputs, self.scratch);
        let mut rest = &mut *out;
        for index in 0..tiles {
            tile.load(&model, batch, index, T::ONE);
            tile.forward(&model, params);
            finish(&mut tile, &model);
            rest = gather(tile.logits(&model), tile.lanes(), rest);
        }
        finite(out)
    }

    /// The mean loss Σ wᵦ ℓ(zᵦ, tᵦ) / Σ wᵦ.
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::Data`] for an empty batch, missing targets, or a number that is not finite
    /// or does not fit the likelihood; [`Error::NonFinite`] for a loss that is not.
    ///
    /// Cost: [`Pass::Loss`] per example.
    pub fn loss(&mut self, batch: &Batch<'_, T>) -> Result<T, Error> {
        let (model, params) = (self.model, self.parameters());
        let (tiles, total) = self.admit(batch, Labels::Needed, Pass::Loss)?;
        let mut tile = Tile::<T, TILE>::carve(&model, Pass::Loss, self.scratch);
        let mut loss = T::ZERO;
        for index in 0..tiles {
            tile.load(&model, batch, index, total);
            tile.forward(&model, params);
            tile.add_loss(&model, &mut loss);
        }
        finite(&[loss])?;
        Ok(loss)
    }

    /// The gradient of the mean loss, into `out` `[P]`; returns the loss.
    ///
    /// # Errors
    /// As [`Mlp::loss`]. The gradient itself is not looked at, nor are the products below: a method looks at the norm.
    ///
    /// Cost: [`Pass::Gradient`] per example.
    pub fn gradient(&mut self, batch: &Batch<'_, T>, out: &mut [T]) -> Result<T, Error> {
        let (model, params) = (self.model, self.parameters());
        exact("the gradient", model.trained_params(), out.len())?;
        let (tiles, total) = self.admit(batch, Labels::Needed, Pass::Gradient)?;
        kernels::fill(T::ZERO, out);
        let mut loss = T::ZERO;
        for index in 0..tiles {
            gradient_tile::<T, TILE>(
                &model,
                params,
                self.scratch,
                batch,
                index,
                total,
                out,
                &mut loss,
            );
        }
        finite(&[loss])?;
        Ok(loss)
    }

    /// The R-operator `Jv` of the logits, unaveraged: `direction` is `[P]`, `out` is `[batch × dim_out]`.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Data`] for an input that is not finite.
    ///
    /// Cost: [`Pass::Jvp`] per example. Reference: Pearlmutter 1994; Pascanu & Bengio, section 5.
    pub fn jvp<'i>(
        &mut self,
        inputs: impl Into<Inputs<'i, T>>,
        direction: &[T],
        out: &mut [T],
    ) -> Result<(), Error> {
        let (model, params) = (self.model, self.parameters());
        let batch = Batch::unlabelled(inputs);
        exact("the direction", model.trained_params(), direction.len())?;
        let tiles = self.admit_inputs(&batch, Pass::Jvp)?;
        exact("the output slice", self.outputs_len(&batch), out.len())?;
        let mut tile = Tile::<T, TILE>::carve(&model, Pass::Jvp, self.scratch);
        let mut rest = out;
        for index in 0..tiles {
            tile.load(&model, &batch, index, T::ONE);
            tile.forward(&model, params);
            tile.forward_tangent(&model, params, direction);
            rest = gather(tile.logit_tangents(&model), tile.lanes(), rest);
        }
        Ok(())
    }

    /// `Jᵀu` of the logits, summed over the examples: `u` is `[batch × dim_out]`, `out` is `[P]`.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Data`] for an input that is not finite.
    ///
    /// Cost: [`Pass::Vjp`] per example.
    pub fn vjp<'i>(
        &mut self,
        inputs: impl Into<Inputs<'i, T>>,
        u: &[T],
        out: &mut [T],
    ) -> Result<(), Error> {
        let (model, params) = (self.model, self.parameters());
        let batch = Batch::unlabelled(inputs);
        exact("the result", model.trained_params(), out.len())?;
        let tiles = self.admit_inputs(&batch, Pass::Vjp)?;
        exact(
            "the output-shaped vector",
            self.outputs_len(&batch),
            u.len(),
        )?;
        kernels::fill(T::ZERO, out);
        let mut tile = Tile::<T, TILE>::carve(&model, Pass::Vjp, self.scratch);
        for index in 0..tiles {
            tile.load(&model, &batch, index, T::ONE);
            tile.forward(&model, params);
            tile.seed_with(&model, u, index);
            tile.backward(&model, params, out);
        }
        Ok(())
    }

    /// The product `Hv` with the Hessian of the mean loss: `direction` and `out` are `[P]`. Returns vᵀHv.
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::Data`] as [`Mlp::loss`].
    ///
    /// Cost: [`Pass::Hessian`] per example. Reference: Pearlmutter 1994.
    pub fn hvp(
        &mut self,
        batch: &Batch<'_, T>,
        direction: &[T],
        out: &mut [T],
    ) -> Result<T, Error> {
        let (model, params) = (self.model, self.parameters());
        exact("the direction", model.trained_params(), direction.len())?;
        exact("the product", model.trained_params(), out.len())?;
        let (tiles, total) = self.admit(batch, Labels::Needed, Pass::Hessian)?;
        kernels::fill(T::ZERO, out);
        let mut quad = T::ZERO;
        let mut tile = Tile::<T, TILE>::carve(&model, Pass::Hessian, self.scratch);
        for index in 0..tiles {
            tile.load(&model, batch, index, total);
            tile.forward(&model, params);
            tile.forward_tangent(&model, params, direction);
            tile.backward_tangent(&model, params, direction, T::ZERO, out, &mut quad);
        }
        Ok(quad)
    }

    /// Splits into what an operator keeps.
    pub(crate) fn into_parts(self) -> (Model<'a>, Parameters<'a, T>, &'a mut [T]) {
        (self.model, self.parameters(), self.scratch)
    }

    fn parameters(&self) -> Parameters<'a, T> {
        Parameters::of(&self.model, self.params)
    }

    fn outputs_len(&self, batch: &Batch<'_, T>) -> usize {
        let examples = batch.len(&self.model);
        examples.saturating_mul(self.model.dim_out())
    }

    fn admit_inputs(&self, batch: &Batch<'_, T>, pass: Pass) -> Result<usize, Error> {
        if batch.is_empty() {
            return Ok(0);
        }
        Ok(self.admit(batch, Labels::Unused, pass)?.0)
    }

    /// Checks what a pass needs; returns the number of tiles and the total weight.
    pub(crate) fn admit(
        &self,
        batch: &Batch<'_, T>,
        labels: Labels,
        pass: Pass,
    ) -> Result<(usize, T), Error> {
        let needed = pass.scratch_len(&self.model, TILE);
        at_least("the scratch memory", needed, self.scratch.len())?;
        let total = batch.admit(&self.model, labels)?;
        Ok((tiles::<TILE>(batch.len(&self.model)), total))
    }
}

/// One tile of a loss and its gradient, added to both; returns the number of examples that it held.
#[expect(clippy::too_many_arguments, reason = "a tile pass is its operands")]
pub(crate) fn gradient_tile<T: Scalar, const TILE: usize>(
    model: &Model<'_>,
    params: Parameters<'_, T>,
    scratch: &mut [T],
    batch: &Batch<'_, T>,
    index: usize,
    total: T,
    out: &mut [T],
    loss: &mut T,
) -> usize {
    let mut tile = Tile::<T, TILE>::carve(model, Pass::Gradient, scratch);
    tile.load(model, batch, index, total);
    tile.forward(model, params);
    tile.add_loss(model, loss);
    tile.seed_residual(model);
    tile.backward(model, params, out);
    tile.lanes()
}

/// The number of tiles of `examples` examples.
pub(crate) const fn tiles<const TILE: usize>(examples: usize) -> usize {
    const { assert!(TILE > 0, "a tile holds at least one example") };
    examples.div_ceil(TILE)
}

/// Demands that a pass has not left the range of the numbers.
fn finite<T: Scalar>(results: &[T]) -> Result<(), Error> {
    if kernels::all_finite(results) {
        Ok(())
    } else {
        Err(Error::NonFinite)
    }
}

/// Rows of lanes to examples of values; returns what is left of `out`.
fn gather<'o, T: Scalar, const TILE: usize>(
    rows: &[[T; TILE]],
    lanes: usize,
    out: &'o mut [T],
) -> &'o mut [T] {
    let mut rest = out;
    for lane in 0..lanes {
        let Some((values, tail)) = rest.split_at_mut_checked(rows.len()) else {
            return &mut [];
        };
        rest = tail;
        for (value, row) in values.iter_mut().zip(rows) {
            *value = row.get(lane).copied().unwrap_or(T::ZERO);
        }
    }
    rest
}
