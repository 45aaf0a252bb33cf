//! A soak of typed topics: publishers and subscribers as processes that are stopped, resumed, killed and started by chance, under
//! each rule for full queues, and exact accounts at the end. See `--help`.
#[path = "soak/mod.rs"]
mod soak;

use std::process::{Command, ExitCode};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use soak::{Options, Outcome, Policy};

const HELP: &str = "\
Publishes and subscribes in many processes that are stopped, resumed, killed and started again by chance, and counts: each message
that was published since a subscriber came in was received by it or told to be lost, once, in order. Ends with 0 if that is so, and
with 1 and a list of what is not.

usage: soak [OPTIONS]

  --minutes M       for so many minutes, fractions too; default 1
  --seed S          what is done follows from it; default: the time
  --policy P,...    block, impatient, error, drop-oldest, drop-newest; default all
  --crowd N         so many publishers, and so many subscribers, under each policy; default 3
  --pause S         stop processes for so many seconds at most; default 4
  --stopped S       instead: one subscriber under each policy stands still for so many seconds
  --keep            leave the evidence behind, and say where
";

fn main() -> ExitCode {
    match run() {
        Ok(report) => {
            print!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<String> {
    if soak::be_member()? {
        return Ok(String::new());
    }
    let seed = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let place = std::env::temp_dir().join(format!("tamtam-soak-{}", std::process::id()));
    let mut options = Options {
        duration: Duration::from_secs(60),
        seed,
        policies: Policy::ALL.to_vec(),
        crowd: 3,
        longest_pause: Duration::from_secs(4),
        stopped: None,
        place,
    };
    let mut keep = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--minutes" => options.duration = Duration::try_from_secs_f64(value()?.parse::<f64>()? * 60.0)?,
            "--seed" => options.seed = value()?.parse()?,
            "--policy" => options.policies = value()?.split(',').map(str::parse).collect::<Result<_, _>>()?,
            "--crowd" => options.crowd = value()?.parse()?,
            "--pause" => options.longest_pause = Duration::try_from_secs_f64(value()?.parse()?)?,
            "--stopped" => options.stopped = Some(Duration::try_from_secs_f64(value()?.parse()?)?),
            "--keep" => keep = true,
            "--help" | "-h" => return Ok(HELP.to_owned()),
            _ => return Err(format!("no option is called {argument}; see --help").into()),
        }
    }
    std::fs::create_dir(&options.place)?;
    let program = std::env::current_exe()?;
    let outcome = soak::run(&options, move || Command::new(&program));
    if keep {
        eprintln!("the evidence is in {}", options.place.display());
    } else {
        std::fs::remove_dir_all(&options.place)?;
    }
    outcome
}
