// Where something is, for whoever wants to know it, as often as they want. The reader finds it by name.
use std::error::Error;

use tamtam_ipc::memory::latest::{Reader, Writer};
use tamtam_ipc::{Deadline, Error as Ended, Wait, object};

fn main() -> Result<(), Box<dyn Error>> {
    let name = format!("/{}", object::unique());
    let mut writer = Writer::create(&name, 16)?; // removed with the writer
    let mut reader = Reader::open_named(&name, Wait::Block)?; // in other processes, any number of them

    for step in 1..=5_u8 {
        writer.publish(&[step; 16])?; // never waits, however slow a reader is
    }
    let mut position = Vec::new();
    let update = reader.next(&mut position, Deadline::NEVER)?;
    assert_eq!(position, [5; 16]); // whole, and the latest: never half of one and half of another
    assert_eq!((update.number, update.missed), (5, 4));

    drop(writer);
    assert_eq!(reader.latest(&mut position)?, Some(5)); // still there
    assert!(matches!(reader.next(&mut position, Deadline::NEVER), Err(Ended::Closed)));
    Ok(())
}
