//! The plot: the best loss so far against the arithmetic, as bands over the seeds.

use accuracy::{TASKS, Task};
use maud::{Markup, PreEscaped, html};
use natgrad_host::error::Error;
use natgrad_host::plot::{Plot, Point, STYLE, Series};

use super::record::{Curve, Name, Row};
use super::table::error;

/// What is drawn.
const PANELS: [(&str, bool); 3] = [("sensor", false), ("Tecator", true), ("wine", false)];

const ROWS: [(Row, &str); 4] = [
    (Row::Spring, "Gram"),
    (Row::CgBest, "CG, best batch"),
    (Row::AdamBest, "Adam, best of the grid"),
    (Row::Lbfgs, "L-BFGS"),
];

/// The width of a panel, its height, and the height of the heading.
const SIZE: (usize, usize, usize) = (400, 310, 26);

/// The drawing as a file.
///
/// # Errors
/// When the drawing library fails.
pub fn draw(curves: &[Curve]) -> Result<String, Error> {
    let tasks = PANELS.iter().filter_map(|(name, standardised)| {
        TASKS
            .iter()
            .find(|task| task.name == *name && task.standardised == *standardised)
    });
    let panels: Result<Vec<(String, Markup)>, Error> = tasks
        .map(|task| {
            let inputs = if task.standardised {
                "standardised"
            } else {
                "raw"
            };
            let plot = panel(task, curves);
            Ok((format!("{}, {inputs} inputs", task.name), plot.to_figure()?))
        })
        .collect();
    let (width, height, heading) = SIZE;
    let panels = panels?;
    let whole = (width * panels.len(), height + heading);
    Ok(html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(whole.0) height=(whole.1)
            viewBox={ "0 0 " (whole.0) " " (whole.1) } {
            style { (PreEscaped(STYLE)) }
            rect width="100%" height="100%" fill="#FFFFFF" {}
            @for (place, (title, figure)) in panels.iter().enumerate() {
                svg x=(place * width) y="0" width=(width) height=(heading) {
                    text x="8" y="18" font-family="sans-serif" font-size="14" fill="#333333" { (title) }
                }
                svg x=(place * width) y=(heading) width=(width) height=(height) { (figure) }
            }
        }
    }
    .into_string())
}

fn panel(task: &Task, curves: &[Curve]) -> Plot {
    let name = Name::of(task);
    let series = ROWS.map(|(row, title)| {
        let points = curves
            .iter()
            .filter(|curve| curve.row == row && curve.name() == name);
        Series {
            name: title.into(),
            points: points
                .map(|curve| Point {
                    x: millions(curve.macs),
                    y: error(task, curve.median),
                    band: Some((error(task, curve.low), error(task, curve.high))),
                })
                .collect(),
        }
    });
    Plot {
        title: task.name.into(),
        x: "million MACs".into(),
        wide_x: true,
        y: task.measure.name().into(),
        series: series.into(),
        thresholds: task
            .accuracies
            .map(|accuracy| (f64::from(accuracy), accuracy.to_string()))
            .into(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a place in a drawing")]
fn millions(macs: u64) -> f64 {
    macs as f64 / 1e6
}
