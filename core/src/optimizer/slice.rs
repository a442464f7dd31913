//! What a slice of a step costs at most.

use crate::plan::{DualStorage, Model, Pass};
use crate::scalar::ROOT_MACS;

/// The largest slice of a method, in units that a plan turns into multiply-accumulates:
///
/// macs = max(tile · pass, vectors · P, scalars),
///
/// of which each is a slice of its own kind: a pass over a tile of examples, an update of vectors, dense
/// work. A multiply-accumulate is a multiplication or a division; a square root counts as [`ROOT_MACS`].
/// Sums, copies and comparisons are not counted, and no slice consists of more than a few P of them.
///
/// Not counted either is what a pass does once per unit and example, be it used or not
/// ([`Slice::units`]): the activation, its slope, the likelihood. That is at most [`Slice::UNIT_MACS`]
/// multiply-accumulates and [`Slice::UNIT_CALLS`] exponentials, logarithms or hyperbolic tangents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Its dearest pass: [`Model::macs`].
    pub pass: Pass,
    /// Whether there is a pass that sums squares of gradients, which are three multiplications per weight in
    /// the place of one.
    pub squares: bool,
    /// The multiply-accumulates per parameter of its dearest update of vectors.
    pub vectors: usize,
    /// The multiply-accumulates of its dearest indivisible piece of dense work.
    pub scalars: usize,
    /// Its system in output space, of which smaller pieces share a slice. The dearest, with t weights, I inputs and U
    /// units in the trained layers:
    ///
    /// - the rows of a tile along a vector: tile · (t + KU);
    /// - the entries of a pair of examples: I + K²(U + layers);
    /// - an update of its rows: BK times [`Slice::rows`];
    /// - an entry of its factor or of D: BK + 6 and a root;
    /// - the roots of one side of a layer: a root and a division for each entry.
    pub dual: DualStorage,
    /// The multiply-accumulates per row of that system of its dearest update of rows.
    pub rows: usize,
}

impl Slice {
    /// The most multiply-accumulates per unit and example of a pass, beside [`Slice::macs`].
    pub const UNIT_MACS: u64 = 12;

    /// The most exponentials, logarithms or hyperbolic tangents per unit and example of a pass.
    pub const UNIT_CALLS: u64 = 6;

    /// Of a method with these passes and updates, and no dense work.
    pub(crate) const fn new(pass: Pass, squares: bool, vectors: usize) -> Self {
        Self {
            pass,
            squares,
            vectors,
            scalars: 0,
            dual: DualStorage::NONE,
            rows: 0,
        }
    }

    /// With a system in output space, and updates of its rows as dear as that.
    pub(crate) const fn with_dual(self, dual: DualStorage, rows: usize) -> Self {
        Self { dual, rows, ..self }
    }

    /// With updates of vectors as dear as that.
    pub(crate) const fn with_vectors(self, vectors: usize) -> Self {
        Self {
            vectors: larger(self.vectors, vectors),
            ..self
        }
    }

    /// With pieces of dense work as dear as that.
    pub(crate) const fn with_scalars(self, scalars: usize) -> Self {
        Self { scalars, ..self }
    }

    /// The multiply-accumulates for a model and a tile.
    pub const fn macs(self, model: &Model<'_>, tile: usize) -> u64 {
        let mut example = model.macs(self.pass);
        if self.squares {
            let squares = model.macs(Pass::Vjp) + 2 * model.macs(Pass::Outputs);
            if squares > example {
                example = squares;
            }
        }
        let pass = example.saturating_mul(tile as u64);
        let vectors = (self.vectors as u64)
            .saturating_mul(model.trained_params() as u64)
            .saturating_add(self.centring_macs(model));
        let scalars = self.scalars as u64;
        let most = if pass > vectors { pass } else { vectors };
        let most = if most > scalars { most } else { scalars };
        let dual = self.dual_macs(model, tile);
        if most > dual { most } else { dual }
    }

    /// Those beside an update of vectors with the factors of a system in output space: to the means of the raw inputs
    /// or back.
    const fn centring_macs(self, model: &Model<'_>) -> u64 {
        match model.widths() {
            [first, second, ..] if self.dual.factors > 0 && model.trains(0) => {
                (*first as u64).saturating_mul(*second as u64)
            }
            _ => 0,
        }
    }

    /// Those of a piece of a system in output space.
    const fn dual_macs(self, model: &Model<'_>, tile: usize) -> u64 {
        if self.dual.examples == 0 {
            return 0;
        }
        let outputs = model.dim_out();
        let entries = outputs.saturating_mul(outputs);
        let products = entries.saturating_mul(model.trained_layers()) as u64;
        let pair = model.pair_macs().saturating_add(products);
        let order = self.dual.examples.saturating_mul(outputs);
        let row = order.saturating_add(6).saturating_add(ROOT_MACS);
        let widest = larger(model.widest(), model.dim_in());
        let roots = if self.dual.factors > 0 {
            widest
                .saturating_mul(ROOT_MACS.saturating_add(1))
                .saturating_add(2)
        } else {
            0
        };
        let vectors = order.saturating_mul(self.rows);
        let piece = larger(larger(vectors, row), roots) as u64;
        let piece = if piece > pair { piece } else { pair };
        let rows = model.row_macs().saturating_mul(tile as u64);
        if piece > rows { piece } else { rows }
    }

    /// What the pieces of a system in output space in one slice come to, if there is more than one: no more than a pass
    /// over a tile, or an update of vectors.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "larger numbers are left out before"
    )]
    pub(crate) const fn pieces(self, model: &Model<'_>, tile: usize) -> usize {
        let pass = model.macs(self.pass).saturating_mul(tile as u64);
        let update = model.trained_params();
        if pass > usize::MAX as u64 {
            usize::MAX
        } else {
            larger(pass as usize, update)
        }
    }

    /// The units of all layers, inputs included, times the examples of a tile.
    pub const fn units(model: &Model<'_>, tile: usize) -> u64 {
        (model.units() as u64).saturating_mul(tile as u64)
    }
}

/// The larger number, in a constant.
pub(crate) const fn larger(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

#[cfg(test)]
#[expect(
    clippy::expect_used,
    reason = "a test may panic; the ban is for the crate itself"
)]
mod tests;
