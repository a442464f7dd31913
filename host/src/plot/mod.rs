//! Plots as SVG: series with error bands, thresholds, axes that may be logarithmic.
//!
//! What a drawing looks like is one style sheet, with a set of colours for light and one for dark
//! surroundings, so that a plot follows the page that it stands in. A series is told apart by its
//! colour, its dashes and its marks. A general drawing library writes colours into the shapes, where
//! no style sheet reaches them.

mod axis;
mod learning_curve;

pub use learning_curve::learning_curve;

use maud::{Markup, PreEscaped, html};

use self::axis::Axis;

/// The style of all plots: part of a file, and of a page with plots in it.
pub const STYLE: &str = include_str!("style.css");

/// The size of a plot in a page, at which its text has the size of the page's.
const FIGURE: (f64, f64) = (400.0, 310.0);
/// The size of a plot in a file of its own.
const FILE: (f64, f64) = (800.0, 500.0);

/// The height of a row of text.
const ROW: f64 = 17.0;
/// About the width of a character.
const CHARACTER: f64 = 6.4;
/// A series of at most that many points has a mark at each.
const MARKED: usize = 12;
/// The number of styles; a further series repeats the first.
const STYLES: usize = 6;

/// A plot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plot {
    /// What it shows: the heading in a file, what is read out in a page.
    pub title: String,
    /// The label of the horizontal axis.
    pub x: String,
    /// Whether x is logarithmic where its values are positive and span more than a factor of ten.
    pub wide_x: bool,
    /// The label of the vertical axis, which is logarithmic on the same condition.
    pub y: String,
    /// The curves.
    pub series: Vec<Series>,
    /// Values of y that deserve a line, with their labels.
    pub thresholds: Vec<(f64, String)>,
}

/// A named curve.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Its points, of which those that are not finite are left out.
    pub points: Vec<Point>,
}

/// A point of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Across.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// The ends of its error band.
    pub band: Option<(f64, f64)>,
}

impl From<(f64, f64)> for Point {
    fn from((x, y): (f64, f64)) -> Self {
        Self { x, y, band: None }
    }
}

impl Point {
    fn is_finite(&self) -> bool {
        self.x.is_finite() && self.y.is_finite()
    }

    /// The band, when it has an extent that can be drawn.
    fn drawn_band(&self) -> Option<(f64, f64)> {
        self.band
            .filter(|(low, high)| low.is_finite() && high.is_finite())
    }
}

impl Plot {
    /// The label of an axis of measured time.
    pub const SECONDS: &str = "seconds";

    /// Whether it is drawn against measured time.
    pub fn is_timed(&self) -> bool {
        self.x == Self::SECONDS
    }

    /// The plot as an element of a page that has [`STYLE`] among its styles.
    pub fn to_figure(&self) -> Markup {
        let body = Layout::new(self, FIGURE, 0.0).draw();
        svg(&self.title, FIGURE, &body)
    }

    /// The plot as a file.
    pub fn to_file(&self) -> String {
        let heading = 2.0 * ROW;
        let body = html! {
            style { (PreEscaped(STYLE)) }
            rect class="paper" width="100%" height="100%" {}
            text class="title" x="16" y=(number(heading - 8.0)) { (self.title) }
            (Layout::new(self, FILE, heading).draw())
        };
        svg(&self.title, FILE, &body).into_string()
    }
}

fn svg(title: &str, (width, height): (f64, f64), body: &Markup) -> Markup {
    let view = format!("0 0 {} {}", number(width), number(height));
    html! {
        svg class="plot" xmlns="http://www.w3.org/2000/svg" role="img" aria-label=(title)
            width=(number(width)) height=(number(height)) viewBox=(view) {
            (body)
        }
    }
}

/// Where everything goes.
struct Layout<'p> {
    plot: &'p Plot,
    x: Axis,
    y: Axis,
    /// The sides of the frame.
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    /// The places of the entries of the legend.
    legend: Vec<(f64, f64)>,
}

impl<'p> Layout<'p> {
    fn new(plot: &'p Plot, (width, height): (f64, f64), heading: f64) -> Self {
        let points = || plot.series.iter().flat_map(|series| &series.points);
        let finite = || points().filter(|point| point.is_finite());
        let xs = finite().map(|point| point.x);
        let x = if plot.wide_x {
            Axis::linear_or_decades(xs)
        } else {
            Axis::linear(xs)
        };
        let bands = finite().filter_map(Point::drawn_band);
        let ys = finite()
            .map(|point| point.y)
            .chain(bands.flat_map(|(low, high)| [low, high]))
            .chain(plot.thresholds.iter().map(|threshold| threshold.0));
        let y = Axis::linear_or_decades(ys);
        let labels = y.labels().iter().map(|(_, label)| text_width(label));
        let left = labels.fold(0.0, f64::max) + 14.0;
        let marks = plot.thresholds.iter().map(|(_, label)| text_width(label));
        let right = width - 14.0 - marks.fold(0.0, f64::max);
        let mut legend = Vec::new();
        let (mut across, mut down) = (8.0, heading + ROW);
        for series in &plot.series {
            let entry = 34.0 + text_width(&series.name) + 14.0;
            if across > 8.0 && across + entry > width {
                (across, down) = (8.0, down + ROW);
            }
            legend.push((across, down));
            across += entry;
        }
        Self {
            plot,
            x,
            y,
            left,
            right,
            top: down + 1.8 * ROW,
            bottom: height - 2.6 * ROW,
            legend,
        }
    }

    fn across(&self, place: f64) -> f64 {
        self.left + place * (self.right - self.left)
    }

    fn down(&self, place: f64) -> f64 {
        self.bottom - place * (self.bottom - self.top)
    }

    fn place(&self, x: f64, y: f64) -> (f64, f64) {
        (self.across(self.x.place(x)), self.down(self.y.place(y)))
    }

    fn draw(&self) -> Markup {
        html! {
            (self.grid())
            (self.labels())
            @for (value, label) in &self.plot.thresholds { (self.threshold(*value, label)) }
            @for (index, series) in self.plot.series.iter().enumerate() { (self.series(index, series)) }
            @for ((index, series), place) in self.plot.series.iter().enumerate().zip(&self.legend) {
                (legend(index, series, *place))
            }
        }
    }

    fn grid(&self) -> Markup {
        let lines = |places: (Vec<f64>, Vec<f64>)| {
            let upright = places.0.into_iter().map(|place| {
                let x = self.across(place);
                line(x, self.top, x, self.bottom)
            });
            let level = places.1.into_iter().map(|place| {
                let y = self.down(place);
                line(self.left, y, self.right, y)
            });
            upright.chain(level).collect::<String>()
        };
        let labelled = |axis: &Axis| axis.labels().iter().map(|label| label.0).collect();
        html! {
            path class="fine" d=(lines((self.x.fine().to_vec(), self.y.fine().to_vec()))) {}
            path class="grid" d=(lines((labelled(&self.x), labelled(&self.y)))) {}
            path class="axis" d=(lines((vec![0.0], vec![0.0]))) {}
        }
    }

    fn labels(&self) -> Markup {
        let describe = |label: &str, axis: &Axis| {
            if axis.is_logarithmic() {
                format!("{label} (logarithmic)")
            } else {
                label.to_string()
            }
        };
        let middle = f64::midpoint(self.left, self.right);
        html! {
            @for (place, label) in self.x.labels() {
                text x=(number(self.across(*place))) y=(number(self.bottom + ROW)) text-anchor="middle" { (minus(label)) }
            }
            @for (place, label) in self.y.labels() {
                text x=(number(self.left - 6.0)) y=(number(self.down(*place) + 4.0)) text-anchor="end" { (minus(label)) }
            }
            text x=(number(middle)) y=(number(self.bottom + 2.2 * ROW)) text-anchor="middle" {
                (describe(&self.plot.x, &self.x))
            }
            text x="8" y=(number(self.top - 0.6 * ROW)) { (describe(&self.plot.y, &self.y)) }
        }
    }

    fn threshold(&self, value: f64, label: &str) -> Markup {
        let y = self.down(self.y.place(value));
        html! {
            path class="threshold" d=(line(self.left, y, self.right, y)) {}
            text x=(number(self.right + 5.0)) y=(number(y + 4.0)) { (label) }
        }
    }

    fn series(&self, index: usize, series: &Series) -> Markup {
        let style = index % STYLES;
        let points = series.points.iter().filter(|point| point.is_finite());
        let places: Vec<(f64, f64)> = points
            .clone()
            .map(|point| self.place(point.x, point.y))
            .collect();
        let banded: Vec<(f64, (f64, f64))> = points
            .filter_map(|point| Some((point.x, point.drawn_band()?)))
            .collect();
        let above = banded.iter().map(|(x, (_, high))| self.place(*x, *high));
        let below = banded.iter().rev();
        let below = below.map(|(x, (low, _))| self.place(*x, *low));
        html! {
            g {
                title { (series.name) }
                @if banded.len() > 1 {
                    polygon class={ "band fill" (style) } points=(coordinates(above.chain(below))) {}
                }
                @if places.len() > 1 {
                    polyline class={ "line stroke" (style) " dash" (style) }
                        points=(coordinates(places.iter().copied())) {}
                }
                @if places.len() <= MARKED {
                    @for place in &places { (mark(style, *place)) }
                }
            }
        }
    }
}

fn legend(index: usize, series: &Series, (x, y): (f64, f64)) -> Markup {
    let style = index % STYLES;
    let middle = y - 4.0;
    html! {
        path class={ "line stroke" (style) " dash" (style) } d=(line(x, middle, x + 26.0, middle)) {}
        @if series.points.len() <= MARKED { (mark(style, (x + 13.0, middle))) }
        text x=(number(x + 32.0)) y=(number(y)) { (series.name) }
    }
}

/// The mark of a style, about a place.
fn mark(style: usize, (x, y): (f64, f64)) -> Markup {
    let class = format!("mark fill{style} stroke{style}");
    let corners: &[(f64, f64)] = match style {
        1 => &[(-3.5, -3.5), (3.5, -3.5), (3.5, 3.5), (-3.5, 3.5)],
        2 => &[(0.0, -4.5), (4.5, 3.5), (-4.5, 3.5)],
        3 => &[(0.0, -5.0), (5.0, 0.0), (0.0, 5.0), (-5.0, 0.0)],
        4 => &[(0.0, 4.5), (4.5, -3.5), (-4.5, -3.5)],
        5 => &[(-4.5, -1.5), (4.5, -1.5), (4.5, 1.5), (-4.5, 1.5)],
        _ => {
            return html! { circle class=(class) cx=(number(x)) cy=(number(y)) r="3.5" {} };
        }
    };
    let corners = corners.iter().map(|(across, down)| (x + across, y + down));
    html! { polygon class=(class) points=(coordinates(corners)) {} }
}

fn coordinates(places: impl Iterator<Item = (f64, f64)>) -> String {
    let pairs: Vec<String> = places
        .map(|(x, y)| format!("{},{}", number(x), number(y)))
        .collect();
    pairs.join(" ")
}

fn line(x1: f64, y1: f64, x2: f64, y2: f64) -> String {
    let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(number);
    format!("M{x1} {y1}L{x2} {y2}")
}

/// A coordinate, to a tenth of a pixel.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A number with the sign that type has for it.
fn minus(label: &str) -> String {
    label.replace('-', "−")
}

/// About how wide a text is.
#[expect(clippy::cast_precision_loss, reason = "a count of characters")]
fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * CHARACTER
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn series(name: &str, points: usize, band: f64) -> Series {
        let numbers = (0..10_000).take(points).map(f64::from);
        Series {
            name: name.into(),
            points: numbers
                .map(|x| Point {
                    x,
                    y: 1.0 + x,
                    band: Some((1.0 + x - band, 1.0 + x + band)),
                })
                .collect(),
        }
    }

    fn plot(series: Vec<Series>) -> Plot {
        Plot {
            title: "t".into(),
            x: "x".into(),
            y: "y".into(),
            series,
            thresholds: vec![(2.5, "≤ 2.5".into())],
            ..Plot::default()
        }
    }

    #[test]
    fn series_have_bands_marks_and_styles_of_their_own() {
        let svg = plot(vec![series("few", 5, 0.5), series("many", 40, 0.5)])
            .to_figure()
            .into_string();
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert_eq!(svg.matches("class=\"band").count(), 2);
        assert_eq!(svg.matches("<circle").count(), 6, "one in the legend");
        for text in [
            "fill0",
            "stroke1",
            "dash1",
            ">few<",
            ">many<",
            "≤ 2.5",
            "threshold",
        ] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(!svg.contains('#'), "colours stand in the style sheet alone");
    }

    #[test]
    fn a_band_without_extent_is_not_drawn() {
        for band in [f64::INFINITY, f64::NAN] {
            let svg = plot(vec![series("a", 5, band)]).to_figure().into_string();
            assert!(!svg.contains("class=\"band") && !svg.contains("NaN") && !svg.contains("inf"));
        }
    }

    #[test]
    fn a_long_legend_wraps_and_stays_inside() {
        let names = (0..9).map(|i| series(&format!("a rather long name {i}"), 3, 0.1));
        let plot = plot(names.collect());
        let layout = Layout::new(&plot, FIGURE, 0.0);
        let rows: BTreeSet<u64> = layout.legend.iter().map(|at| at.1.to_bits()).collect();
        assert!(rows.len() > 2);
        assert!(layout.top < layout.bottom);
        assert!(layout.legend.iter().all(|at| at.0 + 170.0 < FIGURE.0));
    }

    #[test]
    fn the_style_knows_every_series_in_both_surroundings() {
        let (light, dark) = STYLE.split_once("@media").expect("two parts");
        for style in 0..STYLES {
            for part in [light, dark] {
                assert!(part.contains(&format!(".stroke{style} ")));
                assert!(part.contains(&format!(".fill{style} ")));
            }
        }
    }
}
