//! Products that threads share against those of one thread: the same bits.

use core::fmt::Debug;

use natgrad::Scalar;
use natgrad::curvature::{CurvatureOperator, Empirical, Factored, Natural, Phased};
use natgrad::data::Labels;
use natgrad::operator::LinearOperator;
use natgrad::{Mlp, Pass};
use natgrad_host::parallel::Parallel;
use proptest::prelude::*;

use super::strategies::{Case, LARGE, cases, config};
use super::subject::{Subject, narrow, with_tile};

/// Two products one after the other, the second with the activations of the first, onto what is there.
fn products<T: Scalar>(
    operator: &mut impl LinearOperator<T>,
    vectors: &[Vec<T>; 2],
) -> (Vec<T>, [T; 2]) {
    let mut out = vec![T::ZERO; operator.dim()];
    let [first, second] = vectors;
    let quad = operator.apply(first, &mut out);
    let mut onto = quad;
    for part in 0..operator.parts() {
        operator.apply_part(part, second, &mut out, &mut onto);
    }
    (out, [quad, onto])
}

fn same_bits<T, C>(case: &Case, structure: T, threads: usize) -> Result<(), TestCaseError>
where
    T: Scalar + Debug + Send + Sync,
    C: Factored<T> + Send + Sync,
{
    let subject = Subject::<T>::new(case);
    let model = subject.model();
    let batch = match C::LABELS {
        Labels::Unused => subject.unlabelled(),
        Labels::Needed => subject.batch(),
    };
    let vectors = [narrow::<T>(&case.v), narrow(&case.u)];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.expect("threads");
    with_tile!(case.shape.tile, TILE => {
        let mut scratch = vec![T::of(f64::NAN); Pass::Product.scratch_len(&model, TILE)];
        let mlp = Mlp::<T, TILE>::new(model, &subject.params, &mut scratch).expect("an mlp");
        let alone = CurvatureOperator::<T, C, TILE>::new(mlp, batch).expect("a metric");
        let alone = products(&mut alone.with_structure(structure), &vectors);

        let phased = Phased::<T, C, TILE>::new(model, &subject.params, batch);
        let phased = phased.expect("a metric").with_structure(structure);
        let shared = pool.install(|| {
            let mut memory = Parallel::memory(&phased).expect("memory");
            memory.fill(T::of(f64::NAN));
            let mut shared = Parallel::new(&phased, &mut memory).expect("memory for all");
            assert_eq!(shared.threads(), threads);
            products(&mut shared, &vectors)
        });
        prop_assert_eq!(alone, shared);
    });
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn threads_change_no_bit(case in cases(LARGE), threads in 1..=5_usize, structure in 0..=1_u8) {
        let weight = 0.3 * f64::from(structure);
        same_bits::<f64, Natural>(&case, weight, threads)?;
        same_bits::<f64, Empirical>(&case, weight, threads)?;
        let weight = f32::of(weight);
        same_bits::<f32, Natural>(&case, weight, threads)?;
        same_bits::<f32, Empirical>(&case, weight, threads)?;
    }
}
