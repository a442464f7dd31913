//! Random numbers that depend on a key alone, with the same bits on every host.

use std::f64::consts::TAU;

use libm::{cos, log, sin};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// What a generator draws for: two purposes share no random number, whatever the rest of their keys.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    CurvesTraining = 1,
    CurvesTest,
    Segment,
    HeldOut,
    Partition,
    LabelNoise,
}

/// The source of the random numbers of one key.
#[derive(Debug)]
pub(super) struct Random {
    generator: Xoshiro256PlusPlus,
    spare: Option<f64>,
}

impl Random {
    /// The generator of a purpose and of the words that say which of its kind it is: a seed, a counter.
    ///
    /// Keys that differ in their last word alone never meet; any others do with probability 2⁻⁶⁴.
    pub(super) fn new(purpose: Purpose, words: &[u64]) -> Self {
        let key = words
            .iter()
            .fold(mix(purpose as u64), |key, word| mix(key ^ word));
        Self {
            generator: Xoshiro256PlusPlus::seed_from_u64(key),
            spare: None,
        }
    }

    /// Uniform in [`low`, `high`).
    pub(super) fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.generator.random::<f64>()
    }

    /// Uniform in 0..`n`, and 0 when that is empty.
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.generator.random_range(0..n.max(1))
    }

    /// Normal with mean 0 and the standard deviation `deviation`, by the transform of Box & Muller (1958).
    ///
    /// The functions are those of `libm`: those of `std` are the platform's, and so are their last bits.
    pub(super) fn normal(&mut self, deviation: f64) -> f64 {
        if let Some(spare) = self.spare.take() {
            return deviation * spare;
        }
        // 1 − u is in (0, 1], so that the logarithm is finite.
        let radius = (-2.0 * log(1.0 - self.generator.random::<f64>())).sqrt();
        let angle = TAU * self.generator.random::<f64>();
        self.spare = Some(radius * sin(angle));
        deviation * (radius * cos(angle))
    }

    /// The generator itself, for the algorithms of `rand`.
    pub(super) fn generator(&mut self) -> &mut Xoshiro256PlusPlus {
        &mut self.generator
    }
}

/// The bijection of Steele, Lea & Flood (2014), SplitMix64.
const fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(purpose: Purpose, words: &[u64]) -> [u64; 2] {
        let mut random = Random::new(purpose, words);
        [(); 2].map(|()| random.uniform(0.0, 1.0).to_bits())
    }

    /// The first outputs that the authors' reference gives for the seed 1234567.
    #[test]
    fn the_mixer_is_split_mix() {
        let states = [0, 1].map(|k: u64| 1_234_567 + k * 0x9e37_79b9_7f4a_7c15);
        assert_eq!(
            states.map(mix),
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]
        );
    }

    #[test]
    fn every_word_of_a_key_counts() {
        let keys: [(Purpose, &[u64]); 6] = [
            (Purpose::Segment, &[1, 2, 3]),
            (Purpose::HeldOut, &[1, 2, 3]),
            (Purpose::Segment, &[0, 2, 3]),
            (Purpose::Segment, &[1, 0, 3]),
            (Purpose::Segment, &[1, 2, 0]),
            (Purpose::Segment, &[2, 1, 3]),
        ];
        for (k, (purpose, words)) in keys.iter().enumerate() {
            assert_eq!(some(*purpose, words), some(*purpose, words));
            for (other, words_of_other) in &keys[..k] {
                assert_ne!(some(*purpose, words), some(*other, words_of_other));
            }
        }
    }

    /// Mean 0, variance 1, kurtosis 3 and 68.27 % within one deviation, each within five standard errors.
    #[test]
    #[expect(clippy::cast_precision_loss, reason = "a small count")]
    fn normal_deviates_have_the_moments_of_the_normal() {
        const N: usize = 200_000;
        let mut random = Random::new(Purpose::Segment, &[7]);
        let sample: Vec<f64> = (0..N).map(|_| random.normal(1.0)).collect();
        let mean = |f: &dyn Fn(f64) -> f64| sample.iter().map(|&x| f(x)).sum::<f64>() / N as f64;
        let error = |variance: f64| 5.0 * (variance / N as f64).sqrt();
        assert!(mean(&|x| x).abs() < error(1.0));
        assert!((mean(&|x| x * x) - 1.0).abs() < error(2.0));
        assert!((mean(&|x| x * x * x * x) - 3.0).abs() < error(96.0));
        let within = mean(&|x| f64::from(u8::from(x.abs() < 1.0)));
        assert!((within - 0.6827).abs() < error(0.22));
        let neighbours: f64 = sample.windows(2).map(|pair| pair[0] * pair[1]).sum();
        assert!((neighbours / N as f64).abs() < error(1.0));
    }

    /// Both deviates of a pair take the deviation of the call that returns them.
    #[test]
    fn a_deviation_is_a_factor() {
        let [mut random, mut doubled] = [(); 2].map(|()| Random::new(Purpose::Segment, &[7]));
        for _ in 0..4 {
            assert_eq!(2.0 * random.normal(1.0), doubled.normal(2.0));
        }
    }

    #[test]
    fn uniform_deviates_keep_their_range() {
        let mut random = Random::new(Purpose::Segment, &[7]);
        assert!((0..1000).all(|_| (-2.0..3.0).contains(&random.uniform(-2.0, 3.0))));
        assert!((0..1000).all(|_| random.below(7) < 7));
        assert_eq!(random.below(0), 0);
    }
}
