//! A service, and a client of it, in one program.
use std::time::Duration;

use tamtam::Node;
use tamtam_examples::demo::{AddReply, AddRequest};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::open("adder")?;
    let _service = node.service("/add", |request: AddRequest| {
        let sum = request.a.checked_add(request.b).ok_or("the sum is too large")?;
        Ok(AddReply { sum })
    })?;
    let client = node.client::<AddRequest, AddReply>("/add")?;
    let reply = client.call(&AddRequest { a: 2, b: 3 }, Duration::from_secs(1))?;
    println!("2 + 3 = {}", reply.sum);
    Ok(())
}
