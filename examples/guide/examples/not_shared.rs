//! Threads share a variable. Processes do not, even if they run the same program.

// ANCHOR: all
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, io, process::Command, thread};

static COUNTER: AtomicU32 = AtomicU32::new(0);

fn main() -> io::Result<()> {
    if env::args().nth(1).as_deref() == Some("child") {
        let counted = COUNTER.fetch_add(100, Ordering::Relaxed) + 100;
        println!("the child process counts to {counted}");
        return Ok(());
    }
    thread::spawn(|| COUNTER.fetch_add(1, Ordering::Relaxed)).join().expect("no panic");
    println!("after a thread has counted:  {}", COUNTER.load(Ordering::Relaxed));

    Command::new(env::current_exe()?).arg("child").status()?;
    println!("after a process has counted: {}", COUNTER.load(Ordering::Relaxed));
    Ok(())
}
// ANCHOR_END: all
