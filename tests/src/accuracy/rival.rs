//! L-BFGS over all examples in f64, from the same start.

use accuracy::{Point, Targets, Task};
use natgrad_host::baseline::{self, Baseline, Budget};
use natgrad_host::data::{Dataset, Targets as HostTargets};

/// Runs it for as long as `seen` says; the held-out loss.
pub(super) fn run(task: &Task, seed: u64, seen: &mut dyn FnMut(&Point) -> bool) -> Option<f32> {
    let model = task.model;
    let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
    let targets = match task.train.targets {
        Targets::Values(values) => HostTargets::Values(wide(values)),
        Targets::Classes(classes) => HostTargets::Classes(classes.to_vec()),
    };
    let widths = (model.dim_in(), model.dim_out());
    let train = Dataset::new(task.name, widths, wide(task.train.inputs), targets).ok()?;
    let mut params = vec![0.0; model.params()];
    task.start(seed, &mut params).ok()?;
    let mut params = wide(&params);
    let budget = Budget {
        iterations: u64::MAX,
        macs: task.budget(),
    };
    let gradient = task.gradient_macs();
    let examples = task.examples() as u64;
    let watch = &mut |step: baseline::Step<'_>| {
        seen(&Point {
            steps: u32::try_from(step.iteration).unwrap_or(u32::MAX),
            examples: step.macs / gradient * examples,
            macs: step.macs,
            loss: narrow(step.loss),
            ..Point::default()
        })
    };
    baseline::run(
        model,
        &mut params,
        Baseline::LBFGS,
        0.0,
        &train,
        budget,
        watch,
    )
    .ok()?;
    let narrowed: Vec<f32> = params.iter().map(|&x| narrow(x)).collect();
    let len = natgrad::Pass::Loss.scratch_len(&model, accuracy::TILE);
    let mut scratch = vec![0.0; len];
    let mut mlp =
        natgrad::Mlp::<f32, { accuracy::TILE }>::new(model, &narrowed, &mut scratch).ok()?;
    mlp.loss(&task.test.batch()).ok()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a report in the digits of the rest"
)]
fn narrow(x: f64) -> f32 {
    x as f32
}
