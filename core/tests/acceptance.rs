//! What a natural step commits: no point at which the loss is not finite, and no update that is not.

use natgrad::damping::{DampingPolicy, Tikhonov};
use natgrad::krylov::Cg;
use natgrad::optimizer::{Acceptance, NaturalGradient, Outcome, Progress};
use natgrad::precondition::Unpreconditioned;
use natgrad::{Activation, Batch, Error, Likelihood, Metric, Plan, Trainer};

#[test]
fn acceptance_of_finite_losses_without_any_other_look_at_them() {
    let plan = Plan::new([1, 1], Activation::Tanh, Likelihood::Gaussian).unwrap();
    let mut method = NaturalGradient::<f32> {
        acceptance: Acceptance::Finite,
        rate: 1e30,
        ..Default::default()
    };
    method.damping.policy = DampingPolicy::Constant;
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

/// A hidden weight that falls to −∞ switches its rectified unit off: the loss is finite there, and only
/// the look at the update finds it.
#[test]
fn update_that_is_not_finite_where_the_loss_is() {
    type Method = NaturalGradient<f32, Cg, Unpreconditioned, Tikhonov>;
    let plan = Plan::new([1, 1, 1], Activation::Relu, Likelihood::Gaussian).unwrap();
    let method = Method {
        acceptance: Acceptance::Finite,
        rate: 4e19,
        ..Default::default()
    };
    let mut params = [1e-21, 0.0, 10.0, 0.0];
    let before = params.map(f32::to_bits);
    let mut memory = [0.0; 99];
    let mut trainer =
        Trainer::<f32, Method, 1>::new(&plan, &mut params, &mut memory, method).unwrap();
    // The gradient is 10¹⁹ at the first weight, and the metric knows nothing of it.
    let batch = Batch::new(&[1e20], &[0.99]);
    let metric = Metric::On(Batch::unlabelled(&[0.0]));
    let mut accepted = false;
    let result = trainer.step_with(batch, metric, &mut |progress| {
        accepted |= matches!(progress, Progress::Trial { accepted: true, .. });
    });
    assert!(accepted, "the trial point has a finite loss");
    assert_eq!(result, Err(Error::NonFiniteUpdate));
    assert_eq!([0, 1, 2, 3].map(|i| trainer.params()[i].to_bits()), before);
    assert_eq!(trainer.state().damping, 1.0);
}
