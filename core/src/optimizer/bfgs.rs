//! BFGS over a few variables: the search inside a subspace.
//!
//! ```text
//! p = −Mγ; a' = a + αp, with α = 1, ½, ¼, … until L(a') ≤ L(a) + c α γ·p
//! s = a' − a; y = γ' − γ; M ← (I − s yᵀ/y·s) M (I − y sᵀ/y·s) + s sᵀ/y·s, from M = I
//! ```
//!
//! γ is the gradient at a. Whoever searches evaluates L and γ at the trial point a' and tells
//! [`Bfgs::judge`] and [`Bfgs::travel`] of them. What costs m² multiplications is asked for row by row. A pair with y·s
//! ≤ 0, of a function that bends the wrong way, is left out, so that M stays positive definite.
//!
//! Turning the variables turns the whole search with them: nothing here looks at a single one.
//!
//! Reference: Nocedal & Wright 2006, *Numerical Optimization*, their algorithms 3.1 (backtracking) and 6.1 (BFGS).

use crate::dense;
use crate::error::Error;
use crate::kernels;
use crate::scalar::Scalar;

/// How a search is run.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Search<T> {
    /// The most directions, at least 1.
    pub directions: u16,
    /// c: the share of the predicted decrease that must be seen, in [0, 1).
    pub slope: T,
    /// The most halvings of α along a direction; then the search is over.
    pub halvings: u16,
}

impl<T: Scalar> Default for Search<T> {
    /// 30 directions, c = 10⁻⁴, 10 halvings.
    fn default() -> Self {
        Self {
            directions: 30,
            slope: T::of(1e-4),
            halvings: 10,
        }
    }
}

impl<T: Scalar> Search<T> {
    /// Checks the settings.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.directions > 0 && self.slope >= T::ZERO && self.slope < T::ONE {
            Ok(())
        } else {
            Err(Error::Setting(
                "the search needs at least one direction and a slope in [0, 1)",
            ))
        }
    }
}

/// A search, beside its memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bfgs<T> {
    /// The directions and, along the last one, the halvings so far.
    directions: u16,
    halvings: u16,
    /// L(a).
    pub(super) loss: T,
    /// γ·p.
    slope: T,
    /// α.
    rate: T,
    /// y·s, and (1 + y·My/y·s)/y·s, of a pair that is taken.
    bend: T,
    weight: T,
}

/// What a trial point is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Verdict<T> {
    /// α.
    pub(super) rate: T,
    /// (L(a') − L(a)) / αγ·p: 1 for a straight line, ½ at the minimum of a parabola.
    pub(super) ratio: T,
    pub(super) next: Next,
}

/// How a search goes on from a trial point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// From there, by its gradient.
    Update,
    /// It is the end of the search, and its best point.
    End,
    /// It is not good enough: by a nearer one.
    Nearer,
    /// It is not good enough, and neither would a nearer one be: the end of the search.
    Stuck,
}

/// The memory of a search over m variables: m² + 5m scalars.
#[derive(Debug)]
pub(super) struct Variables<'v, T> {
    /// M `[m × m]`.
    pub(super) inverse: &'v mut [T],
    /// a `[m]`.
    pub(super) at: &'v mut [T],
    /// γ `[m]`.
    pub(super) gradient: &'v mut [T],
    /// p `[m]`.
    pub(super) along: &'v mut [T],
    /// a' `[m]`; from [`Bfgs::travel`] on γ', and then y.
    pub(super) trial: &'v mut [T],
    /// My `[m]`.
    pub(super) image: &'v mut [T],
}

impl<T: Scalar> Bfgs<T> {
    /// A search from a = 0, where the loss is `loss`, γ is in its place and M is the unit matrix.
    pub(super) fn begin(loss: T, variables: &mut Variables<'_, T>) -> Self {
        kernels::fill(T::ZERO, variables.at);
        Self {
            loss,
            rate: T::ONE,
            ..Self::default()
        }
    }

    /// Entry `row` of the next direction.
    pub(super) fn direct(variables: &mut Variables<'_, T>, row: usize) {
        let inverse = dense::row(variables.inverse, variables.at.len(), row);
        let along = -kernels::dot(inverse, variables.gradient);
        dense::put(variables.along, 1, row, 0, along);
    }

    /// The first trial point along the next direction, whose entries are there; false at the end of the search,
    /// where it promises no more than the rounding of the loss.
    pub(super) fn aim(&mut self, variables: &mut Variables<'_, T>) -> bool {
        self.slope = kernels::dot(variables.gradient, variables.along);
        self.rate = T::ONE;
        self.directions = self.directions.saturating_add(1);
        self.halvings = 0;
        self.place(variables);
        // Of a parabola half the slope is the decrease. NaN promises nothing.
        T::HALF * -self.slope > T::EPSILON * self.loss.abs()
    }

    /// The trial point a + αp.
    pub(super) fn place(&self, variables: &mut Variables<'_, T>) {
        kernels::copy(variables.at, variables.trial);
        kernels::axpy(self.rate, variables.along, variables.trial);
    }

    /// Judges the trial point, whose loss is `loss`: infinite or NaN where there is none.
    pub(super) fn judge(&mut self, loss: T, search: &Search<T>) -> Verdict<T> {
        let rate = self.rate;
        let linear = rate * self.slope;
        let ratio = (loss - self.loss) / linear;
        let good = loss.is_finite() && loss <= self.loss + search.slope * linear;
        let next = if good {
            self.loss = loss;
            if self.directions < search.directions {
                Next::Update
            } else {
                Next::End
            }
        } else if self.halvings < search.halvings {
            self.halvings = self.halvings.saturating_add(1);
            self.rate *= T::HALF;
            Next::Nearer
        } else {
            Next::Stuck
        };
        Verdict { rate, ratio, next }
    }

    /// Goes to the trial point, whose gradient γ' is in `trial`; whether its pair changes M.
    pub(super) fn travel(&mut self, variables: &mut Variables<'_, T>) -> bool {
        let Variables {
            at,
            gradient,
            along: step,
            trial: change,
            ..
        } = variables;
        kernels::scale(self.rate, step);
        kernels::axpy(T::ONE, step, at);
        for (before, after) in gradient.iter_mut().zip(change.iter_mut()) {
            (*before, *after) = (*after, *after - *before);
        }
        self.bend = kernels::dot(step, change);
        let lengths = kernels::dot(step, step).root() * kernels::dot(change, change).root();
        self.bend > T::EPSILON * lengths
    }

    /// Entry `row` of q = My.
    pub(super) fn map(variables: &mut Variables<'_, T>, row: usize) {
        let inverse = dense::row(variables.inverse, variables.at.len(), row);
        let image = kernels::dot(inverse, variables.trial);
        dense::put(variables.image, 1, row, 0, image);
    }

    /// The weight of s sᵀ in M, when q is there.
    pub(super) fn weigh(&mut self, variables: &Variables<'_, T>) {
        let Variables { trial, image, .. } = variables;
        self.weight = (T::ONE + kernels::dot(trial, image) / self.bend) / self.bend;
    }

    /// Row `row` of M − (s qᵀ + q sᵀ)/y·s + (1 + y·q/y·s) s sᵀ/y·s: symmetric to the last bit.
    pub(super) fn update(&self, variables: &mut Variables<'_, T>, row: usize) {
        let Variables {
            inverse,
            at,
            along: step,
            image,
            ..
        } = variables;
        let (s, q) = (dense::at(step, 1, row, 0), dense::at(image, 1, row, 0));
        let columns = step.iter().zip(image.iter());
        let entries = dense::row_mut(inverse, at.len(), row).iter_mut();
        for (entry, (&s_column, &q_column)) in entries.zip(columns) {
            let mixed = (s * q_column + q * s_column) / self.bend;
            *entry += self.weight * (s * s_column) - mixed;
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may panic; the ban is for the crate itself"
)]
mod tests {
    extern crate std;

    use std::vec;
    use std::vec::Vec;

    use super::{Bfgs, Next, Search, Variables};

    struct Memory([f64; 4], [[f64; 2]; 5]);

    impl Memory {
        fn variables(&mut self) -> Variables<'_, f64> {
            let Self(inverse, [at, gradient, along, trial, image]) = self;
            Variables {
                inverse,
                at,
                gradient,
                along,
                trial,
                image,
            }
        }
    }

    fn begin(loss: f64, variables: &mut Variables<'_, f64>) -> Bfgs<f64> {
        variables.inverse.copy_from_slice(&[1.0, 0.0, 0.0, 1.0]);
        Bfgs::begin(loss, variables)
    }

    fn aim(bfgs: &mut Bfgs<f64>, variables: &mut Variables<'_, f64>) -> bool {
        (0..2).for_each(|row| Bfgs::direct(variables, row));
        bfgs.aim(variables)
    }

    fn update(bfgs: &mut Bfgs<f64>, variables: &mut Variables<'_, f64>) {
        if bfgs.travel(variables) {
            (0..2).for_each(|row| Bfgs::map(variables, row));
            bfgs.weigh(variables);
            (0..2).for_each(|row| bfgs.update(variables, row));
        }
    }

    /// Searches from `start`: the losses of the points that it went to, and the last one.
    fn search(
        start: [f64; 2],
        search: &Search<f64>,
        loss: impl Fn([f64; 2]) -> f64,
        gradient: impl Fn([f64; 2]) -> [f64; 2],
    ) -> (Vec<f64>, [f64; 2], u32) {
        let mut memory = Memory([f64::NAN; 4], [[f64::NAN; 2]; 5]);
        let mut variables = memory.variables();
        let point = |a: &[f64]| [start[0] + a[0], start[1] + a[1]];
        variables.gradient.copy_from_slice(&gradient(start));
        let mut bfgs = begin(loss(start), &mut variables);
        let (mut losses, mut evaluations) = (vec![loss(start)], 0);
        'search: loop {
            if !aim(&mut bfgs, &mut variables) {
                break;
            }
            loop {
                let trial = point(variables.trial);
                evaluations += 1;
                match bfgs.judge(loss(trial), search).next {
                    Next::Nearer => bfgs.place(&mut variables),
                    Next::Stuck => break 'search,
                    next => {
                        losses.push(bfgs.loss);
                        variables.trial.copy_from_slice(&gradient(trial));
                        update(&mut bfgs, &mut variables);
                        if next == Next::End {
                            break 'search;
                        }
                        break;
                    }
                }
            }
            assert_eq!(memory_is_symmetric(variables.inverse), Ok(()));
        }
        let end = point(variables.at);
        (losses, end, evaluations)
    }

    fn memory_is_symmetric(inverse: &[f64]) -> Result<(), [f64; 4]> {
        let [a, b, c, d] = [inverse[0], inverse[1], inverse[2], inverse[3]];
        let positive = a > 0.0 && d > 0.0 && a * d > b * c;
        if b == c && positive {
            Ok(())
        } else {
            Err([a, b, c, d])
        }
    }

    fn falls(losses: &[f64]) -> bool {
        losses.iter().is_sorted_by(|a, b| b < a)
    }

    #[test]
    fn a_parabola_of_unit_curvature_takes_one_direction() {
        let loss = |[x, y]: [f64; 2]| 0.5 * (x * x + y * y) + 1.0;
        let (losses, end, evaluations) = search([3.0, -4.0], &Search::default(), loss, |a| a);
        assert_eq!(
            (losses.as_slice(), end, evaluations),
            (&[13.5, 1.0][..], [0.0; 2], 1)
        );
    }

    #[test]
    fn a_long_valley_is_found_and_followed() {
        let loss = |[x, y]: [f64; 2]| (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2);
        let gradient = |[x, y]: [f64; 2]| {
            let away = y - x * x;
            [-2.0 * (1.0 - x) - 400.0 * x * away, 200.0 * away]
        };
        let settings = Search {
            directions: 100,
            ..Search::default()
        };
        let (losses, [x, y], evaluations) = search([-1.2, 1.0], &settings, loss, gradient);
        assert!(falls(&losses));
        assert!((x - 1.0).abs() < 1e-6 && (y - 1.0).abs() < 1e-6, "{x}, {y}");
        assert!(evaluations < 80, "{evaluations}");
        // No more directions than asked for, and the best point of those.
        let few = Search {
            directions: 5,
            ..Search::default()
        };
        let (few, [x, y], _) = search([-1.2, 1.0], &few, loss, gradient);
        assert_eq!(few, losses[..6]);
        assert_eq!(loss([x, y]), losses[5]);
    }

    /// Where the function bends downwards the pair is left out, and the step is one of gradient descent.
    #[test]
    fn what_bends_downwards_is_left_out() {
        let loss = |[x, y]: [f64; 2]| (-0.5 * x * x) + 0.5 * y * y;
        let gradient = |[x, y]: [f64; 2]| [-x, y];
        let settings = Search {
            directions: 3,
            ..Search::default()
        };
        let (losses, end, _) = search([1.0, 0.0], &settings, loss, gradient);
        assert_eq!(
            (losses.as_slice(), end),
            (&[-0.5, -2.0, -8.0, -32.0][..], [8.0, 0.0])
        );
    }

    #[test]
    fn a_step_that_is_too_long_is_halved() {
        let loss = |[x, _]: [f64; 2]| 4.0 * x * x;
        let settings = Search {
            directions: 1,
            ..Search::default()
        };
        let (losses, end, evaluations) =
            search([1.0, 0.0], &settings, loss, |[x, _]| [8.0 * x, 0.0]);
        // α = 1, ½, ¼ lead to −7, −3, −1, none of them below 4.
        assert_eq!(
            (losses.as_slice(), end, evaluations),
            (&[4.0, 0.0][..], [0.0; 2], 4)
        );
    }

    #[test]
    fn a_search_without_a_better_point_ends() {
        for beyond in [f64::NAN, f64::INFINITY, 1.0] {
            let loss = |[x, _]: [f64; 2]| if x == 0.0 { 1.0 } else { beyond };
            let (losses, end, evaluations) =
                search([0.0; 2], &Search::default(), loss, |_| [1.0, 0.0]);
            assert_eq!(
                (losses.as_slice(), end, evaluations),
                (&[1.0][..], [0.0; 2], 11)
            );
        }
    }

    #[test]
    fn a_gradient_that_promises_nothing_ends_it() {
        for gradient in [0.0, 1e-9, f64::NAN] {
            let (losses, _, evaluations) =
                search([0.0; 2], &Search::default(), |_| 1.0, |_| [gradient, 0.0]);
            assert_eq!((losses.as_slice(), evaluations), (&[1.0][..], 0));
        }
    }

    #[test]
    fn a_verdict_tells_its_rate_and_its_ratio() {
        let mut memory = Memory([0.0; 4], [[0.0; 2]; 5]);
        let mut variables = memory.variables();
        variables.gradient[0] = 2.0;
        let mut bfgs = begin(10.0, &mut variables);
        assert!(aim(&mut bfgs, &mut variables));
        assert_eq!(variables.trial, [-2.0, 0.0]);
        let worse = bfgs.judge(12.0, &Search::default());
        assert_eq!(
            (worse.rate, worse.ratio, worse.next),
            (1.0, -0.5, Next::Nearer)
        );
        bfgs.place(&mut variables);
        assert_eq!(variables.trial, [-1.0, 0.0]);
        let better = bfgs.judge(9.0, &Search::default());
        assert_eq!(
            (better.rate, better.ratio, better.next),
            (0.5, 0.5, Next::Update)
        );
        assert_eq!(bfgs.loss, 9.0);
    }
}
