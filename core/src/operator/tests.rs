//! What a product multiplies, counted by the numbers themselves, against what is said of it.

extern crate std;

use std::vec;

use super::{Diagonal, Exponent, Identity, InverseDiagonal, LinearOperator};
use crate::scalar::counted::{Count, Counted};

const DIM: usize = 21;

/// The multiply-accumulates of a product.
fn macs(operator: &mut impl LinearOperator<Counted>) -> usize {
    let v = vec![Counted(0.75); DIM];
    let mut out = vec![Counted(0.0); DIM];
    Count::take();
    operator.apply(&v, &mut out);
    usize::try_from(Count::take().macs).unwrap_or(usize::MAX)
}

#[test]
fn a_product_multiplies_as_often_as_it_says() {
    let entries = [Counted(2.0); DIM];
    let [scale, shift] = [Counted(0.5), Counted(0.25)];

    // s vᵀv once, beside the elements.
    let identity = macs(&mut Identity::scaled(DIM, scale));
    assert_eq!(identity, Identity::<Counted>::MACS * DIM + 1);

    let diagonal = macs(&mut Diagonal::new(&entries, scale, shift));
    assert_eq!(diagonal, Diagonal::<Counted>::MACS * DIM);

    for exponent in [Exponent::One, Exponent::ThreeQuarters] {
        let inverse = macs(&mut InverseDiagonal::new(&entries, scale, shift, exponent));
        let expected = InverseDiagonal::<Counted>::macs(exponent) * DIM;
        assert_eq!(inverse, expected, "{exponent:?}");
    }
}
