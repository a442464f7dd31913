//! The scales of sensors, from the first readings.

/// Mean and deviation of every sensor.
#[derive(Clone, Copy, Debug)]
pub struct Scales<const N: usize>([(f32, f32); N]);

impl<const N: usize> Scales<N> {
    /// Those of some readings.
    pub fn of(readings: impl Iterator<Item = [f32; N]>) -> Self {
        let mut sums = [(0.0, 0.0); N];
        let mut count = 0.0;
        for values in readings {
            count += 1.0;
            for ((sum, squares), value) in sums.iter_mut().zip(values) {
                *sum += value;
                *squares += value * value;
            }
        }
        Self(sums.map(|(sum, squares)| {
            let mean = sum / count;
            (mean, libm::sqrtf(squares / count - mean * mean))
        }))
    }

    /// A reading in deviations from the mean.
    pub fn apply(&self, mut values: [f32; N]) -> [f32; N] {
        for (value, (mean, deviation)) in values.iter_mut().zip(self.0) {
            *value = (*value - mean) / deviation;
        }
        values
    }
}
