//! Plots as SVG: series with error bands, thresholds, axes that may be logarithmic.
//!
//! Plotters draws them, in the colours for light surroundings. The style sheet replaces each of
//! these colours in dark ones, by selectors of the attributes that plotters writes, so that a plot
//! follows the page that it stands in; it also knows the dashes that go with a colour. A series is
//! told apart by its colour, its dashes and its marks.

mod axis;
mod learning_curve;

pub use learning_curve::learning_curve;

use std::io;
use std::iter::once;

use maud::{Markup, PreEscaped, html};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::ranged1d::{BoldPoints, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use self::axis::Axis;
use crate::error::Error;

/// The style of all plots: part of a file, and of a page with plots in it.
pub const STYLE: &str = include_str!("style.css");

/// The units of a drawing per pixel: plotters draws in whole ones.
const PIXEL: u32 = 10;
/// The size of a plot in a page, at which its text has the size of the page's.
const FIGURE: (u32, u32) = (400 * PIXEL, 310 * PIXEL);
/// The size of a plot in a file of its own.
const FILE: (u32, u32) = (800 * PIXEL, 500 * PIXEL);

/// The height of a row of text.
const ROW: i32 = 170;
/// About the width of a character.
const CHARACTER: i32 = 70;
/// The distance of the text from the edges.
const MARGIN: i32 = 80;
/// The length of the line in an entry of the legend.
const SAMPLE: i32 = 260;
/// The distance between two entries, in which a name of wide letters still fits.
const GAP: i32 = 240;
/// The length of the mark of a tick; its label is twice as far away.
const TICK: i32 = 30;
/// Plotters' size of text of 12 pixels, which it divides by 1.24.
const TEXT: f64 = 120.0 * 1.24;
/// That of 16 pixels.
const TITLE: f64 = 160.0 * 1.24;

const PAPER: RGBColor = WHITE;
const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);
const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
const FINE_GRID: RGBColor = RGBColor(0xf0, 0xf0, 0xf0);
const THRESHOLD: RGBColor = BLACK;
/// The opacity of a band.
const BAND: f64 = 0.16;

/// A series of at most that many points has a mark at each.
const MARKED: usize = 12;
/// At most that many labels stand beside each other, and above each other.
const LABELS: (usize, usize) = (6, 8);

/// What tells series apart; a further one repeats the first.
const STYLES: [Style; 6] = [
    Style(RGBColor(0x00, 0x67, 0xa5), &[]),
    Style(
        RGBColor(0xb8, 0x47, 0x00),
        &[(-35, -35), (35, -35), (35, 35), (-35, 35)],
    ),
    Style(RGBColor(0x00, 0x7a, 0x58), &[(0, -45), (45, 35), (-45, 35)]),
    Style(
        RGBColor(0x9c, 0x3f, 0x80),
        &[(0, -50), (50, 0), (0, 50), (-50, 0)],
    ),
    Style(
        RGBColor(0x76, 0x60, 0x00),
        &[(0, 45), (45, -35), (-45, -35)],
    ),
    Style(
        RGBColor(0x55, 0x55, 0x55),
        &[(-45, -15), (45, -15), (45, 15), (-45, 15)],
    ),
];

/// The colour of a series, with which its dashes go, and the corners of its mark about its place;
/// without any, that is a circle.
struct Style(RGBColor, &'static [(i32, i32)]);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Axis, Axis>>;
type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;

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

/// Plots side by side in one file, each below its title, `columns` of them in a row.
///
/// # Errors
/// [`Error::Plot`], when the drawing library fails.
pub fn panels(plots: &[Plot], columns: usize) -> Result<String, Error> {
    /// The size of a panel, and the height of its heading.
    const PANEL: (usize, usize) = (400, 310);
    const HEADING: usize = 26;
    let figures: Vec<Markup> = plots
        .iter()
        .map(Plot::to_figure)
        .collect::<Result<_, _>>()?;
    let (width, height) = PANEL;
    let rows = plots.len().div_ceil(columns.max(1));
    let whole = (width * columns.min(plots.len()), (height + HEADING) * rows);
    Ok(html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(whole.0) height=(whole.1)
            viewBox={ "0 0 " (whole.0) " " (whole.1) } {
            style { (PreEscaped(STYLE)) }
            rect width="100%" height="100%" fill="#FFFFFF" {}
            @for (place, (plot, figure)) in plots.iter().zip(figures).enumerate() {
                @let (x, y) = (width * (place % columns.max(1)), (height + HEADING) * (place / columns.max(1)));
                svg x=(x) y=(y) width=(width) height=(HEADING) {
                    text x="8" y="18" font-family="sans-serif" font-size="14" fill="#333333" { (plot.title) }
                }
                svg x=(x) y=(y + HEADING) width=(width) height=(height) { (figure) }
            }
        }
    }
    .into_string())
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
    ///
    /// # Errors
    /// [`Error::Plot`], when the drawing library fails.
    pub fn to_figure(&self) -> Result<Markup, Error> {
        self.svg(FIGURE, false)
    }

    /// The plot as a file, with its title.
    ///
    /// # Errors
    /// [`Error::Plot`], when the drawing library fails.
    pub fn to_file(&self) -> Result<String, Error> {
        self.svg(FILE, true).map(Markup::into_string)
    }

    /// The drawing, in an element that carries what plotters has no words for.
    fn svg(&self, size: (u32, u32), alone: bool) -> Result<Markup, Error> {
        let mut drawing = String::new();
        self.draw(&mut drawing, size, alone)
            .map_err(|error| Error::Plot {
                problem: error.to_string(),
            })?;
        let (width, height) = size;
        Ok(html! {
            svg class="plot" xmlns="http://www.w3.org/2000/svg" role="img" aria-label=(self.title)
                width=(width / PIXEL) height=(height / PIXEL) viewBox={ "0 0 " (width) " " (height) } {
                @if alone { style { (PreEscaped(STYLE)) } }
                (PreEscaped(drawing))
            }
        })
    }

    fn draw(&self, drawing: &mut String, size: (u32, u32), alone: bool) -> Drawn {
        let whole = SVGBackend::with_string(drawing, size).into_drawing_area();
        let mut rest = whole.clone();
        if alone {
            whole.fill(&PAPER)?;
            rest = whole
                .margin(MARGIN, 0, 0, 0)
                .titled(&self.title, text(TITLE))?
                .margin(MARGIN, 0, 0, 0);
        }
        let entries = self.legend(rest.get_pixel_range().0.end);
        let bottom = entries.last().map_or(0, |place| place.1);
        let (legend, rest) = rest.split_vertically(bottom + 3 * ROW / 4);
        for ((series, style), place) in self.styled().zip(entries) {
            series.draw_entry(style, &legend, place)?;
        }
        let mut chart = self.draw_axes(&rest)?;
        for (value, label) in &self.thresholds {
            let ends = chart.x_range();
            let line = [(ends.start, *value), (ends.end, *value)];
            chart.draw_series(LineSeries::new(line, THRESHOLD.stroke_width(15)))?;
            let (right, down) = chart.backend_coord(&(ends.end, *value));
            write(&whole, label, (right + TICK, down))?;
        }
        for (series, style) in self.styled() {
            series.draw(style, &mut chart, &whole)?;
        }
        whole.present()
    }

    fn styled(&self) -> impl Iterator<Item = (&Series, &'static Style)> {
        self.series.iter().zip(STYLES.iter().cycle())
    }

    /// The places of the entries of the legend, in as many rows as they need.
    fn legend(&self, width: i32) -> Vec<(i32, i32)> {
        let start = MARGIN;
        let (mut across, mut down) = (start, MARGIN);
        let entries = self.series.iter().map(|series| {
            let entry = SAMPLE + MARGIN + text_width(&series.name) + GAP;
            if across > start && across + entry > width {
                (across, down) = (start, down + ROW);
            }
            let place = (across, down);
            across += entry;
            place
        });
        entries.collect()
    }

    /// The axes with all that describes them, and the chart that they span.
    fn draw_axes<'a>(&self, area: &Area<'a>) -> Result<Chart<'a>, DrawingAreaErrorKind<io::Error>> {
        let points = || self.series.iter().flat_map(Series::finite);
        let xs = points().map(|point| point.x);
        let x = if self.wide_x {
            Axis::linear_or_decades(xs)
        } else {
            Axis::linear(xs)
        };
        let bands = points().filter_map(Point::drawn_band);
        let ys = points()
            .map(|point| point.y)
            .chain(bands.flat_map(|(low, high)| [low, high]))
            .chain(self.thresholds.iter().map(|threshold| threshold.0));
        let y = Axis::linear_or_decades(ys);
        let descriptions = (x.described(&self.x), y.described(&self.y));
        let beside = self.thresholds.iter().map(|(_, label)| text_width(label));
        let right = beside.max().unwrap_or(0).max(label_width(&x, LABELS.0) / 2);

        write(area, &descriptions.1, (MARGIN, 3 * ROW / 4))?;
        let mut chart = ChartBuilder::on(area)
            .margin_top(3 * ROW / 2 + TICK)
            .margin_right(right + MARGIN)
            .margin_bottom(TICK)
            .x_label_area_size(2 * ROW + TICK)
            .y_label_area_size(label_width(&y, LABELS.1) + 2 * TICK + MARGIN)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .x_labels(LABELS.0)
            .y_labels(LABELS.1)
            .x_desc(descriptions.0)
            .label_style(text(TEXT))
            .axis_style(INK.stroke_width(PIXEL))
            .bold_line_style(GRID.stroke_width(PIXEL))
            .light_line_style(FINE_GRID.stroke_width(PIXEL))
            .set_all_tick_mark_size(TICK)
            .draw()?;
        Ok(chart)
    }
}

impl Series {
    fn finite(&self) -> impl Iterator<Item = &Point> {
        let points = self.points.iter();
        points.filter(|point| point.x.is_finite() && point.y.is_finite())
    }

    fn is_marked(&self) -> bool {
        self.finite().count() <= MARKED
    }

    fn draw(&self, style: &Style, chart: &mut Chart<'_>, whole: &Area<'_>) -> Drawn {
        let points: Vec<(f64, f64)> = self.finite().map(|point| (point.x, point.y)).collect();
        let banded = self
            .finite()
            .filter_map(|point| Some((point.x, point.drawn_band()?)));
        let (below, above): (Vec<_>, Vec<_>) =
            banded.map(|(x, (low, high))| ((x, low), (x, high))).unzip();
        if below.len() > 1 {
            let around: Vec<_> = above.into_iter().chain(below.into_iter().rev()).collect();
            chart.draw_series(once(Polygon::new(around, style.0.mix(BAND))))?;
        }
        if points.len() > 1 {
            chart.draw_series(LineSeries::new(points.iter().copied(), style.line()))?;
        }
        if self.is_marked() {
            for point in &points {
                style.draw_mark(whole, chart.backend_coord(point))?;
            }
        }
        Ok(())
    }

    /// The entry of the legend, from the left end of its line on.
    fn draw_entry(&self, style: &Style, area: &Area<'_>, (x, y): (i32, i32)) -> Drawn {
        let sample = PathElement::new([(x, y), (x + SAMPLE, y)], style.line());
        area.draw(&sample)?;
        if self.is_marked() {
            style.draw_mark(area, (x + SAMPLE / 2, y))?;
        }
        write(area, &self.name, (x + SAMPLE + MARGIN, y))
    }
}

impl Style {
    fn line(&self) -> ShapeStyle {
        self.0.stroke_width(2 * PIXEL)
    }

    fn draw_mark(&self, area: &Area<'_>, (x, y): (i32, i32)) -> Drawn {
        if self.1.is_empty() {
            return area.draw(&Circle::new((x, y), 35, self.0.filled()));
        }
        let corners = self.1.iter().map(|(across, down)| (x + across, y + down));
        area.draw(&Polygon::new(corners.collect::<Vec<_>>(), self.0))
    }
}

fn text(size: f64) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// Writes to the right of a place.
fn write(area: &Area<'_>, words: &str, place: (i32, i32)) -> Drawn {
    let style = text(TEXT).pos(Pos::new(HPos::Left, VPos::Center));
    area.draw_text(words, &style, place)
}

/// About how wide a text is.
fn text_width(text: &str) -> i32 {
    i32::try_from(text.chars().count()).map_or(i32::MAX, |count| count.saturating_mul(CHARACTER))
}

/// About how wide the widest of the labels of an axis is, of which there may be so many.
fn label_width(axis: &Axis, labels: usize) -> i32 {
    let ticks = axis.key_points(BoldPoints(labels));
    let widths = ticks.iter().map(|tick| text_width(&axis.format_ext(tick)));
    widths.max().unwrap_or(0)
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

    /// The drawings of a plot: in a page, and in a file.
    fn drawn(plot: &Plot) -> [String; 2] {
        [
            plot.to_figure().unwrap().into_string(),
            plot.to_file().unwrap(),
        ]
    }

    #[test]
    fn series_have_bands_marks_and_styles_of_their_own() {
        let [svg, _] = drawn(&plot(vec![series("few", 5, 0.5), series("many", 40, 0.5)]));
        let count = |part: &str| svg.matches(part).count();
        assert_eq!(count("<circle"), 6, "one in the legend");
        for style in &STYLES[..2] {
            let colour = colour(style);
            let line = format!("stroke=\"{colour}\" stroke-width=\"20\"");
            assert_eq!(count(&line), 2, "the curve and its entry in the legend");
            assert_eq!(count(&format!("opacity=\"0.16\" fill=\"{colour}\"")), 1);
        }
        assert_eq!(count(&format!("stroke=\"{}\"", hexadecimal(THRESHOLD))), 1);
        for text in ["few", "many", "≤ 2.5"] {
            assert!(svg.contains(&format!(">\n{text}\n<")), "{text}");
        }
    }

    #[test]
    fn a_band_without_extent_is_not_drawn() {
        for band in [f64::INFINITY, f64::NAN] {
            for svg in drawn(&plot(vec![series("a", 5, band)])) {
                assert!(
                    !svg.contains(" opacity=\"0.16\" fill")
                        && !svg.contains("NaN")
                        && !svg.contains("inf")
                );
            }
        }
    }

    #[test]
    fn a_long_legend_wraps_and_stays_inside() {
        let names = (0..9).map(|i| series(&format!("a rather long name {i}"), 3, 0.1));
        let plot = plot(names.collect());
        let (width, height) = (FIGURE.0.cast_signed(), FIGURE.1.cast_signed());
        let places = plot.legend(width);
        let rows: BTreeSet<i32> = places.iter().map(|at| at.1).collect();
        assert!(rows.len() > 2);
        let entry = SAMPLE + MARGIN + text_width("a rather long name 0");
        assert!(places.iter().all(|at| at.0 + entry + GAP <= width));
        assert!(rows.into_iter().all(|row| row < height / 2));
    }

    #[test]
    fn styles_differ_in_colour_dashes_and_marks() {
        let (light, _) = STYLE.split_once("@media").expect("two parts");
        let dashes = |style: &Style| {
            let (_, rest) = light.split_once(&format!("\"{}\"", colour(style)))?;
            rest.split_once('}').map(|(dashes, _)| dashes)
        };
        let colours: BTreeSet<String> = STYLES.iter().map(colour).collect();
        let marks: BTreeSet<_> = STYLES.iter().map(|style| style.1).collect();
        let dashes: BTreeSet<_> = STYLES.iter().map(dashes).collect();
        assert_eq!(
            [colours.len(), marks.len(), dashes.len()],
            [STYLES.len(); 3]
        );
    }

    #[test]
    fn every_colour_has_its_counterpart_in_the_dark() {
        let (_, dark) = STYLE.split_once("@media").expect("two parts");
        assert!(dark.contains(&format!("[opacity=\"{BAND}\"]")));
        let mut all = plot((0..7).map(|i| series("s", 3 + 6 * i, 0.5)).collect());
        all.wide_x = true;
        for svg in drawn(&all) {
            let (_, svg) = svg.rsplit_once("<svg").expect("the drawing");
            let mut seen = 0;
            for attribute in ["fill", "stroke"] {
                for rest in svg.split(&format!(" {attribute}=\"#")).skip(1) {
                    let (colour, _) = rest.split_once('"').expect("an end");
                    let selector = format!("svg.plot [{attribute}=\"#{colour}\"]");
                    assert!(dark.contains(&selector), "{selector}");
                    seen += 1;
                }
            }
            assert!(seen > 50, "colours are found");
        }
    }

    #[test]
    fn only_a_file_has_paper_and_a_title() {
        let mut titled = plot(vec![series("a", 3, 0.5)]);
        titled.title = "this & that".into();
        let [figure, file] = drawn(&titled);
        let paper = format!("fill=\"{}\"", hexadecimal(PAPER));
        let parts = [paper.as_str(), "<style>", ">\nthis &amp; that\n<"];
        for part in parts {
            assert!(file.contains(part) && !figure.contains(part), "{part}");
        }
        assert!(figure.contains("aria-label=\"this &amp; that\""));
    }

    fn colour(style: &Style) -> String {
        hexadecimal(style.0)
    }

    fn hexadecimal(RGBColor(red, green, blue): RGBColor) -> String {
        format!("#{red:02X}{green:02X}{blue:02X}")
    }
}
