//! The four steps of an exchange, and when each of them was done.

use tamtam_ipc::exchange::exchange;
use tamtam_ipc::{Error, Plan, unix_seqpacket};

fn main() -> Result<(), Error> {
    // ANCHOR: exchange
    let plan = Plan::default();
    let done = exchange(&unix_seqpacket::Adapter, &plan, b"ping", |message| message.reverse())?;
    println!("1 sent          after {:?}", done.sent);
    println!("2 notified      after {:?}", done.notified);
    println!("3 processed     after {:?}", done.processed);
    println!("4 acknowledged  after {:?}", done.acknowledged);
    println!("the answer is {:?}", String::from_utf8_lossy(&done.acknowledgement));
    // ANCHOR_END: exchange
    Ok(())
}
