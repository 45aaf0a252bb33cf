//! Chapter 8.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tamtam::{CallError, Client};
use tamtam_examples::demo::{AddReply, AddRequest};

use crate::{PATIENCE, Place};

// ANCHOR: wait
#[test]
fn a_client_may_start_before_its_server() -> Result<(), Box<dyn Error>> {
    let place = Place::new();
    let node = place.node("client");
    let add: Client<AddRequest, AddReply> = node.client("/add")?;
    let request = AddRequest { a: 2, b: 3 };
    let early = add.call(&request, std::time::Duration::from_millis(20));
    assert!(matches!(early, Err(CallError::NoServer(_))));

    let server = place.node("server");
    let _service = server.service("/add", |q: AddRequest| Ok(AddReply { sum: q.a + q.b }))?;
    assert!(add.wait_for_server(PATIENCE));
    assert_eq!(add.call(&request, PATIENCE)?.sum, 5);
    Ok(())
}
// ANCHOR_END: wait

// ANCHOR: once
/// Counts each order once, however often it is asked for: `a` is the order's number, chosen by the client.
fn book(seen: &mut std::collections::BTreeMap<i64, i64>, total: &mut i64, order: &AddRequest) -> i64 {
    *seen.entry(order.a).or_insert_with(|| {
        *total += order.b;
        *total
    })
}
// ANCHOR_END: once

#[test]
fn asking_again_does_not_do_it_again() {
    let place = Place::new();
    let server = place.node("server");
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let (mut seen, mut total) = (std::collections::BTreeMap::new(), 0);
    let _service = server
        .service("/book", move |order: AddRequest| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(AddReply { sum: book(&mut seen, &mut total, &order) })
        })
        .unwrap();
    let client = place.node("client");
    let booking: Client<AddRequest, AddReply> = client.client("/book").unwrap();
    assert!(booking.wait_for_server(PATIENCE));
    for _ in 0..3 {
        assert_eq!(booking.call(&AddRequest { a: 1, b: 100 }, PATIENCE).unwrap().sum, 100);
    }
    assert_eq!(booking.call(&AddRequest { a: 2, b: 100 }, PATIENCE).unwrap().sum, 200);
    assert_eq!(calls.load(Ordering::Relaxed), 4);
}
