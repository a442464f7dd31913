//! The tile kernels against loops in the order of the indices, bit for bit.

#![expect(
    clippy::indexing_slicing,
    reason = "an index that is off fails the test"
)]

extern crate std;

use std::format;
use std::vec::Vec;

use rand_xoshiro::Xoshiro128PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::*;

/// The widths that are gone through: of one, odd, and beyond what a kernel does at once.
const WIDTHS: [usize; 12] = [1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 64, 70];

struct Draws(Xoshiro128PlusPlus);

impl Draws {
    /// Of either sign, over 20 binades, now and then a zero: an order other than the right one shows.
    fn next(&mut self) -> f32 {
        let bits = self.0.next_u32();
        let magnitude = f32::from_bits((bits & 0x007f_ffff) | ((117 + (bits >> 23) % 20) << 23));
        match self.0.next_u32() % 16 {
            0 => 0.0,
            1 => -0.0,
            odd if odd % 2 == 1 => -magnitude,
            _ => magnitude,
        }
    }

    fn vector(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.next()).collect()
    }

    fn rows<const TILE: usize>(&mut self, len: usize) -> Vec<[f32; TILE]> {
        (0..len)
            .map(|_| core::array::from_fn(|_| self.next()))
            .collect()
    }
}

fn bits<const TILE: usize>(rows: &[[f32; TILE]]) -> Vec<u32> {
    rows.as_flattened().iter().map(|x| x.to_bits()).collect()
}

/// All kernels for a layer, over the first `lanes` examples of a tile.
fn layer<const TILE: usize>(fan_in: usize, fan_out: usize, lanes: usize) {
    let seed = (fan_in * 100 + fan_out) as u64;
    let mut draws = Draws(Xoshiro128PlusPlus::seed_from_u64(seed));
    let case = format!("{fan_in}-{fan_out}, {lanes} of {TILE}");
    let weights = draws.vector(fan_in * fan_out);
    let bias = draws.vector(fan_out);
    let input = draws.rows::<TILE>(fan_in);
    let seeds = draws.rows::<TILE>(fan_out);
    let other_input = draws.rows::<TILE>(fan_in);
    let other_seeds = draws.rows::<TILE>(fan_out);
    let scale: [f32; TILE] = core::array::from_fn(|_| draws.next().abs());

    let mut out = draws.rows::<TILE>(fan_out);
    let mut naive = out.clone();
    for (o, row) in naive.iter_mut().enumerate() {
        for (i, a) in input.iter().enumerate() {
            for lane in 0..TILE {
                row[lane] += weights[o * fan_in + i] * a[lane];
            }
        }
    }
    add_product(&weights, &input, &mut out);
    assert_eq!(bits(&out), bits(&naive), "W a: {case}");

    for (row, &b) in naive.iter_mut().zip(&bias) {
        *row = [b; TILE];
    }
    for (o, row) in naive.iter_mut().enumerate() {
        for (i, a) in input.iter().enumerate() {
            for lane in 0..TILE {
                row[lane] += weights[o * fan_in + i] * a[lane];
            }
        }
    }
    affine(&weights, &bias, &input, &mut out);
    assert_eq!(bits(&out), bits(&naive), "W a + b: {case}");

    let mut below = draws.rows::<TILE>(fan_in);
    let mut naive = below.clone();
    for (i, row) in naive.iter_mut().enumerate() {
        for (o, seed) in seeds.iter().enumerate() {
            for lane in 0..TILE {
                row[lane] += weights[o * fan_in + i] * seed[lane];
            }
        }
    }
    add_transposed(&weights, &seeds, &mut below);
    assert_eq!(bits(&below), bits(&naive), "Wᵀ δ: {case}");

    let start = (weights, bias);
    let deposit = |what: &str,
                   kernel: &dyn Fn(&mut [f32], &mut [f32]),
                   weight: &dyn Fn(usize, usize, usize) -> f32,
                   unit: &dyn Fn(usize, usize) -> f32| {
        let (mut weights, mut bias) = start.clone();
        let (mut naive_weights, mut naive_bias) = start.clone();
        for o in 0..fan_out {
            for lane in 0..lanes {
                naive_bias[o] += unit(o, lane);
                for i in 0..fan_in {
                    naive_weights[o * fan_in + i] += weight(o, i, lane);
                }
            }
        }
        kernel(&mut weights, &mut bias);
        let one = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(one(&weights), one(&naive_weights), "{what}: {case}");
        assert_eq!(one(&bias), one(&naive_bias), "{what}, bias: {case}");
    };
    deposit(
        "δ aᵀ",
        &|weights, bias| add_outer(&seeds, &input, lanes, weights, bias),
        &|o, i, lane| seeds[o][lane] * input[i][lane],
        &|o, lane| seeds[o][lane],
    );
    deposit(
        "δ aᵀ + γ cᵀ",
        &|weights, bias| {
            add_outer_pair(
                &seeds,
                &input,
                &other_seeds,
                &other_input,
                lanes,
                weights,
                bias,
            );
        },
        &|o, i, lane| seeds[o][lane] * input[i][lane] + other_seeds[o][lane] * other_input[i][lane],
        &|o, lane| seeds[o][lane],
    );
    deposit(
        "(δ aᵀ)²",
        &|weights, bias| add_outer_squared(&seeds, &input, &scale, lanes, weights, bias),
        &|o, i, lane| {
            let product = seeds[o][lane] * input[i][lane];
            scale[lane] * (product * product)
        },
        &|o, lane| scale[lane] * (seeds[o][lane] * seeds[o][lane]),
    );
}

fn layers<const TILE: usize>() {
    for fan_in in WIDTHS {
        for fan_out in WIDTHS {
            for lanes in [1, TILE / 2, TILE] {
                layer::<TILE>(fan_in, fan_out, lanes);
            }
        }
    }
}

#[test]
fn tile_kernels_sum_in_the_order_of_the_indices() {
    layers::<1>();
    layers::<2>();
    layers::<3>();
    layers::<4>();
    layers::<5>();
    layers::<8>();
    layers::<32>();
}
