//! The learning curve as an SVG.

mod axis;

use plotters::prelude::*;

use self::axis::Axis;
use crate::error::Error;

const SIZE: (u32, u32) = (800, 500);
const FONT: &str = "Helvetica, Arial, sans-serif";
const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);
const GRID: RGBColor = RGBColor(0xd8, 0xd8, 0xd8);
const FINE_GRID: RGBColor = RGBColor(0xf1, 0xf1, 0xf1);
const TRAIN: RGBColor = RGBColor(0x1f, 0x5f, 0xa8);
const TEST: RGBColor = RGBColor(0xd9, 0x6b, 0x1c);

/// A longer curve is cut into half as many stretches, of which the lowest and highest points stay.
const MOST_POINTS: usize = 2000;

/// A curve that is ready to draw: its name, its colour, and its points in the unit square.
type Drawn<'a> = (&'a str, RGBColor, Vec<(f64, f64)>);

/// Draws the loss on the training part, and on the test part if there is one, against the steps.
///
/// Points are pairs of step and loss; those that are not finite are left out. The loss axis is
/// logarithmic when all losses are positive and span more than a factor of ten. A curve of one
/// point is a dot; without any point the axes remain.
///
/// # Errors
/// When the drawing library fails.
pub fn learning_curve(
    title: &str,
    train: &[(f64, f64)],
    test: Option<&[(f64, f64)]>,
) -> Result<String, Error> {
    let mut curves = vec![("training", TRAIN, thin(train))];
    if let Some(test) = test {
        curves.push(("test", TEST, thin(test)));
    }
    let all = || curves.iter().flat_map(|(_, _, points)| points);
    let steps = Axis::linear(all().map(|p| p.0));
    let losses = Axis::linear_or_decades(all().map(|p| p.1));
    for (_, _, points) in &mut curves {
        for point in points {
            *point = (steps.place(point.0), losses.place(point.1));
        }
    }
    let mut svg = String::new();
    draw(&mut svg, title, steps, losses, &curves).map_err(|error| Error::Plot {
        problem: error.to_string(),
    })?;
    Ok(svg)
}

fn draw(
    svg: &mut String,
    title: &str,
    steps: Axis,
    losses: Axis,
    curves: &[Drawn<'_>],
) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let label = if losses.is_logarithmic() {
        "loss (logarithmic)"
    } else {
        "loss"
    };
    let mut chart = ChartBuilder::on(&area)
        .caption(title, (FONT, 22).into_font().color(&INK))
        .margin(16)
        .margin_right(28)
        .x_label_area_size(52)
        .y_label_area_size(76)
        .build_cartesian_2d(steps, losses)?;
    chart
        .configure_mesh()
        .x_desc("step")
        .y_desc(label)
        .axis_desc_style((FONT, 17).into_font().color(&INK))
        .label_style((FONT, 15).into_font().color(&INK))
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(FINE_GRID)
        .draw()?;
    for (name, colour, points) in curves {
        let style = colour.stroke_width(2);
        let drawn = if points.len() == 1 {
            let dots = points.iter().map(|&p| Circle::new(p, 4, colour.filled()));
            chart.draw_series(dots)?
        } else {
            chart.draw_series(LineSeries::new(points.iter().copied(), style))?
        };
        drawn
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 24, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .margin(12)
        .legend_area_size(34)
        .label_font((FONT, 15).into_font().color(&INK))
        .background_style(WHITE.mix(0.9))
        .border_style(GRID)
        .draw()?;
    area.present()?;
    Ok(())
}

/// The finite points, of a long curve only the lowest and the highest of every stretch.
fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let finite: Vec<(f64, f64)> = points
        .iter()
        .copied()
        .filter(|(step, loss)| step.is_finite() && loss.is_finite())
        .collect();
    if finite.len() <= MOST_POINTS {
        return finite;
    }
    let stretch = finite.len().div_ceil(MOST_POINTS / 2);
    let extremes = |points: &[(f64, f64)]| {
        let by_loss = |&a: &usize, &b: &usize| {
            let loss = |index: usize| points.get(index).map_or(0.0, |p| p.1);
            loss(a).total_cmp(&loss(b))
        };
        let low = (0..points.len()).min_by(by_loss);
        let high = (0..points.len()).max_by(by_loss);
        let ends = [low.min(high), low.max(high).filter(|_| low != high)];
        ends.into_iter()
            .flatten()
            .filter_map(|index| points.get(index).copied())
            .collect::<Vec<_>>()
    };
    finite.chunks(stretch).flat_map(extremes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(svg: &str) -> usize {
        svg.matches("<polyline").count()
    }

    #[test]
    fn a_plot_has_its_title_labels_and_legend() {
        let train: Vec<(f64, f64)> = (0..50)
            .map(|i| (f64::from(i), 2.0 * 0.8f64.powi(i)))
            .collect();
        let test: Vec<(f64, f64)> = train.iter().map(|&(s, l)| (s, l + 0.1)).collect();
        let svg = learning_curve("digits & more", &train, Some(&test)).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        for text in [
            "digits &amp; more",
            "step",
            "loss (logarithmic)",
            "training",
            "test",
        ] {
            assert!(svg.contains(text), "{text}");
        }
        let alone = learning_curve("t", &train, None).unwrap();
        assert!(!alone.contains("test"));
        assert_eq!(
            lines(&svg),
            lines(&alone) + 1 + 1,
            "a curve and its mark in the legend"
        );
        assert_eq!(alone, learning_curve("t", &train, None).unwrap());
    }

    #[test]
    fn the_axis_is_logarithmic_only_when_it_helps() {
        for (losses, logarithmic) in [
            ([1.0, 0.09], true),
            ([1.0, 0.11], false),
            ([1.0, 0.0], false),
            ([1.0, -0.5], false),
            ([1e300, 1e-300], true),
        ] {
            let points = [(0.0, losses[0]), (1.0, losses[1])];
            let svg = learning_curve("t", &points, None).unwrap();
            assert_eq!(svg.contains("(logarithmic)"), logarithmic, "{losses:?}");
        }
    }

    #[test]
    fn odd_curves_are_drawn_all_the_same() {
        let nan = f64::NAN;
        let max = f64::MAX;
        let cases: &[&[(f64, f64)]] = &[
            &[],
            &[(0.0, 1.0)],
            &[(7.0, 0.0)],
            &[
                (0.0, nan),
                (nan, 1.0),
                (f64::INFINITY, 1.0),
                (1.0, f64::NEG_INFINITY),
            ],
            &[(0.0, 1.0), (1.0, nan), (2.0, 0.5)],
            &[(0.0, 1.0), (1.0, 1.0), (2.0, 1.0)],
            &[(3.0, 2.0), (3.0, 1.0)],
            &[(0.0, -max), (max, max)],
            &[(-max, max), (max, max)],
            &[(0.0, 5e-324), (1.0, max)],
            &[(0.0, 5e-324), (1.0, 5e-324)],
            &[(0.0, 1.0), (1.0, 1.0 + f64::EPSILON)],
            &[(1e15, 1e-9), (1e15 + 1.0, 1.1e-9)],
        ];
        for train in cases {
            for test in cases {
                let svg = learning_curve("odd", train, Some(test)).unwrap();
                assert!(
                    !svg.contains("NaN") && !svg.contains("inf"),
                    "{train:?} {test:?}"
                );
            }
        }
        let one = learning_curve("one", &[(0.0, 1.0)], None).unwrap();
        assert!(one.contains("<circle"));
    }

    #[test]
    fn a_long_curve_keeps_its_extremes() {
        let mut points: Vec<(f64, f64)> = (0..100_000).map(|i| (f64::from(i), 1.0)).collect();
        points[31_415].1 = 9.0;
        points[31_416].1 = -9.0;
        let thinned = thin(&points);
        assert!(thinned.len() <= MOST_POINTS);
        assert!(thinned.contains(&(31_415.0, 9.0)) && thinned.contains(&(31_416.0, -9.0)));
        assert!(thinned.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(thin(&points[..2000]).len(), 2000);
    }
}
