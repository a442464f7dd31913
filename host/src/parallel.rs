//! Products with a curvature that threads share, with the bits of one thread.

use natgrad::Scalar;
use natgrad::curvature::{Factored, Phased, PhasedScratch, PhasedTile};
use natgrad::operator::LinearOperator;
use rayon::prelude::*;

use crate::error::Error;
use crate::memory::zeros;

/// Rows of a weight matrix are cut by multiples of so many, for the kernels to find whole blocks.
const ROWS: usize = 4;

/// A curvature as an operator for large batches, whose products are shared by as many threads as the pool of rayon has that
/// it was made in: the examples first, then the rows of every weight matrix, over all examples in order. The bits are those
/// of [`CurvatureOperator`](natgrad::curvature::CurvatureOperator).
///
/// It is worth its while from some hundred thousand multiply-accumulates on; a handing over takes microseconds.
///
/// Memory: activations and seeds of all examples, which stay from one product to the next, and scratch memory for each
/// thread.
pub struct Parallel<'a, T, C, const TILE: usize> {
    phased: Phased<'a, T, C, TILE>,
    tiles: Vec<PhasedTile<'a, T, C, TILE>>,
    /// One for each thread.
    scratch: Vec<PhasedScratch<'a, T>>,
}

impl<'a, T: Scalar, C: Factored<T>, const TILE: usize> Parallel<'a, T, C, TILE> {
    /// The memory of a curvature, for as many threads as there are now.
    ///
    /// # Errors
    /// [`Error::Option`], when there is not that much.
    pub fn memory(phased: &Phased<'a, T, C, TILE>) -> Result<Vec<T>, Error> {
        let tiles = phased.tiles().saturating_mul(phased.tile_len());
        let scratch = rayon::current_num_threads().saturating_mul(phased.scratch_len());
        zeros(tiles.saturating_add(scratch))
    }

    /// The operator of a curvature, in its [`Parallel::memory`]. Of less memory, fewer threads
    /// come.
    ///
    /// # Errors
    /// [`natgrad::Error::Shape`], when the memory does not do for one thread.
    pub fn new(
        phased: &Phased<'a, T, C, TILE>,
        memory: &'a mut [T],
    ) -> Result<Self, natgrad::Error> {
        let mut rest = memory;
        let mut take = |len: usize| {
            let whole = std::mem::take(&mut rest);
            let (head, tail) = whole.split_at_mut(len.min(whole.len()));
            rest = tail;
            head
        };
        let tiles = (0..phased.tiles())
            .map(|index| phased.tile(index, take(phased.tile_len())))
            .collect::<Result<_, _>>()?;
        let mut scratch = vec![phased.scratch(take(phased.scratch_len()))?];
        scratch.extend(
            (1..rayon::current_num_threads())
                .map_while(|_| phased.scratch(take(phased.scratch_len())).ok()),
        );
        Ok(Self {
            phased: *phased,
            tiles,
            scratch,
        })
    }

    /// The threads that share a product.
    pub fn threads(&self) -> usize {
        self.scratch.len()
    }
}

impl<T, C, const TILE: usize> LinearOperator<T> for Parallel<'_, T, C, TILE>
where
    T: Scalar + Send + Sync,
    C: Factored<T> + Send + Sync,
{
    fn dim(&self) -> usize {
        self.phased.dim()
    }

    /// One: threads that stop for each other at every tile would wait.
    fn parts(&self) -> usize {
        1
    }

    fn apply_part(&mut self, _part: usize, v: &[T], out: &mut [T], quad: &mut T) {
        let threads = self.threads();
        let each = self.tiles.len().div_ceil(threads).max(1);
        self.tiles
            .par_chunks_mut(each)
            .zip(&mut self.scratch)
            .for_each(|(tiles, scratch)| {
                for tile in tiles {
                    tile.propagate(v, scratch);
                }
            });
        let mut shares: Vec<Vec<_>> = (0..threads).map(|_| Vec::new()).collect();
        for mut rest in self.phased.layers(out) {
            let rows = rest.rows().div_ceil(threads).next_multiple_of(ROWS);
            for share in &mut shares {
                let (piece, tail) = rest.split_at(rows);
                share.push(piece);
                rest = tail;
            }
        }
        shares.par_iter_mut().flatten_iter().for_each(|piece| {
            piece.deposit(&self.tiles);
        });
        for tile in &self.tiles {
            tile.add_form(quad);
        }
    }
}
