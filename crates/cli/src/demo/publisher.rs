//! The demo's publisher: starts the subscribers, waits for them, publishes, and collects what they got.

use std::env;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::crew::{Crew, State};
use super::ends::{Outlet, Trouble};
use super::info::Template;
use super::subscriber::Task;
use super::table::{self, Sent};
use crate::args::{DemoArgs, Transport};
use crate::exit::{Failure, Outcome};
use crate::output::coloured;
use crate::run::Run;

/// The longest wait for the subscribers, for room in a queue, or for a report, unless `--timeout` says otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much longer to wait for a report than a subscriber waits for a message: one that misses the end still reports.
const REPORT_SLACK: Duration = Duration::from_secs(2);

/// How long one look for subscribers lasts: between two of them deaths and the wish to stop are noticed.
const BARRIER_STEP: Duration = Duration::from_millis(20);

/// After how many messages the progress is shown and the subscribers' news are taken in.
const STRIDE: u32 = 1024;

/// Runs the demo.
pub(crate) fn run(run: &Run, args: &DemoArgs) -> Outcome {
    let patience = run.timeout().unwrap_or(PATIENCE);
    let outlet = Outlet::open(run, args, patience)?;
    run.detail(&format!("publisher bound at {}", outlet.endpoint()));
    let task = Task { place: outlet.place(), plain: outlet.is_plain(), size: args.size, patience };
    let count = usize::try_from(args.subscribers).unwrap_or(usize::MAX);
    let mut crew = match args.transport {
        Transport::Inproc => Crew::threads(count, &task, &run.context)?,
        Transport::Ipc | Transport::Tcp => {
            let program = env::current_exe().map_err(|error| {
                Failure::failed(format!("cannot find the program for subscribers: {error}"))
            })?;
            Crew::processes(count, &task, &program, |member| run.detail(&format!("{member} started")))?
        }
    };
    await_subscribers(run, &outlet, &mut crew, patience)?;
    run.detail(&format!("{count} subscribers attached, publishing"));
    let sent = publish(run, args, outlet, &mut crew)?;
    collect(run, &mut crew, patience)?;
    print(run, &sent, &crew)?;
    judge(&sent, &crew, patience)
}

fn await_subscribers(run: &Run, outlet: &Outlet, crew: &mut Crew, patience: Duration) -> Outcome {
    let begun = Instant::now();
    loop {
        let wanted = crew.members().len();
        let attached = outlet.wait_for(wanted, BARRIER_STEP);
        run.stop.check()?;
        crew.catch_up();
        if let Some(dead) = crew.first_dead() {
            let how = if let State::Died { how, .. } = &dead.state { how } else { "no report" };
            return Err(Failure::timed_out(format!("{dead} ended before the start: {how}")));
        }
        if attached >= wanted {
            return Ok(());
        }
        if begun.elapsed() >= patience {
            return Err(Failure::timed_out(format!(
                "{attached} of {wanted} subscribers after {:.1} s",
                begun.elapsed().as_secs_f64()
            )));
        }
    }
}

fn publish(run: &Run, args: &DemoArgs, outlet: Outlet, crew: &mut Crew) -> Outcome<Sent> {
    let bar = progress_bar(run, args.messages);
    let mut template = Template::new(args.size);
    let mut bytes = 0_u64;
    let begun = Instant::now();
    for number in 0..args.messages {
        // The range of `--messages` is that of the id.
        let id = i32::try_from(number).unwrap_or(i32::MAX);
        let body = template.encode(id);
        bytes = bytes.saturating_add(u64::try_from(body.len()).unwrap_or(u64::MAX));
        outlet.send(run, body).map_err(|trouble| explain(trouble, crew, number))?;
        if number % STRIDE == 0 {
            bar.set_position(number.into());
            crew.catch_up();
            run.stop.check().map_err(|reason| explain(Trouble::Stopped(reason), crew, number))?;
        }
    }
    outlet.end(run).map_err(|trouble| explain(trouble, crew, args.messages))?;
    let seconds = begun.elapsed().as_secs_f64();
    bar.finish_and_clear();
    Ok(Sent { transport: args.transport.name(), messages: args.messages.into(), bytes, seconds })
}

/// Says what became of message `number`, and ends the subscribers: a publisher says farewell, and they are not to keep it
/// waiting.
fn explain(trouble: Trouble, crew: &mut Crew, number: u32) -> Failure {
    let failure = match trouble {
        Trouble::Stopped(reason) => reason,
        Trouble::Failed(why) => {
            crew.catch_up();
            let slowest = crew.slowest().map_or_else(String::new, |member| {
                format!("; the slowest is {member} with {} received", member.received())
            });
            Failure::timed_out(format!("message {number}: {why}{slowest}"))
        }
    };
    crew.disband();
    failure
}

fn collect(run: &Run, crew: &mut Crew, patience: Duration) -> Outcome {
    let mut deadline = Instant::now() + patience + REPORT_SLACK;
    crew.catch_up();
    while !crew.is_over() {
        let step = (Instant::now() + BARRIER_STEP).min(deadline);
        if crew.wait(step) {
            deadline = Instant::now() + patience + REPORT_SLACK;
        } else if Instant::now() >= deadline {
            break;
        }
        run.stop.check()?;
    }
    Ok(())
}

fn print(run: &Run, sent: &Sent, crew: &Crew) -> Outcome {
    let lines: Vec<String> = if run.global.json {
        table::to_json(sent, crew.members()).iter().map(ToString::to_string).collect()
    } else {
        table::to_text(sent, crew.members(), coloured(run.global.color))
    };
    writeln!(io::stdout(), "{}", lines.join("\n")).map_err(|error| Failure::output(&error))
}

fn judge(sent: &Sent, crew: &Crew, patience: Duration) -> Outcome {
    let members = crew.members();
    if let Some(silent) = crew.slowest() {
        let patience = humantime::format_duration(patience);
        return Err(Failure::timed_out(format!("no report from {silent} within {patience}")));
    }
    let damaged = members.iter().filter(|member| !table::is_intact(sent, member)).count();
    if damaged > 0 {
        let all = members.len();
        return Err(Failure::data_lost(format!(
            "{damaged} of {all} subscribers did not get every message intact"
        )));
    }
    Ok(())
}

fn progress_bar(run: &Run, messages: u32) -> ProgressBar {
    let hidden = run.global.quiet || run.global.json;
    // On anything but a terminal the bar hides by itself.
    let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(messages.into()), target);
    match ProgressStyle::with_template("{bar:40} {pos}/{len} messages, {per_sec}, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::args::{Global, Transport};
    use crate::exit::Exit;

    fn outlet(run: &Run, transport: Transport) -> Outlet {
        let args = DemoArgs { subscribers: 2, messages: 1, transport, plain: true, size: 0 };
        Outlet::open(run, &args, PATIENCE).unwrap()
    }

    #[test]
    fn a_subscriber_that_dies_before_the_start_is_named() {
        let global = Global {
            json: false,
            quiet: true,
            verbose: false,
            color: clap::ColorChoice::Never,
            timeout: None,
            domain: None,
            peer: Vec::new(),
            lan: false,
        };
        let run = Run::start(global).unwrap();
        let outlet = outlet(&run, Transport::Tcp);
        let task = Task { place: outlet.place(), plain: true, size: 0, patience: PATIENCE };
        let mut crew = Crew::processes(2, &task, Path::new("false"), |_| {}).unwrap();
        let failure = await_subscribers(&run, &outlet, &mut crew, PATIENCE).unwrap_err();
        assert_eq!(failure.exit, Exit::TimedOut);
        assert!(failure.text.starts_with("subscriber "), "{}", failure.text);
        assert!(
            failure.text.ends_with("ended before the start: exit code 1 without a report"),
            "{}",
            failure.text
        );
    }

    #[test]
    fn subscribers_that_never_attach_are_counted() {
        let global = Global {
            json: false,
            quiet: true,
            verbose: false,
            color: clap::ColorChoice::Never,
            timeout: None,
            domain: None,
            peer: Vec::new(),
            lan: false,
        };
        let run = Run::start(global).unwrap();
        let outlet = outlet(&run, Transport::Inproc);
        let task = Task { place: "inproc://nobody".to_owned(), plain: true, size: 0, patience: PATIENCE };
        // The subscribers wait at an endpoint that is not the publisher's.
        let mut crew = Crew::threads(2, &task, &run.context).unwrap();
        let failure = await_subscribers(&run, &outlet, &mut crew, Duration::ZERO).unwrap_err();
        assert_eq!(failure.exit, Exit::TimedOut);
        assert!(failure.text.starts_with("0 of 2 subscribers after"), "{}", failure.text);
    }
}
