use natgrad::{Activation, Likelihood, Plan};

const PLAN: Plan<2> = match Plan::new([64, 1], Activation::Tanh, Likelihood::Categorical) {
    Ok(plan) => plan,
    Err(error) => panic!("{}", error.message()),
};

fn main() {
    let _ = PLAN.params();
}
