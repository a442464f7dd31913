//! The plot: the best loss so far against the arithmetic, as bands over the seeds.

use accuracy::{TASKS, Task};
use natgrad_host::error::Error;
use natgrad_host::plot::{self, Plot, Point, Series};

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
    let panels: Vec<Plot> = tasks.map(|task| panel(task, curves)).collect();
    plot::panels(&panels, PANELS.len())
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
    let inputs = if task.standardised {
        "standardised"
    } else {
        "raw"
    };
    Plot {
        title: format!("{}, {inputs} inputs", task.name),
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
