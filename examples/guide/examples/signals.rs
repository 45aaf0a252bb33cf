//! Signals: the ordinary ones coalesce, real-time ones are queued and carry a number.

// ANCHOR: all
use tamtam_ipc::signals::{Inbox, Target, coalescing};
use tamtam_ipc::{Deadline, Error};

fn main() -> Result<(), Error> {
    let became = coalescing(10)?;
    println!("{} ordinary signals sent, {} arrived", became.sent, became.ordinary);
    println!("{} real-time signals sent, {} arrived", became.sent, became.real_time);

    // A signal that nothing else uses, read like a file (signalfd), so that no handler interrupts anything.
    let inbox = Inbox::any()?;
    let target = Target::of(std::process::id())?; // a descriptor of the process: its number may be another's one day
    for payload in [1, 2, 3] {
        target.queue(inbox.signal(), payload)?;
    }
    for _ in 0..3 {
        println!("a signal with the number {}", inbox.receive(Deadline::NEVER)?.payload);
    }
    Ok(())
}
// ANCHOR_END: all
