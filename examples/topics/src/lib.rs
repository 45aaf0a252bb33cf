//! The types of the examples.
#![expect(missing_docs, reason = "generated: the .proto files say what they are")]

pub mod demo {
    tamtam::include_proto!("demo");
}

pub mod evolved {
    tamtam::include_proto!("evolved");
}
