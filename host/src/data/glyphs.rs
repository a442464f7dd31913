//! The ten digits as poly-lines of about 32 straight parts, drawn by us, and the pen that draws them.

use std::f64::consts::PI;

use libm::{cos, exp, sin};

use super::image::centres;

/// How many straight parts a digit is cut into, or a few more: deformations move their ends alone.
const CUTS: f64 = 32.0;

/// A point of the image, which is the unit square; x runs to the right and y down.
pub(super) type Point = [f64; 2];

/// A piece of the way of the pen.
enum Piece {
    Line(Point, Point),
    /// A part of an ellipse, between two angles in degrees, clockwise from the right.
    Arc(Ellipse, f64, f64),
}

struct Ellipse {
    centre: Point,
    radii: Point,
}

const fn ellipse(centre: Point, radii: Point) -> Ellipse {
    Ellipse { centre, radii }
}

const DIGITS: [&[Piece]; 10] = {
    use Piece::{Arc, Line};
    [
        &[Arc(ellipse([0.5, 0.5], [0.2, 0.34]), 0.0, 360.0)],
        &[
            Line([0.36, 0.3], [0.52, 0.16]),
            Line([0.52, 0.16], [0.52, 0.84]),
        ],
        &[
            Arc(ellipse([0.5, 0.35], [0.2, 0.19]), 190.0, 395.0),
            Line([0.664, 0.459], [0.29, 0.84]),
            Line([0.29, 0.84], [0.72, 0.84]),
        ],
        &[
            Arc(ellipse([0.47, 0.33], [0.19, 0.17]), 215.0, 450.0),
            Arc(ellipse([0.47, 0.67], [0.22, 0.17]), 270.0, 505.0),
        ],
        &[
            Line([0.6, 0.84], [0.6, 0.16]),
            Line([0.6, 0.16], [0.26, 0.62]),
            Line([0.26, 0.62], [0.76, 0.62]),
        ],
        &[
            Line([0.7, 0.16], [0.37, 0.16]),
            Line([0.37, 0.16], [0.327, 0.479]),
            Arc(ellipse([0.48, 0.63], [0.22, 0.21]), 226.0, 510.0),
        ],
        &[
            Arc(ellipse([0.66, 0.65], [0.36, 0.49]), 270.0, 180.0),
            Arc(ellipse([0.5, 0.65], [0.2, 0.19]), 180.0, 540.0),
        ],
        &[
            Line([0.27, 0.16], [0.73, 0.16]),
            Line([0.73, 0.16], [0.43, 0.84]),
        ],
        &[
            Arc(ellipse([0.5, 0.32], [0.16, 0.16]), 90.0, 450.0),
            Arc(ellipse([0.5, 0.66], [0.2, 0.18]), 270.0, 630.0),
        ],
        &[
            Arc(ellipse([0.5, 0.35], [0.2, 0.19]), 0.0, 360.0),
            Arc(ellipse([0.34, 0.35], [0.36, 0.49]), 0.0, 90.0),
        ],
    ]
};

/// How many digits there are.
pub(super) const CLASSES: usize = DIGITS.len();

/// The straight parts of a digit, each with its two ends; none beyond 9.
pub(super) fn strokes(digit: usize) -> Vec<[Point; 2]> {
    let pieces = DIGITS.get(digit).copied().unwrap_or_default();
    let whole: f64 = pieces.iter().map(Piece::length).sum();
    let cut = |piece: &'static Piece| {
        let cuts = (CUTS * piece.length() / whole).ceil();
        let parts = (0u8..).map(f64::from).take_while(move |&k| k < cuts);
        parts.map(move |k| [piece.at(k / cuts), piece.at((k + 1.0) / cuts)])
    };
    pieces.iter().flat_map(cut).collect()
}

impl Piece {
    /// The point at `t`, which runs from 0 to 1.
    fn at(&self, t: f64) -> Point {
        match self {
            Self::Line([ax, ay], [bx, by]) => [ax + t * (bx - ax), ay + t * (by - ay)],
            Self::Arc(ellipse, from, to) => {
                let angle = (from + t * (to - from)) * (PI / 180.0);
                let ([x, y], [rx, ry]) = (ellipse.centre, ellipse.radii);
                [x + rx * cos(angle), y + ry * sin(angle)]
            }
        }
    }

    /// Its length, that of an arc as if it were part of a circle.
    fn length(&self) -> f64 {
        match self {
            Self::Line([ax, ay], [bx, by]) => {
                ((bx - ax) * (bx - ax) + (by - ay) * (by - ay)).sqrt()
            }
            Self::Arc(ellipse, from, to) => {
                let [rx, ry] = ellipse.radii;
                0.5 * (rx + ry) * (to - from).abs() * (PI / 180.0)
            }
        }
    }
}

/// What a pen of the half width `width` leaves: exp(−d² / 2 width²), d from the centre of the pixel to the
/// nearest stroke.
pub(super) fn draw(strokes: &[[Point; 2]], width: f64, side: usize) -> impl Iterator<Item = f64> {
    centres(side).map(move |centre| {
        let nearest = strokes
            .iter()
            .map(|stroke| squared_distance(centre, stroke))
            .fold(f64::INFINITY, f64::min);
        exp(-nearest / (2.0 * width * width))
    })
}

fn squared_distance([x, y]: Point, [[ax, ay], [bx, by]]: &[Point; 2]) -> f64 {
    let (dx, dy) = (bx - ax, by - ay);
    // Where the perpendicular meets the line, or the nearer end. The ends differ in every glyph.
    let t = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy);
    let t = t.clamp(0.0, 1.0);
    let (ex, ey) = (x - ax - t * dx, y - ay - t * dy);
    ex * ex + ey * ey
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance([ax, ay]: Point, [bx, by]: Point) -> f64 {
        (ax - bx).hypot(ay - by)
    }

    #[test]
    fn glyphs_are_unbroken_chains_of_short_parts_within_the_image() {
        for digit in 0..CLASSES {
            let strokes = strokes(digit);
            assert!((32..=35).contains(&strokes.len()), "{digit}");
            for pair in strokes.windows(2) {
                let gap = distance(pair[0][1], pair[1][0]);
                assert!(gap < 1e-3, "the pen is lifted in {digit}: {gap}");
            }
            for stroke in &strokes {
                let length = distance(stroke[0], stroke[1]);
                assert!((0.01..0.11).contains(&length), "{digit}: {length}");
                let inside = |u: &f64| (0.15..=0.85).contains(u);
                assert!(stroke.iter().flatten().all(inside), "{digit}");
            }
        }
        assert!(strokes(CLASSES).is_empty());
    }

    #[test]
    fn a_pixel_shows_the_distance_to_the_nearest_stroke() {
        let stroke = [[0.25, 0.5], [0.75, 0.5]];
        for (point, squared) in [
            ([0.5, 0.25], 0.0625),
            ([0.25, 0.5], 0.0),
            ([0.0, 0.5], 0.0625),
            ([1.0, 0.75], 0.125),
        ] {
            assert_eq!(squared_distance(point, &stroke), squared);
        }
        let pixels: Vec<f64> = draw(&[stroke], 0.5, 2).collect();
        assert_eq!(pixels, [exp(-0.0625 / 0.5); 4]);
    }
}
