//! The canonical form of fields, and the rules for what stands in a descriptor.

use super::closure::{Index, Type};
use super::descriptor::{Field, FieldOptions, number};
use super::error::{SchemaError, shorten};

/// Checks that a name is one: names end up in texts for people and in generated code.
pub(super) fn identifier(name: &str) -> Result<(), SchemaError> {
    let mut octets = name.bytes();
    let first = octets.next().is_some_and(|octet| octet.is_ascii_alphabetic() || octet == b'_');
    if first && octets.all(|octet| octet.is_ascii_alphanumeric() || octet == b'_') {
        return Ok(());
    }
    Err(SchemaError::invalid(format!("\"{}\" is not a name", shorten(name))))
}

/// Returns a field with everything explicit that Protobuf would assume, and without what does not matter.
pub(super) fn canonical_field(
    index: &Index<'_>,
    message: &str,
    field: &Field,
    proto3: bool,
) -> Result<Field, SchemaError> {
    identifier(field.name())?;
    let wrong =
        |what: &str| Err(SchemaError::invalid(format!("{message}.{}: {what}", shorten(field.name()))));
    let label = field.label.unwrap_or(number::OPTIONAL);
    if !(number::OPTIONAL..=number::REPEATED).contains(&label) {
        return wrong("unknown label");
    }
    if proto3 && label == number::REQUIRED {
        return wrong("proto3 has no required fields");
    }
    if field.proto3_optional() && (!proto3 || label == number::REPEATED) {
        return wrong("only a singular field of proto3 can be of the optional kind");
    }
    if field.oneof_index.is_some() && label != number::OPTIONAL {
        return wrong("only an optional field can be in a oneof");
    }
    let target = index.target(field)?;
    let kind = match (&target, field.r#type) {
        (None, Some(kind))
            if (1..=number::LAST_TYPE).contains(&kind)
                && !matches!(kind, number::GROUP | number::MESSAGE | number::ENUM) =>
        {
            kind
        }
        (Some((_, Type::Message(_))), None | Some(number::MESSAGE)) => number::MESSAGE,
        (Some((_, Type::Message(_))), Some(number::GROUP)) => number::GROUP,
        (Some((_, Type::Enum(_))), None | Some(number::ENUM)) => number::ENUM,
        _ => return wrong("type and name of the type do not fit each other"),
    };
    if let Some((name, Type::Message(target))) = &target
        && target.options.unwrap_or_default().map_entry()
        && (label != number::REPEATED
            || kind == number::GROUP
            || name.rsplit_once('.').is_none_or(|(parent, _)| parent != message))
    {
        return wrong("the entries of a map belong to a map's field");
    }
    let default_value = field.default_value.clone().filter(|_| label != number::REPEATED);
    if kind == number::BYTES && !default_value.as_deref().is_none_or(is_escaped) {
        return wrong("the default value is not escaped as it should be");
    }
    let packable = label == number::REPEATED
        && !matches!(kind, number::STRING | number::BYTES | number::GROUP | number::MESSAGE);
    let packed =
        field.options.and_then(|options| options.packed).filter(|packed| packable && *packed != proto3);
    Ok(Field {
        name: field.name.clone(),
        number: Some(field.number()),
        label: Some(label),
        r#type: Some(kind),
        type_name: target.map(|(name, _)| format!(".{name}")),
        default_value,
        options: packed.map(|packed| FieldOptions { packed: Some(packed) }),
        oneof_index: field.oneof_index,
        proto3_optional: field.proto3_optional().then_some(true),
    })
}

/// Checks the two fields, sorted by number, of the entries of a map: dynamic messages rely on them.
pub(super) fn check_map_entry(message: &str, fields: &[Field]) -> Result<(), SchemaError> {
    if let [key, value] = fields
        && (key.number(), value.number()) == (1, 2)
        && fields.iter().all(|field| field.label() == number::OPTIONAL && field.oneof_index.is_none())
        && is_map_key(key.r#type())
        && value.r#type() != number::GROUP
    {
        return Ok(());
    }
    Err(SchemaError::invalid(format!("{message} is not what the entries of a map look like")))
}

/// All kinds of integers, and strings: no floating point, bytes, messages or enums.
const fn is_map_key(kind: i32) -> bool {
    !matches!(kind, 1 | 2 | number::GROUP | number::MESSAGE | number::BYTES | number::ENUM)
}

/// Checks the default value of a bytes field. The library that reads it panics on some that are not well
/// formed.
fn is_escaped(value: &str) -> bool {
    let mut rest = value.as_bytes();
    loop {
        rest = match rest {
            [] => return true,
            [b'\\', b'x' | b'X', a, b, rest @ ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => rest,
            [b'\\', b'0'..=b'3', b'0'..=b'7', b'0'..=b'7', rest @ ..] => rest,
            // More digits would make the number larger than an octet.
            [b'\\', b'4'..=b'7', b'0'..=b'7', b'0'..=b'7', ..] => return false,
            [b'\\', b'0'..=b'7', rest @ ..] => rest,
            [
                b'\\',
                b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'\\' | b'?' | b'\'' | b'"',
                rest @ ..,
            ] => rest,
            [b'\\', ..] => return false,
            [b' '..=b'~', rest @ ..] => rest,
            _ => return false,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        for good in ["", "plain", r"\000\377\x7f\n\\", r"\7", r"\78"] {
            assert!(is_escaped(good), "{good}");
        }
        for bad in [r"\", r"\x", r"\x1é", r"\777", r"\400", "é", r"\q"] {
            assert!(!is_escaped(bad), "{bad}");
        }
    }
}
