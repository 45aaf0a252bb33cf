//! The types of the examples.
#![expect(missing_docs, reason = "generated: the .proto files say what they are")]

pub mod demo {
    tamtam::include_proto!("demo");
}
