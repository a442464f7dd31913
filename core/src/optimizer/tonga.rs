//! Online natural gradient by the covariance of gradients: see [`Tonga`].

use super::objective::{GRADIENT_MACS, GradientPass};
use super::slice::{Slice, larger};
use super::{Frame, Method, Outcome, Progress, Report, sealed};
use crate::dense::{self, Eigen, Pivot, Rows, Spectrum, block};
use crate::error::Error;
use crate::kernels;
use crate::plan::{Pass, Storage};
use crate::scalar::{ROOT_MACS, Scalar};
use crate::workspace::Arena;

/// About which point [`Tonga`] takes the second moment of the gradients, as a type.
pub trait Moment: Copy + Default + sealed::Sealed {
    /// Vectors that outlive a step beside the rows.
    const VECTORS: usize;

    /// β², from γW of the gradients before.
    fn share<T: Scalar>(before: T) -> T;
}

/// About 0: the authors' own program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Uncentred;

/// About the running mean m: the covariance of the derivation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Centred;

impl sealed::Sealed for Uncentred {}
impl sealed::Sealed for Centred {}

impl Moment for Uncentred {
    const VECTORS: usize = 0;
    fn share<T: Scalar>(_: T) -> T {
        T::ONE
    }
}

impl Moment for Centred {
    const VECTORS: usize = 1;
    fn share<T: Scalar>(before: T) -> T {
        before / (before + T::ONE)
    }
}

/// TONGA: the gradient divided by the second moment C of the gradients before it, in low rank, with `K` eigenvectors
/// and a compaction every `B` steps.
///
/// ```text
/// Uncentred  C ← γC + ggᵀ; θ ← θ − η (C + λI)⁻¹g
/// Centred    W ← γW + 1; C ← γC + β²δδᵀ; m ← m + δ/W; θ ← θ − η (C + λI)⁻¹g
///            with δ = g − m and β² = γW/(γW + 1) of the old m and W
/// ```
///
/// C is XᵀSX: rows X `[K + B × P]`, K of them scaled eigenvectors and up to B recent gradients (δ in the place of
/// g), and a weight for each, S = diag(s²). A step multiplies the weights by √γ and appends a row. With the
/// Gram matrix G = XXᵀ, of which it computes one row,
///
/// ```text
/// (C + λI)⁻¹g = XᵀDa, (DGD + λI) a = e, D = diag(s)        uncentred: e is the unit vector of the last row
/// (C + λI)⁻¹g = m/λ + XᵀDa, (DGD + λI) a = e/β − DXm/λ     centred: g = δ + m
/// ```
///
/// which is exact for any rank (push-through and Woodbury identities). The step after the B-th row begins with a
/// *compaction*: X becomes the K largest eigenvectors of C, each as long as the root of its eigenvalue; what is
/// smaller is forgotten. Until then nothing is.
///
/// C is a weighted sum, not a mean: over 1/(1 − γ) gradients in the long run, and η and λ are in its units. The
/// targets in it are the data's, not the model's, so that it is no metric of the model.
///
/// It is exact while no compaction finds more than K eigenvalues. The gradients are those of the batches. Where
/// they all but depend on one another, λ has to be above the rounding of their squares, some (K + B) ε of the
/// longest: else a step ends as [`Outcome::Rejected`], and nothing has changed.
///
/// In `f32` the centred form loses digits where m lies in the span of the deviations and is long beside √λ:
/// m/λ and what is taken off it agree then to λ/w, with w the eigenvalue of C there. For δ there is no such
/// loss, which is why g is split.
///
/// Memory: K + B + 1 vectors, one more for m, and 3(K + B)² + 2(K + B) scalars. Cost of a step: a gradient,
/// 2(K + B) passes over vectors (3(K + B) centred), and (K + B)³/6 multiplications; of a compaction the
/// eigenvectors of a matrix of order K + B, and K(K + B) passes over vectors.
///
/// Reference: Le Roux, Manzagol & Bengio 2008; Pascanu & Bengio 2014, section 4.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Tonga<T, const K: usize, const B: usize, V = Uncentred> {
    /// The rate η, positive.
    pub rate: T,
    /// λ, positive.
    pub damping: T,
    /// The share γ of C that a step keeps, in (0, 1].
    pub forgetting: T,
    /// About which point.
    pub moment: V,
}

/// What outlives a step of [`Tonga`], beside its rows.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TongaState<T> {
    /// The rows after the eigenvectors: gradients since the last compaction, at most B.
    pub recent: usize,
    /// The steps taken.
    pub steps: u32,
    /// W: Σ γ^(t − j) over the steps j so far.
    pub weight: T,
    compaction: Compaction,
}

/// How far the compaction of full rows has come. It is done column by column, in place, and stands for the
/// same C at every column: an abandoned step leaves the rest of it to the next.
#[derive(Clone, Copy)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
enum Compaction {
    /// So many columns are done; at 0 the coefficients are to be computed.
    Columns(usize),
    /// Only the eigenvectors are left.
    Done,
}

/// One C has many representations, and a state is what it stands for.
impl PartialEq for Compaction {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// For the same reason it does not tell them apart.
impl core::fmt::Debug for Compaction {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Compaction")
    }
}

impl<T: Scalar, const K: usize, const B: usize, V: Moment> Tonga<T, K, B, V> {
    const ROWS: usize = {
        assert!(
            K > 0 && B > 0,
            "TONGA needs an eigenvector and a recent row"
        );
        K + B
    };

    /// The multiply-accumulates of the dearest entry of a factor: three for that of DGD, one per entry before it,
    /// and a quotient or a root.
    const ENTRY_MACS: usize = Self::ROWS + 4 + ROOT_MACS;

    /// With that rate, λ = 1 and γ = 0.99.
    pub fn new(rate: T) -> Self {
        Self {
            rate,
            damping: T::ONE,
            forgetting: T::of(0.99),
            moment: V::default(),
        }
    }

    fn carve(memory: &mut [T], n: usize) -> Memory<'_, T> {
        let mut arena = Arena::new(memory);
        let square = Self::ROWS.saturating_mul(Self::ROWS);
        Memory {
            rows: arena.take(n.saturating_mul(Self::ROWS)),
            direction: arena.take(n),
            mean: arena.take(n.saturating_mul(V::VECTORS)),
            gram: arena.take(square),
            work: arena.take(square),
            eigenvectors: arena.take(square),
            weights: arena.take(Self::ROWS),
            solution: arena.take(Self::ROWS),
        }
    }
}

/// The method's memory.
struct Memory<'v, T> {
    /// X `[K + B × P]`.
    rows: &'v mut [T],
    /// (C + λI)⁻¹g.
    direction: &'v mut [T],
    /// m.
    mean: &'v mut [T],
    /// G, its lower half.
    gram: &'v mut [T],
    /// DGD: with λ for its factor, without for its eigenvalues.
    work: &'v mut [T],
    /// The coefficients of the new rows in the old ones.
    eigenvectors: &'v mut [T],
    /// s, after the last step.
    weights: &'v mut [T],
    /// a.
    solution: &'v mut [T],
}

/// What a step is about to do next.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// A row of DGD, for its eigenvalues.
    Weigh(usize),
    Spectrum(Eigen),
    /// The coefficients of a new row.
    Keep(usize),
    /// New rows in the place of old ones, from a column on.
    Fold(usize),
    /// g into the row after the last one.
    Gradient,
    /// δ from g.
    Deviation,
    /// −s x·m/λ of a row.
    Mean(usize),
    /// The new row of G, entry by entry.
    Gram(usize),
    /// An entry of a row of DGD + λI, and of its factor.
    Factor(usize, usize),
    /// A row of a.
    Solve(usize),
    /// The part of a row in the direction.
    Direction(usize),
    Ready(Outcome),
}

/// A step under way, beside its memory.
#[derive(Clone, Copy, Debug)]
pub struct TongaStep<T> {
    phase: Phase,
    gradient: GradientPass<T>,
    compaction: Compaction,
    /// The place of the row under way, and the recent rows before it.
    last: usize,
    recent: usize,
    /// √γ and β.
    decay: T,
    share: T,
    /// W, with this step in it.
    weight: T,
    /// Σ s² x·x, in the order of the rows.
    trace: T,
}

impl<T: Scalar> TongaStep<T> {
    /// s of a row in this step.
    fn weight(&self, weights: &[T], row: usize) -> T {
        if row == self.last {
            self.share
        } else {
            self.decay * dense::at(weights, 1, row, 0)
        }
    }
}

impl<T, const K: usize, const B: usize, V> sealed::Sealed for Tonga<T, K, B, V> {}

impl<T: Scalar, const K: usize, const B: usize, V: Moment> Method<T> for Tonga<T, K, B, V> {
    const STORAGE: Storage = Storage::vectors(Self::ROWS + 1 + V::VECTORS)
        .with_scalars((3 * Self::ROWS + 2) * Self::ROWS)
        .and(Pass::Gradient.storage());

    const STACK: usize = 1216;

    const SLICE: Slice = Slice::new(Pass::Gradient, false, GRADIENT_MACS)
        .with_scalars(larger(Eigen::rotation_macs(Self::ROWS), K * Self::ROWS));

    // Looked at, and written: ηv, and m's part of δ.
    const FINISH: usize = 4;

    type State = TongaState<T>;

    type Step = TongaStep<T>;

    fn check(&self) -> Result<(), Error> {
        let positive = |x: T| x > T::ZERO && x.is_finite();
        if !positive(self.rate) {
            return Err(Error::Setting("the rate must be positive and finite"));
        }
        if !positive(self.damping) {
            return Err(Error::Setting("the damping must be positive and finite"));
        }
        if !(self.forgetting > T::ZERO && self.forgetting <= T::ONE) {
            return Err(Error::Setting("the forgetting must be in (0, 1]"));
        }
        Ok(())
    }

    fn start(&self) -> TongaState<T> {
        TongaState {
            recent: 0,
            steps: 0,
            weight: T::ZERO,
            compaction: Compaction::Columns(0),
        }
    }

    fn begin(&self, state: &TongaState<T>) -> TongaStep<T> {
        let full = state.recent >= B;
        let recent = if full { 0 } else { state.recent };
        let before = self.forgetting * state.weight;
        TongaStep {
            phase: match state.compaction {
                Compaction::Columns(0) if full => Phase::Weigh(0),
                Compaction::Columns(column) if full => Phase::Fold(column),
                _ => Phase::Gradient,
            },
            gradient: GradientPass::new(),
            compaction: state.compaction,
            last: K.saturating_add(recent),
            recent,
            decay: self.forgetting.root(),
            share: V::share(before).root(),
            weight: before + T::ONE,
            trace: T::ZERO,
        }
    }

    #[expect(
        clippy::too_many_lines,
        reason = "the phases of a step, one after the other, are its story"
    )]
    fn advance<const TILE: usize>(
        &self,
        step: &mut TongaStep<T>,
        mut frame: Frame<'_, T>,
    ) -> Result<Progress<T>, Error> {
        let n = frame.model.trained_params();
        let Memory {
            rows,
            direction,
            mean,
            gram,
            work,
            eigenvectors,
            weights,
            solution,
        } = Self::carve(core::mem::take(&mut frame.vectors), n);
        let last = step.last;
        let active = last.saturating_add(1);

        match &mut step.phase {
            Phase::Weigh(first) => {
                let end = block(*first, Self::ROWS, n, 2 * Self::ROWS);
                for i in *first..end {
                    let weight = dense::at(weights, 1, i, 0);
                    let products = dense::row(gram, Self::ROWS, i).iter().zip(&*weights);
                    let out = dense::row_mut(work, Self::ROWS, i);
                    for (out, (&g, &other)) in out.iter_mut().zip(products) {
                        *out = weight * other * g;
                    }
                }
                step.phase = if end < Self::ROWS {
                    Phase::Weigh(end)
                } else {
                    Phase::Spectrum(Eigen::begin(Self::ROWS))
                };
            }
            Phase::Spectrum(eigen) => match eigen.advance(work, eigenvectors, n) {
                Spectrum::Working => {}
                Spectrum::NonFinite => step.phase = Phase::Ready(Outcome::Rejected),
                // At the limit the rows are not quite orthogonal, which is all that they lose.
                Spectrum::Converged | Spectrum::Limit => step.phase = Phase::Keep(0),
            },
            Phase::Keep(first) => {
                let end = block(*first, K, n, Self::ROWS);
                // One that is not kept is not positive, and then neither are those that come after it.
                let largest = dense::at(work, Self::ROWS, 0, 0);
                let rounding = T::of_count(Self::ROWS) * T::EPSILON * largest;
                for k in *first..end {
                    let kept = dense::at(work, Self::ROWS, k, k) > rounding;
                    if !kept {
                        dense::put(work, Self::ROWS, k, k, T::ZERO);
                    }
                    let coefficients = dense::row_mut(eigenvectors, Self::ROWS, k);
                    for (coefficient, &weight) in coefficients.iter_mut().zip(&*weights) {
                        *coefficient = if kept { *coefficient * weight } else { T::ZERO };
                    }
                }
                step.phase = if end < K {
                    Phase::Keep(end)
                } else {
                    Phase::Fold(0)
                };
            }
            Phase::Fold(column) => {
                let end = block(*column, n, n, K.saturating_mul(Self::ROWS));
                for column in *column..end {
                    fold::<T, K>(rows, n, column, eigenvectors, Self::ROWS);
                }
                *column = end;
                step.compaction = Compaction::Columns(*column);
                if *column >= n {
                    // Beside their diagonal the first rows of G have never been anything but zero.
                    for k in 0..K {
                        let eigenvalue = dense::at(work, Self::ROWS, k, k);
                        dense::put(gram, Self::ROWS, k, k, eigenvalue);
                        dense::put(weights, 1, k, 0, T::ONE);
                    }
                    step.compaction = Compaction::Done;
                    step.phase = Phase::Gradient;
                }
            }
            Phase::Gradient => {
                let row = dense::row_mut(rows, n, last);
                let progress = step.gradient.advance::<TILE>(&mut frame, row)?;
                if step.gradient.is_done() {
                    step.phase = Phase::Deviation;
                }
                return Ok(progress);
            }
            Phase::Deviation => {
                kernels::fill(T::ZERO, solution);
                let row = dense::row_mut(rows, n, last);
                if V::VECTORS == 0 {
                    kernels::fill(T::ZERO, direction);
                    step.phase = Phase::Gram(0);
                } else {
                    // The first gradient has no weight in C, and no δ/λ by way of its row.
                    let whole = step.share == T::ZERO;
                    let inverse = T::ONE / self.damping;
                    for ((x, v), &m) in row.iter_mut().zip(direction).zip(&*mean) {
                        *v = inverse * if whole { *x } else { m };
                        *x -= m;
                    }
                    step.phase = Phase::Mean(0);
                }
            }
            Phase::Mean(row) => {
                let along = kernels::dot(dense::row(rows, n, *row), mean);
                let (row, next) = (*row, row.saturating_add(1));
                let weight = step.weight(weights, row);
                dense::put(solution, 1, row, 0, -(weight * (along / self.damping)));
                step.phase = if next < active {
                    Phase::Mean(next)
                } else {
                    Phase::Gram(0)
                };
            }
            Phase::Gram(row) => {
                let product = kernels::dot(dense::row(rows, n, *row), dense::row(rows, n, last));
                dense::put(gram, Self::ROWS, last, *row, product);
                *row = row.saturating_add(1);
                if *row >= active {
                    step.phase = Phase::Factor(0, 0);
                }
            }
            Phase::Factor(row, first) => {
                let (row, first) = (*row, *first);
                let weight = step.weight(weights, row);
                let end = block(first, row.saturating_add(1), n, Self::ENTRY_MACS);
                for column in first..end {
                    let product = dense::at(gram, Self::ROWS, row, column);
                    let mut entry = weight * step.weight(weights, column) * product;
                    if column == row {
                        step.trace += entry;
                        entry += self.damping;
                    }
                    dense::put(work, active, row, column, entry);
                    let pivot = dense::factor_entry(work, Rows::Square(active), row, column);
                    // C's eigenvalues, which a compaction will have to hold, are below its trace.
                    if pivot == Pivot::NotPositive || !step.trace.is_finite() {
                        step.phase = Phase::Ready(Outcome::Rejected);
                        return Ok(Progress::Working);
                    }
                }
                let next = row.saturating_add(1);
                step.phase = if end <= row {
                    Phase::Factor(row, end)
                } else if next < active {
                    Phase::Factor(next, 0)
                } else {
                    if step.share > T::ZERO {
                        let along = dense::at(solution, 1, last, 0);
                        dense::put(solution, 1, last, 0, along + T::ONE / step.share);
                    }
                    Phase::Solve(0)
                };
            }
            Phase::Solve(first) => {
                let rows = active.saturating_mul(2);
                let end = block(*first, rows, n, Self::ENTRY_MACS);
                let solution = solution.get_mut(..active).unwrap_or(&mut []);
                for row in *first..end {
                    dense::solve_row(work, Rows::Square(active), active, solution, row);
                }
                step.phase = if end < rows {
                    Phase::Solve(end)
                } else {
                    Phase::Direction(0)
                };
            }
            Phase::Direction(row) => {
                let (row, next) = (*row, row.saturating_add(1));
                let coefficient = dense::at(solution, 1, row, 0) * step.weight(weights, row);
                kernels::axpy(coefficient, dense::row(rows, n, row), direction);
                step.phase = if next < active {
                    Phase::Direction(next)
                } else {
                    Phase::Ready(Outcome::Accepted)
                };
            }
            Phase::Ready(_) => return Ok(Progress::Ready),
        }
        Ok(Progress::Working)
    }

    fn finish(
        &self,
        state: &mut TongaState<T>,
        step: &TongaStep<T>,
        params: &mut [T],
        vectors: &mut [T],
    ) -> Result<Report<T>, Error> {
        let Phase::Ready(outcome) = step.phase else {
            return Err(Error::Unfinished);
        };
        if outcome == Outcome::Accepted {
            self.commit(state, step, params, vectors)?;
        } else {
            self.abandon(state, step);
        }
        Ok(Report {
            outcome,
            loss: step.gradient.loss,
            loss_after: None,
            gradient_norm: step.gradient.norm,
            solve: None,
            macs: step.gradient.macs,
        })
    }

    /// What is done of a compaction is done.
    fn abandon(&self, state: &mut TongaState<T>, step: &TongaStep<T>) {
        state.compaction = step.compaction;
    }
}

impl<T: Scalar, const K: usize, const B: usize, V: Moment> Tonga<T, K, B, V> {
    /// Looks at the new θ and m, and writes them if all of them is finite; then the weights and the state.
    fn commit(
        &self,
        state: &mut TongaState<T>,
        step: &TongaStep<T>,
        params: &mut [T],
        vectors: &mut [T],
    ) -> Result<(), Error> {
        let n = params.len();
        let Memory {
            rows,
            direction,
            mean,
            weights,
            ..
        } = Self::carve(vectors, n);
        let deviation = dense::row(rows, n, step.last);
        let inverse = T::ONE / step.weight;

        let mut finite = true;
        for (&p, &v) in params.iter().zip(&*direction) {
            finite &= (p - self.rate * v).is_finite();
        }
        for (&m, &d) in mean.iter().zip(deviation) {
            finite &= (m + inverse * d).is_finite();
        }
        if !finite {
            return Err(Error::NonFiniteUpdate);
        }
        kernels::axpy(-self.rate, direction, params);
        kernels::axpy(inverse, deviation, mean);
        for row in 0..step.last.saturating_add(1) {
            let weight = step.weight(weights, row);
            dense::put(weights, 1, row, 0, weight);
        }
        *state = TongaState {
            recent: step.recent.saturating_add(1),
            steps: state.steps.saturating_add(1),
            weight: step.weight,
            compaction: Compaction::Columns(0),
        };
        Ok(())
    }
}

/// Entry `column` of the new rows, xₖ ← Σⱼ cₖⱼxⱼ in the order of the rows.
fn fold<T: Scalar, const K: usize>(
    rows: &mut [T],
    n: usize,
    column: usize,
    coefficients: &[T],
    order: usize,
) {
    let mut folded = [T::ZERO; K];
    for (k, sum) in folded.iter_mut().enumerate() {
        for (row, &c) in dense::row(coefficients, order, k).iter().enumerate() {
            *sum += c * dense::at(rows, n, row, column);
        }
    }
    for (k, &sum) in folded.iter().enumerate() {
        dense::put(rows, n, k, column, sum);
    }
}
