//! A network at its parameters as the core's linear algebra sees it: gradient, metric, change of the
//! outputs.

use nalgebra::{DMatrix, DVector};
use natgrad::curvature::Fisher;
use natgrad::krylov::{self, Cg, Solver, Start, Stop, System};
use natgrad::operator::{Damped, Identity, LinearOperator};
use natgrad::{Mlp, Model, Pass, Scalar};
use num_traits::Float;

use super::statistics::as_float;
use crate::data::Dataset;
use crate::error::Error;
use crate::evaluation::{Examples, TILE};
use crate::training::refused;

/// A network, its parameters, and the examples of gradient and metric.
pub(super) struct Linearised<'a, T> {
    model: Model<'a>,
    params: Vec<T>,
    examples: Examples<T>,
    name: &'a str,
}

impl<'a, T: Scalar + Float> Linearised<'a, T> {
    pub(super) fn new(
        model: Model<'a>,
        params: Vec<T>,
        examples: &'a Dataset,
    ) -> Result<Self, Error> {
        Ok(Self {
            model,
            params,
            examples: Examples::new(examples)?,
            name: examples.name(),
        })
    }

    fn with<R>(
        &self,
        params: &[T],
        body: impl FnOnce(Mlp<'_, T, TILE>) -> Result<R, natgrad::Error>,
    ) -> Result<R, Error> {
        let mut scratch = vec![T::ZERO; Pass::Product.scratch_len(&self.model, TILE)];
        Mlp::new(self.model, params, &mut scratch)
            .and_then(body)
            .map_err(|error| refused(self.name, error))
    }

    fn with_metric<R>(
        &self,
        body: impl FnOnce(&mut dyn LinearOperator<T>) -> R,
    ) -> Result<R, Error> {
        self.with(&self.params, |mlp| {
            let mut metric = Fisher::new(mlp, self.examples.batch())?;
            Ok(body(&mut metric))
        })
    }

    /// g `[P]`.
    pub(super) fn gradient(&self) -> Result<Vec<T>, Error> {
        let mut gradient = vec![T::ZERO; self.params.len()];
        self.with(&self.params, |mut mlp| {
            mlp.gradient(&self.examples.batch(), &mut gradient)
        })?;
        Ok(gradient)
    }

    /// vᵀFv.
    pub(super) fn length_squared(&self, v: &[T]) -> Result<T, Error> {
        let mut product = vec![T::ZERO; v.len()];
        self.with_metric(|metric| metric.apply(v, &mut product))
    }

    /// d = −(F + λI)⁻¹g by conjugate gradients.
    pub(super) fn direction(&self, damping: f64, stop: &Stop<T>) -> Result<Vec<T>, Error> {
        let n = self.params.len();
        let rhs: Vec<T> = self.gradient()?.into_iter().map(|g| -g).collect();
        let mut memory = vec![T::ZERO; <Cg as Solver<T>>::VECTORS * n];
        self.with_metric(|metric| {
            let system = System {
                operator: &mut Damped::new(metric, Identity::scaled(n, T::of(damping))),
                preconditioner: &mut Identity::new(n),
                rhs: &rhs,
            };
            krylov::solve::<T, Cg>(system, stop, Start::Zero, &mut memory)
        })?;
        memory.truncate(n);
        Ok(memory)
    }

    /// −(g·d + ½ dᵀ(F + λI)d): by how much the damped model falls along d.
    pub(super) fn decrease(&self, damping: f64, direction: &[T]) -> Result<f64, Error> {
        let dot = |a: &[T], b: &[T]| -> f64 {
            let pairs = a.iter().zip(b);
            pairs.map(|(a, b)| a.widen() * b.widen()).sum()
        };
        let metric = self.length_squared(direction)?.widen();
        let damped = metric + damping * dot(direction, direction);
        Ok(-(dot(&self.gradient()?, direction) + 0.5 * damped))
    }

    /// log p of every class for every example, at parameters moved by `step`, `[B × K]`.
    pub(super) fn log_probabilities(&self, step: &[T]) -> Result<Vec<f64>, Error> {
        let moved = self.params.iter().zip(step).map(|(&theta, &d)| theta + d);
        let moved: Vec<T> = moved.collect();
        let mut logits = vec![T::ZERO; self.outputs()];
        self.with(&moved, |mut mlp| {
            mlp.outputs(self.examples.inputs(), &mut logits)
        })?;
        let mut logits: Vec<f64> = logits.into_iter().map(Scalar::widen).collect();
        for row in logits.chunks_mut(self.model.dim_out()) {
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = row.iter().map(|z| (z - largest).exp()).sum();
            let logarithm = largest + sum.ln();
            for z in row {
                *z -= logarithm;
            }
        }
        Ok(logits)
    }

    /// Jv of every example, `[B × K]`, each without what is common to its classes, which a softmax does
    /// not see.
    pub(super) fn change(&self, v: &[T]) -> Result<DVector<f64>, Error> {
        let mut change = vec![T::ZERO; self.outputs()];
        self.with(&self.params, |mut mlp| {
            mlp.jvp(self.examples.inputs(), v, &mut change)
        })?;
        let mut change: Vec<f64> = change.into_iter().map(Scalar::widen).collect();
        for row in change.chunks_mut(self.model.dim_out()) {
            let mean = DVector::from_column_slice(row).mean();
            for z in row {
                *z -= mean;
            }
        }
        Ok(change.into())
    }

    /// F as a matrix, column by column: P products.
    pub(super) fn metric(&self) -> Result<DMatrix<f64>, Error> {
        let n = self.params.len();
        self.with_metric(|metric| {
            let mut unit = vec![T::ZERO; n];
            let mut column = vec![T::ZERO; n];
            let mut matrix = DMatrix::zeros(n, n);
            for (index, mut target) in matrix.column_iter_mut().enumerate() {
                unit[index] = T::ONE;
                metric.apply(&unit, &mut column);
                unit[index] = T::ZERO;
                for (entry, value) in target.iter_mut().zip(&column) {
                    *entry = value.widen();
                }
            }
            matrix
        })
    }

    /// The number of examples.
    pub(super) fn examples(&self) -> f64 {
        as_float(self.examples.len())
    }

    fn outputs(&self) -> usize {
        self.examples.len() * self.model.dim_out()
    }
}
