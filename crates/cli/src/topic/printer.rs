//! Messages of topics on standard output.

use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};
use std::time::SystemTime;

use prost_reflect::{DynamicMessage, ReflectMessage as _};
use serde_json::{Map, Value, json};

use super::args::Format;
use super::field::FieldPath;
use super::presence::count;
use super::types::BYTES;
use super::{columns, value};
use crate::codec::Decoded;
use crate::exit::{Failure, Outcome};
use crate::output::{escape, harmless, to_hex, to_json};

/// A message to print.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) topic: &'a str,
    pub(crate) seq: u64,
    pub(crate) stamp: Option<SystemTime>,
    pub(crate) source: Option<[u8; 8]>,
    /// The name of the publisher's node.
    pub(crate) publisher: String,
    pub(crate) latched: bool,
    /// Absent for octets.
    pub(crate) type_name: Option<String>,
    pub(crate) body: &'a [u8],
    /// Absent for octets, and for what could not be decoded.
    pub(crate) message: Option<DynamicMessage>,
}

/// Prints messages in one format.
#[derive(Debug)]
pub(crate) struct Printer {
    writer: BufWriter<Stdout>,
    format: Format,
    fields: Vec<FieldPath>,
    info: bool,
    is_terminal: bool,
    /// The columns of the table, once its first line is printed.
    columns: Option<Vec<FieldPath>>,
}

impl Printer {
    /// Prints only these fields if there are any; `info`: also what is known of a message beside its content.
    pub(crate) fn new(format: Format, fields: &[FieldPath], info: bool) -> Self {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        let fields = fields.to_vec();
        Self { writer: BufWriter::new(stdout), format, fields, info, is_terminal, columns: None }
    }

    /// Prints a message; call [`flush`](Self::flush) before waiting for the next one.
    pub(crate) fn print(&mut self, shown: &Shown<'_>) -> Outcome {
        let mut text = match self.format {
            Format::Raw => return self.write(shown.body),
            Format::Hex => to_hex(shown.body),
            Format::Json => self.json(shown).to_string(),
            Format::Csv => self.row(shown),
            Format::Text => self.text(shown),
        };
        text.push('\n');
        self.write(text.as_bytes())
    }

    /// Prints the only message there will be.
    pub(crate) fn print_alone(&mut self, shown: &Shown<'_>) -> Outcome {
        match (self.format, &shown.message) {
            (Format::Text, Some(message)) => {
                let text = self.safe(Decoded::new(message.clone()).to_lines());
                self.write(format!("{text}\n").as_bytes())?;
            }
            _ => self.print(shown)?,
        }
        self.flush()
    }

    /// Hands what was printed to the system.
    pub(crate) fn flush(&mut self) -> Outcome {
        self.writer.flush().map_err(|error| Failure::output(&error))
    }

    fn write(&mut self, octets: &[u8]) -> Outcome {
        self.writer.write_all(octets).map_err(|error| Failure::output(&error))
    }

    fn safe(&self, text: String) -> String {
        if self.is_terminal { harmless(&text) } else { text }
    }

    fn json(&self, shown: &Shown<'_>) -> Value {
        let message = match &shown.message {
            Some(message) if self.fields.is_empty() => {
                // Only what holds an `Any` of an unknown type has no JSON form.
                Decoded::new(message.clone()).to_json().unwrap_or_else(|_| to_json(shown.body))
            }
            Some(message) => {
                let fields = self.fields.iter().map(|path| {
                    let found = path.find(message);
                    let value = match &found[..] {
                        [] => Value::Null,
                        [one] => value::to_json(&one.value, &one.kind),
                        many => many.iter().map(|one| value::to_json(&one.value, &one.kind)).collect(),
                    };
                    (path.to_string(), value)
                });
                Value::Object(fields.collect::<Map<_, _>>())
            }
            None => to_json(shown.body),
        };
        if !self.info {
            return message;
        }
        json!({
            "topic": shown.topic,
            "seq": shown.seq,
            "stamp": shown.stamp.map(stamp),
            "source": shown.source.map(|source| to_hex(&source)),
            "publisher": shown.publisher,
            "latched": shown.latched,
            "type": shown.type_name.as_deref().unwrap_or(BYTES),
            "message": message,
        })
    }

    fn row(&mut self, shown: &Shown<'_>) -> String {
        let mut lines = String::new();
        let is_first = self.columns.is_none();
        let columns = self.columns.get_or_insert_with(|| match &shown.message {
            Some(message) if self.fields.is_empty() => columns::of(&message.descriptor()),
            _ => self.fields.clone(),
        });
        let names: Vec<String> = columns.iter().map(ToString::to_string).collect();
        let mut cells: Vec<String> = match &shown.message {
            Some(message) => columns.iter().map(|path| columns::cell(path, message)).collect(),
            None => Vec::new(),
        };
        // Octets are one column.
        let names = if names.is_empty() { vec!["data".to_owned()] } else { names };
        if shown.message.is_none() {
            cells.push(match to_json(shown.body) {
                Value::String(text) => text,
                _ => format!("0x{}", to_hex(shown.body)),
            });
        }
        let info = |cells: Vec<String>, info: [String; 3]| {
            if self.info { info.into_iter().chain(cells).collect() } else { cells }
        };
        if is_first {
            let head: Vec<String> = info(names, ["seq", "stamp", "publisher"].map(str::to_owned));
            lines.push_str(&columns::line(head));
            lines.push('\n');
        }
        let known =
            [shown.seq.to_string(), shown.stamp.map(stamp).unwrap_or_default(), shown.publisher.clone()];
        lines.push_str(&columns::line(info(cells, known)));
        self.safe(lines)
    }

    fn text(&self, shown: &Shown<'_>) -> String {
        let content = match &shown.message {
            None => self.octets(shown),
            Some(message) => match &self.fields[..] {
                [] => Decoded::new(message.clone()).to_lines(),
                [one] => columns::cell(one, message),
                many => {
                    let line = |path: &FieldPath| format!("{path}: {}", columns::cell(path, message));
                    many.iter().map(line).collect::<Vec<_>>().join("\n")
                }
            },
        };
        let content = if shown.message.is_some() { self.safe(content) } else { content };
        let is_line = shown.message.is_none() || self.fields.len() == 1;
        match (self.info, is_line) {
            (false, true) => content,
            (false, false) => format!("{content}\n---"),
            (true, _) => format!("{}\n{content}\n---", info_line(shown)),
        }
    }

    fn octets(&self, shown: &Shown<'_>) -> String {
        match str::from_utf8(shown.body) {
            Ok(_) if self.is_terminal => escape(shown.body),
            Ok(text) => text.to_owned(),
            Err(_) => format!("0x{}", to_hex(shown.body)),
        }
    }
}

/// What is known of a message beside its content, as a line of a comment.
fn info_line(shown: &Shown<'_>) -> String {
    let mut parts = Vec::new();
    if shown.seq != 0 {
        parts.push(format!("seq {}", shown.seq));
    }
    parts.extend(shown.stamp.map(stamp));
    if !shown.publisher.is_empty() {
        parts.push(format!("from {}", escape(shown.publisher.as_bytes())));
    }
    if shown.latched {
        parts.push("latched".to_owned());
    }
    if let Some(name) = &shown.type_name {
        parts.push(escape(name.as_bytes()));
    }
    parts.push(count(shown.body.len(), "byte", "bytes"));
    format!("# {}", parts.join(", "))
}

/// A time in UTC, to the nanosecond.
fn stamp(time: SystemTime) -> String {
    humantime::format_rfc3339_nanos(time).to_string()
}
