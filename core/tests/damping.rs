//! Marquardt's damping where diag(F) has nothing to say: a constant input, a dead unit.

use natgrad::optimizer::{NaturalGradient, Outcome};
use natgrad::{Activation, Batch, Likelihood, Metric, Plan, Trainer, init};

/// The first input is always 0, the last hidden unit never fires: no example moves their weights, and
/// their entries of diag(F) are 0. The step has to stay finite, leave them, and move the others.
#[test]
fn what_no_example_moves_stays_and_the_rest_moves() {
    for likelihood in [Likelihood::Gaussian, Likelihood::Bernoulli] {
        let plan = Plan::new([2, 3, 1], Activation::Relu, likelihood).expect("a plan");
        let mut params = [0.0_f32; 13];
        init::glorot(&plan, 3, &mut params).expect("the length of the plan");
        // W₁ is [3 × 2], then b₁: the third unit is far below its threshold.
        (params[6], params[7], params[8]) = (0.5, 0.5, -100.0);
        let start = params;
        let inputs = [0.0, -1.0, 0.0, -0.2, 0.0, 0.4, 0.0, 1.0];
        let targets = [0.9, 0.2, 0.1, 0.8];
        let mut workspace = [0.0; 200];
        let mut trainer = Trainer::<f32, NaturalGradient<f32>, 1>::new(
            &plan,
            &mut params,
            &mut workspace,
            NaturalGradient::default(),
        )
        .expect("a trainer");
        let batch = Batch::new(&inputs, &targets);
        let first = trainer.step(batch, Metric::Same).expect("a step");
        assert_eq!(first.outcome, Outcome::Accepted);
        for _ in 0..20 {
            trainer.step(batch, Metric::Same).expect("a step");
        }
        let loss = trainer.loss(batch).expect("a loss");
        assert!(loss < first.loss, "{likelihood:?}: {loss}");
        let params = trainer.params();
        assert!(params.iter().all(|p| p.is_finite()));
        // The first input's weights, the third unit's weights and bias, and what it feeds.
        for still in [0, 2, 4, 5, 8, 11] {
            assert_eq!(params[still], start[still], "parameter {still}");
        }
        assert_ne!(params[12], start[12], "the last bias has not moved");
    }
}
