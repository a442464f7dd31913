use natgrad::optimizer::Tonga;
use natgrad::{Activation, Likelihood, Plan, Room, Trainer};

const PLAN: Plan<2> = match Plan::new([1, 1], Activation::Tanh, Likelihood::Gaussian) {
    Ok(plan) => plan,
    Err(error) => panic!("{}", error.message()),
};
const LEN: usize = Trainer::<f32, Tonga<f32, 0, 2>, 1>::workspace_len(&PLAN.model(), Room::NONE);

fn main() {
    let _ = LEN;
}
