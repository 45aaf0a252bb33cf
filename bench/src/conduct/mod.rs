//! Leads the measurements: who is next, how many messages, what came of it.

mod autopsy;
mod child;
mod report;
mod rounds;
mod run;
mod scratch;
mod tracer;

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::args::Args;
use crate::cells::Cell;
use crate::failure::Outcome;
use crate::machine::{self, Machine, Watch};
use crate::metric::Sample;
use crate::output;
use crate::rival::Rival;
use crate::spec::Contestant;

pub(crate) use report::{Report, Row, Standing};

/// Measures a cell's contestant once.
pub(crate) fn once(cell: &Cell, contestant: Contestant, count: u64) -> Outcome<Sample> {
    run::run(cell, contestant, count, None, &scratch::Scratch::new()?).map(|run| run.sample)
}

/// Measures all cells.
pub(crate) fn conduct(args: &Args, cells: &[Cell], rivals: Vec<Rival>, machine: Machine) -> Outcome<Report> {
    let began = Instant::now();
    let watch = Watch::start();
    let scratch = scratch::Scratch::new()?;
    let tracer = tracer::Tracer::find(scratch.folder());
    let mut report = Report {
        taken_at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        machine,
        load_after: String::new(),
        others_cpu: 0.0,
        rounds: args.rounds(),
        hwm: args.hwm,
        run_ms: u64::try_from(args.time().as_millis()).unwrap_or(u64::MAX),
        seconds: 0.0,
        calls: if args.no_calls { "not counted (--no-calls)" } else { tracer.describe() }.to_owned(),
        rivals,
        rows: Vec::new(),
    };
    for (index, cell) in cells.iter().enumerate() {
        let counted = !args.no_calls && (args.all_calls || (cell.traced && !args.quick));
        let tracer = (counted && tracer != tracer::Tracer::Missing).then_some(tracer);
        let rows = rounds::measure(args, cell, tracer, &scratch);
        if !args.quiet {
            for row in &rows {
                eprintln!("[{}/{}] {}", index + 1, cells.len(), output::one_line(row));
            }
        }
        report.rows.extend(rows);
    }
    report.load_after = machine::load();
    report.others_cpu = watch.others_share();
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}
