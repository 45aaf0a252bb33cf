//! What old and new programs read of each other's messages.

use prost::Message as _;

// ANCHOR: types
/// `message Report { string place = 1; int32 degrees = 2; }`, as the first version had it.
#[derive(Clone, PartialEq, prost::Message)]
struct Old {
    #[prost(string, tag = "1")]
    place: String,
    #[prost(int32, tag = "2")]
    degrees: i32,
}

/// The second version: a field more, with a number of its own.
#[derive(Clone, PartialEq, prost::Message)]
struct New {
    #[prost(string, tag = "1")]
    place: String,
    #[prost(int32, tag = "2")]
    degrees: i32,
    #[prost(double, tag = "3")]
    pressure: f64,
}

/// What must not be done: the number 2 means something else now.
#[derive(Clone, PartialEq, prost::Message)]
struct Wrong {
    #[prost(string, tag = "1")]
    place: String,
    #[prost(int32, tag = "2")]
    humidity: i32,
}
// ANCHOR_END: types

fn main() -> Result<(), prost::DecodeError> {
    // ANCHOR: main
    let old = Old { place: "Oslo".to_owned(), degrees: 21 };
    let octets = old.encode_to_vec();
    println!("on the wire: {octets:02x?}");
    println!("new reads old:   {:?}", New::decode(octets.as_slice())?);

    let new = New { place: "Oslo".to_owned(), degrees: 21, pressure: 1013.25 };
    println!("old reads new:   {:?}", Old::decode(new.encode_to_vec().as_slice())?);
    println!("wrong reads old: {:?}", Wrong::decode(octets.as_slice())?);
    // ANCHOR_END: main
    Ok(())
}
