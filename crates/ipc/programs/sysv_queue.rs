// One queue for two workers, each of which takes its own kind of message.
use std::error::Error;

use tamtam_ipc::Error as Ended;
use tamtam_ipc::sysv_queue::{Kind, Select, SysvQueue};

const PRINT: Kind = Kind::new(1).unwrap();
const MAIL: Kind = Kind::new(2).unwrap();

fn main() -> Result<(), Box<dyn Error>> {
    let queue = SysvQueue::private(0o600)?; // other processes are told its number: queue.id()
    let outcome = work(queue);
    queue.remove()?; // whatever happened: the kernel would keep it until the next start of the machine
    assert!(matches!(queue.try_send(PRINT, b"page 2"), Err(Ended::Closed)));
    Ok(outcome?)
}

fn work(queue: SysvQueue) -> Result<(), Ended> {
    queue.send(PRINT, b"page 1")?; // waits for room, without a limit: there are no deadlines
    queue.send(MAIL, b"to everybody")?;

    let mut message = Vec::new();
    queue.receive(Select::Only(MAIL), &mut message)?; // though it came second
    assert_eq!(message, b"to everybody");
    let kind = queue.receive(Select::LeastUpTo(MAIL), &mut message)?; // kinds as priorities, the lowest first
    assert_eq!((kind, message.as_slice()), (PRINT, b"page 1".as_slice()));
    Ok(())
}
