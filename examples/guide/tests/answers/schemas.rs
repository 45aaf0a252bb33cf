//! Chapter 4.

use std::error::Error;

use prost::Message as _;
use tamtam::{Event, PublisherEvent};
use tamtam_examples::demo::{AddRequest, Imu};

use crate::{PATIENCE, Place};

// ANCHOR: defaults
#[test]
fn what_is_not_set_is_not_sent() {
    assert_eq!(Imu::default().encode_to_vec(), [0_u8; 0]);
    assert_eq!(Imu { x: 1.0, ..Imu::default() }.encoded_len(), 9); // the field's number and type, and eight octets
}
// ANCHOR_END: defaults

// ANCHOR: wrong
#[test]
fn octets_do_not_say_what_they_are() -> Result<(), Box<dyn Error>> {
    /// `message Order { int64 customer = 1; int64 cents = 2; }`
    #[derive(Clone, PartialEq, prost::Message)]
    struct Order {
        #[prost(int64, tag = "1")]
        customer: i64,
        #[prost(int64, tag = "2")]
        cents: i64,
    }
    let octets = AddRequest { a: 7, b: 1200 }.encode_to_vec();
    assert_eq!(Order::decode(octets.as_slice())?, Order { customer: 7, cents: 1200 });
    Ok(())
}
// ANCHOR_END: wrong

// ANCHOR: negative
#[test]
fn a_negative_int32_takes_ten_octets() {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Temperatures {
        #[prost(int32, tag = "1")]
        plain: i32,
        #[prost(sint32, tag = "2")]
        zigzag: i32,
    }
    assert_eq!(Temperatures { plain: -1, zigzag: 0 }.encoded_len(), 1 + 10);
    assert_eq!(Temperatures { plain: 0, zigzag: -1 }.encoded_len(), 1 + 1);
}
// ANCHOR_END: negative

// ANCHOR: meeting
#[test]
fn types_are_compared_when_two_meet() -> Result<(), Box<dyn Error>> {
    let place = Place::new();
    let publisher = place.node("driver").publisher::<Imu>("/imu").create()?;
    let subscriber = place.node("logger").subscriber::<AddRequest>("/imu").create()?; // a slip of the pen
    let event = subscriber.event(PATIENCE).ok_or("nothing is told")?;
    let Event::SchemaDiffers { comparison, refused, .. } = event else { return Err("another event".into()) };
    assert!(comparison.is_breaking() && refused);
    let told = publisher.event(PATIENCE);
    assert!(matches!(told, Some(PublisherEvent::SchemaDiffers { node, .. }) if node == "logger"));
    Ok(())
}
// ANCHOR_END: meeting
