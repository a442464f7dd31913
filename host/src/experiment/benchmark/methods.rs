//! The methods of the benchmark, and their settings.

use natgrad::damping::DampingPolicy;
use natgrad::optimizer::Acceptance;
use num_traits::cast;

use super::super::Arm;
use super::{Size, run};
use crate::baseline::Baseline;
use crate::training::{
    Curvatures, Metrics, Moments, Natural, Optimizer, Plane, Preconditioning, Solvers, Tonga,
};

/// What an arm is called.
pub(super) const SGD: &str = "SGD";
pub(super) const MOMENTUM: &str = "momentum";
pub(super) const ADAM: &str = "Adam";
pub(super) const NATSGD: &str = "natSGD";
pub(super) const NATURAL: &str = "natural";
pub(super) const EMPIRICAL: &str = "empirical";
pub(super) const LOCAL: &str = "NatCG-L";
pub(super) const FULL: &str = "NatCG-F";
pub(super) const HESSIAN_FREE: &str = "HF";
pub(super) const STRUCTURAL: &str = "HF+structural";
pub(super) const NEWTON: &str = "Newton";
pub(super) const QLP: &str = "natSGD+MINRES-QLP";
pub(super) const DESCENT: &str = "KSD";
pub(super) const TONGA: &str = "TONGA";
pub(super) const CENTRED: &str = "TONGA-centred";
pub(super) const LBFGS: &str = "L-BFGS";
pub(super) const NONLINEAR: &str = "nonlinear-CG";

/// Which examples an update sees.
#[derive(Clone, Copy)]
pub(super) enum Draw {
    /// A batch for the gradient.
    Stochastic,
    /// A larger one, whose first examples are the metric's.
    Natural,
    /// All for the gradient, and some for the metric.
    All,
}

/// A method: the examples of its updates, and three settings of it.
pub(super) struct Method {
    pub(super) label: &'static str,
    name: &'static str,
    pub(super) values: [f64; 3],
    pub(super) chosen: f64,
    pub(super) make: Make,
}

/// From the value of a setting to a method.
#[derive(Clone, Copy)]
pub(super) enum Make {
    /// One of the core, and what its updates see.
    Core(Draw, fn(f64) -> Optimizer),
    /// One of a library, on all examples.
    Library(fn(f64) -> Baseline),
}

/// natSGD by conjugate gradients, with Levenberg–Marquardt on the quadratic ratio from λ on.
fn nat_sgd(damping: f64) -> Natural {
    Natural {
        damping,
        floor: 1e-4,
        policy: DampingPolicy::levenberg_marquardt(),
        iterations: 50,
        progress: 5e-4,
        ..Natural::nat_sgd(Solvers::Cg)
    }
}

/// The same where the curvature is none of the model: the loss must not rise, else λ does, at once.
fn careful(damping: f64) -> Natural {
    Natural {
        acceptance: Acceptance::Decrease,
        retries: 8,
        ..nat_sgd(damping)
    }
}

fn tonga(rate: f64, moment: Moments) -> Optimizer {
    Optimizer::Tonga(Tonga {
        rate,
        damping: 1.0,
        forgetting: 0.99,
        moment,
    })
}

/// All methods, each with a grid of three settings and the one that was chosen on tuning seeds.
pub(super) const METHODS: &[Method] = &[
    Method {
        label: SGD,
        name: "rate",
        values: [0.1, 0.2, 0.4],
        chosen: 0.2,
        make: Make::Core(Draw::Stochastic, Optimizer::Sgd),
    },
    Method {
        label: MOMENTUM,
        name: "rate",
        values: [0.003, 0.01, 0.03],
        chosen: 0.01,
        make: Make::Core(Draw::Stochastic, |rate| Optimizer::Momentum(rate, 0.9)),
    },
    Method {
        label: ADAM,
        name: "rate",
        values: [0.003, 0.01, 0.03],
        chosen: 0.01,
        make: Make::Core(Draw::Stochastic, Optimizer::Adam),
    },
    Method {
        label: NATSGD,
        name: "lambda",
        values: [0.3, 1.0, 3.0],
        chosen: 1.0,
        make: Make::Core(Draw::Natural, |damping| {
            Optimizer::Natural(nat_sgd(damping))
        }),
    },
    Method {
        label: NATURAL,
        name: "lambda",
        values: [0.3, 1.0, 3.0],
        chosen: 1.0,
        make: Make::Core(Draw::Natural, |damping| {
            Optimizer::Natural(Natural {
                preconditioner: Preconditioning::Martens,
                warm_start: 0.95,
                ..nat_sgd(damping)
            })
        }),
    },
    Method {
        label: EMPIRICAL,
        name: "lambda",
        values: [10.0, 30.0, 100.0],
        chosen: 100.0,
        make: Make::Core(Draw::Natural, |damping| {
            Optimizer::Natural(Natural {
                curvature: Curvatures::Empirical,
                ..careful(damping)
            })
        }),
    },
    Method {
        label: LOCAL,
        name: "lambda",
        values: [0.3, 1.0, 3.0],
        chosen: 1.0,
        make: Make::Core(Draw::Natural, |damping| {
            Optimizer::NaturalCg(nat_sgd(damping), Plane::Local)
        }),
    },
    Method {
        label: FULL,
        name: "lambda",
        values: [0.3, 1.0, 3.0],
        chosen: 1.0,
        make: Make::Core(Draw::Natural, |damping| {
            Optimizer::NaturalCg(nat_sgd(damping), Plane::Full)
        }),
    },
    Method {
        label: HESSIAN_FREE,
        name: "lambda",
        values: [0.3, 1.0, 3.0],
        chosen: 1.0,
        make: Make::Core(Draw::All, |damping| {
            Optimizer::Natural(Natural {
                iterations: 100,
                ..Natural::hessian_free(damping, Metrics::Identity)
            })
        }),
    },
    Method {
        label: STRUCTURAL,
        name: "lambda",
        values: [0.3, 1.0, 3.0],
        chosen: 1.0,
        make: Make::Core(Draw::All, |damping| {
            Optimizer::Natural(Natural {
                iterations: 100,
                ..Natural::hessian_free(damping, Metrics::Structural(0.03))
            })
        }),
    },
    Method {
        label: NEWTON,
        name: "lambda",
        values: [0.3, 1.0, 3.0],
        chosen: 1.0,
        make: Make::Core(Draw::Natural, |damping| {
            Optimizer::Natural(Natural {
                curvature: Curvatures::Hessian,
                ..careful(damping)
            })
        }),
    },
    Method {
        label: QLP,
        name: "lambda",
        values: [0.3, 1.0, 3.0],
        chosen: 1.0,
        make: Make::Core(Draw::Natural, |damping| {
            Optimizer::Natural(Natural {
                solver: Solvers::MinresQlp,
                ..nat_sgd(damping)
            })
        }),
    },
    Method {
        label: DESCENT,
        name: "directions",
        values: [2.0, 5.0, 10.0],
        chosen: 5.0,
        make: Make::Core(Draw::All, |directions| {
            // Three whole numbers.
            Optimizer::KrylovDescent(cast(directions).unwrap_or(1))
        }),
    },
    Method {
        label: TONGA,
        name: "rate",
        values: [1.0, 3.0, 10.0],
        chosen: 3.0,
        make: Make::Core(Draw::Stochastic, |rate| tonga(rate, Moments::Uncentred)),
    },
    Method {
        label: CENTRED,
        name: "rate",
        values: [0.1, 0.3, 1.0],
        chosen: 0.3,
        make: Make::Core(Draw::Stochastic, |rate| tonga(rate, Moments::Centred)),
    },
    Method {
        label: LBFGS,
        name: "memory",
        values: [20.0, 40.0, 80.0],
        chosen: 80.0,
        make: Make::Library(|memory| Baseline::Lbfgs {
            memory: cast(memory).unwrap_or(1),
        }),
    },
    Method {
        label: NONLINEAR,
        name: "restart",
        values: [10.0, 30.0, 100.0],
        chosen: 10.0,
        make: Make::Library(|restart| Baseline::NonlinearCg {
            restart: cast(restart).unwrap_or(1),
        }),
    },
];

impl Method {
    pub(super) fn setting(&self, value: f64) -> String {
        format!("{}={value}", self.name)
    }

    pub(super) fn arm(&'static self, label: String, size: Size, value: f64) -> Arm {
        Arm::new(label, move |job| run::train(job, size, self, value))
    }
}
