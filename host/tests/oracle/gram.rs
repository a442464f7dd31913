//! The step in output space, taken out of the trainer before anything is done with it.

use natgrad::damping::{Damping, DampingPolicy};
use natgrad::line_search::Trust;
use natgrad::optimizer::{DualMetric, Gram, Inverse, Plain, Progress, RightHandSide};
use natgrad::{Likelihood, Metric, Room, Scalar, Trainer};

use super::strategies::Case;
use super::subject::{Subject, widen, with_tile};

/// The most examples of a case.
pub(crate) const EXAMPLES: usize = 32;

/// A method that does nothing but solve.
fn bare<T: Scalar, D: DualMetric, I: Inverse>(relative: f64) -> Gram<T, EXAMPLES, D, Plain, I> {
    let method = Gram::<T, EXAMPLES, D, Plain, I>::default();
    Gram {
        damping: Damping {
            initial: T::of(relative),
            floor: T::of(1e-12),
            policy: DampingPolicy::Constant,
            ..method.damping
        },
        trust: Trust::unbounded(),
        retries: 0,
        ..method
    }
}

/// d `[P]` of a first step with that λ, relative to the mean diagonal of the Gram matrix; nothing where the factor
/// breaks down or the model promises no decrease.
///
/// The step is given up as soon as d is there, the first vector of the workspace: θ + d has not the digits of d.
pub(crate) fn direction<T: Scalar, D: DualMetric, I: Inverse>(
    case: &Case,
    relative: f64,
) -> Option<Vec<f64>> {
    let subject = Subject::<T>::new(case);
    let model = subject.model();
    let examples = case.examples.inputs.len();
    let mut params = subject.params.clone();
    let n = params.len();
    with_tile!(case.shape.tile, TILE => {
        type Learner<'a, T, D, I> = Trainer<'a, T, Gram<T, EXAMPLES, D, Plain, I>, TILE>;
        let mut workspace = vec![T::ZERO; Learner::<T, D, I>::workspace_len(&model, Room::NONE)];
        let method = bare::<T, D, I>(relative);
        let trainer = Learner::new(model, &mut params, &mut workspace, method);
        let mut trainer = trainer.expect("a trainer");
        trainer.begin_in_place(subject.batch(), Metric::Same).expect("a batch");
        let promised = loop {
            match trainer.advance().expect("a slice") {
                Progress::Ready => return None,
                Progress::Solved { solve, .. } => break solve.last.phi < T::ZERO,
                _ => {}
            }
        };
        // By push-through a Gaussian's promise comes before d: Jᵀ tile by tile, and then D⁻¹.
        let slices = match (I::RIGHT_HAND_SIDE, model.likelihood()) {
            (RightHandSide::Residuals, Likelihood::Gaussian) => examples.div_ceil(TILE) + 1,
            _ => 0,
        };
        for _ in 0..slices {
            if trainer.advance().expect("a slice") == Progress::Ready {
                return None;
            }
        }
        if !promised {
            return None;
        }
        Some(widen(&workspace[..n]))
    })
}
