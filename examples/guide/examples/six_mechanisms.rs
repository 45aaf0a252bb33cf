//! One exchange over each of the six mechanisms.

// ANCHOR: all
use tamtam_ipc::exchange::exchange;
use tamtam_ipc::{Error, Plan, by_name};

fn main() -> Result<(), Error> {
    for name in ["shm-ring", "signals", "pipe", "unix-stream", "posix-queue", "message-passing"] {
        let mechanism = by_name(name).expect("one of the list of `tamtam ipc explain`");
        if let Err(unavailable) = mechanism.probe() {
            println!("{unavailable}"); // in a container for example; the rest goes on
            continue;
        }
        let plan = Plan { message_max: 4, ..Plan::default() };
        let done = exchange(mechanism, &plan, b"ping", |message| message.reverse())?;
        println!("{name:15} {} in {:?}", String::from_utf8_lossy(&done.acknowledgement), done.acknowledged);
    }
    Ok(())
}
// ANCHOR_END: all
