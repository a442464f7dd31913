//! How a pass is timed.

use std::time::Instant;

/// The number of samples that a median is taken of, and what each of them takes at least.
const SAMPLES: usize = 21;
const SAMPLE_SECONDS: f64 = 0.02;

/// The median time of a call, in seconds.
#[expect(clippy::unwrap_used, reason = "a benchmark that cannot run may panic")]
pub(crate) fn median(call: &mut dyn FnMut()) -> f64 {
    let mut time = |calls: u32| {
        let started = Instant::now();
        (0..calls).for_each(|_| call());
        started.elapsed().as_secs_f64()
    };
    let mut calls = 1;
    while time(calls) < SAMPLE_SECONDS {
        calls *= 2;
    }
    let mut times: Vec<f64> = (0..SAMPLES).map(|_| time(calls)).collect();
    times.sort_by(f64::total_cmp);
    times.get(SAMPLES / 2).unwrap() / f64::from(calls)
}
