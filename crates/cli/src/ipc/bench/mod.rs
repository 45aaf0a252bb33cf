//! `tamtam ipc bench`: what the mechanisms cost on this machine.

pub(crate) mod args;
mod progress;
mod show;

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use tamtam_ipc_bench::report::Report;
use tamtam_ipc_bench::{Options, Profile, measure, render};

use self::args::BenchArgs;
pub(crate) use self::progress::Bar;
use crate::exit::{Failure, Outcome};
use crate::run::Run;

/// Measures, and shows what came of it.
pub(super) fn run(run: &Run, args: &BenchArgs) -> Outcome {
    // What would fail at the end fails before anything is measured.
    let old = args.compare.as_deref().map(read).transpose()?;
    for file in [&args.csv, &args.markdown, &args.html].into_iter().flatten() {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(file)
            .map_err(|error| cannot_write(file, &error))?;
    }
    let options = options(args)?;
    let mut bar = Bar::new(run);
    let measured = measure(&options, &mut bar);
    bar.finish();
    let report = measured.map_err(|unknown| Failure::not_found(unknown.to_string()))?;
    // Whoever has heard enough still gets what was measured until then.
    show::print(run, &report, old.as_ref())?;
    write(args, &report)?;
    run.stop.check()?;
    if report.cells.iter().all(|cell| cell.rounds == 0) {
        return Err(Failure::failed("nothing could be measured"));
    }
    Ok(())
}

/// Plays a worker of a measurement that another process conducts.
pub(crate) fn work() -> Outcome {
    tamtam_ipc_bench::worker().map_err(Failure::failed)
}

/// The command that plays a worker: this program.
pub(crate) fn worker() -> Outcome<Vec<OsString>> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::failed(format!("cannot find this program: {error}")))?;
    Ok(vec![program.into(), "ipc".into(), "bench-worker".into()])
}

fn options(args: &BenchArgs) -> Outcome<Options> {
    let profile = match (args.quick, args.full) {
        (true, _) => Profile::Quick,
        (_, true) => Profile::Full,
        _ => Profile::Normal,
    };
    let mut options = Options::new(worker()?, profile);
    options.contestants.clone_from(&args.mechanism);
    options.patterns.clone_from(&args.pattern);
    options.sizes = args.size.iter().copied().map(u64::from).collect();
    options.readers.clone_from(&args.readers);
    options.rate = args.rate.map(|interval| interval.as_secs_f64().recip());
    options.spin |= args.spin;
    options.libzmq.clone_from(&args.libzmq);
    options.rounds = args.rounds;
    options.time = args.duration;
    Ok(options)
}

fn read(path: &Path) -> Outcome<Report> {
    let text = fs::read_to_string(path).map_err(|error| {
        let text = format!("cannot read {}: {error}", path.display());
        if error.kind() == ErrorKind::NotFound { Failure::not_found(text) } else { Failure::failed(text) }
    })?;
    // With --compare, what is printed has more lines than the report's.
    let first = text.lines().next().unwrap_or_default();
    Report::from_json(first).map_err(|error| Failure::incompatible(format!("{}: {error}", path.display())))
}

fn write(args: &BenchArgs, report: &Report) -> Outcome {
    let put = |file: &Option<PathBuf>, text: fn(&Report) -> String| match file {
        Some(file) => fs::write(file, text(report)).map_err(|error| cannot_write(file, &error)),
        None => Ok(()),
    };
    put(&args.csv, render::csv)?;
    put(&args.markdown, render::markdown)?;
    put(&args.html, render::html)
}

fn cannot_write(file: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("cannot write {}: {error}", file.display()))
}
