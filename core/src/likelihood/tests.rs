//! The root of the metric and the whitened residual at logits up to 1,000 apart, against sums of exponentials of
//! logarithms in `f64`.

#![expect(
    clippy::indexing_slicing,
    reason = "an index that is off fails the test"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "what the core is compared with is computed by other means"
)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "at most ten outputs"
)]

extern crate std;

use std::vec;
use std::vec::Vec;

use rand_xoshiro::Xoshiro128PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::*;

/// Draws of each likelihood, gap and precision.
const DRAWS: u64 = 200;

/// How far apart logits are, from none to beyond the range of any exponential.
const GAPS: [f64; 9] = [0.0, 1.0, 10.0, 30.0, 60.0, 79.0, 120.0, 400.0, 1000.0];

struct Draws(Xoshiro128PlusPlus);

impl Draws {
    /// Uniform in [0, 1), a number that an `f32` holds.
    fn share(&mut self) -> f64 {
        f64::from(self.0.next_u32() >> 8) / f64::from(1_u32 << 24)
    }

    fn below(&mut self, end: u32) -> usize {
        (self.0.next_u32() % end) as usize
    }
}

/// Logits of one example and a class or bits to learn.
struct Example {
    likelihood: Likelihood,
    gap: f64,
    logits: Vec<f64>,
    target: Vec<f64>,
}

impl Example {
    fn new(likelihood: Likelihood, gap: f64, seed: u64) -> Self {
        let mut draws = Draws(Xoshiro128PlusPlus::seed_from_u64(seed));
        let outputs = 2 + draws.below(9);
        let mut logits: Vec<f64> = (0..outputs)
            .map(|_| (gap * (draws.share() - 0.5)).round_to_single())
            .collect();
        // The whole gap, at two places.
        let first = draws.below(outputs as u32);
        logits[first] = 0.5 * gap;
        logits[(first + 1) % outputs] = -0.5 * gap;
        let class = draws.below(outputs as u32);
        let target = (0..outputs)
            .map(|k| match likelihood {
                Likelihood::Categorical => f64::from(u8::from(k == class)),
                _ => draws.below(2) as f64,
            })
            .collect();
        Self {
            likelihood,
            gap,
            logits,
            target,
        }
    }

    /// ln p and ln(1 − p) of each output, without a difference of numbers near 1.
    fn logarithms(&self) -> Vec<(f64, f64)> {
        let sum = |logits: &mut dyn Iterator<Item = f64>| {
            let logits: Vec<f64> = logits.collect();
            let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logits.iter().map(|z| (z - top).exp()).sum();
            top + sum.ln()
        };
        let z = &self.logits;
        match self.likelihood {
            Likelihood::Gaussian => vec![(0.0, f64::NEG_INFINITY); z.len()],
            Likelihood::Bernoulli => z
                .iter()
                .map(|&z| {
                    let lse = sum(&mut [0.0, z].into_iter());
                    (z - lse, -lse)
                })
                .collect(),
            Likelihood::Categorical => {
                let lse = sum(&mut z.iter().copied());
                (0..z.len())
                    .map(|k| {
                        let others = z.iter().enumerate().filter(|&(l, _)| l != k);
                        (z[k] - lse, sum(&mut others.map(|(_, &z)| z)) - lse)
                    })
                    .collect()
            }
        }
    }

    /// H and p − t.
    fn expected(&self) -> (Vec<Vec<f64>>, Vec<f64>) {
        let n = self.logits.len();
        let logarithms = self.logarithms();
        let mut metric = vec![vec![0.0; n]; n];
        let mut residual = vec![0.0; n];
        for k in 0..n {
            let (p, rest) = logarithms[k];
            for l in 0..n {
                metric[k][l] = match self.likelihood {
                    Likelihood::Gaussian => f64::from(u8::from(k == l)),
                    _ if k == l => (p + rest).exp(),
                    Likelihood::Bernoulli => 0.0,
                    Likelihood::Categorical => -(p + logarithms[l].0).exp(),
                };
            }
            residual[k] = match self.likelihood {
                Likelihood::Gaussian => self.logits[k] - self.target[k],
                _ if self.target[k] == 1.0 => -rest.exp(),
                _ => p.exp(),
            };
        }
        (metric, residual)
    }

    fn rows<T: Scalar>(values: &[f64]) -> Vec<[T; 1]> {
        values.iter().map(|&x| [T::of(x)]).collect()
    }

    fn check<T: Scalar>(&self) {
        let n = self.logits.len();
        let case = std::format!("{:?} {} {:?}", self.likelihood, self.gap, self.logits);
        let (logits, target) = (Self::rows::<T>(&self.logits), Self::rows::<T>(&self.target));
        let (metric, residual) = self.expected();
        let columns: Vec<Vec<T>> = (0..n)
            .map(|k| {
                let mut seeds = vec![[T::nan()]; n];
                self.likelihood.root_column(&logits, k, &mut seeds, 0);
                seeds.iter().map(|&[x]| x).collect()
            })
            .collect();
        // p is off by as many ε as the exponent is long, and by some for sums and roots.
        let rounding = T::EPSILON.widen() * (self.gap + 16.0);
        for k in 0..n {
            assert!(
                columns[k].iter().all(|x| x.is_finite()),
                "{case}: {columns:?}"
            );
            for l in 0..n {
                let products = columns
                    .iter()
                    .map(|column| column[k].widen() * column[l].widen());
                let found: f64 = products.sum();
                let scale = (metric[k][k] * metric[l][l]).sqrt();
                // √p − p√p of a sure class is off by ε: so much of its deviation is rounding.
                let slack = rounding * scale + rounding * rounding + smallest::<T>();
                let off = (found - metric[k][l]).abs();
                assert!(
                    off <= slack,
                    "{case}: H at {k}, {l} is off by {off:e}, {slack:e} allowed"
                );
            }
        }

        let mut whitened = vec![T::nan(); n];
        self.likelihood
            .whitened_residual(&logits, &target, 0, &mut whitened);
        assert!(
            whitened.iter().all(|s| s.is_finite()),
            "{case}: {whitened:?}"
        );
        let squared: T = whitened.iter().fold(T::ZERO, |sum, &s| sum + s * s);
        assert!(squared.is_finite(), "{case}: |s|² overflows");
        let found = (0..n).map(|k| {
            let products = columns
                .iter()
                .zip(&whitened)
                .map(|(column, &s)| s * column[k]);
            products.fold(T::ZERO, |sum, product| sum + product).widen()
        });
        let size = residual.iter().fold(0.0_f64, |m, r| m.max(r.abs()));
        for (found, expected) in found.zip(&residual) {
            assert!(found.is_finite(), "{case}: {found}");
            let off = (found - expected).abs();
            // A deviation of at least FAINTEST, by an s of at most 1.
            let slack = rounding * size + FAINTEST;
            assert!(off <= slack, "{case}: Qs is {found:e}, not {expected:e}");
        }
    }
}

/// Below it, numbers have no full digits.
fn smallest<T: Scalar>() -> f64 {
    if size_of::<T>() == size_of::<f32>() {
        f64::from(f32::MIN_POSITIVE)
    } else {
        f64::MIN_POSITIVE
    }
}

/// To a number that an `f32` holds.
trait Single {
    fn round_to_single(self) -> Self;
}

impl Single for f64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounding is what it is for"
    )]
    fn round_to_single(self) -> Self {
        Self::from(self as f32)
    }
}

#[test]
fn roots_and_whitened_residuals_survive_saturation() {
    for likelihood in [
        Likelihood::Gaussian,
        Likelihood::Bernoulli,
        Likelihood::Categorical,
    ] {
        for gap in GAPS {
            for seed in 0..DRAWS {
                let example = Example::new(likelihood, gap, seed);
                example.check::<f32>();
                example.check::<f64>();
            }
        }
    }
}
