//! A natural step that looks at no loss must not commit a point at which the loss is not finite.

use natgrad::damping::DampingPolicy;
use natgrad::optimizer::{Acceptance, NaturalGradient, Outcome};
use natgrad::{Activation, Batch, Likelihood, Metric, Plan, Trainer};

#[test]
fn acceptance_of_finite_losses_without_any_other_look_at_them() {
    let plan = Plan::new([1, 1], Activation::Tanh, Likelihood::Gaussian).unwrap();
    let mut method = NaturalGradient::<f32>::default();
    method.acceptance = Acceptance::Finite;
    method.damping.policy = DampingPolicy::Constant;
    method.rate = 1e30;
    let (mut params, mut memory) = ([0.5, 0.0], [0.0; 99]);
    let mut trainer =
        Trainer::<f32, NaturalGradient<f32>, 1>::new(&plan, &mut params, &mut memory, method)
            .unwrap();
    let batch = Batch::new(&[1.0, 2.0], &[3.0, -4.0]);
    let report = trainer.step(batch, Metric::Same).unwrap();
    let (params, loss) = (trainer.params().to_vec(), trainer.loss(batch).unwrap());
    let next = trainer
        .step(batch, Metric::Same)
        .map(|report| report.outcome);
    assert!(
        loss.is_finite(),
        "{:?}, then θ = {params:?}, loss {loss}, and the next step gives {next:?}",
        report.outcome
    );
    assert_eq!(report.outcome, Outcome::Rejected);
}
