//! A service and its four outcomes: a reply, "no", no answer, no such service.

// ANCHOR: all
use std::error::Error;
use std::sync::mpsc;
use std::time::Duration;

use tamtam::{CallError, Client, Node};
use tamtam_examples::demo::{AddReply, AddRequest};

fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::open("calls")?;
    let (done, wait) = mpsc::channel::<()>();
    let service = node.service("/add", move |request: AddRequest| {
        if request.a == 0 {
            let _released = wait.recv(); // a server that is busy with something else
        }
        let sum = request.a.checked_add(request.b).ok_or("the sum is too large")?;
        Ok(AddReply { sum })
    })?;
    let add: Client<AddRequest, AddReply> = node.client("/add")?;
    let divide: Client<AddRequest, AddReply> = node.client("/divide")?;
    let (short, long) = (Duration::from_millis(500), Duration::from_secs(10));

    tell("2 + 3", add.call(&AddRequest { a: 2, b: 3 }, long));
    tell("too large", add.call(&AddRequest { a: i64::MAX, b: 1 }, long));
    tell("nobody", divide.call(&AddRequest { a: 6, b: 3 }, short));
    tell("busy", add.call(&AddRequest { a: 0, b: 3 }, short));
    done.send(())?;
    drop(service);
    Ok(())
}

fn tell(what: &str, reply: Result<AddReply, CallError>) {
    match reply {
        Ok(reply) => println!("{what}: {}", reply.sum),
        Err(CallError::Remote(why)) => println!("{what}: the server says no: {why}"),
        Err(error @ CallError::NoServer(_)) => println!("{what}: nobody was asked: {error}"),
        Err(error @ CallError::TimedOut(_)) => println!("{what}: nobody knows whether it was done: {error}"),
        Err(error) => println!("{what}: {error}"),
    }
}
// ANCHOR_END: all
