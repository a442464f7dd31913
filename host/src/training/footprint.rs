//! What a step of a method costs, known before it runs.

use std::marker::PhantomData;

use natgrad::optimizer::{Full, Method, StepCosts};
use natgrad::{DualStorage, Likelihood, Model, Pass, Scalar};

use super::dispatch::{MOST_DUAL_EXAMPLES, OnTile, Visit, dispatch, on_tile};
use super::method::{
    Curvatures, DualMetrics, Gram, Inverses, KRYLOV, Metrics, Optimizer, Plane, Preconditioning,
};
use crate::error::Error;

/// What a step of a method costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Vectors of length P in the workspace.
    pub vectors: usize,
    /// Scalars of the workspace, without room for copied examples.
    pub workspace: usize,
    /// Multiply-accumulates of a step; for natural gradient those of a step that uses all iterations of
    /// its solver and succeeds at the first attempt, in output space not the first one.
    pub macs: u64,
}

/// Counts the memory of a method, that of a system in output space for so many examples.
struct Measure<'a> {
    model: Model<'a>,
    examples: usize,
}

impl<T: Scalar> Visit<T> for Measure<'_> {
    type Output = Footprint;

    fn visit<M: Method<T> + 'static, const TILE: usize>(self, _: M) -> Footprint {
        let mut storage = M::STORAGE;
        if storage.dual != DualStorage::NONE {
            storage.dual.examples = self.examples;
        }
        Footprint {
            vectors: storage.vectors,
            workspace: storage.len(&self.model, TILE),
            macs: 0,
        }
    }
}

/// The footprint of `optimizer` on `model`, for a gradient over `batch` and a metric over `metric_batch`
/// examples; of a system in output space with the capacity for its own.
///
/// # Errors
/// [`Error::Option`], when there is no such tile.
pub fn footprint<T: Scalar>(
    model: Model<'_>,
    optimizer: &Optimizer,
    tile: usize,
    batch: usize,
    metric_batch: usize,
) -> Result<Footprint, Error> {
    let examples = match optimizer {
        Optimizer::Gram(gram) => gram.examples,
        _ => 0,
    };
    // A device's capacity is not one of those that are compiled here.
    let compiled = match optimizer {
        Optimizer::Gram(gram) => &Optimizer::Gram(Gram {
            examples: examples.min(MOST_DUAL_EXAMPLES),
            ..*gram
        }),
        other => other,
    };
    let mut footprint = dispatch::<T, _>(compiled, tile, Measure { model, examples })?;
    let over = |pass: Pass, examples: usize| model.macs(pass).saturating_mul(examples as u64);
    footprint.macs = over(Pass::Gradient, batch);
    let (natural, plane) = match optimizer {
        Optimizer::Natural(natural) => (natural, None),
        Optimizer::NaturalCg(natural, plane) => (natural, Some(*plane)),
        Optimizer::Gram(gram) => {
            footprint.macs = gram_macs(&model, gram, batch, metric_batch);
            return Ok(footprint);
        }
        Optimizer::KrylovDescent(directions) => {
            let columns = model.dim_out() as u64;
            let basis = over(Pass::Product, metric_batch).saturating_mul(KRYLOV as u64 + 1);
            let diagonal = over(Pass::Vjp, metric_batch).saturating_mul(columns);
            // One trial point per direction of the search.
            let trials = over(Pass::Gradient, batch).saturating_mul(u64::from(*directions));
            footprint.macs = footprint
                .macs
                .saturating_add(basis)
                .saturating_add(diagonal)
                .saturating_add(trials);
            return Ok(footprint);
        }
        _ => return Ok(footprint),
    };
    let (product, length) = match natural.curvature {
        Curvatures::Fisher | Curvatures::Empirical => (Pass::Product, Pass::Jvp),
        Curvatures::Hessian => (Pass::Hessian, Pass::Hessian),
    };
    let mut add = |macs: u64| footprint.macs = footprint.macs.saturating_add(macs);
    add(over(product, metric_batch).saturating_mul(u64::from(natural.iterations)));
    add(over(length, metric_batch));
    add(over(Pass::Loss, batch));
    if natural.metric == Metrics::Diagonal || natural.preconditioner == Preconditioning::Jacobi {
        let columns = model.dim_out() as u64;
        add(over(Pass::Vjp, metric_batch).saturating_mul(columns));
    }
    if natural.preconditioner == Preconditioning::Martens {
        add(over(Pass::Gradient, batch));
    }
    if plane.is_some() {
        add(over(Pass::Product, batch));
    }
    if plane == Some(Plane::Full) {
        let evaluations = u64::from(Full::default().evaluations);
        add(over(Pass::Loss, batch).saturating_mul(evaluations));
    }
    Ok(footprint)
}

/// [`Model::step_costs`] for a tile.
///
/// # Errors
/// [`Error::Option`], when there is no such tile.
pub fn step_costs<T: Scalar>(
    model: &Model<'_>,
    tile: usize,
    batch: usize,
    iterations: u16,
) -> Result<StepCosts, Error> {
    struct Costs<'a, 'm, T> {
        model: &'a Model<'m>,
        batch: usize,
        iterations: u16,
        scalar: PhantomData<T>,
    }
    impl<T: Scalar> OnTile for Costs<'_, '_, T> {
        type Output = StepCosts;

        fn on<const TILE: usize>(self) -> StepCosts {
            self.model
                .step_costs::<T, TILE>(self.batch, self.iterations)
        }
    }
    let scalar = PhantomData::<T>;
    on_tile(
        tile,
        Costs {
            model,
            batch,
            iterations,
            scalar,
        },
    )
}

/// As the core counts them; of the default it is [`Model::step_costs`].
fn gram_macs(model: &Model<'_>, gram: &Gram, batch: usize, metric_batch: usize) -> u64 {
    let over = |pass: Pass, examples: usize| model.macs(pass).saturating_mul(examples as u64);
    let outputs = model.dim_out() as u64;
    let (examples, n) = (
        metric_batch as u64,
        (metric_batch as u64).saturating_mul(outputs),
    );
    let (inputs, units, lowest) = match model.widths() {
        [first, middle @ .., last] => {
            let sum: usize = middle.iter().sum();
            let lowest = first * middle.first().unwrap_or(last);
            ((first + sum) as u64, (sum + last) as u64, lowest as u64)
        }
        _ => (0, 0, 0),
    };
    let weights = model.macs(Pass::Outputs);
    // The columns of an example, and its rows along a vector or what they combine to.
    let columns = weights + outputs * (weights - lowest);
    let rows = examples.saturating_mul(weights + outputs * units);
    let triangle = |n: u64| n.saturating_mul(n.saturating_add(1)) / 2;
    let mut macs = 0_u64;
    let mut add = |more: u64| macs = macs.saturating_add(more);
    add(examples.saturating_mul(columns));
    if gram.metric == DualMetrics::Kronecker {
        add(examples.saturating_mul(inputs));
        add(n.saturating_mul(units));
    }
    add(triangle(examples).saturating_mul(inputs));
    add(triangle(n).saturating_mul(units));
    add(triangle(n).saturating_mul(n.saturating_add(2)) / 3);
    add(triangle(n).saturating_mul(2));
    add(rows);
    if model.likelihood() != Likelihood::Gaussian {
        add(over(Pass::Jvp, metric_batch));
    }
    add(over(Pass::Loss, batch));
    let carries = gram.momentum > 0.0;
    if carries {
        add(rows);
    }
    if gram.inverse == Inverses::Woodbury {
        add(over(Pass::Gradient, batch));
        add(rows);
        if carries {
            add(rows);
        }
    }
    macs
}

#[cfg(test)]
mod tests {
    use natgrad::{Activation, Batch, Metric};

    use super::*;
    use crate::training::trainer;

    /// Two steps in output space that succeed at once report what was said of them.
    #[test]
    fn macs_in_output_space_are_those_that_a_step_reports() {
        let inputs: Vec<f64> = (0..21_u32).map(|i| f64::from(i * 31 % 97) / 97.0).collect();
        let targets: Vec<f64> = (0..14_u32).map(|i| f64::from(i * 17 % 97) / 97.0).collect();
        for likelihood in [Likelihood::Gaussian, Likelihood::Bernoulli] {
            for metric in [DualMetrics::Identity, DualMetrics::Kronecker] {
                for (inverse, examples) in [(Inverses::PushThrough, 7), (Inverses::Woodbury, 4)] {
                    for momentum in [0.0, 0.5] {
                        let model = Model::new(&[3, 5, 4, 2], Activation::Tanh, likelihood)
                            .expect("a model");
                        let optimizer = Optimizer::Gram(Gram {
                            momentum,
                            damping: 1e3,
                            ..Gram::new(examples, metric, inverse)
                        });
                        let cost = footprint::<f64>(model, &optimizer, 4, 7, examples);
                        let cost = cost.expect("a method");
                        let mut params = vec![0.0; model.params()];
                        natgrad::init::glorot(model, 1, &mut params).expect("its length");
                        let mut workspace = Vec::new();
                        let how = (&optimizer, 4);
                        let mut trainer =
                            trainer(model, &mut params, &mut workspace, how, 0.0, "a test")
                                .expect("a trainer");
                        let batch = Batch::new(inputs.as_slice(), targets.as_slice());
                        let metric = match inverse {
                            Inverses::PushThrough => Metric::Same,
                            Inverses::Woodbury => Metric::Leading(4),
                        };
                        let mut last = None;
                        for _ in 0..2 {
                            let report = trainer.step(batch, metric).expect("a step");
                            assert_eq!(report.solve.expect("a solve").attempts, 1);
                            last = Some(report.macs);
                        }
                        assert_eq!(last, Some(cost.macs), "{optimizer:?}");
                    }
                }
            }
        }
    }

    /// With the capacity for the batch, whatever is compiled here.
    #[test]
    fn the_default_in_output_space_is_that_of_the_core() {
        let model =
            Model::new(&[6, 5, 3], Activation::Tanh, Likelihood::Categorical).expect("a model");
        for batch in [1, 16, 100, 300] {
            let gram = Gram::new(batch, DualMetrics::Kronecker, Inverses::PushThrough);
            let found = footprint::<f32>(model, &Optimizer::Gram(gram), 1, batch, batch);
            let found = found.expect("a method");
            let macs = model.step_costs::<f32, 1>(batch, 50).gram.macs;
            assert_eq!(found.macs, macs, "{batch} examples");
            let dual = DualStorage {
                examples: batch,
                factors: 3,
            };
            let passes = Pass::Product.scratch_len(&model, 1);
            let workspace = 2 * model.params() + dual.len(&model) + passes;
            assert_eq!((found.vectors, found.workspace), (2, workspace));
        }
    }
}
