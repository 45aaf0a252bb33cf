//! `tamtam-soak`: ZeroMQ sockets at full rate, in processes that are killed, stopped and cut off by chance, and exact accounts at the
//! end of each round. See `--help`, and `verdict.rs` for what is proven.

mod accounts;
mod asker;
mod body;
mod evidence;
mod member;
mod plan;
mod receiver;
mod round;
mod sender;
mod table;
mod verdict;
mod wire;
mod witness;

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tamtam_soak::orders::Orders;
use tamtam_soak::random::Random;
use tamtam_soak::{Outcome, crew};
use tamtam_zmq::{Context, Driver};

use crate::plan::{Scenario, Task, Way, driver_word};
use crate::round::Round;
use crate::table::Table;

const HELP: &str = "\
Sends messages through sockets as fast as they go, while processes are stopped, killed and started again by chance, readers are slow,
sockets are closed, and connections are cut. After each round of a few seconds the accounts must be exact: each message that was sent
was received, once, in order, as it was, or reported to be dropped, or is proven to have died with a process that was killed or to
have been in a connection when it was cut. Prints a table; ends with 0 if that is so, and with 1 and a list of what is not.

usage: tamtam-soak [OPTIONS]

  --minutes M        for so many minutes, fractions too; default 1
  --seed S           what is done follows from it; default: the time
  --scenario S,...   pipeline, publish, nodrop, oldest, latest, dealer, request; default all
  --way W,...        inproc (threads), direct (processes), witness (processes, with somebody between who cuts and counts);
                     default all
  --driver D         adaptive or background; default both, by chance
  --round N          only this round of the seed, to repeat it
  --longest S        rounds send for so many seconds at most; default 6, or less in a short soak
  --verbose          a line for each round
  --keep             leave the evidence of the last round behind, and say where
";

/// What to do.
struct Options {
    duration: Duration,
    seed: u64,
    scenarios: Vec<Scenario>,
    ways: Vec<Way>,
    driver: Option<Driver>,
    round: Option<u64>,
    longest: Option<Duration>,
    is_verbose: bool,
    keeps: bool,
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<bool> {
    if let Some(task) = Task::of_this_process()? {
        crew::die_with_parent()?;
        member::run(&task, Orders::listen(), &Context::new())?;
        return Ok(true);
    }
    match parse(std::env::args().skip(1))? {
        Some(options) => soak(&options),
        None => {
            print!("{HELP}");
            Ok(true)
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Outcome<Option<Options>> {
    let mut options = Options {
        duration: Duration::from_secs(60),
        seed: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        scenarios: Scenario::ALL.to_vec(),
        ways: vec![Way::Direct, Way::Witness, Way::Inproc],
        driver: None,
        round: None,
        longest: None,
        is_verbose: false,
        keeps: false,
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--minutes" => options.duration = Duration::try_from_secs_f64(value()?.parse::<f64>()? * 60.0)?,
            "--seed" => options.seed = value()?.parse()?,
            "--scenario" => {
                options.scenarios = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?;
            }
            "--way" => options.ways = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?,
            "--driver" => {
                options.driver = Some(match value()?.as_str() {
                    "adaptive" => Driver::Adaptive,
                    "background" => Driver::Background,
                    other => return Err(format!("no driver is called {other:?}").into()),
                });
            }
            "--round" => options.round = Some(value()?.parse()?),
            "--longest" => options.longest = Some(Duration::try_from_secs_f64(value()?.parse()?)?),
            "--verbose" => options.is_verbose = true,
            "--keep" => options.keeps = true,
            "--help" | "-h" => return Ok(None),
            _ => return Err(format!("no option is called {argument}; see --help").into()),
        }
    }
    Ok(Some(options))
}

/// Each scenario in each way that it has, in an order that follows from the seed.
fn combinations(options: &Options) -> Vec<(Scenario, Way)> {
    let mut all = Vec::new();
    for &scenario in &options.scenarios {
        for &way in &options.ways {
            // What receivers throw away can be anything: there is nothing to see for a witness.
            if way != Way::Witness || !scenario.receiver_drops() {
                all.push((scenario, way));
            }
        }
    }
    let mut random = Random::new(options.seed);
    all.sort_by_cached_key(|_| random.number());
    all
}

fn soak(options: &Options) -> Outcome<bool> {
    let combinations = combinations(options);
    if combinations.is_empty() {
        return Err("nothing to do: no such scenario goes that way".into());
    }
    let share = options.duration.div_f64(combinations.len() as f64 * 1.5);
    let most = Duration::from_secs(6);
    let longest =
        options.longest.unwrap_or_else(|| if options.round.is_some() { most } else { share.min(most) });
    let program = std::env::current_exe()?;
    let end = Instant::now() + options.duration;
    let mut table = Table::default();
    let driver = options.driver.map_or("both drivers", driver_word);
    println!("seed {}, {driver}", options.seed);
    let mut number = options.round.unwrap_or(0);
    while number == 0 || options.round.is_some() || Instant::now() < end {
        let index = usize::try_from(number % combinations.len() as u64)?;
        let combination = *combinations.get(index).ok_or("no such combination")?;
        let round = Round::choose(options.seed, number, combination, options.driver, longest)?;
        let place = std::env::temp_dir().join(format!("tt-soak-{}-{number}", std::process::id()));
        std::fs::create_dir(&place)?;
        let program = program.clone();
        let result = round.run(&place, move || Command::new(&program));
        let is_last = options.round.is_some() || Instant::now() >= end;
        let is_right = result.as_ref().is_ok_and(|result| result.verdict.wrong.is_empty());
        if options.keeps && (is_last || !is_right) {
            eprintln!("the evidence is in {}", place.display());
        } else {
            std::fs::remove_dir_all(&place)?;
        }
        table.add(&round, &result?, options.is_verbose);
        if options.round.is_some() {
            break;
        }
        number += 1;
    }
    print!("{table}");
    Ok(table.is_right())
}
