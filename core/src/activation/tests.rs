//! The passes over many numbers, on a host as on a device, against one number at a time.

#![expect(
    clippy::indexing_slicing,
    reason = "an index that is off fails the test"
)]

extern crate std;

use std::vec::Vec;

use rand_xoshiro::Xoshiro128PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::*;
use crate::scalar::counted::Counted;

const ACTIVATIONS: [Activation; 5] = [
    Activation::Tanh,
    Activation::Logistic,
    Activation::Relu,
    Activation::Softplus,
    Activation::Identity,
];

/// Numbers at the ends of what there is, and some of any bits.
fn numbers() -> Vec<f32> {
    let mut draws = Xoshiro128PlusPlus::seed_from_u64(5);
    let ends = [
        0.0,
        f32::MIN_POSITIVE,
        f32::from_bits(1),
        1.0,
        f32::MAX,
        f32::INFINITY,
        f32::NAN,
        f32::from_bits(0x7f80_0001),
        f32::from_bits(0x7fff_ffff),
    ];
    let any = (0..1000).map(|_| f32::from_bits(draws.next_u32()));
    let ends = ends.into_iter().flat_map(|x| [x, -x]);
    ends.chain(any).collect()
}

/// max(0, x) as comparisons have it.
fn rectified(x: f32) -> f32 {
    if x <= 0.0 { 0.0 } else { x }
}

#[test]
fn a_rectifier_keeps_what_is_positive_and_what_is_no_number() {
    for x in numbers() {
        let one = Activation::Relu.value(x);
        assert_eq!(one.to_bits(), rectified(x).to_bits(), "{x:e}");
        let wide = Activation::Relu.value(f64::from(x));
        let expected = f64::from(rectified(x));
        assert_eq!(wide.to_bits(), expected.to_bits(), "{x:e} as f64");
    }
    // Whole blocks, and what is left of them.
    for len in [0, 1, 3, 7, 8, 9, 40, 1018] {
        let numbers = &numbers()[..len];
        let mut on_a_host = numbers.to_vec();
        Activation::Relu.apply(&mut on_a_host);
        let mut on_a_device: Vec<Counted> = numbers.iter().copied().map(Counted).collect();
        Activation::Relu.apply(&mut on_a_device);
        for ((host, device), &x) in on_a_host.iter().zip(on_a_device).zip(numbers) {
            let expected = rectified(x).to_bits();
            assert_eq!([host.to_bits(), device.0.to_bits()], [expected; 2], "{x:e}");
        }
    }
}

#[test]
fn many_are_scaled_by_their_slopes_as_one_is() {
    let mut draws = Xoshiro128PlusPlus::seed_from_u64(6);
    let mut draw = || {
        let [_, high, ..] = draws.next_u32().to_be_bytes();
        f32::from(high) / 32.0 - 4.0
    };
    for activation in ACTIVATIONS {
        for len in [0, 1, 3, 7, 8, 9, 40] {
            let values: Vec<f32> = (0..len).map(|_| activation.value(draw())).collect();
            let seeds: Vec<f32> = (0..len).map(|_| draw()).collect();
            let mut on_a_host = seeds.clone();
            activation.scale_by_slope(&values, &mut on_a_host);
            let counted = |x: &[f32]| x.iter().copied().map(Counted).collect::<Vec<_>>();
            let mut on_a_device = counted(&seeds);
            activation.scale_by_slope(&counted(&values), &mut on_a_device);
            for (i, (host, device)) in on_a_host.iter().zip(on_a_device).enumerate() {
                // A zero of either sign is 0.
                let expected = seeds[i] * activation.slope(values[i]) + 0.0;
                let found = [*host + 0.0, device.0 + 0.0].map(f32::to_bits);
                assert_eq!(
                    found,
                    [expected.to_bits(); 2],
                    "{activation:?}, {i} of {len}"
                );
            }
        }
    }
}

/// A unit that does not answer has no derivative, however large what is asked of it.
#[test]
fn a_closed_rectifier_lets_nothing_through() {
    let values = [0.0, 0.0, 0.0, 2.0];
    let mut seeds = [f32::INFINITY, f32::NAN, -3.0, -f32::INFINITY];
    Activation::Relu.scale_by_slope(&values, &mut seeds);
    assert_eq!(seeds, [0.0, 0.0, 0.0, -f32::INFINITY]);
}
