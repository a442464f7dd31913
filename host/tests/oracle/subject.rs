//! The core, run on a case in either precision and with any tile: what is tested.
//!
//! An example of weight 0 is handed to the core as NaN, without a valid class: it must not be looked at.

use natgrad::curvature::{EmpiricalFisher, Fisher, GradientCovariance, Hessian};
use natgrad::operator::LinearOperator;
use natgrad::optimizer::{Method, Report};
use natgrad::{Batch, Metric, Mlp, Model, Pass, Room, Scalar, Trainer};

use super::strategies::Case;

/// Runs `$body` with `$name` a constant: the number of lanes of a tile.
macro_rules! with_tile {
    ($tile:expr, $name:ident => $body:expr) => {
        match $tile {
            crate::strategies::Tile::One => {
                const $name: usize = 1;
                $body
            }
            crate::strategies::Tile::Four => {
                const $name: usize = 4;
                $body
            }
            crate::strategies::Tile::Sixteen => {
                const $name: usize = 16;
                $body
            }
        }
    };
}
pub(crate) use with_tile;

/// The curvatures as operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curvature {
    Fisher,
    Hessian,
    EmpiricalFisher,
    Covariance,
}

pub(crate) const CURVATURES: [Curvature; 4] = [
    Curvature::Fisher,
    Curvature::Hessian,
    Curvature::EmpiricalFisher,
    Curvature::Covariance,
];

/// A case in the memory of the core.
pub(crate) struct Subject<'c, T> {
    pub(crate) case: &'c Case,
    pub(crate) params: Vec<T>,
    /// All inputs as they are, for passes without weights.
    clean: Vec<T>,
    inputs: Vec<T>,
    targets: Vec<T>,
    classes: Option<Vec<u16>>,
    weights: Vec<T>,
}

pub(crate) fn narrow<T: Scalar>(values: &[f64]) -> Vec<T> {
    values.iter().map(|&x| T::of(x)).collect()
}

pub(crate) fn widen<T: Scalar>(values: &[T]) -> Vec<f64> {
    values.iter().map(|x| x.widen()).collect()
}

impl<'c, T: Scalar> Subject<'c, T> {
    pub(crate) fn new(case: &'c Case) -> Self {
        let examples = &case.examples;
        let poisoned = |rows: &[Vec<f64>]| -> Vec<T> {
            let pairs = rows.iter().zip(&examples.weights);
            pairs
                .flat_map(|(row, &weight)| {
                    let spoil = move |&x: &f64| if weight == 0.0 { f64::NAN } else { x };
                    row.iter().map(spoil).map(T::of).collect::<Vec<T>>()
                })
                .collect()
        };
        let classes = case.classes.as_ref().map(|classes| {
            let pairs = classes.iter().zip(&examples.weights);
            pairs
                .map(|(&class, &weight)| if weight == 0.0 { u16::MAX } else { class })
                .collect()
        });
        Self {
            params: narrow(&case.params),
            clean: narrow(&examples.inputs.concat()),
            inputs: poisoned(&examples.inputs),
            targets: poisoned(&examples.targets),
            classes,
            weights: narrow(&examples.weights),
            case,
        }
    }

    pub(crate) fn model(&self) -> Model<'c> {
        let network = &self.case.network;
        Model::new(&network.widths, network.activation, network.likelihood).expect("a plan")
    }

    pub(crate) fn batch(&self) -> Batch<'_, T> {
        let batch = match &self.classes {
            Some(classes) => Batch::labelled(self.inputs.as_slice(), classes),
            None => Batch::new(self.inputs.as_slice(), self.targets.as_slice()),
        };
        self.weighted(batch)
    }

    pub(crate) fn unlabelled(&self) -> Batch<'_, T> {
        self.weighted(Batch::unlabelled(self.inputs.as_slice()))
    }

    fn weighted<'b>(&'b self, batch: Batch<'b, T>) -> Batch<'b, T> {
        if self.case.shape.weighted {
            batch.weighted(&self.weights)
        } else {
            batch
        }
    }

    /// Scratch memory that nothing has cleared: no pass may read what it has not written.
    fn scratch<const TILE: usize>(&self, pass: Pass) -> Vec<T> {
        vec![T::of(f64::NAN); pass.scratch_len(&self.model(), TILE)]
    }

    fn per_output(&self) -> Vec<T> {
        let len = self.case.examples.inputs.len() * self.case.network.logits();
        vec![T::of(f64::NAN); len]
    }

    fn per_param(&self) -> Vec<T> {
        vec![T::of(f64::NAN); self.params.len()]
    }

    /// Logits `[B × K]`.
    pub(crate) fn outputs(&self) -> Vec<f64> {
        with_tile!(self.case.shape.tile, TILE => {
            let (mut scratch, mut out) = (self.scratch::<TILE>(Pass::Outputs), self.per_output());
            let mut mlp = Mlp::<T, TILE>::new(self.model(), &self.params, &mut scratch).expect("an mlp");
            mlp.outputs(self.clean.as_slice(), &mut out).expect("outputs");
            widen(&out)
        })
    }

    /// Means `[B × K]`.
    pub(crate) fn predict(&self) -> Vec<f64> {
        with_tile!(self.case.shape.tile, TILE => {
            let (mut scratch, mut out) = (self.scratch::<TILE>(Pass::Outputs), self.per_output());
            let mut mlp = Mlp::<T, TILE>::new(self.model(), &self.params, &mut scratch).expect("an mlp");
            mlp.predict(self.clean.as_slice(), &mut out).expect("predictions");
            widen(&out)
        })
    }

    pub(crate) fn loss(&self) -> f64 {
        with_tile!(self.case.shape.tile, TILE => {
            let mut scratch = self.scratch::<TILE>(Pass::Loss);
            let mut mlp = Mlp::<T, TILE>::new(self.model(), &self.params, &mut scratch).expect("an mlp");
            mlp.loss(&self.batch()).expect("a loss").widen()
        })
    }

    /// The gradient `[P]` and the loss.
    pub(crate) fn gradient(&self) -> (Vec<f64>, f64) {
        with_tile!(self.case.shape.tile, TILE => {
            let (mut scratch, mut out) = (self.scratch::<TILE>(Pass::Gradient), self.per_param());
            let mut mlp = Mlp::<T, TILE>::new(self.model(), &self.params, &mut scratch).expect("an mlp");
            let loss = mlp.gradient(&self.batch(), &mut out).expect("a gradient");
            (widen(&out), loss.widen())
        })
    }

    /// Jv `[B × K]`.
    pub(crate) fn jvp(&self, v: &[f64]) -> Vec<f64> {
        with_tile!(self.case.shape.tile, TILE => {
            let (mut scratch, mut out) = (self.scratch::<TILE>(Pass::Jvp), self.per_output());
            let mut mlp = Mlp::<T, TILE>::new(self.model(), &self.params, &mut scratch).expect("an mlp");
            mlp.jvp(self.clean.as_slice(), &narrow::<T>(v), &mut out).expect("a product");
            widen(&out)
        })
    }

    /// Jᵀu `[P]` of u `[B × K]`.
    pub(crate) fn vjp(&self, u: &[f64]) -> Vec<f64> {
        with_tile!(self.case.shape.tile, TILE => {
            let (mut scratch, mut out) = (self.scratch::<TILE>(Pass::Vjp), self.per_param());
            let mut mlp = Mlp::<T, TILE>::new(self.model(), &self.params, &mut scratch).expect("an mlp");
            mlp.vjp(self.clean.as_slice(), &narrow::<T>(u), &mut out).expect("a product");
            widen(&out)
        })
    }

    /// Hv `[P]` and vᵀHv, by the pass.
    pub(crate) fn hvp(&self, v: &[f64]) -> (Vec<f64>, f64) {
        with_tile!(self.case.shape.tile, TILE => {
            let (mut scratch, mut out) = (self.scratch::<TILE>(Pass::Hessian), self.per_param());
            let mut mlp = Mlp::<T, TILE>::new(self.model(), &self.params, &mut scratch).expect("an mlp");
            let quad = mlp.hvp(&self.batch(), &narrow::<T>(v), &mut out).expect("a product");
            (widen(&out), quad.widen())
        })
    }

    /// Runs `body` on a curvature as an operator.
    pub(crate) fn with<R>(
        &self,
        curvature: Curvature,
        body: impl FnOnce(&mut dyn LinearOperator<T>) -> R,
    ) -> R {
        with_tile!(self.case.shape.tile, TILE => {
            let pass = match curvature {
                Curvature::Hessian => Pass::Hessian,
                _ => Pass::Product,
            };
            let (mut scratch, mut mean) = (self.scratch::<TILE>(pass), self.per_param());
            let mlp = Mlp::<T, TILE>::new(self.model(), &self.params, &mut scratch).expect("an mlp");
            match curvature {
                Curvature::Fisher => body(&mut Fisher::new(mlp, self.unlabelled()).expect("a metric")),
                Curvature::Hessian => body(&mut Hessian::new(mlp, self.batch()).expect("a Hessian")),
                Curvature::EmpiricalFisher => {
                    body(&mut EmpiricalFisher::new(mlp, self.batch()).expect("a metric"))
                }
                Curvature::Covariance => {
                    let covariance = GradientCovariance::new(mlp, self.batch(), &mut mean);
                    let mut covariance = covariance.expect("a covariance");
                    body(&mut covariance)
                }
            }
        })
    }

    /// Av `[P]` and vᵀAv of a curvature.
    pub(crate) fn product(&self, curvature: Curvature, v: &[f64]) -> (Vec<f64>, f64) {
        self.with(curvature, |operator| {
            let mut out = vec![T::of(f64::NAN); operator.dim()];
            let quad = operator.apply(&narrow::<T>(v), &mut out);
            (widen(&out), quad.widen())
        })
    }

    /// Parameters after `steps` steps of a method on the whole batch, and their reports.
    pub(crate) fn steps<M: Method<T>>(&self, method: M, steps: usize) -> (Vec<T>, Vec<Report<T>>) {
        let mut params = self.params.clone();
        let reports = with_tile!(self.case.shape.tile, TILE => {
            let len = Trainer::<T, M, TILE>::workspace_len(&self.model(), Room::NONE);
            let mut workspace = vec![T::of(f64::NAN); len];
            let trainer = Trainer::<T, M, TILE>::new(self.model(), &mut params, &mut workspace, method);
            let mut trainer = trainer.expect("a trainer");
            let step = |_| trainer.step(self.batch(), Metric::Same).expect("a step");
            (0..steps).map(step).collect()
        });
        (params, reports)
    }

    /// diag(F) `[P]`, or that of the empirical Fisher.
    pub(crate) fn diagonal(&self, curvature: Curvature) -> Vec<f64> {
        with_tile!(self.case.shape.tile, TILE => {
            let (mut scratch, mut out) = (self.scratch::<TILE>(Pass::Product), self.per_param());
            let mlp = Mlp::<T, TILE>::new(self.model(), &self.params, &mut scratch).expect("an mlp");
            match curvature {
                Curvature::Fisher => {
                    let mut metric = Fisher::new(mlp, self.unlabelled()).expect("a metric");
                    metric.diagonal(&mut out);
                }
                Curvature::EmpiricalFisher => {
                    let mut metric = EmpiricalFisher::new(mlp, self.batch()).expect("a metric");
                    metric.diagonal(&mut out);
                }
                _ => panic!("{curvature:?} has no diagonal pass"),
            }
            widen(&out)
        })
    }
}
