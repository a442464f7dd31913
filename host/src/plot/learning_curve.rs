//! The plot of `natgrad train`.

use super::{Plot, Point, Series};
use crate::error::Error;

/// A longer curve is cut into half as many stretches, of which the lowest and highest points stay.
const MOST_POINTS: usize = 2000;

/// The loss on the training part, and on the test part if there is one, against the steps, as an SVG file.
///
/// Points are pairs of step and loss; those that are not finite are left out. The loss axis is
/// logarithmic when all losses are positive and span more than a factor of ten. A curve of one
/// point is a dot; without any point the axes remain.
///
/// # Errors
/// [`Error::Plot`], when the drawing library fails.
pub fn learning_curve(
    title: &str,
    train: &[(f64, f64)],
    test: Option<&[(f64, f64)]>,
) -> Result<String, Error> {
    let curve = |name: &str, points: &[(f64, f64)]| Series {
        name: name.into(),
        points: thin(points).into_iter().map(Point::from).collect(),
    };
    let mut series = vec![curve("training", train)];
    series.extend(test.map(|test| curve("test", test)));
    Plot {
        title: title.into(),
        x: "step".into(),
        y: "loss".into(),
        series,
        ..Plot::default()
    }
    .to_file()
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
        svg.matches("stroke-width=\"20\"").count()
    }

    #[test]
    fn a_curve_has_its_title_labels_and_legend() {
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
        let each = 2; // The curve and its entry in the legend.
        assert_eq!((lines(&svg), lines(&alone)), (2 * each, each));
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
        assert_eq!((one.matches("<circle").count(), lines(&one)), (2, 1));
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
