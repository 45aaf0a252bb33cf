//! A plot of a curve's second column over its number, both logarithmic, as SVG.

use super::{Curve, LIBRARIES};

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 90.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 42.0;
const COLOURS: [&str; 2] = ["#c2410c", "#1d4ed8"];

/// Decimal logarithms from a whole one to a whole one.
struct Axis {
    low: i32,
    high: i32,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values
            .filter(|value| *value > 0.0)
            .map(f64::log10)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), log| (low.min(log), high.max(log)));
        if low > high {
            return Self { low: 0, high: 1 };
        }
        // Small whole numbers: the cast cannot cut anything off.
        let low = low.floor() as i32;
        Self { low, high: (high.ceil() as i32).max(low + 1) }
    }

    /// Where a value is, from 0 to 1.
    fn place(&self, value: f64) -> f64 {
        (value.max(f64::MIN_POSITIVE).log10() - f64::from(self.low)) / f64::from(self.high - self.low)
    }

    fn marks(&self) -> impl Iterator<Item = f64> {
        (self.low..=self.high).map(|power| 10_f64.powi(power))
    }
}

/// Draws it.
pub(super) fn draw(curve: &Curve) -> String {
    let lines: Vec<Vec<(f64, f64)>> = (0..LIBRARIES.len())
        .map(|library| {
            let known = curve.points.iter().filter_map(|point| {
                let figures = point.figures.get(library)?.1.as_ref().ok()?;
                Some((point.count as f64, *figures.get(1)?))
            });
            known.filter(|(_, figure)| *figure > 0.0).collect()
        })
        .collect();
    let across = Axis::over(lines.iter().flatten().map(|(count, _)| *count));
    let up = Axis::over(lines.iter().flatten().map(|(_, figure)| *figure));
    let x = |count: f64| LEFT + across.place(count) * (WIDTH - LEFT - RIGHT);
    let y = |figure: f64| HEIGHT - BOTTOM - up.place(figure) * (HEIGHT - TOP - BOTTOM);
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);

    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{}</text>\n\
         <text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>\n",
        curve.work.columns().get(1).copied().unwrap_or_default(),
        (LEFT + right) / 2.0,
        HEIGHT - 8.0,
        curve.work.name(),
    );
    for mark in across.marks() {
        let at = x(mark);
        out.push_str(&format!(
            "<path d=\"M{at:.1} {TOP}V{bottom}\" stroke=\"#e5e7eb\"/>\
             <text x=\"{at:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>\n",
            bottom + 16.0,
            short(mark)
        ));
    }
    for mark in up.marks() {
        let at = y(mark);
        out.push_str(&format!(
            "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#e5e7eb\"/>\
             <text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
            LEFT - 6.0,
            at + 4.0,
            short(mark)
        ));
    }
    for ((line, library), colour) in lines.iter().zip(LIBRARIES).zip(COLOURS) {
        let corners: Vec<String> =
            line.iter().map(|&(count, figure)| format!("{:.1},{:.1}", x(count), y(figure))).collect();
        out.push_str(&format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n",
            corners.join(" ")
        ));
        for &(count, figure) in line {
            out.push_str(&format!(
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>\n",
                x(count),
                y(figure)
            ));
        }
        if let Some(&(count, figure)) = line.last() {
            out.push_str(&format!(
                "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{library}</text>\n",
                x(count) + 8.0,
                y(figure) + 4.0
            ));
        }
    }
    out.push_str("</svg>\n");
    out
}

fn short(value: f64) -> String {
    match value {
        _ if value >= 1e6 => format!("{}M", value / 1e6),
        _ if value >= 1e3 => format!("{}k", value / 1e3),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Point, Work};
    use super::*;

    #[test]
    fn what_was_not_measured_is_left_out_of_the_plot() {
        let point = |count, theirs| Point {
            count,
            figures: vec![(LIBRARIES[0], Ok(vec![1.0, 2.5])), (LIBRARIES[1], theirs)],
        };
        let curve = Curve {
            work: Work::Connections,
            points: vec![
                point(100, Ok(vec![1.0, 27.5])),
                point(10_000, Err("no more descriptors".to_owned())),
            ],
        };
        let svg = draw(&curve);
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(draw(&Curve { work: Work::Sockets, points: vec![] }).ends_with("</svg>\n"));
    }
}
