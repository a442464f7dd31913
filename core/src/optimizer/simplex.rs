//! The simplex search of Nelder & Mead (1965) in the plane, asked and told point by point.

use crate::scalar::Scalar;

/// A point and the loss there.
type Vertex<T> = ([T; 2], T);

/// A search under way: [`Simplex::ask`] for a point, [`Simplex::tell`] its loss, until it
/// [`Simplex::is_done`].
///
/// Coefficients 1, 2, ½ and ½. A loss that is not finite counts as infinite.
#[derive(Clone, Copy, Debug)]
pub(super) struct Simplex<T> {
    /// Best, middle, worst, once all three are known.
    vertices: [Vertex<T>; 3],
    ask: Ask<T>,
    /// How many evaluations are left.
    left: u16,
}

/// The point that is asked for.
#[derive(Clone, Copy, Debug)]
enum Ask<T> {
    /// A vertex of the simplex, which keeps its place.
    Vertex(usize),
    Reflect,
    /// Beyond the reflected vertex.
    Expand(Vertex<T>),
    /// Between the centre of the two better vertices and the worse one, or the reflected one.
    Contract(Vertex<T>),
}

impl<T: Scalar> Simplex<T> {
    /// A simplex at `start` with sides of ½|a| + 0.1 and of 0.3.
    pub(super) fn new(start: [T; 2], evaluations: u16) -> Self {
        let [a, b] = start;
        let unknown = T::infinity();
        let side = T::HALF * a.abs() + T::of(0.1);
        Self {
            vertices: [
                (start, unknown),
                ([a + side, b], unknown),
                ([a, b + T::of(0.3)], unknown),
            ],
            ask: Ask::Vertex(0),
            left: evaluations,
        }
    }

    /// The next point.
    pub(super) fn ask(&self) -> [T; 2] {
        let [best, middle, worst] = self.vertices;
        match self.ask {
            Ask::Vertex(place) => self.vertices.get(place).map_or(best.0, |vertex| vertex.0),
            Ask::Reflect => from_centre(best, middle, worst, -T::ONE),
            Ask::Expand(_) => from_centre(best, middle, worst, -(T::ONE + T::ONE)),
            Ask::Contract(toward) => from_centre(best, middle, toward, T::HALF),
        }
    }

    /// The loss at the point that was asked for.
    pub(super) fn tell(&mut self, loss: T) {
        let loss = if loss.is_finite() {
            loss
        } else {
            T::infinity()
        };
        let found = (self.ask(), loss);
        self.left = self.left.saturating_sub(1);
        let [best, middle, worst] = self.vertices;
        self.ask = match self.ask {
            Ask::Vertex(place) => {
                if let Some(vertex) = self.vertices.get_mut(place) {
                    *vertex = found;
                }
                if place < 2 {
                    Ask::Vertex(place.saturating_add(1))
                } else {
                    self.sort();
                    Ask::Reflect
                }
            }
            Ask::Reflect if loss < best.1 => Ask::Expand(found),
            Ask::Reflect if loss < middle.1 => self.replace(found),
            Ask::Reflect if loss < worst.1 => Ask::Contract(found),
            Ask::Reflect => Ask::Contract(worst),
            Ask::Expand(reflected) if loss < reflected.1 => self.replace(found),
            Ask::Expand(reflected) => self.replace(reflected),
            Ask::Contract(toward) if loss < toward.1 => self.replace(found),
            Ask::Contract(_) => {
                let shrink = |vertex: Vertex<T>| {
                    let [[a, b], [x, y]] = [best.0, vertex.0];
                    ([T::HALF * (a + x), T::HALF * (b + y)], T::infinity())
                };
                self.vertices = [best, shrink(middle), shrink(worst)];
                Ask::Vertex(1)
            }
        };
    }

    /// Whether no evaluation is left.
    pub(super) fn is_done(&self) -> bool {
        self.left == 0
    }

    /// The best point so far.
    pub(super) fn best(&self) -> [T; 2] {
        let mut best = self.vertices[0];
        for vertex in self.vertices {
            if vertex.1 < best.1 {
                best = vertex;
            }
        }
        // The last evaluation may have been a reflection whose expansion was never asked for.
        if let Ask::Expand(reflected) = self.ask
            && reflected.1 < best.1
        {
            best = reflected;
        }
        best.0
    }

    /// The worst vertex makes room.
    fn replace(&mut self, vertex: Vertex<T>) -> Ask<T> {
        let [_, _, worst] = &mut self.vertices;
        *worst = vertex;
        self.sort();
        Ask::Reflect
    }

    /// Best first; equal ones keep their order.
    fn sort(&mut self) {
        let [x, y, z] = &mut self.vertices;
        if y.1 < x.1 {
            core::mem::swap(x, y);
        }
        if z.1 < y.1 {
            core::mem::swap(y, z);
        }
        if y.1 < x.1 {
            core::mem::swap(x, y);
        }
    }
}

/// c + `share` · (v − c), with c the centre of the two better vertices.
fn from_centre<T: Scalar>(best: Vertex<T>, middle: Vertex<T>, v: Vertex<T>, share: T) -> [T; 2] {
    let [[a, b], [x, y], [p, q]] = [best.0, middle.0, v.0];
    let (centre_a, centre_b) = (T::HALF * (a + x), T::HALF * (b + y));
    [
        centre_a + share * (p - centre_a),
        centre_b + share * (q - centre_b),
    ]
}
