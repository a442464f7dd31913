//! The grids of settings, and the choice of the best: on seeds of its own, and separately for each accuracy, since what
//! gets somewhere fast is not what gets far.
//!
//! All settings run from the first seed; those that may be the best run from the others too.

use accuracy::{Schedule, Task};

use super::record::Trial;
use super::{Choice, Method};

/// The batches of first-order methods.
const BATCHES: [u16; 3] = [4, 16, 64];

/// The batches of natural gradient by CG; the last is all examples, or as many.
const CG_BATCHES: [u16; 4] = [4, 16, 64, 256];

/// The rates of Adam.
const ADAM: [f32; 13] = [
    1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0,
];

/// The rates of gradient descent, in the unit 1/(1 + mean |x|²).
const DESCENT: [f32; 8] = [0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0];

/// So many settings for each accuracy run from further seeds.
const SHORTLIST: usize = 5;

/// Whose settings are compared with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Natural gradient by CG.
    Cg,
    /// Adam.
    Adam,
    /// Gradient descent, plain and with momentum.
    Descent,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cg, Self::Adam, Self::Descent];

    /// Whether a method is of the family.
    pub fn holds(self, method: Method) -> bool {
        match self {
            Self::Cg => method == Method::Cg,
            Self::Adam => method == Method::Adam,
            Self::Descent => matches!(method, Method::Sgd | Method::Momentum),
        }
    }
}

/// All settings that are tried on a task.
pub fn settings(task: &Task) -> Vec<Choice> {
    let mut settings = Vec::new();
    for batch in CG_BATCHES {
        settings.push(Choice::new(Method::Cg, 0.0, batch, Schedule::Constant));
    }
    for batch in BATCHES {
        for schedule in Schedule::ALL {
            for rate in ADAM {
                settings.push(Choice::new(Method::Adam, rate, batch, schedule));
            }
            for rate in DESCENT {
                let rate = two_digits(rate / (1.0 + mean_square(task)));
                for method in [Method::Sgd, Method::Momentum] {
                    settings.push(Choice::new(method, rate, batch, schedule));
                }
            }
        }
    }
    settings
}

/// The mean of |x|² over the training examples.
#[expect(clippy::cast_precision_loss, reason = "a few hundred examples")]
fn mean_square(task: &Task) -> f32 {
    let squares = task.train.inputs.iter().map(|x| x * x);
    squares.sum::<f32>() / task.examples() as f32
}

fn two_digits(rate: f32) -> f32 {
    let text = format!("{rate:.1e}");
    text.parse().unwrap_or(rate)
}

/// The settings that may be the best, by the trials of the first seed.
pub fn shortlist(trials: &[&Trial]) -> Vec<Choice> {
    let mut list: Vec<Choice> = Vec::new();
    for family in Family::ALL {
        for accuracy in 0..3 {
            let of_family = trials.iter().filter(|trial| family.holds(trial.method));
            let mut ranked: Vec<&&Trial> = of_family.collect();
            ranked
                .sort_by(|one, other| rank(&[one], accuracy).total_cmp(&rank(&[other], accuracy)));
            for trial in ranked.into_iter().take(SHORTLIST) {
                let choice = trial.choice();
                if !list.contains(&choice) {
                    list.push(choice);
                }
            }
        }
    }
    list
}

/// The best setting of a family for an accuracy, by the trials of all seeds.
pub fn best(trials: &[&Trial], family: Family, accuracy: usize) -> Option<Choice> {
    let mut groups: Vec<(Choice, Vec<&Trial>)> = Vec::new();
    for trial in trials.iter().filter(|trial| family.holds(trial.method)) {
        let choice = trial.choice();
        match groups.iter_mut().find(|(known, _)| *known == choice) {
            Some((_, group)) => group.push(trial),
            None => groups.push((choice, vec![trial])),
        }
    }
    // One that has run from fewer seeds is not on the short list.
    let most = groups.iter().map(|(_, group)| group.len()).max()?;
    groups.retain(|(_, group)| group.len() == most);
    let ranked = groups
        .iter()
        .min_by(|(_, one), (_, other)| rank(one, accuracy).total_cmp(&rank(other, accuracy)));
    ranked.map(|(choice, _)| *choice)
}

/// What is smaller is better: more runs that arrive before fewer, less arithmetic before more, that of the updates included, and where none arrives
/// a smaller loss at the end.
#[expect(clippy::cast_precision_loss, reason = "three digits are enough")]
fn rank(trials: &[&Trial], accuracy: usize) -> f64 {
    let mut macs: Vec<u64> = trials
        .iter()
        .filter_map(|trial| trial.cost(accuracy))
        .collect();
    macs.sort_unstable();
    let missing = trials.len() - macs.len();
    let cost = if let Some(&median) = macs.get(macs.len().saturating_sub(1) / 2) {
        median as f64
    } else {
        let losses = trials.iter().map(|trial| f64::from(trial.end_loss));
        let worst = losses.fold(0.0, |worst: f64, loss| {
            worst.max(if loss.is_finite() { loss } else { 1e9 })
        });
        1e12 * (1.0 + worst.min(1e9))
    };
    1e24 * missing as f64 + cost
}
