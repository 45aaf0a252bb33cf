//! Which types can be read as which.

use prost_reflect::Kind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Compatible,
    Breaking,
}

/// How values of these types are encoded and what the octets stand for: equal where readers make sense of
/// them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Varint,
    ZigZag,
    Fixed32,
    Fixed64,
    Float,
    Double,
    Text,
    Message,
}

/// Compares two types of a field, without its label and without looking into messages and enums. If they are
/// not the same but go together, the text says what may happen.
pub(super) fn of_kinds(writer: &Kind, reader: &Kind) -> (Verdict, Option<&'static str>) {
    let (w, r) = (encoding(writer), encoding(reader));
    if matches!((writer, reader), (Kind::Message(_), Kind::Bytes)) {
        return (Verdict::Compatible, Some("it reads as the encoded message"));
    }
    if w != r {
        return (Verdict::Breaking, None);
    }
    if std::mem::discriminant(writer) == std::mem::discriminant(reader) {
        return (Verdict::Compatible, None);
    }
    let note = match (writer, reader) {
        (Kind::String, _) => "it reads as its UTF-8",
        (Kind::Bytes, _) => "what is not UTF-8 is refused",
        (_, Kind::Bool) => "all but 0 reads as true",
        (_, Kind::Enum(_)) => "numbers may have no name here",
        (Kind::Enum(_) | Kind::Bool, _) => "it reads as the number",
        _ if bits(writer) > bits(reader) => "large values are truncated",
        _ => "values out of range read as others",
    };
    (Verdict::Compatible, Some(note))
}

const fn encoding(kind: &Kind) -> Encoding {
    match kind {
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Bool | Kind::Enum(_) => {
            Encoding::Varint
        }
        Kind::Sint32 | Kind::Sint64 => Encoding::ZigZag,
        Kind::Fixed32 | Kind::Sfixed32 => Encoding::Fixed32,
        Kind::Fixed64 | Kind::Sfixed64 => Encoding::Fixed64,
        Kind::Float => Encoding::Float,
        Kind::Double => Encoding::Double,
        Kind::String | Kind::Bytes => Encoding::Text,
        Kind::Message(_) => Encoding::Message,
    }
}

const fn bits(kind: &Kind) -> u32 {
    match kind {
        Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64 => 64,
        _ => 32,
    }
}
