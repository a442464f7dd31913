//! What emulated sensors have of chance.

/// xorshift32 (Marsaglia 2003), from any state but 0.
#[derive(Clone, Debug)]
pub(crate) struct Noise(pub(crate) u32);

impl Noise {
    /// Uniform in [0, 1).
    pub(crate) fn uniform(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        // As many bits as `f32` holds.
        let bits = (self.0 >> 8) as f32;
        bits / 16_777_216.0
    }

    /// Of mean 0 and variance 1, nearly normal: the sum of twelve uniform numbers, less its mean.
    pub(crate) fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.uniform()).sum::<f32>() - 6.0
    }
}
