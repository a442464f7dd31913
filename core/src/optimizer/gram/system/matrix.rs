//! The Gram matrix, its factor and the solution, each as far as a slice has room.

use super::System;
use super::rows::{add_products, matrices, of_units};
use crate::dense::{self, Pivot, Rows, block};
use crate::kernels;
use crate::scalar::{ROOT_MACS, Scalar};

/// The pairs of examples that are worked on at once, where a slice has room for them.
const BLOCK: usize = 16;

impl<T: Scalar> System<'_, T> {
    /// The entries of the Gram matrix from a pair of examples on, row by row, at least those of one pair; the pair
    /// after them, and their multiply-accumulates, of which there are no more than `room` otherwise.
    pub(in super::super) fn form(
        &mut self,
        mut at: (usize, usize),
        examples: usize,
        room: u64,
    ) -> ((usize, usize), u64) {
        let (of_pair, mut spent) = (self.model.pair_macs(), 0_u64);
        while at.0 < examples {
            let left = room.saturating_sub(spent);
            let most = left.checked_div(of_pair).unwrap_or(0);
            if spent > 0 && most == 0 {
                break;
            }
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            let (pairs, macs) = self.pairs(at.0, at.1, most);
            spent = spent.saturating_add(macs);
            at = behind(at, pairs);
        }
        (at, spent)
    }

    /// Those of an example and of `other` ≤ `example` with those after it, at most `most` and
    /// `BLOCK` of them: Σₗ (1 + aₗ·aₗ′)(δₗ·δₗ′), layer after layer, of what is kept. How many pairs, and their
    /// multiply-accumulates.
    fn pairs(&mut self, example: usize, other: usize, most: usize) -> (usize, u64) {
        let outputs = self.model.dim_out();
        let left = example.saturating_add(1).saturating_sub(other);
        let count = most.min(left).clamp(1, BLOCK);
        let inputs = matrices(self.inputs, self.model.trained_widths(), self.examples);
        let seeds = of_units(&self.model, self.seeds, self.examples);
        let mut entries = 0_usize;
        for (layer, ((fan_in, inputs), (fan_out, seeds))) in inputs.zip(seeds).enumerate() {
            let mut along = [[T::ONE]; BLOCK];
            let along = along.get_mut(..count).unwrap_or(&mut []);
            add_products(inputs, fan_in, example, other, along);
            for column in 0..outputs {
                let row = example.saturating_mul(outputs).saturating_add(column);
                let first = other.saturating_mul(outputs);
                // Of an example with itself the lower half.
                let left = row.saturating_add(1).saturating_sub(first);
                let len = count.saturating_mul(outputs).min(left);
                // y is not there before the system is solved.
                let products = self.solution.get_mut(..len).unwrap_or(&mut []);
                kernels::fill(T::ZERO, products);
                add_products(seeds, fan_out, row, first, products.as_chunks_mut().0);
                let start = Rows::packed_len(row).saturating_add(first);
                let end = start.saturating_add(len);
                let mut gram = self.gram.get_mut(start..end).unwrap_or(&mut []);
                let mut products = &*products;
                for &[along] in &*along {
                    let len = outputs.min(products.len());
                    let (Some((of_pair, rest)), Some((entries, others))) = (
                        products.split_at_checked(len),
                        core::mem::take(&mut gram).split_at_mut_checked(len),
                    ) else {
                        break;
                    };
                    (products, gram) = (rest, others);
                    let pairs = entries.iter_mut().zip(of_pair);
                    if layer == 0 {
                        pairs.for_each(|(entry, &product)| *entry = along * product);
                    } else {
                        pairs.for_each(|(entry, &product)| *entry += along * product);
                    }
                }
                if layer == 0 {
                    entries = entries.saturating_add(len);
                }
            }
        }
        let inputs = count.saturating_mul(self.model.trained_inputs());
        let units = entries.saturating_mul(self.model.trained_units());
        (count, inputs.saturating_add(units) as u64)
    }

    /// The mean of the diagonal of the Gram matrix over outputs, each example counted in full: a running sum in row
    /// order.
    pub(in super::super) fn mean_diagonal(&self, order: usize) -> T {
        let mut sum = T::ZERO;
        for row in 0..order {
            let place = Rows::packed_len(row).saturating_add(row);
            sum += self.gram.get(place).copied().unwrap_or(T::ZERO);
        }
        sum / T::of_count(self.model.dim_out())
    }

    /// The factor of the Gram matrix + λI from an entry on, row by row, at least one; the last pivot, the entry after
    /// it, and the multiply-accumulates, of which there are no more than `room` otherwise. It ends at a pivot that is
    /// none. `loaded` examples take part: where the others lie depends on the tile, and changes no bit.
    pub(in super::super) fn factorise(
        &mut self,
        mut at: (usize, usize),
        [order, loaded]: [usize; 2],
        damping: T,
        room: u64,
    ) -> (Pivot, (usize, usize), u64) {
        let rows = Rows::Packed(loaded.saturating_mul(self.model.dim_out()));
        let (mut pivot, mut spent) = (Pivot::Positive, 0_u64);
        while pivot == Pivot::Positive && at.0 < order {
            let end = at.1.saturating_add(dense::BLOCK);
            let whole = spent.saturating_add(dense::block_macs(at.1) as u64);
            if T::REGISTERS && end <= at.0 && whole <= room {
                dense::factor_block(self.gram, rows, at.0, at.1);
                (at.1, spent) = (end, whole);
                continue;
            }
            // The pivot is a root.
            let root = if at.0 == at.1 { ROOT_MACS } else { 0 };
            let cost = at.1.saturating_add(1) as u64;
            if spent > 0 && spent.saturating_add(cost).saturating_add(root as u64) > room {
                break;
            }
            if at.0 == at.1 {
                let place = Rows::packed_len(at.0).saturating_add(at.1);
                if let Some(entry) = self.gram.get_mut(place) {
                    *entry += damping;
                }
            }
            pivot = dense::factor_entry(self.gram, rows, at.0, at.1);
            spent = spent.saturating_add(cost);
            at = behind(at, 1);
        }
        (pivot, at, spent)
    }

    /// Rows of y from one on, of which there are twice the order, as many as `room` allows; the row after them, and
    /// their multiply-accumulates.
    pub(in super::super) fn solve(
        &mut self,
        first: usize,
        order: usize,
        room: usize,
    ) -> (usize, u64) {
        let rows = order.saturating_mul(2);
        let end = block(first, rows, room, order.saturating_add(1));
        let mut spent = 0_usize;
        for row in first..end {
            // L from the top, and then its transpose from the bottom.
            let length = row.min(rows.saturating_sub(row).saturating_sub(1));
            spent = spent.saturating_add(length).saturating_add(1);
            dense::solve_row(self.gram, Rows::Packed(order), order, self.solution, row);
        }
        (end, spent as u64)
    }
}

/// The entry of a lower half so many after another of its row, or the first of the next row.
fn behind((row, column): (usize, usize), count: usize) -> (usize, usize) {
    let next = column.saturating_add(count);
    if next > row {
        (row.saturating_add(1), 0)
    } else {
        (row, next)
    }
}
