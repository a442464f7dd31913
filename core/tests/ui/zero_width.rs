use natgrad::{Activation, Likelihood, Plan};

const PLAN: Plan<3> = match Plan::new([64, 0, 10], Activation::Tanh, Likelihood::Categorical) {
    Ok(plan) => plan,
    Err(error) => panic!("{}", error.message()),
};

fn main() {
    let _ = PLAN.params();
}
