//! The parts of `google/protobuf/descriptor.proto` that a canonical closure is made of.
//!
//! The types of `prost-types` would do, but carry far more: what is not here is left out by decoding.
//! Encoding writes the fields by number, as every implementation of Protobuf does.

use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::error::SchemaError;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FileSet {
    #[prost(message, repeated, tag = "1")]
    pub(super) file: Vec<File>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct File {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(super) package: Option<String>,
    #[prost(string, repeated, tag = "3")]
    pub(super) dependency: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    pub(super) message_type: Vec<Message>,
    #[prost(message, repeated, tag = "5")]
    pub(super) enum_type: Vec<Enum>,
    #[prost(string, optional, tag = "12")]
    pub(super) syntax: Option<String>,
    #[prost(int32, optional, tag = "14")]
    pub(super) edition: Option<i32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Message {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(message, repeated, tag = "2")]
    pub(super) field: Vec<Field>,
    #[prost(message, repeated, tag = "3")]
    pub(super) nested_type: Vec<Self>,
    #[prost(message, repeated, tag = "4")]
    pub(super) enum_type: Vec<Enum>,
    #[prost(message, optional, tag = "7")]
    pub(super) options: Option<MessageOptions>,
    #[prost(message, repeated, tag = "8")]
    pub(super) oneof_decl: Vec<Oneof>,
    #[prost(message, repeated, tag = "9")]
    pub(super) reserved_range: Vec<Range>,
    #[prost(string, repeated, tag = "10")]
    pub(super) reserved_name: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct MessageOptions {
    #[prost(bool, optional, tag = "1")]
    pub(super) message_set_wire_format: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    pub(super) map_entry: Option<bool>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Field {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(int32, optional, tag = "3")]
    pub(super) number: Option<i32>,
    #[prost(int32, optional, tag = "4")]
    pub(super) label: Option<i32>,
    #[prost(int32, optional, tag = "5")]
    pub(super) r#type: Option<i32>,
    #[prost(string, optional, tag = "6")]
    pub(super) type_name: Option<String>,
    #[prost(string, optional, tag = "7")]
    pub(super) default_value: Option<String>,
    #[prost(message, optional, tag = "8")]
    pub(super) options: Option<FieldOptions>,
    #[prost(int32, optional, tag = "9")]
    pub(super) oneof_index: Option<i32>,
    #[prost(bool, optional, tag = "17")]
    pub(super) proto3_optional: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct FieldOptions {
    #[prost(bool, optional, tag = "2")]
    pub(super) packed: Option<bool>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Oneof {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
}

/// Of a message's reserved numbers the end is not included, of an enum's it is.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Range {
    #[prost(int32, optional, tag = "1")]
    pub(super) start: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    pub(super) end: Option<i32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Enum {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(message, repeated, tag = "2")]
    pub(super) value: Vec<EnumValue>,
    #[prost(message, optional, tag = "3")]
    pub(super) options: Option<EnumOptions>,
    #[prost(message, repeated, tag = "4")]
    pub(super) reserved_range: Vec<Range>,
    #[prost(string, repeated, tag = "5")]
    pub(super) reserved_name: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct EnumValue {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(int32, optional, tag = "2")]
    pub(super) number: Option<i32>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct EnumOptions {
    #[prost(bool, optional, tag = "2")]
    pub(super) allow_alias: Option<bool>,
}

/// Numbers of `FieldDescriptorProto.Type` and `Label` that rules depend on.
pub(super) mod number {
    pub(in crate::schema) const OPTIONAL: i32 = 1;
    pub(in crate::schema) const REQUIRED: i32 = 2;
    pub(in crate::schema) const REPEATED: i32 = 3;
    pub(in crate::schema) const STRING: i32 = 9;
    pub(in crate::schema) const GROUP: i32 = 10;
    pub(in crate::schema) const MESSAGE: i32 = 11;
    pub(in crate::schema) const BYTES: i32 = 12;
    pub(in crate::schema) const ENUM: i32 = 14;
    pub(in crate::schema) const LAST_TYPE: i32 = 18;
}

/// How many entries of repeated fields a descriptor set may have. Real ones of 4 MiB have fewer.
const MAX_ENTRIES: usize = 1 << 17;
/// How deep messages may be nested; prost refuses more than a hundred as well.
const MAX_DEPTH: usize = 100;

/// What an entry of a repeated field is.
#[derive(Clone, Copy)]
enum Entry {
    Set,
    File,
    Message,
    Enum,
    Leaf,
}

impl Entry {
    const fn child(self, tag: u32) -> Option<Self> {
        Some(match (self, tag) {
            (Self::Set, 1) => Self::File,
            (Self::File, 4) | (Self::Message, 3) => Self::Message,
            (Self::File, 5) | (Self::Message, 4) => Self::Enum,
            (Self::File, 3) | (Self::Message, 2 | 8 | 9 | 10) | (Self::Enum, 2 | 4 | 5) => Self::Leaf,
            _ => return None,
        })
    }
}

/// Refuses a set with too many entries before it is decoded: an empty entry takes two octets there, and a
/// hundred times as much once it is decoded.
pub(super) fn check_counts(set: &[u8]) -> Result<(), SchemaError> {
    count(set, Entry::Set, &mut 0, 0)
}

fn count(mut input: &[u8], entry: Entry, seen: &mut usize, depth: usize) -> Result<(), SchemaError> {
    if depth > MAX_DEPTH {
        return Err(SchemaError::TooLarge { what: "levels of nested types", limit: MAX_DEPTH });
    }
    while input.has_remaining() {
        let (tag, wire_type) = decode_key(&mut input)?;
        let child = entry.child(tag).filter(|_| wire_type == WireType::LengthDelimited);
        let Some(child) = child else {
            skip_field(wire_type, tag, &mut input, DecodeContext::default())?;
            continue;
        };
        *seen += 1;
        if *seen > MAX_ENTRIES {
            return Err(SchemaError::TooLarge { what: "entries in the descriptors", limit: MAX_ENTRIES });
        }
        let len = usize::try_from(decode_varint(&mut input)?).unwrap_or(usize::MAX);
        let (body, rest) =
            input.split_at_checked(len).ok_or_else(|| SchemaError::invalid("they end inside of an entry"))?;
        if !matches!(child, Entry::Leaf) {
            count(body, child, seen, depth + 1)?;
        }
        input = rest;
    }
    Ok(())
}
