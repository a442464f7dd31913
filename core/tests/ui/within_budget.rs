use natgrad::optimizer::NaturalGradient;
use natgrad::{Activation, Likelihood, Plan, Room, Trainer, Workspace};

const PLAN: Plan<3> = match Plan::new([4, 3, 2], Activation::Tanh, Likelihood::Categorical) {
    Ok(plan) => plan,
    Err(error) => panic!("{}", error.message()),
};
type Learner<'a> = Trainer<'a, f32, NaturalGradient<f32>, 1>;
const LEN: usize = Learner::workspace_len(&PLAN.model(), Room::NONE);

const _: () = match Learner::fits(&PLAN.model(), Room::NONE, 8 * 1024) {
    Ok(()) => {}
    Err(over) => panic!("{}", over.message().as_str()),
};

static WORKSPACE: Workspace<f32, LEN> = Workspace::new();

fn main() {
    assert_eq!(WORKSPACE.len(), LEN);
}
