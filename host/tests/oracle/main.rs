//! The core against the oracle, by property-based tests over random networks, data and directions.
//!
//! | module | what is verified |
//! |---|---|
//! | `passes` | outputs, predictions, loss, gradient, `Jv`, `Jᵀu`, `Hv` |
//! | `operators` | Fisher, Hessian, empirical Fisher, gradient covariance, their diagonals; damping |
//! | `saturation` | the forms that must survive `f32`: pᵀAp, the covariance of like gradients |
//! | `dense` | small dense matrices: Cholesky's factor, Jacobi's eigenvectors |
//! | `cg` | conjugate gradients against dense solves |
//! | `minres` | MINRES and MINRES-QLP against dense solves, singular ones too |
//! | `lqr` | the exact step by five ways: output space, a regulator over the layers (two), CG, dense |
//! | `natural` | a step against the dense system, and what it reports |
//! | `natural_cg` | natural conjugate gradient against the minimum over its plane |
//! | `gram_course` | several steps in output space against dense systems: memory, factors and means that are carried on |
//! | `gram_bits` | what must not change a bit of a step in output space, where factorisations fail too |
//! | `structural` | structural damping, and steps with other curvatures, against dense systems |
//! | `subspace` | steps of Krylov subspace descent against dense models and line searches |
//! | `parallel` | products that threads share, bit for bit |
//! | `tonga` | steps of TONGA against the dense recursion, cuts and all |
//! | `invariance` | re-parametrisation, and what must not change a step at all |
//!
//! The rest is what they share: `strategies` draws the cases, `subject` runs the core on them, `gram` takes a step in
//! output space apart, `bound` and `tolerance` say how far rounding may move a result.
//!
//! The seed of the random cases is fixed, so that a failure repeats. `PROPTEST_RNG_SEED` and
//! `PROPTEST_CASES` widen the search.

mod accuracy;
mod bound;
mod cg;
mod dense;
mod gram;
mod gram_bits;
mod gram_course;
mod invariance;
mod lqr;
mod minres;
mod natural;
mod natural_cg;
mod operators;
mod parallel;
mod passes;
mod saturation;
mod strategies;
mod structural;
mod subject;
mod subspace;
mod tolerance;
mod tonga;
