//! Tables of comma-separated values (RFC 4180).

use prost_reflect::{DynamicMessage, Kind, MessageDescriptor};

use super::field::FieldPath;
use super::value;

/// How deep messages within messages become columns of their own.
const DEPTH_MAX: usize = 8;

/// Returns the fields of a type that make columns: those of messages within it too, but lists and maps as a whole.
pub(crate) fn of(descriptor: &MessageDescriptor) -> Vec<FieldPath> {
    let mut columns = Vec::new();
    add(descriptor, &mut Vec::new(), &mut vec![descriptor.full_name().to_owned()], &mut columns);
    columns
}

fn add(
    descriptor: &MessageDescriptor,
    path: &mut Vec<String>,
    within: &mut Vec<String>,
    columns: &mut Vec<FieldPath>,
) {
    for field in descriptor.fields() {
        path.push(field.name().to_owned());
        match field.kind() {
            // Google's own types have a short form; a type within itself has no end.
            Kind::Message(inner)
                if !field.is_list()
                    && !field.is_map()
                    && !inner.full_name().starts_with("google.protobuf.")
                    && within.len() < DEPTH_MAX
                    && !within.iter().any(|outer| outer == inner.full_name()) =>
            {
                within.push(inner.full_name().to_owned());
                add(&inner, path, within, columns);
                within.pop();
            }
            _ => columns.push(FieldPath::new(path.clone())),
        }
        path.pop();
    }
}

/// Returns what stands in a column; several values as a list.
pub(crate) fn cell(path: &FieldPath, message: &DynamicMessage) -> String {
    let found = path.find(message);
    match &found[..] {
        [] => String::new(),
        [one] => value::to_text(&one.value, &one.kind),
        many => {
            let all = many.iter().map(|one| value::to_json(&one.value, &one.kind));
            serde_json::Value::Array(all.collect()).to_string()
        }
    }
}

/// Puts a cell into quotes if it needs them.
pub(crate) fn quote(cell: &str) -> String {
    if cell.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

/// Makes a line of cells.
pub(crate) fn line<S: AsRef<str>>(cells: impl IntoIterator<Item = S>) -> String {
    let cells: Vec<String> = cells.into_iter().map(|cell| quote(cell.as_ref())).collect();
    cells.join(",")
}

#[cfg(test)]
mod tests {
    use prost_reflect::ReflectMessage as _;

    use super::super::field::tests::message;
    use super::*;

    #[test]
    fn messages_within_become_columns() {
        let message = message("text: 'a, \"b\"' at { y: 2 } way { x: 1 } tags: 't'");
        let columns = of(&message.descriptor());
        let names: Vec<String> = columns.iter().map(ToString::to_string).collect();
        assert_eq!(names.join(" "), "id text at.x at.y way level labels raw on big tags");
        let cells = columns.iter().map(|column| cell(column, &message));
        let expected = r#"0,"a, ""b""",0.0,2.0,"[{""x"":1.0,""y"":0.0}]",NONE,{},,false,0,"[""t""]""#;
        assert_eq!(line(cells), expected);
    }
}
