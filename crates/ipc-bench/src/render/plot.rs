//! Plots as inline SVG. Colours are classes, which the page's style gives: one set for light rooms, one for dark ones.

use std::fmt::Write as _;

use super::html::escape;

/// A line of a plot.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    /// In the axes' own measures, in ascending order of the first.
    pub(super) points: Vec<(f64, f64)>,
}

/// An axis: what it shows, and how a value becomes a place on it.
pub(super) struct Axis {
    pub(super) label: &'static str,
    pub(super) scale: fn(f64) -> f64,
    pub(super) ticks: Vec<(f64, String)>,
}

/// Colours that the style has: `c0` to `c9`. Further lines take them again, dashed.
pub(super) const COLOURS: usize = 10;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 76.0;
const TOP: f64 = 16.0;
const PLOT_WIDTH: f64 = 560.0;
const PLOT_HEIGHT: f64 = 340.0;
const BOTTOM: f64 = 48.0;
const LEGEND: f64 = LEFT + PLOT_WIDTH + 18.0;
const LINE: f64 = 17.0;

/// Draws lines. Whoever points at one, or at its name, sees it alone.
pub(super) fn plot(title: &str, x: &Axis, y: &Axis, series: &[Series]) -> String {
    let (x_range, y_range) = (range(x, series, |point| point.0), range(y, series, |point| point.1));
    let (Some(x_range), Some(y_range)) = (x_range, y_range) else { return String::new() };
    let place_x = |value| LEFT + PLOT_WIDTH * share(x, x_range, value);
    let place_y = |value| TOP + PLOT_HEIGHT * (1.0 - share(y, y_range, value));
    let legend = TOP + LINE * series.len() as f64 + 8.0;
    let height = (TOP + PLOT_HEIGHT + BOTTOM).max(legend);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n",
        title = escape(title)
    );
    // Writing to a string cannot fail.
    for (value, name) in within(x, x_range) {
        let at = place_x(*value);
        let (top, bottom) = (TOP, TOP + PLOT_HEIGHT);
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{at:.1} {top}V{bottom}\"/><text class=\"tick\" x=\"{at:.1}\" y=\"{}\" text-anchor=\"{}\">{}</text>",
            bottom + 16.0,
            // The last one would reach into the legend.
            if at + 20.0 > LEFT + PLOT_WIDTH { "end" } else { "middle" },
            escape(name)
        );
    }
    for (value, name) in within(y, y_range) {
        let at = place_y(*value);
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {at:.1}h{PLOT_WIDTH}\"/><text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            at + 4.0,
            escape(name)
        );
    }
    let _ = writeln!(
        svg,
        "<text class=\"axis\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n<text class=\"axis\" x=\"14\" y=\"{middle}\" text-anchor=\"middle\" transform=\"rotate(-90 14 {middle})\">{}</text>",
        LEFT + PLOT_WIDTH / 2.0,
        TOP + PLOT_HEIGHT + 38.0,
        escape(x.label),
        escape(y.label),
        middle = TOP + PLOT_HEIGHT / 2.0
    );
    for (number, one) in series.iter().enumerate() {
        let colour = number % COLOURS;
        let dashes = ["", " d1", " d2"].get(number / COLOURS).copied().unwrap_or(" d3");
        let _ = write!(svg, "<g class=\"series c{colour}{dashes}\"><title>{}</title>", escape(&one.name));
        let mut path = String::new();
        for (index, (at, value)) in one.points.iter().enumerate() {
            let letter = if index == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{:.1} {:.1}", place_x(*at), place_y(*value));
        }
        let _ = write!(svg, "<path class=\"touch\" d=\"{path}\"/><path class=\"line\" d=\"{path}\"/>");
        if one.points.len() <= 12 {
            for (at, value) in &one.points {
                let (at, value) = (place_x(*at), place_y(*value));
                let _ = write!(svg, "<circle cx=\"{at:.1}\" cy=\"{value:.1}\" r=\"3\"/>");
            }
        }
        let at = TOP + LINE * (number as f64 + 0.7);
        let _ = writeln!(
            svg,
            "<path class=\"line\" d=\"M{LEGEND} {:.1}h22\"/><text x=\"{}\" y=\"{at:.1}\">{}</text></g>",
            at - 4.0,
            LEGEND + 28.0,
            escape(&one.name)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn share(axis: &Axis, (low, high): (f64, f64), value: f64) -> f64 {
    ((axis.scale)(value) - low) / (high - low)
}

/// The ends of an axis, scaled; `None` if there is nothing to show.
fn range(axis: &Axis, series: &[Series], of: impl Fn(&(f64, f64)) -> f64) -> Option<(f64, f64)> {
    let values = series.iter().flat_map(|one| &one.points).map(|point| (axis.scale)(of(point)));
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    // A single value stands in the middle.
    if low > high {
        None
    } else if high - low < 1e-9 {
        Some((low - 0.5, high + 0.5))
    } else {
        Some((low, high))
    }
}

fn within(axis: &Axis, (low, high): (f64, f64)) -> impl Iterator<Item = &(f64, String)> {
    axis.ticks.iter().filter(move |(value, _)| {
        let at = (axis.scale)(*value);
        at >= low - 1e-9 && at <= high + 1e-9
    })
}

/// Powers of ten, with their names, from 10 to the `first` to 10 to the `last`.
pub(super) fn powers(first: i32, last: i32, name: impl Fn(f64) -> String) -> Vec<(f64, String)> {
    (first..=last).map(|power| 10_f64.powi(power)).map(|value| (value, name(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis() -> Axis {
        Axis { label: "x & y", scale: f64::log10, ticks: powers(0, 3, |value| value.to_string()) }
    }

    #[test]
    fn lines_stay_within_the_frame() {
        let points = vec![(1.0, 10.0), (10.0, 1_000.0), (100.0, 100.0)];
        let svg = plot("a < b", &axis(), &axis(), &[Series { name: "one".into(), points }]);
        assert!(svg.contains("aria-label=\"a &lt; b\"") && svg.contains("x &amp; y"));
        let path =
            svg.split("class=\"line\" d=\"").nth(1).expect("a line").split('"').next().expect("its end");
        assert_eq!(path, format!("M{LEFT}.0 356.0L{:.1} 16.0L{:.1} 186.0", LEFT + 280.0, LEFT + 560.0));
        assert_eq!(svg.matches("<circle").count(), 3);
    }

    #[test]
    fn nothing_makes_no_plot_and_one_point_no_harm() {
        assert_eq!(plot("t", &axis(), &axis(), &[]), "");
        let nothing = Series { name: "none".into(), points: vec![(0.0, f64::NAN)] };
        assert_eq!(plot("t", &axis(), &axis(), &[nothing]), "");
        let one = Series { name: "one".into(), points: vec![(5.0, 5.0)] };
        let svg = plot("t", &axis(), &axis(), &[one]);
        assert!(svg.contains("M356.0 186.0") && !svg.contains("NaN"), "{svg}");
    }
}
