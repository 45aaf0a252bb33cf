//! Values of fields, as JSON and as text.

use prost_reflect::{Kind, MapKey, Value};
use serde_json::{Value as Json, json};

use crate::codec::Decoded;

/// Writes a value as Protobuf's JSON form does. `kind` is that of the field; of a list, that of its elements.
pub(crate) fn to_json(value: &Value, kind: &Kind) -> Json {
    match value {
        Value::Bool(value) => json!(value),
        Value::I32(value) => json!(value),
        Value::U32(value) => json!(value),
        // As text: most readers of JSON have no such numbers.
        Value::I64(value) => json!(value.to_string()),
        Value::U64(value) => json!(value.to_string()),
        Value::F32(value) => float(f64::from(*value), value.to_string()),
        Value::F64(value) => float(*value, value.to_string()),
        Value::String(text) => json!(text),
        Value::Bytes(octets) => json!(base64(octets)),
        Value::EnumNumber(number) => match kind.as_enum().and_then(|kind| kind.get_value(*number)) {
            Some(value) => json!(value.name()),
            None => json!(number),
        },
        Value::Message(message) => {
            let decoded = Decoded::new(message.clone());
            // Only what holds an `Any` of an unknown type has no JSON form.
            decoded.to_json().unwrap_or_else(|_| json!(decoded.to_text()))
        }
        Value::List(values) => values.iter().map(|value| to_json(value, kind)).collect(),
        Value::Map(entries) => {
            let kind = entry_kind(kind);
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            Json::Object(entries.iter().map(|(key, value)| (key_text(key), to_json(value, &kind))).collect())
        }
    }
}

/// Writes a value without quotes around a text.
pub(crate) fn to_text(value: &Value, kind: &Kind) -> String {
    match to_json(value, kind) {
        Json::String(text) => text,
        other => other.to_string(),
    }
}

/// Returns the kind of a map's values, by that of its entries.
pub(crate) fn entry_kind(kind: &Kind) -> Kind {
    match kind.as_message() {
        Some(entry) if entry.is_map_entry() => entry.map_entry_value_field().kind(),
        _ => kind.clone(),
    }
}

/// Returns a map's key as text.
pub(crate) fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}

fn float(value: f64, shortest: String) -> Json {
    // An f32 is 0.1, not 0.10000000149.
    let shortest = shortest.parse().unwrap_or(value);
    match serde_json::Number::from_f64(shortest) {
        Some(number) => Json::Number(number),
        None if value.is_nan() => json!("NaN"),
        None => json!(if value > 0.0 { "Infinity" } else { "-Infinity" }),
    }
}

fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for chunk in octets.chunks(3) {
        let place = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = place(0) << 16 | place(1) << 8 | place(2);
        for (index, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = DIGITS.get((bits >> shift) as usize & 63).map_or('=', |digit| char::from(*digit));
            text.push(if index <= chunk.len() { digit } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_become_base64() {
        for (octets, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(octets.as_bytes()), text);
        }
        assert_eq!(base64(b"\xfb\xff"), "+/8=");
    }

    #[test]
    fn numbers_are_written_short() {
        assert_eq!(to_json(&Value::F32(0.1), &Kind::Float), json!(0.1));
        assert_eq!(to_json(&Value::F64(f64::NAN), &Kind::Double), json!("NaN"));
        assert_eq!(to_text(&Value::F64(f64::NEG_INFINITY), &Kind::Double), "-Infinity");
        assert_eq!(to_text(&Value::I64(i64::MIN), &Kind::Int64), "-9223372036854775808");
        assert_eq!(to_text(&Value::List(vec![Value::I32(1), Value::I32(2)]), &Kind::Int32), "[1,2]");
    }
}
