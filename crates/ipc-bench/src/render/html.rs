//! A report as one page of HTML that needs nothing else: no network, no script.

use std::fmt::Write as _;

use super::plot::{Axis, Series, plot, powers};
use super::table::{Section, machine, name, nominal, sections};
use super::unit;
use crate::report::{Cell, Pattern, Report};

/// Writes it as a page of HTML.
#[must_use]
pub fn html(report: &Report) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><meta name=\"viewport\" content=\"width=device-width\"/>\
         <meta name=\"color-scheme\" content=\"light dark\"/><title>What talking within this machine costs</title>\n<style>{STYLE}</style></head>\n<body>\n\
         <h1>What talking within this machine costs</h1>\n"
    );
    for line in machine(report) {
        let _ = writeln!(page, "<p class=\"machine\">{}</p>", escape(&line));
    }
    for warning in &report.warnings {
        let _ = writeln!(page, "<p class=\"warning\">Warning: {}</p>", escape(warning));
    }
    distributions(&mut page, report);
    over_size(&mut page, report);
    page.push_str("<h2>All figures</h2>\n");
    page.push_str(NOTES);
    for section in sections(report) {
        table(&mut page, &section);
    }
    if !report.unavailable.is_empty() {
        page.push_str("<h2>Not available here</h2>\n<ul>\n");
        for missing in &report.unavailable {
            let (name, reason) = (escape(&missing.name), escape(&missing.reason));
            let _ = writeln!(page, "<li><b>{name}</b>: {reason}</li>");
        }
        page.push_str("</ul>\n");
    }
    page.push_str("</body></html>\n");
    page
}

/// One plot for each pattern and size that has latencies.
fn distributions(page: &mut String, report: &Report) {
    let mut groups: Vec<((Pattern, u64), Vec<&Cell>)> = Vec::new();
    for cell in report.cells.iter().filter(|cell| cell.latency.is_some()) {
        let group = (cell.key.pattern, nominal(report, cell));
        match groups.iter_mut().find(|(known, _)| *known == group) {
            Some((_, cells)) => cells.push(cell),
            None => groups.push((group, vec![cell])),
        }
    }
    let x = Axis {
        label: "share of messages that took no longer, %",
        // Each factor of ten nearer to all of them is as wide as the one before.
        scale: |share| -(1.0 - share.min(SHARE_MAX)).log10(),
        ticks: [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, SHARE_MAX]
            .map(|share| (share, format!("{}", (share * 1e7).round() / 1e5)))
            .to_vec(),
    };
    let y = Axis { label: "time", scale: f64::log10, ticks: powers(1, 11, short_time) };
    for ((pattern, size), cells) in groups {
        let title = format!("{}, {}: latency distribution", pattern.title(), unit::size(size));
        let series: Vec<Series> = cells
            .iter()
            .filter_map(|cell| {
                let curve = cell.latency.as_ref()?.curve.iter();
                let points = curve.map(|point| (point.share, point.ns.max(1) as f64)).collect();
                Some(Series { name: name(cell), points })
            })
            .collect();
        figure(page, &title, &plot(&title, &x, &y, &series));
    }
}

/// The longest sample stands where one in a hundred thousand would.
const SHARE_MAX: f64 = 0.99999;

/// Throughput over size, in octets and in messages.
fn over_size(page: &mut String, report: &Report) {
    let mut series: Vec<(Series, Series)> = Vec::new();
    for cell in report.cells.iter().filter(|cell| cell.key.pattern == Pattern::Throughput) {
        let (Some(octets), Some(messages)) = (cell.mb_per_s, cell.messages_per_s) else { continue };
        let (name, size) = (name(cell), cell.key.size as f64);
        let at = series.iter().position(|(one, _)| one.name == name).unwrap_or_else(|| {
            let empty = Series { name: name.clone(), points: Vec::new() };
            series.push((empty.clone(), empty));
            series.len() - 1
        });
        if let Some((megabytes, rates)) = series.get_mut(at) {
            megabytes.points.push((size, octets.value.max(1e-6)));
            rates.points.push((size, messages.value.max(1e-6)));
        }
    }
    let (megabytes, rates): (Vec<Series>, Vec<Series>) = series.into_iter().unzip();
    let sizes = (0..=26).step_by(2).map(|power| 1_u64 << power);
    let x = Axis {
        label: "octets of a message",
        scale: f64::log2,
        ticks: sizes.map(|size| (size as f64, unit::size(size))).collect(),
    };
    let rate = |value: f64| unit::rate(value).replace(".00", "").replace(".0", "");
    for (title, label, series) in [
        ("Throughput over size, megabytes", "MB/s", megabytes),
        ("Throughput over size, messages", "messages/s", rates),
    ] {
        let y = Axis { label, scale: f64::log10, ticks: powers(-3, 9, rate) };
        figure(page, title, &plot(title, &x, &y, &series));
    }
}

fn short_time(ns: f64) -> String {
    unit::time(ns).replace(".00", "").replace(".0", "")
}

fn figure(page: &mut String, title: &str, svg: &str) {
    if !svg.is_empty() {
        let _ = write!(page, "<figure>\n<figcaption>{}</figcaption>\n{svg}</figure>\n", escape(title));
    }
}

fn table(page: &mut String, section: &Section) {
    let _ = write!(page, "<h3>{}</h3>\n<div class=\"wide\"><table>\n<thead><tr>", escape(&section.title));
    for cell in &section.header {
        let _ = write!(page, "<th scope=\"col\">{}</th>", escape(cell.trim()));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in &section.rows {
        page.push_str("<tr>");
        for (index, cell) in row.iter().enumerate() {
            let (open, close) = if index == 0 { ("<th scope=\"row\">", "</th>") } else { ("<td>", "</td>") };
            let _ = write!(page, "{open}{}{close}", escape(cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div>\n");
    for failure in &section.failures {
        let _ = writeln!(page, "<p class=\"warning\">{}</p>", escape(failure));
    }
}

/// Makes a text one that is nothing but text, in elements and attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // Others than these have no place in a page.
            letter if letter.is_control() && !matches!(letter, '\n' | '\t') => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

const NOTES: &str = "<p>Best first. <i>CPU µs</i> is CPU time for one message (of a round trip: for both messages) in the process of the sender and of a receiver; \
<i>wake-ups</i> is how often a thread gave up its core to wait, for one message; <i>spread</i> is how far the rounds lie apart, as ± of half of that. \
A percentile is left out unless ten samples lie beyond it.</p>\n";

const STYLE: &str = "
:root{--ground:#fff;--ink:#1d2430;--faint:#667085;--rule:#e3e7ee;--warn:#9a3412;--warn-ground:#fff4e6;
--c0:#1f6feb;--c1:#c2410c;--c2:#15803d;--c3:#9333ea;--c4:#b91c1c;--c5:#0e7490;--c6:#a16207;--c7:#be185d;--c8:#4d5b76;--c9:#4d7c0f}
@media (prefers-color-scheme:dark){:root{--ground:#12161d;--ink:#e4e9f1;--faint:#97a3b6;--rule:#2a3240;--warn:#fdba74;--warn-ground:#2b1f14;
--c0:#6ea8ff;--c1:#ff9d66;--c2:#5fd38d;--c3:#c79bff;--c4:#ff8080;--c5:#4fd1e6;--c6:#e8c25a;--c7:#ff8cc2;--c8:#aab8d0;--c9:#b5d957}}
body{background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,sans-serif;max-width:66rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.25rem;margin-top:2.2rem}h3{font-size:1rem;margin:1.6rem 0 .4rem}
.machine{margin:.1rem 0;color:var(--faint)}
.warning{margin:.5rem 0;padding:.4rem .7rem;border-left:3px solid var(--warn);background:var(--warn-ground);color:var(--warn)}
figure{margin:1.6rem 0}figcaption{font-weight:600;margin-bottom:.4rem}
svg{width:100%;height:auto;font:12px system-ui,sans-serif}
svg text{fill:var(--ink)}svg .tick,svg .axis{fill:var(--faint)}
svg .grid{stroke:var(--rule);fill:none}svg .line{fill:none;stroke-width:1.8;stroke:var(--c)}svg circle{fill:var(--c)}
svg .touch{fill:none;stroke:transparent;stroke-width:12}
.series{transition:opacity .15s}svg:has(.series:hover) .series{opacity:.12}svg .series:hover{opacity:1}
.c0{--c:var(--c0)}.c1{--c:var(--c1)}.c2{--c:var(--c2)}.c3{--c:var(--c3)}.c4{--c:var(--c4)}.c5{--c:var(--c5)}.c6{--c:var(--c6)}.c7{--c:var(--c7)}.c8{--c:var(--c8)}.c9{--c:var(--c9)}
.d1 .line{stroke-dasharray:7 4}.d2 .line{stroke-dasharray:2 3}.d3 .line{stroke-dasharray:9 3 2 3}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .7rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--rule)}
thead th{color:var(--faint);font-weight:500}tbody th{text-align:left;font-weight:600}tbody tr:hover{background:var(--rule)}
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::plot::COLOURS;
    use crate::render::table::tests::report;

    /// Checks that every element is closed where it has to be, and returns the names of all, with their attributes.
    fn elements(page: &str) -> Vec<String> {
        let body = page.strip_prefix("<!DOCTYPE html>").expect("a document type");
        let (mut open, mut found) = (Vec::new(), Vec::new());
        for part in body.split('<').skip(1) {
            let (tag, text) = part.split_once('>').expect("a tag has an end");
            assert!(!text.contains('>'), "a stray > after {tag}");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(name), "closed");
                continue;
            }
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            let name = tag.split([' ', '/']).next().expect("a name").to_owned();
            found.push(tag.to_owned());
            if !tag.ends_with('/') {
                open.push(name);
            }
            for reference in text.split('&').skip(1) {
                let known = ["amp;", "lt;", "gt;", "quot;"];
                assert!(known.iter().any(|known| reference.starts_with(known)), "&{reference}");
            }
        }
        assert!(open.is_empty(), "{open:?} stay open");
        found
    }

    #[test]
    fn the_page_is_well_formed() {
        let page = html(&report());
        let elements = elements(&page);
        let count =
            |name: &str| elements.iter().filter(|element| element.split(' ').next() == Some(name)).count();
        // Two patterns with latencies, and throughput in two measures.
        assert_eq!((count("svg"), count("table")), (4, 6));
        assert!(page.contains("a &lt;b&gt; &amp; &quot;c&quot;") && page.contains("not &lt;here&gt;"));
        assert!(page.contains("noisy &amp; loud") && !page.contains("NaN") && !page.contains("inf"));
        elements_of_nothing();
    }

    fn elements_of_nothing() {
        let page = html(&Report::default());
        assert!(!elements(&page).iter().any(|element| element.starts_with("svg")));
    }

    #[test]
    fn it_needs_nothing_from_elsewhere() {
        let page = html(&report());
        for outside in ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link", "<iframe"]
        {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn every_colour_is_there_for_light_and_dark() {
        for colour in 0..COLOURS {
            assert_eq!(STYLE.matches(&format!("--c{colour}:#")).count(), 2, "{colour}");
            assert!(STYLE.contains(&format!(".c{colour}{{")), "{colour}");
        }
        assert!(STYLE.contains("prefers-color-scheme:dark"));
    }

    #[test]
    fn what_is_no_text_is_not_in_a_page() {
        assert_eq!(escape("a\0\u{1b}[31m<b>"), "a\u{fffd}\u{fffd}[31m&lt;b&gt;");
    }
}
