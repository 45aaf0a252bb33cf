//! The tables.

use super::{Curve, LIBRARIES, Work};
use crate::machine::Machine;
use crate::metric::digits;
use crate::output::Columns;

/// Writes the page with all tables and links to the plots.
pub(super) fn write(machine: &Machine, curves: &[Curve]) -> String {
    let mut out = String::from(
        "# Growth on one machine\n\nWritten by `target/release/tamtam-bench scale --out ../docs` in `bench`; \
         [performance.md](performance.md) says what it means.\n\n",
    );
    for line in machine.to_string().lines() {
        out.push_str(&format!("- {}\n", line.trim()));
    }
    for curve in curves {
        let name = curve.work.name();
        out.push_str(&format!("\n## {}\n\n{}\n\n", title(curve.work), explanation(curve.work)));
        out.push_str(table(curve).render(true).trim_end());
        out.push_str(&format!("\n\n![{name}](scale-{name}.svg)\n"));
        for (count, contestant, failure) in failures(curve) {
            out.push_str(&format!("\nNot measured: {count}, {contestant}: {failure}\n"));
        }
    }
    out
}

fn title(work: Work) -> &'static str {
    match work {
        Work::Connections => "Idle connections into one ROUTER",
        Work::Subscribers => "Subscribers with 10,000 topics between them",
        Work::Subscriptions => "Subscriptions on one PUB",
        Work::Sockets => "Sockets in one process",
    }
}

fn explanation(work: Work) -> &'static str {
    match work {
        Work::Connections => {
            "TCP. Clients in another process, plain sockets that speak just enough ZMTP, greet and stay. \
             Memory is the server's."
        }
        Work::Subscribers => {
            "ipc, all in one process: PUB and so many SUB, each with its share of 10,000 distinct topics. Each topic is \
             published once, going round the subscribers, and then all are received by one thread; the median of three times."
        }
        Work::Subscriptions => {
            "ipc, PUB and one SUB in one process, so memory is that of both ends. Topics have 13 octets. What nobody wants \
             is only matched; what is wanted is published in bursts of 100 and received, in an order that no cache foresees. libzmq's SUB has no \
             send mark: with the default of 1,000 it drops the subscriptions that its publisher has not taken yet, and says nothing."
        }
        Work::Sockets => {
            "ipc, pairs of PUSH and PULL in one process, each with a connection; every pair sends one message."
        }
    }
}

fn table(curve: &Curve) -> Columns {
    let columns = curve.work.columns();
    let mut heading = vec![curve.work.name().to_owned()];
    for column in columns {
        heading.extend(LIBRARIES.map(|library| format!("{column}: {library}")));
    }
    let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
    let mut table = Columns::new(&heading);
    for point in &curve.points {
        let mut row = vec![point.count.to_string()];
        for index in 0..columns.len() {
            row.extend(point.figures.iter().map(|(_, figures)| {
                figures
                    .as_ref()
                    .ok()
                    .and_then(|figures| figures.get(index))
                    .map_or_else(|| "–".to_owned(), |&figure| digits(figure))
            }));
        }
        table.push(row);
    }
    table
}

fn failures(curve: &Curve) -> impl Iterator<Item = (u64, String, &str)> {
    curve.points.iter().flat_map(|point| {
        point.figures.iter().filter_map(move |(contestant, figures)| {
            let failure = figures.as_ref().err()?;
            Some((point.count, contestant.to_string(), failure.as_str()))
        })
    })
}
