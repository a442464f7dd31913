//! natgrad
#![no_std]
#![forbid(unsafe_code)]

pub mod activation;
pub mod curvature;
pub mod damping;
pub mod data;
pub mod error;
pub mod init;
pub mod kernels;
pub mod krylov;
pub mod likelihood;
pub mod line_search;
pub mod mlp;
pub mod operator;
pub mod optimizer;
pub mod plan;
pub mod precondition;
pub mod scalar;
pub mod workspace;

pub use activation::Activation;
pub use data::{Batch, Inputs, Metric, Targets};
pub use error::Error;
pub use likelihood::Likelihood;
pub use mlp::Mlp;
pub use optimizer::Trainer;
pub use plan::{Model, Pass, Plan, PlanError, Room, Storage};
pub use scalar::Scalar;
pub use workspace::{ShapeError, Workspace};
