//! Looking at the graph of topics.

pub(crate) mod args;
mod doctor;
mod draw;
mod info;
mod list;
mod names;
mod notes;
mod schema;
mod source;
mod survey;

use serde_json::Value;

use self::args::LookCommand;
use crate::exit::Outcome;
use crate::output::{Format, Output, coloured};
use crate::run::Run;
use crate::table::Table;

/// Runs the command.
pub(crate) fn run(run: &Run, command: LookCommand) -> Outcome {
    // Whoever was told to stop need not hear what failed thereby.
    execute(run, command).map_err(|failure| run.stop.reason().unwrap_or(failure))
}

fn execute(run: &Run, command: LookCommand) -> Outcome {
    match command {
        LookCommand::List(args) => list::topics(run, &args),
        LookCommand::Info(args) => info::show(run, &args),
        LookCommand::Type(args) => info::print_type(run, &args),
        LookCommand::Find(args) => list::find(run, &args),
        LookCommand::Nodes(args) => list::nodes(run, &args),
        LookCommand::Services(args) => list::services(run, &args),
        LookCommand::Graph(args) => draw::graph(run, &args),
        LookCommand::Schema(command) => schema::run(run, &command),
        LookCommand::Doctor => doctor::examine(run),
    }
}

/// Prints lines on standard output.
pub(crate) fn print<S: AsRef<str>>(lines: impl IntoIterator<Item = S>) -> Outcome {
    let mut output = Output::new(Format::Text, None);
    for line in lines {
        output.line(line.as_ref())?;
    }
    output.flush()
}

/// Prints a table.
pub(crate) fn print_table(run: &Run, table: &Table) -> Outcome {
    print(table.lines(coloured(run.global.color)))
}

/// Prints one object a line.
pub(crate) fn print_json(objects: impl IntoIterator<Item = Value>) -> Outcome {
    print(objects.into_iter().map(|object| object.to_string()))
}
