// One thread tells all others. With another endpoint (ipc://…, tcp://…) they can be processes, on any host.
use std::error::Error;
use std::thread;
use std::time::Duration;

use tamtam_zmq::{Context, Pub, RecvError, Sub};

fn main() -> Result<(), Box<dyn Error>> {
    let context = Context::new();
    // With `nodrop` a slow subscriber slows the publisher down; without it messages are dropped, and counted.
    let publisher = Pub::with(&context, |options| {
        options.set_xpub_nodrop(true);
    })?;
    publisher.bind("inproc://prices")?;

    let mut readers = Vec::new();
    for _ in 0..3 {
        let subscriber = Sub::new(&context);
        subscriber.subscribe("price");
        subscriber.connect("inproc://prices")?;
        readers.push(thread::spawn(move || -> Result<u32, RecvError> {
            let mut count = 0;
            while subscriber.recv()?.as_slice() != b"price end" {
                count += 1;
            }
            Ok(count)
        }));
    }
    publisher.wait_for_subscribers(3, Duration::from_secs(10))?; // or the first messages would find nobody
    (0..1000).try_for_each(|price| publisher.send(format!("price {price}")))?;
    publisher.send("price end")?;
    for reader in readers {
        assert_eq!(reader.join().expect("no panic")?, 1000);
    }
    Ok(())
}
