use natgrad::{Activation, Batch, Likelihood, Mlp, Plan};

fn main() {
    let plan = Plan::new([1, 1], Activation::Tanh, Likelihood::Gaussian).unwrap();
    let mut scratch = [0.0_f32; 8];
    let mut mlp = Mlp::<f32, 0>::new(&plan, &[0.5, 0.5], &mut scratch).unwrap();
    let _ = mlp.loss(&Batch::new(&[1.0], &[1.0]));
}
