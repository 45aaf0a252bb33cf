//! A plot of figures over a number, both logarithmic, as SVG.

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 42.0;
/// How far apart names stand at least.
const LINE_HEIGHT: f64 = 14.0;

/// The colours of our lines and of libzmq's.
pub(crate) const COLOURS: [&str; 2] = ["#c2410c", "#1d4ed8"];

/// What is drawn.
#[derive(Debug)]
pub(crate) struct Plot {
    pub(crate) title: String,
    /// What grows from left to right.
    pub(crate) across: String,
    pub(crate) lines: Vec<Line>,
}

/// One line of a plot, named at its end.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) colour: &'static str,
    pub(crate) dashed: bool,
    /// Left to right; what is not above zero has no place on such a scale and is left out.
    pub(crate) points: Vec<(f64, f64)>,
}

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
pub(crate) fn draw(plot: &Plot) -> String {
    let shown: Vec<Vec<(f64, f64)>> = plot
        .lines
        .iter()
        .map(|line| line.points.iter().copied().filter(|&(across, up)| across > 0.0 && up > 0.0).collect())
        .collect();
    let across = Axis::over(shown.iter().flatten().map(|point| point.0));
    let up = Axis::over(shown.iter().flatten().map(|point| point.1));
    let x = |value: f64| LEFT + across.place(value) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - up.place(value) * (HEIGHT - TOP - BOTTOM);
    let mut out = frame(plot);
    grid(&mut out, &across, &up, x, y);
    let mut names = Vec::new();
    for (line, points) in plot.lines.iter().zip(&shown) {
        let corners: Vec<String> = points.iter().map(|&(a, b)| format!("{:.1},{:.1}", x(a), y(b))).collect();
        let (colour, dashes) = (line.colour, if line.dashed { " stroke-dasharray=\"5 4\"" } else { "" });
        out.push_str(&format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>\n",
            corners.join(" ")
        ));
        for &(a, b) in points {
            out.push_str(&format!(
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>\n",
                x(a),
                y(b)
            ));
        }
        names.extend(points.last().map(|&(a, b)| (y(b) + 4.0, x(a) + 8.0, line)));
    }
    // From top to bottom, so that names that would meet can make room.
    names.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut free = 0.0_f64;
    for (wanted, left, line) in names {
        let at = wanted.max(free);
        free = at + LINE_HEIGHT;
        let (colour, name) = (line.colour, &line.name);
        out.push_str(&format!("<text x=\"{left:.1}\" y=\"{at:.1}\" fill=\"{colour}\">{name}</text>\n"));
    }
    out.push_str("</svg>\n");
    out
}

fn frame(plot: &Plot) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{}</text>\n\
         <text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>\n",
        plot.title,
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 8.0,
        plot.across,
    )
}

fn grid(out: &mut String, across: &Axis, up: &Axis, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
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
}

/// Writes a number in few characters.
pub(crate) fn short(value: f64) -> String {
    match value {
        _ if value >= 1e6 => format!("{}M", value / 1e6),
        _ if value >= 1e3 => format!("{}k", value / 1e3),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, points: &[(f64, f64)]) -> Line {
        Line { name: name.to_owned(), colour: COLOURS[0], dashed: false, points: points.to_vec() }
    }

    fn plot(lines: Vec<Line>) -> Plot {
        Plot { title: "what".to_owned(), across: "how many".to_owned(), lines }
    }

    #[test]
    fn what_has_no_place_is_left_out_of_the_plot() {
        let svg = draw(&plot(vec![
            line("ours", &[(100.0, 2.5), (1e4, 0.0)]),
            line("theirs", &[(100.0, 27.5), (1e4, 3.0)]),
        ]));
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(draw(&plot(vec![])).ends_with("</svg>\n"));
    }

    #[test]
    fn names_do_not_stand_on_each_other() {
        let svg = draw(&plot(vec![line("ours", &[(100.0, 2.5)]), line("theirs", &[(100.0, 2.5)])]));
        let heights: Vec<f64> = svg
            .lines()
            .filter(|line| line.contains("fill=\"#c2410c\">"))
            .filter_map(|line| line.split("y=\"").nth(1)?.split('"').next()?.parse().ok())
            .collect();
        assert_eq!(heights.len(), 2);
        assert!((heights[1] - heights[0]).abs() >= LINE_HEIGHT, "{heights:?}");
    }
}
