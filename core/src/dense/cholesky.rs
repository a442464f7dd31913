//! Cholesky's factor, and the solution by it.

use crate::scalar::Scalar;

/// The pivot of a row of Cholesky's factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Pivot {
    /// Positive, and more than rounding: the row is there.
    Positive,
    /// Not positive, not a number, or not to be told from rounding: the matrix is not positive definite as
    /// far as its digits say. The factor is not to be used.
    NotPositive,
}

/// How the rows of a symmetric matrix lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Rows of that many entries, the order of the matrix.
    Square(usize),
    /// The lower half alone: row i has i + 1 entries, [`Rows::packed_len`] of them in all. The order of the matrix, of
    /// which rows that are zero but for their diagonal may be left out.
    Packed(usize),
}

impl Rows {
    /// The entries of the lower half of a matrix of that order: n(n + 1)/2; saturates.
    pub const fn packed_len(order: usize) -> usize {
        order.saturating_add(1).saturating_mul(order) / 2
    }

    /// Where a row begins.
    const fn start(self, row: usize) -> usize {
        match self {
            Self::Square(order) => row.saturating_mul(order),
            Self::Packed(_) => Self::packed_len(row),
        }
    }

    /// The order of the matrix.
    const fn order(self) -> usize {
        match self {
            Self::Square(order) | Self::Packed(order) => order,
        }
    }

    /// A row up to, and with, its diagonal.
    fn row<T>(self, matrix: &[T], row: usize) -> &[T] {
        let start = self.start(row);
        let end = start.saturating_add(row).saturating_add(1);
        matrix.get(start..end).unwrap_or(&[])
    }
}

/// Entry `column` ≤ `row` of row `row` of the factor L of A = L Lᵀ, in the place of that of A; the rows above it
/// are factored, and so is what is left of it. The upper half is not written either.
///
/// lᵢⱼ = (aᵢⱼ − Σₖ lᵢₖlⱼₖ) / lⱼⱼ, and lᵢᵢ² = aᵢᵢ − Σₖ lᵢₖ², which has to be above n ε aᵢᵢ: what is left
/// below that is the rounding of a sum of n terms. A bound that grew from row to row would depend on where an example
/// lies.
///
/// Cost: j multiplications and a division, or a root. Reference: Golub & Van Loan, 4.2.
pub fn factor_entry<T: Scalar>(matrix: &mut [T], rows: Rows, row: usize, column: usize) -> Pivot {
    let Some((above, rest)) = matrix.split_at_mut_checked(rows.start(row)) else {
        return Pivot::NotPositive;
    };
    let Some((factored, [entry, ..])) = rest.split_at_mut_checked(column) else {
        return Pivot::NotPositive;
    };
    if column < row {
        let Some((left, [pivot, ..])) = rows.row(above, column).split_at_checked(column) else {
            return Pivot::NotPositive;
        };
        *entry = less_products(*entry, factored, left) / *pivot;
        return Pivot::Positive;
    }
    let left = less_products(*entry, factored, factored);
    let rounding = T::of_count(rows.order()) * T::EPSILON * *entry;
    // An infinite entry is below its own rounding, and so is NaN.
    if left > rounding {
        *entry = left.root();
        Pivot::Positive
    } else {
        Pivot::NotPositive
    }
}

/// x − Σₖ aₖbₖ. In a number of its own: a sum in the place of an entry would be stored after each product.
fn less_products<T: Scalar>(x: T, a: &[T], b: &[T]) -> T {
    let products = a.iter().zip(b);
    products.fold(x, |left, (&a, &b)| left - a * b)
}

/// The entries of a row of a factor that [`factor_block`] works on at once: their sums are under way together, and what
/// is factored of the row is loaded once for all of them.
pub(crate) const BLOCK: usize = 4;

/// The multiplications and divisions of [`factor_block`].
pub(crate) const fn block_macs(column: usize) -> usize {
    // j and a division for each, from this column on.
    column
        .saturating_mul(BLOCK)
        .saturating_add(BLOCK * (BLOCK + 1) / 2)
}

/// [`factor_entry`] for the entries from `column` on, [`BLOCK`] of them, which end in front of the diagonal.
pub(crate) fn factor_block<T: Scalar>(matrix: &mut [T], rows: Rows, row: usize, column: usize) {
    let Some((above, rest)) = matrix.split_at_mut_checked(rows.start(row)) else {
        return;
    };
    let Some((factored, rest)) = rest.split_at_mut_checked(column) else {
        return;
    };
    let Some(entries) = rest.first_chunk_mut::<BLOCK>() else {
        return;
    };
    let columns: [&[T]; BLOCK] =
        core::array::from_fn(|entry| rows.row(above, column.saturating_add(entry)));
    let ([a, b, c, d], [mut w, mut x, mut y, mut z]) = (columns, *entries);
    for ((((&mine, &a), &b), &c), &d) in factored.iter().zip(a).zip(b).zip(c).zip(d) {
        w -= mine * a;
        x -= mine * b;
        y -= mine * c;
        z -= mine * d;
    }
    for (entry, (left, theirs)) in [w, x, y, z].into_iter().zip(columns).enumerate() {
        let Some((done, [place, ..])) = entries.split_at_mut_checked(entry) else {
            return;
        };
        let theirs = theirs.get(column..).unwrap_or(&[]);
        if let Some(&pivot) = theirs.get(entry) {
            *place = less_products(left, done, theirs) / pivot;
        }
    }
}

/// The factor L of A = L Lᵀ in the place of the lower half of A: all its rows.
///
/// Cost: n³/6 multiplications.
///
/// ```
/// use natgrad::dense::{Pivot, factor, solve};
///
/// let mut matrix = [4.0, 0.0, 2.0, 5.0]; // of the upper half nothing is read
/// let mut x = [8.0, 8.0];
/// assert_eq!(factor(&mut matrix, 2), Pivot::Positive);
/// solve(&matrix, 2, &mut x);
/// assert_eq!(x, [1.5, 1.0]);
/// ```
pub fn factor<T: Scalar>(matrix: &mut [T], order: usize) -> Pivot {
    let rows = Rows::Square(order);
    for row in 0..order {
        let blocks = row / BLOCK;
        for block in 0..blocks {
            factor_block(matrix, rows, row, block.saturating_mul(BLOCK));
        }
        for column in blocks.saturating_mul(BLOCK)..row.saturating_add(1) {
            if factor_entry(matrix, rows, row, column) == Pivot::NotPositive {
                return Pivot::NotPositive;
            }
        }
    }
    Pivot::Positive
}

/// One row of the solution of L Lᵀx = b in the place of b `[n]`: rows 0 to n − 1 of Ly = b, one after the other,
/// and then, as rows n to 2n − 1, those of Lᵀx = y from the last to the first.
///
/// Cost: at most n multiplications and a division.
pub fn solve_row<T: Scalar>(factor: &[T], rows: Rows, order: usize, rhs: &mut [T], row: usize) {
    let upwards = row.checked_sub(order);
    let index = upwards.map_or(row, |done| order.saturating_sub(done).saturating_sub(1));
    let Some((others, [entry, ..])) = rhs.split_at_mut_checked(index) else {
        return;
    };
    let Some((left, [pivot, ..])) = rows.row(factor, index).split_at_checked(index) else {
        return;
    };
    if upwards.is_none() {
        *entry = less_products(*entry, left, others) / *pivot;
    } else {
        // By columns of Lᵀ, which are rows of L.
        let solved = *entry / *pivot;
        *entry = solved;
        for (&l, y) in left.iter().zip(others) {
            *y -= l * solved;
        }
    }
}

/// The solution of L Lᵀx = b in the place of b `[n]`: all its rows.
///
/// Cost: n² multiplications and 2n divisions.
pub fn solve<T: Scalar>(factor: &[T], order: usize, rhs: &mut [T]) {
    for row in 0..order.saturating_mul(2) {
        solve_row(factor, Rows::Square(order), order, rhs, row);
    }
}
