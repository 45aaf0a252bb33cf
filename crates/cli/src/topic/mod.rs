//! Taking part in topics and services.

pub(crate) mod args;
mod call;
mod columns;
mod echo;
mod feed;
mod field;
mod filter;
mod filter_parser;
mod histogram;
mod inbox;
mod measure;
mod meter;
mod news;
mod patience;
mod presence;
mod printer;
mod publish;
mod serve;
mod types;
mod value;
mod wait;

use self::args::TopicCommand;
use self::meter::Quantity;
use crate::exit::Outcome;
use crate::run::Run;

/// Runs the command.
pub(crate) fn run(run: &Run, command: TopicCommand) -> Outcome {
    // What fails after the command was told to stop is nobody's concern.
    execute(run, &command).map_err(|failure| run.stop.reason().unwrap_or(failure))
}

fn execute(run: &Run, command: &TopicCommand) -> Outcome {
    match command {
        TopicCommand::Echo(args) => echo::echo(run, args),
        TopicCommand::Pub(args) => publish::publish(run, args),
        TopicCommand::Hz(args) => measure::measure(run, args, Quantity::Rate),
        TopicCommand::Bw(args) => measure::measure(run, args, Quantity::Bandwidth),
        TopicCommand::Delay(args) => measure::measure(run, args, Quantity::Delay),
        TopicCommand::Wait(args) => wait::wait(run, args),
        TopicCommand::Call(args) => call::call(run, args),
        TopicCommand::Serve(args) => serve::serve(run, args),
    }
}
