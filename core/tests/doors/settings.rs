//! Settings out of their range, one at a time: each is refused with its sentence, at the construction
//! of a trainer and before a step.

use natgrad::damping::{DampingPolicy, Ratio, Structural};
use natgrad::krylov::Cg;
use natgrad::line_search::{Decay, LineSearch};
use natgrad::optimizer::{
    Adam, Anchor, Centred, Full, HeldOut, KrylovDescent, L2, Local, Method, Momentum, NaturalCg,
    NaturalGradient, Nesterov, Plain, Sgd, StructuralHessianFree, Tonga,
};
use natgrad::precondition::{Jacobi, Martens};
use natgrad::{Activation, Batch, Error, Likelihood, Metric, Model, Trainer};

const WIDTHS: [usize; 2] = [2, 1];
const INPUTS: [f32; 4] = [1.0, 2.0, -1.0, 0.5];
const TARGETS: [f32; 2] = [0.5, -0.5];

fn model() -> Model<'static> {
    Model::new(&WIDTHS, Activation::Tanh, Likelihood::Gaussian).expect("a plan")
}

fn refuse<M: Method<f32> + Clone>(good: &M, sentence: &'static str, change: impl Fn(&mut M)) {
    let mut bad = good.clone();
    change(&mut bad);
    let expected = Some(Error::Setting(sentence));
    let mut params = [0.25, -0.5, 0.125];
    let before = params;
    let mut memory = vec![0.0; 200];

    let refused = Trainer::<f32, M, 2>::new(model(), &mut params, &mut memory, bad).err();
    assert_eq!(refused, expected, "at the construction");
    assert_eq!(params, before);

    let mut trainer =
        Trainer::<f32, M, 2>::new(model(), &mut params, &mut memory, good.clone()).unwrap();
    change(trainer.method_mut().unwrap());
    let batch = Batch::new(&INPUTS, &TARGETS);
    assert_eq!(
        trainer.step(batch, Metric::Same).err(),
        expected,
        "at a step"
    );
    assert_eq!(
        trainer.begin(batch, Metric::Same).err(),
        expected,
        "at a begin"
    );
    assert_eq!(
        trainer.begin_in_place(batch, Metric::Same).err(),
        expected,
        "in place"
    );
    assert!(!trainer.is_busy());
    assert_eq!(trainer.params(), before);
    *trainer.method_mut().unwrap() = good.clone();
    trainer
        .step(batch, Metric::Same)
        .expect("good settings, a good step");
}

const NOT_POSITIVE: [f32; 4] = [0.0, -1.0, f32::NAN, f32::INFINITY];
const NO_DECAY: [f32; 5] = [-0.125, 1.0, 2.0, f32::NAN, f32::INFINITY];
const RATE: &str = "the rate must be positive and finite";

#[test]
fn sgd() {
    fn kind<V: natgrad::optimizer::Velocity>() {
        let good = Sgd::<f32, V>::new(0.5);
        for bad in NOT_POSITIVE {
            refuse(&good, RATE, |m| m.rate = bad);
        }
        for bad in NO_DECAY {
            refuse(&good, "the momentum must be in [0, 1)", |m| {
                m.momentum = bad;
            });
        }
    }
    kind::<Plain>();
    kind::<Momentum>();
    kind::<Nesterov>();
}

#[test]
fn adam() {
    let good = Adam::new(0.5);
    for bad in NOT_POSITIVE {
        refuse(&good, RATE, |m| m.rate = bad);
        refuse(
            &good,
            "the epsilon of Adam must be positive and finite",
            |m| m.epsilon = bad,
        );
    }
    for (rate, epsilon) in [(1e10, 1e-30), (f32::MAX, 1e-8), (0.5, 1e-39)] {
        refuse(
            &good,
            "the rate of Adam divided by its epsilon must be finite",
            |m| (m.rate, m.epsilon) = (rate, epsilon),
        );
    }
    for bad in NO_DECAY {
        refuse(&good, "the decays of Adam must be in [0, 1)", |m| {
            m.beta1 = bad;
        });
        refuse(&good, "the decays of Adam must be in [0, 1)", |m| {
            m.beta2 = bad;
        });
    }
}

#[test]
fn tonga() {
    fn kind<M>(good: Tonga<f32, 2, 2, M>)
    where
        M: natgrad::optimizer::Moment,
    {
        for bad in NOT_POSITIVE {
            refuse(&good, RATE, |m| m.rate = bad);
            refuse(&good, "the damping must be positive and finite", |m| {
                m.damping = bad;
            });
        }
        for bad in [0.0, -0.5, 1.125, f32::NAN, f32::INFINITY] {
            refuse(&good, "the forgetting must be in (0, 1]", |m| {
                m.forgetting = bad;
            });
        }
    }
    kind(Tonga::<f32, 2, 2>::new(0.5));
    kind(Tonga::<f32, 2, 2, Centred>::new(0.5));
    // To forget nothing is good.
    let mut all = Tonga::<f32, 2, 2>::new(0.5);
    all.forgetting = 1.0;
    let (mut params, mut memory) = ([0.0; 3], vec![0.0; 200]);
    assert!(Trainer::<_, _, 2>::new(model(), &mut params, &mut memory, all).is_ok());
}

#[test]
fn krylov_descent() {
    let good = KrylovDescent::<f32, 2>::default();
    for bad in [0.0, -0.5, 1.125, f32::NAN, f32::INFINITY] {
        refuse(
            &good,
            "the floor of the eigenvalues must be in (0, 1]",
            |m| {
                m.floor = bad;
            },
        );
    }
    let search = "the search needs at least one direction and a slope in [0, 1)";
    refuse(&good, search, |m| m.search.directions = 0);
    for bad in [-0.125, 1.0, f32::NAN, f32::INFINITY] {
        refuse(&good, search, |m| m.search.slope = bad);
    }
    let mut least = good;
    least.floor = 1.0;
    (least.search.directions, least.search.halvings) = (1, 0);
    least.search.slope = 0.0;
    let (mut params, mut memory) = ([0.0; 3], vec![0.0; 200]);
    assert!(Trainer::<_, _, 2>::new(model(), &mut params, &mut memory, least).is_ok());
}

type Natural = NaturalGradient<f32>;

#[test]
fn natural() {
    let good = Natural::default();
    for bad in NOT_POSITIVE {
        refuse(&good, RATE, |m| m.rate = bad);
        refuse(&good, "the damping must be positive and finite", |m| {
            m.damping.initial = bad;
        });
        let limits = "the damping's floor and ceiling must be positive, finite and in order";
        refuse(&good, limits, |m| m.damping.floor = bad);
        refuse(&good, limits, |m| m.damping.ceiling = bad);
        refuse(&good, limits, |m| {
            (m.damping.floor, m.damping.ceiling) = (2.0, 1.0);
        });
    }
    for bad in [-0.125, 1.125, f32::NAN] {
        refuse(&good, "the warm start must be in [0, 1]", |m| {
            m.warm_start = bad;
        });
    }
    for bad in [1.0, 0.5, -1.0, f32::NAN, f32::INFINITY] {
        refuse(
            &good,
            "the raise of a further attempt must be above 1",
            |m| m.retry_raise = bad,
        );
    }
    let stop = "the solver needs at least one iteration and tolerances that are not negative";
    refuse(&good, stop, |m| m.stop.iterations = 0);
    for bad in [-1.0, f32::NAN] {
        refuse(&good, stop, |m| m.stop.residual = bad);
        refuse(&good, stop, |m| m.stop.progress = bad);
    }
    for bad in [0.0, -1.0, f32::NAN] {
        let trust = "the bounds of the trust region must be positive";
        refuse(&good, trust, |m| m.trust.kl = bad);
        refuse(&good, trust, |m| m.trust.logit = bad);
    }
    // The door is the same for every solver, preconditioner and damping metric.
    let other = NaturalGradient::<f32, Cg<2>, Martens>::default();
    refuse(&other, RATE, |m| m.rate = f32::NAN);
}

#[test]
fn what_the_other_methods_add() {
    let good = Natural::default();
    refuse(
        &good,
        "a held-out batch that judges does so every step or less often",
        |m| m.held_out = HeldOut::Judges { every: 0 },
    );
    let decay =
        "the decay of the rate needs a factor in (0, 1] and at least one step between two changes";
    for (every, factor) in [(0, 0.5), (1, 0.0), (1, 1.5), (1, f32::NAN)] {
        refuse(&good, decay, |m| {
            m.decay = Decay::Geometric {
                start: 0,
                every,
                factor,
            };
        });
    }
    refuse(&good, decay, |m| {
        m.decay = Decay::Harmonic { start: 0, scale: 0 };
    });
    let structural = StructuralHessianFree::<f32>::hessian_free(1.0);
    for bad in [-1.0, f32::NAN, f32::INFINITY] {
        refuse(
            &structural,
            "the weight of structural damping must be finite and not negative",
            |m| m.damping.metric.weight = bad,
        );
    }

    let full = NaturalCg::<f32, Full>::default();
    for evaluations in [0, 1, 2] {
        refuse(
            &full,
            "a search in a plane needs at least three evaluations",
            |m| m.conjugation.evaluations = evaluations,
        );
    }
    refuse(&full, RATE, |m| m.natural.rate = f32::NAN);
    let mut held = NaturalCg::<f32, Local, Cg, Jacobi, Structural<f32>>::default();
    held.natural.damping.metric.weight = 0.0;
    refuse(
        &held,
        "natural conjugate gradient has no structural damping",
        |m| m.natural.damping.metric.weight = 0.5,
    );
}

#[test]
fn line_search() {
    let good = Natural::default();
    let sentence = "the line search needs a slope in [0, 1) and a shrink in (0, 1)";
    for (slope, shrink) in [
        (-0.125, 0.5),
        (1.0, 0.5),
        (f32::NAN, 0.5),
        (0.5, 0.0),
        (0.5, 1.0),
        (0.5, -0.5),
        (0.5, f32::NAN),
    ] {
        refuse(&good, sentence, |m| {
            m.line_search = LineSearch::Backtracking {
                slope,
                shrink,
                tries: 3,
            };
        });
    }
}

#[test]
fn damping_policy() {
    let good = Natural::default();
    let sentence = "the damping's policy needs thresholds in order, a raise of at least 1 and a lower between 0 and 1";
    for (low, high, raise, lower) in [
        (0.75, 0.25, 1.5, 0.5),
        (f32::NAN, 0.75, 1.5, 0.5),
        (0.25, f32::NAN, 1.5, 0.5),
        (0.25, 0.75, 0.875, 0.5),
        (0.25, 0.75, f32::NAN, 0.5),
        (0.25, 0.75, f32::INFINITY, 0.5),
        (0.25, 0.75, 1.5, 0.0),
        (0.25, 0.75, 1.5, 1.125),
        (0.25, 0.75, 1.5, f32::NAN),
    ] {
        refuse(&good, sentence, |m| {
            let ratio = Ratio::Linear;
            m.damping.policy = DampingPolicy::LevenbergMarquardt {
                ratio,
                low,
                high,
                raise,
                lower,
            };
        });
    }
    for (few, many, raise, lower) in [
        (9, 5, 1.5, 0.5),
        (5, 9, 0.875, 0.5),
        (5, 9, f32::NAN, 0.5),
        (5, 9, 1.5, 0.0),
        (5, 9, 1.5, f32::NAN),
    ] {
        refuse(&good, sentence, |m| {
            m.damping.policy = DampingPolicy::Effort {
                few,
                many,
                raise,
                lower,
            };
        });
    }
    for (every, factor) in [
        (0, 0.5),
        (1, 0.0),
        (1, -1.0),
        (1, f32::NAN),
        (1, f32::INFINITY),
    ] {
        refuse(&good, sentence, |m| {
            m.damping.policy = DampingPolicy::Schedule {
                start: 0,
                every,
                factor,
            };
        });
    }
}

#[test]
fn limits_of_settings_are_good() {
    let mut good = Natural {
        warm_start: 1.0,
        ..Default::default()
    };
    (good.damping.floor, good.damping.ceiling) = (0.5, 0.5);
    good.damping.policy = DampingPolicy::Effort {
        few: 3,
        many: 3,
        raise: 1.0,
        lower: 1.0,
    };
    good.line_search = LineSearch::Backtracking {
        slope: 0.0,
        shrink: 0.5,
        tries: 0,
    };
    (good.stop.residual, good.stop.progress) = (0.0, 0.0);
    let (mut params, mut memory) = ([0.0; 3], vec![0.0; 200]);
    assert!(Trainer::<f32, Natural, 2>::new(model(), &mut params, &mut memory, good).is_ok());
}

#[test]
fn regularisation() {
    let anchor = [1.0, f32::NAN, 0.0];
    let (mut params, mut memory) = ([0.0; 3], vec![0.0; 200]);
    let method = Sgd::<f32>::new(0.5);
    let mut trainer =
        Trainer::<f32, Sgd<f32>, 2>::new(model(), &mut params, &mut memory, method).unwrap();
    let strength = "the L2 strength must be finite and not negative";
    for bad in [-1.0, f32::NAN, f32::INFINITY] {
        let l2 = L2 {
            strength: bad,
            anchor: Anchor::Zero,
        };
        assert_eq!(trainer.regularise(l2), Err(Error::Setting(strength)));
    }
    let l2 = L2 {
        strength: 1.0,
        anchor: Anchor::At(&anchor),
    };
    assert_eq!(
        trainer.regularise(l2),
        Err(Error::Setting("the anchor must be finite"))
    );
    // None of them has been taken: at θ = 0 the loss is that of the data.
    let report = trainer
        .step(Batch::new(&INPUTS, &TARGETS), Metric::Same)
        .unwrap();
    assert_eq!(report.loss, 0.125);
    assert_eq!(
        trainer.regularise(L2 {
            strength: 1.0,
            anchor: Anchor::At(&[1.0; 3])
        }),
        Ok(())
    );
}

#[test]
fn parameters_that_are_not_finite() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for place in 0..3 {
            let (mut params, mut memory) = ([0.5; 3], vec![1.0; 200]);
            params[place] = bad;
            let method = Sgd::<f32>::new(0.5);
            let refused =
                Trainer::<f32, Sgd<f32>, 2>::new(model(), &mut params, &mut memory, method).err();
            assert_eq!(refused, Some(Error::NonFinite));
            assert!(memory.iter().all(|&m| m == 1.0), "nothing is written");
        }
    }
}
