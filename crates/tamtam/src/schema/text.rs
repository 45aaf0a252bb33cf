//! A schema as text for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::descriptor::{Enum, Field, FileSet, Message, Range, number};
use super::id::SchemaId;

/// Writes all types: one part per package and syntax, that of the type `name` first, and there this type
/// first.
pub(super) fn to_proto(name: &str, id: SchemaId, set: &FileSet) -> String {
    #[derive(Default)]
    struct Part<'a> {
        messages: Vec<&'a Message>,
        enums: Vec<&'a Enum>,
    }
    let mut parts: BTreeMap<(bool, &str, bool), Part<'_>> = BTreeMap::new();
    let is_top = |package: &str, message: &Message| {
        let inner = if package.is_empty() { Some(name) } else { name.strip_prefix(package) };
        inner.is_some_and(|inner| inner.trim_start_matches('.').split('.').next() == Some(message.name()))
    };
    let home = set
        .file
        .iter()
        .find(|file| file.message_type.iter().any(|message| is_top(file.package(), message)))
        .map(|file| (file.package(), file.syntax.is_some()));
    for file in &set.file {
        let key = (file.package(), file.syntax.is_some());
        let part = parts.entry((home != Some(key), key.0, key.1)).or_default();
        part.messages.extend(&file.message_type);
        part.enums.extend(&file.enum_type);
    }
    let mut out = format!("// {name}\n// schema {id}\n");
    for ((elsewhere, package, proto3), mut part) in parts {
        part.messages.sort_by(|a, b| (!is_top(package, a), a.name()).cmp(&(!is_top(package, b), b.name())));
        part.enums.sort_by(|a, b| a.name().cmp(b.name()));
        if elsewhere {
            out.push_str("\n// ----\n");
        }
        let _ = writeln!(out, "\nsyntax = \"{}\";", if proto3 { "proto3" } else { "proto2" });
        if !package.is_empty() {
            let _ = writeln!(out, "package {package};");
        }
        let mut printer = Printer { out: &mut out, package, proto3, indent: 0 };
        for message in part.messages {
            printer.line("");
            printer.message(package, message);
        }
        for enumeration in part.enums {
            printer.line("");
            printer.enumeration(enumeration);
        }
    }
    out
}

struct Printer<'a> {
    out: &'a mut String,
    package: &'a str,
    proto3: bool,
    indent: usize,
}

impl Printer<'_> {
    fn line(&mut self, text: &str) {
        if !text.is_empty() {
            let _ = write!(self.out, "{:width$}{text}", "", width = self.indent * 2);
        }
        self.out.push('\n');
    }

    /// Goes as deep as types are nested, which is limited.
    fn message(&mut self, scope: &str, message: &Message) {
        let full_name =
            if scope.is_empty() { message.name().to_owned() } else { format!("{scope}.{}", message.name()) };
        self.line(&format!("message {} {{", message.name()));
        self.indent += 1;
        for nested in message.nested_type.iter().filter(|nested| !is_map_entry(nested)) {
            self.message(&full_name, nested);
        }
        for enumeration in &message.enum_type {
            self.enumeration(enumeration);
        }
        self.reserved(&message.reserved_range, &message.reserved_name, 1);
        for field in message.field.iter().filter(|field| !is_in_oneof(field)) {
            self.field(&full_name, message, field);
        }
        for (index, oneof) in message.oneof_decl.iter().enumerate() {
            let index = i32::try_from(index).ok();
            let mut members = message
                .field
                .iter()
                .filter(|field| is_in_oneof(field) && field.oneof_index == index)
                .peekable();
            if members.peek().is_none() {
                continue;
            }
            self.line(&format!("oneof {} {{", oneof.name()));
            self.indent += 1;
            members.for_each(|field| self.field(&full_name, message, field));
            self.indent -= 1;
            self.line("}");
        }
        self.indent -= 1;
        self.line("}");
    }

    fn field(&mut self, full_name: &str, message: &Message, field: &Field) {
        let entry = field
            .type_name()
            .strip_prefix('.')
            .and_then(|name| name.strip_prefix(full_name))
            .and_then(|name| name.strip_prefix('.'))
            .and_then(|name| {
                message.nested_type.iter().find(|nested| is_map_entry(nested) && nested.name() == name)
            });
        let mut text = match entry.map(|entry| entry.field.as_slice()) {
            Some([key, value]) => format!("map<{}, {}>", self.type_of(key), self.type_of(value)),
            _ => {
                let label = match field.label() {
                    number::REPEATED => "repeated ",
                    number::REQUIRED => "required ",
                    _ if field.proto3_optional() || (!self.proto3 && !is_in_oneof(field)) => "optional ",
                    _ => "",
                };
                format!("{label}{}", self.type_of(field))
            }
        };
        let _ = write!(text, " {} = {}", field.name(), field.number());
        let mut options = Vec::new();
        if let Some(packed) = field.options.and_then(|options| options.packed) {
            options.push(format!("packed = {packed}"));
        }
        if let Some(value) = &field.default_value {
            options.push(match field.r#type() {
                number::STRING => format!("default = \"{}\"", value.escape_debug()),
                // Escaped already, as the descriptor has it.
                number::BYTES => format!("default = \"{value}\""),
                _ => format!("default = {}", value.escape_debug()),
            });
        }
        if !options.is_empty() {
            let _ = write!(text, " [{}]", options.join(", "));
        }
        text.push(';');
        if field.r#type() == number::GROUP {
            text.push_str(" // encoded as a group");
        }
        self.line(&text);
    }

    fn enumeration(&mut self, enumeration: &Enum) {
        self.line(&format!("enum {} {{", enumeration.name()));
        self.indent += 1;
        if enumeration.options.is_some_and(|options| options.allow_alias()) {
            self.line("option allow_alias = true;");
        }
        self.reserved(&enumeration.reserved_range, &enumeration.reserved_name, 0);
        for value in &enumeration.value {
            self.line(&format!("{} = {};", value.name(), value.number()));
        }
        self.indent -= 1;
        self.line("}");
    }

    fn reserved(&mut self, ranges: &[Range], names: &[String], past: i32) {
        let ranges: Vec<String> = ranges
            .iter()
            .map(|range| (range.start(), range.end().saturating_sub(past)))
            .map(|(first, last)| if first == last { first.to_string() } else { format!("{first} to {last}") })
            .collect();
        let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        for list in [ranges, names].iter().filter(|list| !list.is_empty()) {
            self.line(&format!("reserved {};", list.join(", ")));
        }
    }

    /// Names of the same package are written without it.
    fn type_of(&self, field: &Field) -> String {
        let simple = match field.r#type() {
            1 => "double",
            2 => "float",
            3 => "int64",
            4 => "uint64",
            5 => "int32",
            6 => "fixed64",
            7 => "fixed32",
            8 => "bool",
            9 => "string",
            12 => "bytes",
            13 => "uint32",
            15 => "sfixed32",
            16 => "sfixed64",
            17 => "sint32",
            18 => "sint64",
            _ => {
                let name = field.type_name().trim_start_matches('.');
                let inside = name.strip_prefix(self.package).and_then(|inside| inside.strip_prefix('.'));
                return inside.unwrap_or(name).to_owned();
            }
        };
        simple.to_owned()
    }
}

fn is_map_entry(message: &Message) -> bool {
    message.options.is_some_and(|options| options.map_entry())
}

/// Whether the text shows the field inside of a oneof.
fn is_in_oneof(field: &Field) -> bool {
    field.oneof_index.is_some() && !field.proto3_optional()
}
