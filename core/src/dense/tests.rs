//! Small matrices whose factors and eigenvectors are known.

extern crate std;

use std::vec;
use std::vec::Vec;

use crate::scalar::Scalar;

use super::{
    BLOCK, Eigen, Pivot, Rows, Spectrum, block_macs, eigen, factor, factor_block, factor_entry,
    solve, unit_row,
};

#[test]
fn order_one() {
    let (mut matrix, mut x) = ([9.0_f32], [6.0]);
    assert_eq!(factor(&mut matrix, 1), Pivot::Positive);
    solve(&matrix, 1, &mut x);
    assert_eq!((matrix, x), ([3.0], [2.0 / 3.0]));

    let (mut matrix, mut vectors) = ([-5.0_f32], [7.0]);
    assert_eq!(eigen(&mut matrix, 1, &mut vectors), Spectrum::Converged);
    assert_eq!((matrix, vectors), ([-5.0], [1.0]));
}

#[test]
fn the_upper_half_is_neither_read_nor_written_by_a_factor() {
    let nan = f64::NAN;
    let mut matrix = [4.0, nan, nan, 2.0, 5.0, nan, 6.0, 5.0, 14.0];
    assert_eq!(factor(&mut matrix, 3), Pivot::Positive);
    let lower = [
        matrix[0], matrix[3], matrix[4], matrix[6], matrix[7], matrix[8],
    ];
    assert_eq!(lower, [2.0, 1.0, 2.0, 3.0, 1.0, 2.0]);
    assert!(matrix[1].is_nan() && matrix[2].is_nan() && matrix[5].is_nan());
    // A (1, -2, 1)ᵀ; every number on the way is an integer.
    let mut x = [6.0, -3.0, 10.0];
    solve(&matrix, 3, &mut x);
    assert_eq!(x, [1.0, -2.0, 1.0]);
}

/// (1 + |i − j|)⁻¹ and 1 more on the diagonal, from the first entry of the lower half on.
fn lower_half(order: usize, rows: Rows) -> Vec<f32> {
    let len = match rows {
        Rows::Square(order) => order * order,
        Rows::Packed(_) => Rows::packed_len(order),
    };
    let mut matrix = vec![f32::NAN; len];
    for row in 0..order {
        for column in 0..=row {
            let start = match rows {
                Rows::Square(order) => row * order,
                Rows::Packed(_) => Rows::packed_len(row),
            };
            let distance = f32::of_count(row - column);
            let diagonal = if row == column { 1.0 } else { 0.0 };
            matrix[start + column] = 1.0 / (1.0 + distance) + diagonal;
        }
    }
    matrix
}

#[test]
fn a_block_of_a_factor_has_the_bits_of_its_entries() {
    for order in 1..20 {
        for rows in [Rows::Square(order), Rows::Packed(order)] {
            let mut by_entries = lower_half(order, rows);
            let mut by_blocks = by_entries.clone();
            for row in 0..order {
                // From every column on, so that blocks begin anywhere.
                let first = row % 3;
                let behind = first + row.saturating_sub(first) / BLOCK * BLOCK;
                for column in 0..=row {
                    let pivot = factor_entry(&mut by_entries, rows, row, column);
                    assert_eq!(pivot, Pivot::Positive);
                    if (first..behind).contains(&column) {
                        if (column - first).is_multiple_of(BLOCK) {
                            factor_block(&mut by_blocks, rows, row, column);
                        }
                    } else {
                        factor_entry(&mut by_blocks, rows, row, column);
                    }
                }
            }
            let bits =
                |matrix: &[f32]| -> Vec<u32> { matrix.iter().map(|x| x.to_bits()).collect() };
            assert_eq!(bits(&by_blocks), bits(&by_entries), "{order}, {rows:?}");
            if matches!(rows, Rows::Square(_)) {
                let mut whole = lower_half(order, rows);
                assert_eq!(factor(&mut whole, order), Pivot::Positive);
                assert_eq!(bits(&whole), bits(&by_entries), "{order}");
            }
        }
    }
    for column in 0..9 {
        let entries = (column..column + BLOCK).map(|column| column + 1);
        assert_eq!(block_macs(column), entries.sum::<usize>());
    }
}

#[test]
fn what_is_not_positive_definite_says_so() {
    for bad in [
        [0.0_f32, 0.0, 0.0, 1.0],
        [-1.0, 0.0, 0.0, 1.0],
        // Singular: what is left of the last pivot is 0.
        [1.0, 1.0, 1.0, 1.0],
        // Or rounding, of either sign.
        [1.0, 0.1, 0.1, 0.1 * 0.1],
        [3.0, 1.0, 1.0, 1.0 / 3.0 + f32::EPSILON / 8.0],
        // Indefinite.
        [1.0, 2.0, 2.0, 1.0],
        [f32::NAN, 0.0, 0.0, 1.0],
        [1.0, 0.0, f32::NAN, 1.0],
        [1.0, 0.0, 0.0, f32::INFINITY],
        [f32::INFINITY, 0.0, 0.0, 1.0],
        [1.0, 0.0, f32::INFINITY, 1.0],
    ] {
        let mut matrix = bad;
        assert_eq!(factor(&mut matrix, 2), Pivot::NotPositive, "{bad:?}");
    }
    let mut matrix = [1.0_f32, 0.0, 0.0, 1.0];
    assert_eq!(
        factor_entry(&mut matrix, Rows::Square(2), 2, 0),
        Pivot::NotPositive,
        "no such row"
    );
    assert_eq!(
        factor_entry(&mut matrix, Rows::Square(usize::MAX), 1, 0),
        Pivot::NotPositive
    );
}

#[test]
fn large_and_small_numbers_are_factored() {
    for scale in [1e-30_f32, 1e30] {
        let mut matrix = [4.0 * scale, 0.0, 2.0 * scale, 5.0 * scale];
        let mut x = [8.0 * scale, 8.0 * scale];
        assert_eq!(factor(&mut matrix, 2), Pivot::Positive);
        solve(&matrix, 2, &mut x);
        assert!(
            (x[0] - 1.5).abs() < 1e-6 && (x[1] - 1.0).abs() < 1e-6,
            "{x:?}"
        );
    }
}

#[test]
fn a_diagonal_matrix_is_only_sorted() {
    let (mut matrix, mut vectors) = ([0.0_f32; 16], [0.0; 16]);
    for (i, value) in [-1.0, 3.0, 0.0, 3.0].into_iter().enumerate() {
        matrix[5 * i] = value;
    }
    assert_eq!(eigen(&mut matrix, 4, &mut vectors), Spectrum::Converged);
    let values: [f32; 4] = core::array::from_fn(|i| matrix[5 * i]);
    assert_eq!(values, [3.0, 3.0, 0.0, -1.0]);
    let places = [1, 3, 2, 0];
    for (row, place) in vectors.chunks_exact(4).zip(places) {
        let mut expected = [0.0; 4];
        expected[place] = 1.0;
        assert_eq!(row, expected);
    }
}

#[test]
fn the_zero_matrix_has_the_unit_vectors() {
    let (mut matrix, mut vectors, mut expected) = ([0.0_f32; 9], [5.0; 9], [0.0; 9]);
    for row in 0..3 {
        unit_row(&mut expected, 3, row);
    }
    assert_eq!(eigen(&mut matrix, 3, &mut vectors), Spectrum::Converged);
    assert_eq!((matrix, vectors), ([0.0; 9], expected));
}

/// Squares of the entries, and of θ, leave the range of `f32`.
#[test]
fn rotations_survive_the_ends_of_the_range() {
    for scale in [1e-30_f32, 1.0, 1e30] {
        let (mut matrix, mut vectors) = ([2.0, 1.0, 1.0, 2.0].map(|a: f32| a * scale), [0.0; 4]);
        assert_eq!(eigen(&mut matrix, 2, &mut vectors), Spectrum::Converged);
        let (largest, smallest) = (matrix[0] / scale, matrix[3] / scale);
        assert!((largest - 3.0).abs() < 1e-6 && (smallest - 1.0).abs() < 1e-6);
    }
    // θ = 5·10²⁹, and an entry that is not small beside 10⁻³⁶.
    let (mut matrix, mut vectors) = ([1e-36_f32, 1e-18, 1e-18, 1e12], [0.0; 4]);
    assert_eq!(eigen(&mut matrix, 2, &mut vectors), Spectrum::Converged);
    assert_eq!((matrix[0], matrix[3]), (1e12, 1e-36));
    assert_eq!(vectors, [0.0, 1.0, 1.0, 0.0]);
}

/// Far below ε times the norm, with a coupling below it, and yet to the last digits.
#[test]
fn small_eigenvalues_of_a_graded_matrix_are_accurate() {
    // D C D with C = [[1, ½], [½, 1]] and D = diag(1, 10⁻⁷): the smaller one is ¾·10⁻¹⁴, but for
    // 10⁻¹⁴ of it.
    let (mut matrix, mut vectors) = ([1.0_f32, 5e-8, 5e-8, 1e-14], [0.0; 4]);
    assert_eq!(eigen(&mut matrix, 2, &mut vectors), Spectrum::Converged);
    assert!((matrix[3] / 0.75e-14 - 1.0).abs() < 1e-6, "{matrix:?}");
}

#[test]
fn a_number_that_is_none_ends_the_search() {
    for bad in [f32::NAN, f32::INFINITY] {
        for place in 0..9 {
            let (mut matrix, mut vectors) = ([0.5_f32; 9], [0.0; 9]);
            matrix[place] = bad;
            let (end, lower) = (eigen(&mut matrix, 3, &mut vectors), place % 3 <= place / 3);
            // Of the upper half nothing is read.
            let expected = if lower {
                Spectrum::NonFinite
            } else {
                Spectrum::Converged
            };
            assert_eq!(end, expected, "{place}");
        }
    }
}

#[test]
fn after_the_end_nothing_changes() {
    let (mut matrix, mut vectors) = ([2.0_f32, 1.0, 1.0, -3.0], [0.0; 4]);
    let mut eigen = Eigen::begin(2);
    while eigen.advance(&mut matrix, &mut vectors, 1) == Spectrum::Working {}
    let (values, kept) = (matrix, vectors);
    for _ in 0..4 {
        assert_eq!(
            eigen.advance(&mut matrix, &mut vectors, 1),
            Spectrum::Converged
        );
    }
    assert_eq!((matrix, vectors), (values, kept));
}

#[test]
fn the_bits_do_not_depend_on_the_slices() {
    let start: [f32; 25] = core::array::from_fn(|i| {
        let far = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
        1.0 / far[i / 5 + i % 5]
    });
    let (mut whole, mut vectors) = (start, [0.0; 25]);
    assert_eq!(eigen(&mut whole, 5, &mut vectors), Spectrum::Converged);
    for macs in [0, 60, 110, 1000] {
        let (mut cut, mut turned, mut eigen) = (start, [0.0; 25], Eigen::begin(5));
        while eigen.advance(&mut cut, &mut turned, macs) == Spectrum::Working {}
        assert_eq!((cut, turned), (whole, vectors), "{macs}");
    }
}

/// Memory that is shorter than its order says: whatever comes of it, there is no panic.
#[test]
fn short_memory_is_no_panic() {
    for len in 0..16 {
        let (mut matrix, mut vectors, mut x) = ([1.0_f32; 16], [0.0; 16], [1.0; 4]);
        factor(&mut matrix[..len], 4);
        solve(&matrix[..len], 4, &mut x[..len / 4]);
        eigen(&mut matrix[..len], 4, &mut vectors[..len]);
    }
    assert_eq!(factor::<f32>(&mut [], 0), Pivot::Positive);
    assert_eq!(eigen::<f32>(&mut [], 0, &mut []), Spectrum::Converged);
}
