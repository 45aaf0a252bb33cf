//! Threads without locks: the account belongs to one thread, the others send it what they want.

// ANCHOR: all
use std::error::Error;
use std::thread;

use tamtam_zmq::{Context, Rep, Req};

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let context = Context::new();
    let desk = Rep::new(&context);
    desk.bind("inproc://account")?;
    let owner = thread::spawn(move || keep(&desk));

    let customers: Vec<_> = (0..4)
        .map(|_| {
            let context = context.clone();
            thread::spawn(move || {
                for _ in 0..1000 {
                    ask(&context, "+1");
                }
            })
        })
        .collect();
    for customer in customers {
        customer.join().expect("no panic");
    }
    println!("the balance is {}", ask(&context, "balance"));
    ask(&context, "close");
    println!("the owner's books say {}", owner.join().expect("no panic")?);
    Ok(())
}

/// The owner: no lock, since nobody else can touch the balance.
fn keep(desk: &Rep) -> Result<i64, Box<dyn Error + Send + Sync>> {
    let mut balance = 0;
    loop {
        let request = desk.recv()?;
        let wish = std::str::from_utf8(request.as_slice())?;
        if let Ok(amount) = wish.parse::<i64>() {
            balance += amount;
        }
        desk.send(balance.to_string())?;
        if wish == "close" {
            return Ok(balance);
        }
    }
}

/// A customer's question. A socket for each question is cheap here: `inproc` has no connection to make.
fn ask(context: &Context, wish: &str) -> String {
    let desk = Req::new(context);
    desk.connect("inproc://account").expect("the desk was bound before");
    desk.send(wish).expect("the owner lives");
    String::from_utf8_lossy(desk.recv().expect("the owner answers").as_slice()).into_owned()
}
// ANCHOR_END: all
