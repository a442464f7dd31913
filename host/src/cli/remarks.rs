//! What `train` takes as it is, and says, because its user may not have meant it.

use natgrad::Likelihood;

use super::report;
use crate::data::{Dataset, Scaling};

/// Remarks on examples that train, in training units.
pub(super) fn on_examples(train: &Dataset, scaling: &Scaling, likelihood: Likelihood) {
    let remarks = [
        on_classes(&train.absent_classes()),
        on_targets(train, scaling, likelihood),
    ];
    for remark in remarks.into_iter().flatten() {
        report::note(&format!("note: {remark}"));
    }
}

fn on_classes(absent: &[usize]) -> Option<String> {
    // A list for people.
    const MOST: usize = 5;
    let mut words: Vec<String> = absent.iter().take(MOST).map(usize::to_string).collect();
    if absent.len() > MOST {
        words.push("…".into());
    }
    match absent {
        [] => None,
        [class] => Some(format!("no example that trains has the class {class}")),
        _ => Some(format!(
            "no example that trains has one of the classes {}",
            words.join(", ")
        )),
    }
}

/// Targets that nothing brings to order 1, which is what their likelihood takes them for.
fn on_targets(train: &Dataset, scaling: &Scaling, likelihood: Likelihood) -> Option<String> {
    let width = train.dim_out();
    let plain = Scaling::identity(train.dim_in(), width);
    let as_they_are = (&scaling.target_offset, &scaling.target_scale)
        == (&plain.target_offset, &plain.target_scale);
    if likelihood != Likelihood::Gaussian || !as_they_are {
        return None;
    }
    let moments = train.target_moments();
    let far = |(mean, deviation): &(f64, f64)| {
        mean.abs() > 10.0 * deviation || !(0.1..=10.0).contains(deviation)
    };
    let target = moments.iter().position(far)?;
    let (mean, deviation) = moments.get(target)?;
    Some(format!(
        "column {} has a mean of {} and a standard deviation of {}, but the Gaussian likelihood has unit variance, \
         and the bounds on a step are in that unit: targets should be of order 1, as --scale standard makes them",
        train.dim_in() + target + 1,
        report::number(*mean, 3),
        report::number(*deviation, 3),
    ))
}
