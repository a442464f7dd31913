//! A product in two phases, for threads or the cores of a device to share.
//!
//! First every tile goes through the network by itself, forth and back, and leaves its activations and seeds. Then
//! every run of rows of a weight matrix sums over all tiles, in order. So no sum is shared by two workers, and the bits
//! are those of [`CurvatureOperator`](super::CurvatureOperator).

use core::marker::PhantomData;

use crate::data::Batch;
use crate::error::Error;
use crate::kernels;
use crate::mlp::{Parameters, Tile, tiles, trained_layers_mut};
use crate::plan::Model;
use crate::scalar::Scalar;
use crate::workspace::{Arena, ShapeError, at_least, exact};

use super::{Factored, Forward, forward_pass};

/// A curvature C = (1/B) Σᵦ JᵦᵀQᵦQᵦᵀJᵦ over a batch, [`Natural`](super::Natural) or [`Empirical`](super::Empirical), as
/// the two phases of a product.
///
/// ```text
/// per tile of examples:  δ_L = QQᵀJv, δₗ₋₁ = φ′ ∘ Wₗᵀδₗ   PhasedTile::propagate
/// per run of rows r:     out[r] += Σᵦ δᵦ[r] aᵦᵀ            PhasedRows::deposit
/// ```
///
/// ```
/// use natgrad::curvature::{Fisher, Natural, Phased};
/// use natgrad::operator::LinearOperator;
/// use natgrad::{Activation, Batch, Likelihood, Mlp, Model, Pass};
///
/// let model = Model::new(&[1, 3, 1], Activation::Tanh, Likelihood::Gaussian)?;
/// let params = [0.1, -0.2, 0.3, 0.0, 0.1, 0.2, 0.4, -0.5, 0.6, 0.0];
/// let v = [1.0; 10];
/// let batch = Batch::unlabelled(&[0.1, 0.5, -0.7]);
/// let phased = Phased::<f64, Natural, 2>::new(model, &params, batch)?;
/// let mut memory = vec![vec![0.0; phased.tile_len()]; phased.tiles()];
/// let mut tiles = Vec::new();
/// for (index, memory) in memory.iter_mut().enumerate() {
///     tiles.push(phased.tile(index, memory)?);
/// }
///
/// let mut memory = vec![0.0; phased.scratch_len()];
/// let mut scratch = phased.scratch(&mut memory)?;
/// for tile in &mut tiles {
///     tile.propagate(&v, &mut scratch); // by one thread or another
/// }
/// let (mut out, mut quad) = ([0.0; 10], 0.0);
/// for layer in phased.layers(&mut out) {
///     let (mut upper, mut lower) = layer.split_at(1);
///     upper.deposit(&tiles); // by one thread
///     lower.deposit(&tiles); // by another
/// }
/// for tile in &tiles {
///     tile.add_form(&mut quad);
/// }
///
/// let mut scratch = vec![0.0; Pass::Product.scratch_len(&model, 2)];
/// let mlp = Mlp::<f64, 2>::new(model, &params, &mut scratch)?;
/// let mut whole = [0.0; 10];
/// assert_eq!(quad, Fisher::new(mlp, batch)?.apply(&v, &mut whole));
/// assert_eq!(out, whole);
/// # Ok::<(), natgrad::Error>(())
/// ```
///
/// Cost of a product: [`Pass::Product`](crate::Pass::Product) per example, and from the second on without its forward
/// pass; memory [`Phased::tile_len`] per tile, and [`Phased::scratch_len`] for each worker.
pub struct Phased<'a, T, C, const TILE: usize> {
    model: Model<'a>,
    params: Parameters<'a, T>,
    batch: Batch<'a, T>,
    /// Σ wᵦ.
    total: T,
    structure: T,
    curvature: PhantomData<C>,
}

impl<T: Scalar, C, const TILE: usize> Clone for Phased<'_, T, C, TILE> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Scalar, C, const TILE: usize> Copy for Phased<'_, T, C, TILE> {}

impl<'a, T: Scalar, C: Factored<T>, const TILE: usize> Phased<'a, T, C, TILE> {
    /// The curvature of a network at the parameters of all its layers over `batch`, which needs targets unless
    /// [`Curvature::LABELS`](super::Curvature::LABELS) says that they are not looked at.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Data`].
    pub fn new(
        model: impl Into<Model<'a>>,
        params: &'a [T],
        batch: Batch<'a, T>,
    ) -> Result<Self, Error> {
        let model = model.into();
        exact("the parameter vector", model.params(), params.len())?;
        Ok(Self {
            model,
            params: Parameters::of(&model, params),
            batch,
            total: batch.admit(&model, C::LABELS)?,
            structure: T::ZERO,
            curvature: PhantomData,
        })
    }

    /// The same with structural damping: see
    /// [`CurvatureOperator::with_structure`](super::CurvatureOperator::with_structure).
    #[must_use]
    pub fn with_structure(self, weight: T) -> Self {
        Self {
            structure: weight,
            ..self
        }
    }

    /// P, the length of vectors and products.
    pub const fn dim(&self) -> usize {
        self.model.trained_params()
    }

    /// The number of tiles.
    pub fn tiles(&self) -> usize {
        tiles::<TILE>(self.batch.len(&self.model))
    }

    /// The memory of a tile between the phases, in scalars: (Σ widths + trained units) · `TILE`.
    pub const fn tile_len(&self) -> usize {
        let rows = self
            .model
            .units()
            .saturating_add(self.model.trained_units());
        rows.saturating_mul(TILE)
    }

    /// The scratch memory of one worker, in scalars.
    pub const fn scratch_len(&self) -> usize {
        C::PASS.scratch_len(&self.model, TILE)
    }

    /// Tile `index`, the examples `index · TILE ..`, in `memory` of at least [`Phased::tile_len`] scalars.
    ///
    /// # Errors
    /// A [`ShapeError`], when the memory is shorter.
    pub fn tile(
        &self,
        index: usize,
        memory: &'a mut [T],
    ) -> Result<PhasedTile<'a, T, C, TILE>, ShapeError> {
        at_least("the memory of a tile", self.tile_len(), memory.len())?;
        let mut arena = Arena::new(memory);
        Ok(PhasedTile {
            phased: *self,
            index,
            activations: arena.take_rows(self.model.units()),
            seeds: arena.take_rows(self.model.trained_units()),
            form: [T::ZERO; TILE],
            lanes: 0,
            passed: false,
        })
    }

    /// Scratch memory for one worker, of at least [`Phased::scratch_len`] scalars.
    ///
    /// # Errors
    /// A [`ShapeError`], when the memory is shorter.
    pub fn scratch<'s>(&self, memory: &'s mut [T]) -> Result<PhasedScratch<'s, T>, ShapeError> {
        at_least("the scratch memory", self.scratch_len(), memory.len())?;
        Ok(PhasedScratch(memory))
    }

    /// The rows of a product `out` `[P]`, layer by layer.
    pub fn layers<'o>(&self, out: &'o mut [T]) -> impl Iterator<Item = PhasedRows<'o, T>>
    where
        'a: 'o,
    {
        let mut input = self.model.units_below();
        let mut seed = 0_usize;
        let layers = trained_layers_mut(&self.model, out);
        layers.map(move |layer| {
            let rows = PhasedRows {
                input,
                fan_in: layer.fan_in,
                seed,
                weights: layer.weights,
                bias: layer.bias,
            };
            input = input.saturating_add(layer.fan_in);
            seed = seed.saturating_add(layer.fan_out);
            rows
        })
    }
}

/// The scratch memory of one worker in the first phase.
pub struct PhasedScratch<'s, T>(&'s mut [T]);

/// One tile of the examples: what the first phase of a product leaves of it.
pub struct PhasedTile<'a, T, C, const TILE: usize> {
    phased: Phased<'a, T, C, TILE>,
    index: usize,
    /// Activations of every layer, `[Σ widths]`.
    activations: &'a mut [[T; TILE]],
    /// Seeds δ of all trained units.
    seeds: &'a mut [[T; TILE]],
    /// The share of vᵀCv of each lane.
    form: [T; TILE],
    lanes: usize,
    /// Whether the activations are there.
    passed: bool,
}

impl<T: Scalar, C: Factored<T>, const TILE: usize> PhasedTile<'_, T, C, TILE> {
    /// The first phase for this tile, with the vector `v` `[P]`. The first call takes the forward pass, whose
    /// activations stay.
    pub fn propagate(&mut self, v: &[T], scratch: &mut PhasedScratch<'_, T>) {
        let Phased {
            model,
            params,
            batch,
            total,
            structure,
            ..
        } = &self.phased;
        let mut tile = Tile::carve(model, C::PASS, &mut *scratch.0).on(&mut *self.activations);
        forward_pass(
            &mut tile,
            model,
            *params,
            batch,
            self.index,
            *total,
            self.passed,
        );
        self.passed = true;
        tile.forward_tangent(model, *params, v);
        let mut forward = Forward {
            tile,
            model,
            params,
        };
        self.form = C::seed_product(&mut forward);
        let mut tile = forward.tile;
        self.lanes = tile.lanes();
        let mut rest = &mut *self.seeds;
        let show = |seeds: &[[T; TILE]], _: &[[T; TILE]]| {
            let whole = core::mem::take(&mut rest);
            let start = whole.len().saturating_sub(seeds.len());
            if let Some((head, place)) = whole.split_at_mut_checked(start) {
                rest = head;
                kernels::copy(seeds, place);
            }
        };
        tile.backward_structural_showing(model, *params, *structure, &mut self.form, show);
    }

    /// Adds the tile's share of vᵀCv to `quad`, example by example. The bits of a whole product take the tiles in
    /// order.
    pub fn add_form(&self, quad: &mut T) {
        for &form in self.form.iter().take(self.lanes) {
            *quad += form;
        }
    }
}

/// Rows of the weight matrix of a trained layer, with their biases, in a product.
pub struct PhasedRows<'o, T> {
    /// The first row of activations that goes into the layer.
    input: usize,
    fan_in: usize,
    /// The first row of seeds.
    seed: usize,
    /// `[rows × fan_in]`.
    weights: &'o mut [T],
    /// `[rows]`.
    bias: &'o mut [T],
}

impl<T: Scalar> PhasedRows<'_, T> {
    /// How many they are.
    pub fn rows(&self) -> usize {
        self.bias.len()
    }

    /// The multiply-accumulates of [`PhasedRows::deposit`] per example.
    pub fn macs(&self) -> usize {
        self.weights.len()
    }

    /// The first `rows` of them, at most all, and the rest.
    #[must_use]
    pub fn split_at(self, rows: usize) -> (Self, Self) {
        let rows = rows.min(self.rows());
        let weights = rows.saturating_mul(self.fan_in);
        let (upper, lower) = self
            .weights
            .split_at_mut_checked(weights)
            .unwrap_or((&mut [], &mut []));
        let (upper_bias, lower_bias) = self
            .bias
            .split_at_mut_checked(rows)
            .unwrap_or((&mut [], &mut []));
        let upper = Self {
            weights: upper,
            bias: upper_bias,
            ..self
        };
        let lower = Self {
            seed: upper.seed.saturating_add(rows),
            weights: lower,
            bias: lower_bias,
            ..upper
        };
        (upper, lower)
    }

    /// The second phase for these rows: adds Σᵦ δᵦaᵦᵀ over the examples of the tiles, one after the other. The bits of
    /// a whole product take all tiles in order, from zero on.
    pub fn deposit<C, const TILE: usize>(&mut self, tiles: &[PhasedTile<'_, T, C, TILE>]) {
        for tile in tiles {
            let input = rows(tile.activations, self.input, self.fan_in);
            let seeds = rows(tile.seeds, self.seed, self.bias.len());
            kernels::add_outer(seeds, input, tile.lanes, self.weights, self.bias);
        }
    }
}

/// `len` rows from `start` on.
fn rows<T>(all: &[T], start: usize, len: usize) -> &[T] {
    let end = start.saturating_add(len);
    all.get(start..end).unwrap_or(&[])
}
