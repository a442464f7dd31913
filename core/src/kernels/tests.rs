//! The kernels against loops in the order of the indices, bit for bit.

#![expect(clippy::disallowed_methods, reason = "what is fused is held to libm's")]
#![expect(
    clippy::indexing_slicing,
    reason = "an index that is off fails the test"
)]

extern crate std;

use std::format;
use std::vec;
use std::vec::Vec;

use rand_xoshiro::Xoshiro128PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::*;

/// The widths that are gone through: of one, odd, and beyond what a kernel does at once.
const WIDTHS: [usize; 16] = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 50, 64, 70];

struct Draws(Xoshiro128PlusPlus);

impl Draws {
    fn of(fan_in: usize, fan_out: usize) -> Self {
        let seed = (fan_in * 100 + fan_out) as u64;
        Self(Xoshiro128PlusPlus::seed_from_u64(seed))
    }

    /// Of either sign, over 20 binades, now and then a zero: an order other than the right one shows.
    fn next<T: Scalar>(&mut self) -> T {
        let bits = self.0.next_u32();
        let coarse = f32::from_bits((bits & 0x007f_ffff) | ((117 + (bits >> 23) % 20) << 23));
        // And digits that `f64` only has.
        let magnitude =
            f64::from(coarse) * (1.0 + f64::from(self.0.next_u32()) * (f64::EPSILON / 4.0));
        match self.0.next_u32() % 16 {
            0 => T::ZERO,
            1 => -T::ZERO,
            odd if odd % 2 == 1 => T::of(-magnitude),
            _ => T::of(magnitude),
        }
    }

    fn vector<T: Scalar>(&mut self, len: usize) -> Vec<T> {
        (0..len).map(|_| self.next()).collect()
    }

    fn rows<T: Scalar, const TILE: usize>(&mut self, len: usize) -> Vec<[T; TILE]> {
        (0..len)
            .map(|_| core::array::from_fn(|_| self.next()))
            .collect()
    }
}

/// Exact in both types, and with the sign of a zero.
fn bits<T: Scalar>(values: &[T]) -> Vec<u64> {
    values.iter().map(|x| x.widen().to_bits()).collect()
}

type Product<T, const TILE: usize> = fn(&[T], &[[T; TILE]], &mut [[T; TILE]]);
type Affine<T, const TILE: usize> = fn(&[T], &[T], &[[T; TILE]], &mut [[T; TILE]]);
type Outer<T, const TILE: usize> = fn(&[[T; TILE]], &[[T; TILE]], usize, &mut [T], &mut [T]);
type OuterSquared<T, const TILE: usize> =
    fn(&[[T; TILE]], &[[T; TILE]], &[T; TILE], usize, &mut [T], &mut [T]);

/// The kernels of which there is more than one.
#[derive(Clone, Copy)]
struct Kernels<T, const TILE: usize> {
    affine: Affine<T, TILE>,
    add_product: Product<T, TILE>,
    transposed: Product<T, TILE>,
    add_transposed: Product<T, TILE>,
    add_outer: Outer<T, TILE>,
    add_outer_squared: OuterSquared<T, TILE>,
    /// Whether they are in versions for the instruction sets of machines.
    versions: bool,
}

impl<T: Scalar, const TILE: usize> Kernels<T, TILE> {
    /// Those that the tile has on this machine.
    const HERE: Self = Self {
        affine,
        add_product,
        transposed,
        add_transposed,
        add_outer,
        add_outer_squared,
        versions: true,
    };

    /// Those that it has on a device.
    const ON_A_DEVICE: Self = Self {
        affine: few::add_products,
        add_product: |weights, input, out| few::add_products(weights, &[], input, out),
        transposed: |weights, seeds, out| few::add_transposed(Start::Zero, weights, seeds, out),
        add_transposed: |weights, seeds, out| few::add_transposed(Start::Out, weights, seeds, out),
        add_outer: few::add_outer,
        add_outer_squared: few::add_outer_squared,
        versions: false,
    };

    /// sum + a b as a loop in the order of the indices has it. With the feature `fma` the sum is rounded alone, where
    /// the instruction set has it so: that of the build, or where the loop is `vectors` that of the machine.
    fn plus(self, vectors: bool, sum: T, a: T, b: T) -> T
    where
        T: Fused,
    {
        if (self.versions && vectors && machine_fuses()) || T::fused_by_build() {
            T::fused_by_libm(a, b, sum)
        } else {
            sum + a * b
        }
    }

    /// Whether the sums of a unit are in vectors, of so many units of a layer.
    fn product_by_vectors(unit: usize, fan_in: usize, fan_out: usize) -> bool {
        let blocks = fan_in >= wide::COLUMNS && unit < fan_out / wide::COLUMNS * wide::COLUMNS;
        by_lanes::<T, TILE>() || (by_weights::<T, TILE>() && blocks)
    }

    /// Whether sums over units or examples are.
    fn by_vectors() -> bool {
        by_lanes::<T, TILE>() || by_weights::<T, TILE>()
    }
}

/// a b + c, rounded once, by a path that is not the kernels'.
trait Fused: Scalar {
    fn fused_by_libm(a: Self, b: Self, c: Self) -> Self;

    /// Whether the instruction set of the build fuses.
    fn fused_by_build() -> bool {
        #[cfg(feature = "fma")]
        return Self::FUSES;
        #[cfg(not(feature = "fma"))]
        return false;
    }
}

impl Fused for f32 {
    fn fused_by_libm(a: Self, b: Self, c: Self) -> Self {
        libm::fmaf(a, b, c)
    }
}

impl Fused for f64 {
    fn fused_by_libm(a: Self, b: Self, c: Self) -> Self {
        libm::fma(a, b, c)
    }
}

/// Whether the versions of this machine fuse.
fn machine_fuses() -> bool {
    #[cfg(all(feature = "fma", feature = "multiversion", target_arch = "x86_64"))]
    return std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma");
    #[cfg(not(all(feature = "fma", feature = "multiversion", target_arch = "x86_64")))]
    return false;
}

/// The products of a layer, whose sums run over its inputs or its units.
fn products<T: Fused, const TILE: usize>(kernels: Kernels<T, TILE>, fan_in: usize, fan_out: usize) {
    let mut draws = Draws::of(fan_in, fan_out);
    let case = format!("{fan_in}-{fan_out}, {TILE}");
    let weights = draws.vector::<T>(fan_in * fan_out);
    let bias = draws.vector(fan_out);
    let input = draws.rows::<T, TILE>(fan_in);
    let seeds = draws.rows::<T, TILE>(fan_out);

    let mut out = draws.rows::<T, TILE>(fan_out);
    let add_to = |mut naive: Vec<[T; TILE]>| {
        for (o, row) in naive.iter_mut().enumerate() {
            let vectors = Kernels::<T, TILE>::product_by_vectors(o, fan_in, fan_out);
            for (i, a) in input.iter().enumerate() {
                for lane in 0..TILE {
                    row[lane] = kernels.plus(vectors, row[lane], weights[o * fan_in + i], a[lane]);
                }
            }
        }
        bits(naive.as_flattened())
    };
    let naive = add_to(out.clone());
    (kernels.add_product)(&weights, &input, &mut out);
    assert_eq!(bits(out.as_flattened()), naive, "W a: {case}");

    let naive = add_to(bias.iter().map(|&b| [b; TILE]).collect());
    (kernels.affine)(&weights, &bias, &input, &mut out);
    assert_eq!(bits(out.as_flattened()), naive, "W a + b: {case}");

    let vectors = Kernels::<T, TILE>::by_vectors();
    let mut below = draws.rows::<T, TILE>(fan_in);
    let add_to = |mut naive: Vec<[T; TILE]>| {
        for (i, row) in naive.iter_mut().enumerate() {
            for (o, seed) in seeds.iter().enumerate() {
                for lane in 0..TILE {
                    let w = weights[o * fan_in + i];
                    row[lane] = kernels.plus(vectors, row[lane], w, seed[lane]);
                }
            }
        }
        bits(naive.as_flattened())
    };
    let naive = add_to(below.clone());
    (kernels.add_transposed)(&weights, &seeds, &mut below);
    assert_eq!(bits(below.as_flattened()), naive, "s + Wᵀ δ: {case}");

    let naive = add_to(vec![[T::ZERO; TILE]; fan_in]);
    (kernels.transposed)(&weights, &seeds, &mut below);
    assert_eq!(bits(below.as_flattened()), naive, "Wᵀ δ: {case}");
}

/// Examples as they lie in memory, into lanes.
fn lanes<T: Scalar, const TILE: usize>(width: usize) {
    let values = Draws::of(width, TILE).vector::<T>(width * TILE);
    for kernel in [interleave, few::interleave] {
        let mut rows = vec![[T::nan(); TILE]; width];
        kernel(&values, &mut rows);
        for (i, row) in rows.iter().enumerate() {
            let naive: Vec<T> = (0..TILE).map(|lane| values[lane * width + i]).collect();
            assert_eq!(bits(row), bits(&naive), "{i} of {width}, {TILE}");
        }
    }
}

#[test]
fn examples_are_interleaved() {
    for width in WIDTHS {
        lanes::<f32, 1>(width);
        lanes::<f32, 4>(width);
        lanes::<f32, 7>(width);
        lanes::<f32, 16>(width);
        lanes::<f32, 32>(width);
        lanes::<f32, 33>(width);
        lanes::<f64, 16>(width);
        lanes::<f64, 32>(width);
    }
}

/// The sums over the first `lanes` examples of a tile.
fn sums<T: Fused, const TILE: usize>(
    kernels: Kernels<T, TILE>,
    fan_in: usize,
    fan_out: usize,
    lanes: usize,
) {
    let mut draws = Draws::of(fan_in, fan_out);
    let case = format!("{fan_in}-{fan_out}, {lanes} of {TILE}");
    let input = draws.rows::<T, TILE>(fan_in);
    let seeds = draws.rows::<T, TILE>(fan_out);
    let other_input = draws.rows::<T, TILE>(fan_in);
    let other_seeds = draws.rows::<T, TILE>(fan_out);
    let scale: [T; TILE] = core::array::from_fn(|_| draws.next::<T>().abs());
    let start = (draws.vector::<T>(fan_in * fan_out), draws.vector(fan_out));
    let deposit = |what: &str,
                   kernel: &dyn Fn(&mut [T], &mut [T]),
                   weight: &dyn Fn(T, usize, usize, usize) -> T,
                   unit: &dyn Fn(usize, usize) -> T| {
        let (mut weights, mut bias) = start.clone();
        let (mut naive_weights, mut naive_bias) = start.clone();
        for o in 0..fan_out {
            for lane in 0..lanes {
                naive_bias[o] += unit(o, lane);
                for i in 0..fan_in {
                    let sum = &mut naive_weights[o * fan_in + i];
                    *sum = weight(*sum, o, i, lane);
                }
            }
        }
        kernel(&mut weights, &mut bias);
        assert_eq!(bits(&weights), bits(&naive_weights), "{what}: {case}");
        assert_eq!(bits(&bias), bits(&naive_bias), "{what}, bias: {case}");
    };
    deposit(
        "δ aᵀ",
        &|weights, bias| (kernels.add_outer)(&seeds, &input, lanes, weights, bias),
        &|sum, o, i, lane| {
            let vectors = Kernels::<T, TILE>::by_vectors();
            kernels.plus(vectors, sum, seeds[o][lane], input[i][lane])
        },
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
        &|sum, o, i, lane| {
            sum + (seeds[o][lane] * input[i][lane] + other_seeds[o][lane] * other_input[i][lane])
        },
        &|o, lane| seeds[o][lane],
    );
    deposit(
        "(δ aᵀ)²",
        &|weights, bias| (kernels.add_outer_squared)(&seeds, &input, &scale, lanes, weights, bias),
        &|sum, o, i, lane| {
            let product = seeds[o][lane] * input[i][lane];
            sum + scale[lane] * (product * product)
        },
        &|o, lane| scale[lane] * (seeds[o][lane] * seeds[o][lane]),
    );
}

fn layers<T: Fused, const TILE: usize>() {
    for fan_in in WIDTHS {
        for fan_out in WIDTHS {
            for kernels in [Kernels::<T, TILE>::HERE, Kernels::ON_A_DEVICE] {
                products(kernels, fan_in, fan_out);
                for lanes in [1, TILE / 2, TILE - TILE / 3, TILE] {
                    sums(kernels, fan_in, fan_out, lanes);
                }
            }
        }
    }
}

#[test]
fn tile_kernels_of_singles_sum_in_the_order_of_the_indices() {
    layers::<f32, 1>();
    layers::<f32, 2>();
    layers::<f32, 3>();
    layers::<f32, 4>();
    layers::<f32, 5>();
    layers::<f32, 8>();
    layers::<f32, 16>();
    layers::<f32, 32>();
    layers::<f32, 33>();
}

#[test]
fn tile_kernels_of_doubles_sum_in_the_order_of_the_indices() {
    layers::<f64, 1>();
    layers::<f64, 4>();
    layers::<f64, 7>();
    layers::<f64, 16>();
    layers::<f64, 32>();
}

/// [`PARTS`] partial sums, element by element in the order of the indices.
fn summed<T: Scalar>(terms: impl Iterator<Item = T>) -> T {
    let mut parts = [T::ZERO; PARTS];
    for (i, term) in terms.enumerate() {
        parts[i % PARTS] += term;
    }
    tree(parts)
}

#[test]
fn an_update_and_its_sum_have_the_bits_of_both_apart() {
    for len in WIDTHS {
        let mut draws = Draws::of(len, len);
        let [a, b]: [f32; 2] = [draws.next(), draws.next()];
        let [p, q, x, r]: [Vec<f32>; 4] = core::array::from_fn(|_| draws.vector(len));

        // One vector is longer than what they have in common, by whole chunks and by a rest.
        for longer in 0..=2 {
            let mut vectors = [p.clone(), q.clone(), r.clone()];
            vectors[longer].extend(draws.vector::<f32>(PARTS + 1));
            let [x, y, out] = &mut vectors;
            let mut apart = out.clone();
            for i in 0..len {
                apart[i] += b * p[i];
            }
            let sum = reduce_into(x, y, out, |x, y, out| {
                *out += b * x;
                *out * y
            });
            let expected = summed((0..len).map(|i| apart[i] * q[i]));
            assert_eq!(bits(&[sum]), bits(&[expected]), "{len}, {longer}");
            assert_eq!(bits(out), bits(&apart), "{len}, {longer}");
        }

        let (mut q_after, mut x_after, mut r_after) = (q.clone(), x.clone(), r.clone());
        let square = descend(a, &p, &mut q_after, &mut x_after, &mut r_after);
        let [stepped, left]: [Vec<f32>; 2] = [
            (0..len).map(|i| x[i] + a * p[i]).collect(),
            (0..len).map(|i| r[i] - a * q[i]).collect(),
        ];
        let expected = summed(left.iter().map(|r| r * r));
        assert_eq!(bits(&[square]), bits(&[expected]), "{len}");
        assert_eq!(bits(&x_after), bits(&stepped), "{len}");
        assert_eq!(bits(&r_after), bits(&left), "{len}");
        assert_eq!(bits(&q_after), bits(&vec![0.0_f32; len]), "{len}");

        let (mut q_after, mut p_after) = (q.clone(), p.clone());
        turn(&mut q_after, a, &mut p_after);
        let turned: Vec<f32> = (0..len).map(|i| q[i] + a * p[i]).collect();
        assert_eq!(bits(&p_after), bits(&turned), "{len}");
        assert_eq!(bits(&q_after), bits(&vec![0.0_f32; len]), "{len}");
    }
}
