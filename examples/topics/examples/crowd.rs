//! Many processes with many topics, all on one host, doing nothing: what that costs. `crowd [PROCESSES] [TOPICS]`, by default 100
//! and 10 in each. Every process publishes its topics and subscribes to those of the next one.
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tamtam::Node;

const PATIENCE: Duration = Duration::from_secs(120);
const IDLE: Duration = Duration::from_secs(10);

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |at: usize, default| arguments.get(at).map_or(Ok(default), |text| text.parse());
    if arguments.get(1).is_some_and(|word| word == "member") {
        return member(number(2, 0)?, number(3, 0)?, number(4, 0)?);
    }
    let (processes, topics) = (number(1, 100)?, number(2, 10)?);
    let began = Instant::now();
    let mut members = Vec::new();
    for own in 0..processes {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["member", &own.to_string(), &processes.to_string(), &topics.to_string()]);
        members.push(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    }
    for member in &mut members {
        let mut line = String::new();
        BufReader::new(member.stdout.as_mut().ok_or("no output")?).read_line(&mut line)?;
        if line != "matched\n" {
            return Err(format!("a member said {line:?}").into());
        }
    }
    println!(
        "{processes} processes, {} topics, all matched after {:.1} s",
        processes * topics,
        began.elapsed().as_secs_f64()
    );
    let (mut before, _) = usage(&members)?;
    println!("CPU time until then: {:.1} s all together", before.as_secs_f64());
    // At first they still take in what the last ones have changed.
    for when in ["at first", "idle"] {
        // The time between two looks is what is measured.
        std::thread::park_timeout(IDLE);
        let (after, memory) = usage(&members)?;
        let share = (after - before).as_secs_f64() / IDLE.as_secs_f64();
        before = after;
        println!(
            "{when}: {:.2} % of one CPU all together, {memory:.1} MiB resident in each process",
            share * 100.0
        );
    }
    for mut member in members {
        member.stdin.take();
        member.wait()?;
    }
    Ok(())
}

/// CPU time of all together so far, and resident memory of each, in MiB.
fn usage(members: &[Child]) -> Outcome<(Duration, f64)> {
    let (mut ticks, mut pages) = (0_u64, 0_u64);
    for member in members {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", member.id()))?;
        let (_, rest) = stat.rsplit_once(')').ok_or("no name")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // user and system time, resident pages: fields 14, 15 and 24 of proc(5), counted behind the name.
        let field = |at: usize| fields.get(at).ok_or("too short")?.parse::<u64>().map_err(|_| "no number");
        ticks += field(11)? + field(12)?;
        pages += field(21)?;
    }
    // A tick is 10 ms, and a page 4 KiB, on all that this runs on.
    let mebibytes = pages as f64 * 4.0 / 1024.0 / members.len().max(1) as f64;
    Ok((Duration::from_millis(ticks * 10), mebibytes))
}

fn member(own: usize, processes: usize, topics: usize) -> Outcome {
    let node = Node::open(&format!("member-{own}"))?;
    let publishers: Vec<_> = (0..topics)
        .map(|topic| node.publisher::<Bytes>(&format!("/{own}/{topic}")).create())
        .collect::<Result<_, _>>()?;
    let next = (own + 1) % processes;
    let _subscribers: Vec<_> = (0..topics)
        .map(|topic| node.subscriber::<Bytes>(&format!("/{next}/{topic}")).create())
        .collect::<Result<_, _>>()?;
    for publisher in &publishers {
        publisher.wait_for(1, PATIENCE)?;
    }
    println!("matched");
    std::io::stdout().flush()?;
    // Until the end of the input.
    let mut nothing = Vec::new();
    std::io::stdin().read_to_end(&mut nothing)?;
    // Nobody is there to say goodbye to.
    std::process::exit(0);
}
