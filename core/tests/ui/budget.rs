use natgrad::optimizer::NaturalGradient;
use natgrad::{Activation, Likelihood, Plan, Room, Trainer};

const PLAN: Plan<3> = match Plan::new([64, 32, 10], Activation::Tanh, Likelihood::Categorical) {
    Ok(plan) => plan,
    Err(error) => panic!("{}", error.message()),
};
type Learner<'a> = Trainer<'a, f32, NaturalGradient<f32>, 1>;

const _: () = match Learner::fits(&PLAN.model(), Room::NONE, 16 * 1024) {
    Ok(()) => {}
    Err(over) => panic!("{}", over.message().as_str()),
};

fn main() {}
