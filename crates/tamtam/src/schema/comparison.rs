//! Compares what is written with what is expected, by Protobuf's rules for the wire.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ops::ControlFlow;

use prost_reflect::{Cardinality, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

mod kinds;

use kinds::{Verdict, of_kinds};

/// How a writer's schema and a reader's relate.
///
/// Breaking is what makes the reader fail, or makes it read something else than was written, in silence:
///
/// - another top-level type; a field's type on the wire or its meaning changed (`int32` and `string`,
///   `sint32` and `int32`, `float` and `fixed32`, enum and message, bytes read as a message, packed numbers
///   read as one number);
/// - a field's number is used for another field, a field or an enum value changed its number;
/// - two fields that the writer may send together are in one oneof of the reader;
/// - a field that the reader requires is not there or is optional at the writer.
///
/// All else is compatible and noted: fields and enum values that only one side knows, fields of another name
/// but with the same number and type, types whose encodings are the same (`int32`, `int64`, `uint32`,
/// `uint64`, `bool` and enums; string and bytes; a message read as bytes), one value and a list of values,
/// other presence and defaults.
///
/// Every text starts with the path of the field from the top-level type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The schemas have the same id.
    Identical,
    /// The reader understands what is written; what differs does no harm that Protobuf does not foresee.
    Compatible {
        /// What differs, in no particular order. Never empty.
        notes: Vec<String>,
    },
    /// The reader does not understand some of what is written.
    Breaking {
        /// What does not fit. Never empty.
        what: Vec<String>,
    },
}

impl Comparison {
    /// Tells whether the reader does not understand some of what is written.
    #[must_use]
    pub const fn is_breaking(&self) -> bool {
        matches!(self, Self::Breaking { .. })
    }
}

/// How many texts are kept of each kind: nobody reads more, and a writer may be hostile.
const MAX_TEXTS: usize = 100;
/// How many fields and values are compared. Pairs of types can be far more than types, if someone wants it.
const MAX_STEPS: usize = 1 << 17;
/// The longest path in a text, in octets; a type's name stands for a longer one.
const MAX_PATH: usize = 300;

/// Compares two message types whose schemas have different ids.
pub(super) fn compare(writer: &MessageDescriptor, reader: &MessageDescriptor) -> Comparison {
    if writer.full_name() != reader.full_name() {
        let (w, r) = (writer.full_name(), reader.full_name());
        return Comparison::Breaking { what: vec![format!("{r}: the writer's type is {w}")] };
    }
    let mut walk = Walk::default();
    walk.message(reader.full_name().to_owned(), writer.clone(), reader.clone());
    while let Some((path, pair)) = walk.open.pop_front() {
        let done = match pair {
            Pair::Messages(writer, reader) => walk.messages(&path, &writer, &reader),
            Pair::Enums(writer, reader) => walk.enums(&path, &writer, &reader),
        };
        if done.is_break() {
            walk.breaking.push(format!("{path}: there is too much to compare"));
            break;
        }
    }
    match (walk.breaking.finish(), walk.notes.finish()) {
        (what, _) if !what.is_empty() => Comparison::Breaking { what },
        (_, notes) if !notes.is_empty() => Comparison::Compatible { notes },
        _ => Comparison::Compatible {
            notes: vec![format!("{}: only what is reserved differs", reader.full_name())],
        },
    }
}

#[derive(Default)]
struct Texts {
    kept: Vec<String>,
    more: usize,
}

impl Texts {
    fn push(&mut self, text: String) {
        if self.kept.len() < MAX_TEXTS {
            self.kept.push(text);
        } else {
            self.more += 1;
        }
    }

    fn finish(mut self) -> Vec<String> {
        if self.more > 0 {
            self.kept.push(format!("and {} more", self.more));
        }
        self.kept
    }
}

enum Pair {
    Messages(MessageDescriptor, MessageDescriptor),
    Enums(EnumDescriptor, EnumDescriptor),
}

#[derive(Default)]
struct Walk {
    notes: Texts,
    breaking: Texts,
    /// Pairs of types that were or will be compared: types may contain themselves.
    known: HashSet<(String, String)>,
    open: VecDeque<(String, Pair)>,
    steps: usize,
}

impl Walk {
    fn message(&mut self, path: String, writer: MessageDescriptor, reader: MessageDescriptor) {
        let names = (writer.full_name().to_owned(), reader.full_name().to_owned());
        if self.known.insert(names) {
            let path = if path.len() > MAX_PATH { format!("{}…", reader.full_name()) } else { path };
            self.open.push_back((path, Pair::Messages(writer, reader)));
        }
    }

    fn enumeration(&mut self, path: String, writer: EnumDescriptor, reader: EnumDescriptor) {
        let names = (writer.full_name().to_owned(), reader.full_name().to_owned());
        if self.known.insert(names) {
            self.open.push_back((path, Pair::Enums(writer, reader)));
        }
    }

    /// Breaks when the limit is reached.
    fn step(&mut self, count: usize) -> ControlFlow<()> {
        self.steps = self.steps.saturating_add(count).saturating_add(1);
        if self.steps > MAX_STEPS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn messages(
        &mut self,
        path: &str,
        writer: &MessageDescriptor,
        reader: &MessageDescriptor,
    ) -> ControlFlow<()> {
        self.step(writer.fields().len() + reader.fields().len() + reader.reserved_ranges().len())?;
        if writer.full_name() != reader.full_name() {
            let (w, r) = (writer.full_name(), reader.full_name());
            self.notes.push(format!("{path}: the type is {w} at the writer, {r} here"));
        }
        let reserved: Vec<_> = reader.reserved_ranges().collect();
        let is_reserved = |number: u32| {
            // Sorted, as all of the canonical form.
            let next = reserved.partition_point(|range| range.start <= number);
            next.checked_sub(1).and_then(|at| reserved.get(at)).is_some_and(|range| range.contains(&number))
        };
        for w in writer.fields() {
            let at = format!("{path}.{} ({})", w.name(), w.number());
            match reader.get_field(w.number()) {
                Some(r) => self.field(path, &w, &r),
                None => match reader.get_field_by_name(w.name()) {
                    Some(r) => self.breaking.push(format!("{at}: the reader expects it as {}", r.number())),
                    None if is_reserved(w.number()) => {
                        self.notes.push(format!("{at}: the reader has given it up, the number is reserved"));
                    }
                    None => self.notes.push(format!("{at}: only the writer has it")),
                },
            }
        }
        for r in reader.fields().filter(|r| writer.get_field(r.number()).is_none()) {
            let at = format!("{path}.{} ({})", r.name(), r.number());
            if r.is_required() {
                self.breaking.push(format!("{at}: required here, and the writer does not have it"));
            } else if writer.get_field_by_name(r.name()).is_none() {
                self.notes.push(format!("{at}: only the reader has it"));
            }
        }
        self.oneofs(path, writer, reader);
        ControlFlow::Continue(())
    }

    fn field(&mut self, path: &str, w: &FieldDescriptor, r: &FieldDescriptor) {
        let inner = format!("{path}.{}", r.name());
        let at = format!("{inner} ({})", r.number());
        let (was, expected) = (describe(w), describe(r));
        let (verdict, note) = of_kinds(&w.kind(), &r.kind());
        let renamed = w.name() != r.name();
        // Groups are delimited in another way than messages and bytes.
        if verdict == Verdict::Breaking
            || w.is_group() != r.is_group()
            || (renamed && type_name(&w.kind()) != type_name(&r.kind()))
        {
            let name = if renamed { format!(" {}", w.name()) } else { String::new() };
            self.breaking.push(format!("{at}: was {was}{name}, expected {expected}"));
            return;
        }
        if renamed {
            self.notes.push(format!("{at}: the writer calls it {}", w.name()));
            let elsewhere = r.parent_message().get_field_by_name(w.name());
            if let Some(other) = elsewhere {
                // Two fields of one type that swapped their numbers look like two new names.
                let number = other.number();
                self.breaking.push(format!("{at}: the writer's {} is number {number} here", w.name()));
            }
        }
        if let Some(note) = note {
            self.notes.push(format!("{at}: was {was}, expected {expected}: {note}"));
        }
        self.cardinality(&at, w, r);
        match (w.kind(), r.kind()) {
            (Kind::Message(w), Kind::Message(r)) => self.message(inner, w, r),
            (Kind::Enum(w), Kind::Enum(r)) => self.enumeration(inner, w, r),
            _ => {}
        }
    }

    fn cardinality(&mut self, at: &str, w: &FieldDescriptor, r: &FieldDescriptor) {
        let (was, expected) = (describe(w), describe(r));
        let many = |field: &FieldDescriptor| field.cardinality() == Cardinality::Repeated;
        match (many(w), many(r)) {
            (true, false) if w.is_packed() => self.breaking.push(format!(
                "{at}: was {was}, expected {expected}: packed numbers are not read as a single one"
            )),
            (_, false) if r.is_required() && !w.is_required() => {
                self.breaking.push(format!("{at}: was {was}, expected {expected}: it may be missing"));
            }
            (true, false) => {
                let what =
                    if matches!(r.kind(), Kind::Message(_)) { "all are merged" } else { "the last wins" };
                self.notes.push(format!("{at}: was {was}, expected {expected}: {what}"));
            }
            (false, true) => {
                self.notes.push(format!("{at}: was {was}, expected {expected}: at most one comes"));
            }
            (true, true) => {
                if w.is_map() != r.is_map() {
                    self.notes
                        .push(format!("{at}: was {was}, expected {expected}: the encoding is the same"));
                } else if w.is_packed() != r.is_packed() {
                    let packed = |packed| if packed { "packed" } else { "not packed" };
                    let (w, r) = (packed(w.is_packed()), packed(r.is_packed()));
                    self.notes.push(format!("{at}: was {w}, expected {r}: readers accept both"));
                }
            }
            (false, false) => self.presence(at, w, r),
        }
    }

    fn presence(&mut self, at: &str, w: &FieldDescriptor, r: &FieldDescriptor) {
        if w.is_required() && !r.is_required() {
            self.notes.push(format!("{at}: no longer required here"));
        }
        match (w.supports_presence(), r.supports_presence()) {
            (true, false) => {
                self.notes.push(format!("{at}: the reader cannot tell a missing value from the default"));
            }
            (false, true) => {
                self.notes.push(format!("{at}: the writer leaves the default out, which reads as missing"));
            }
            _ => {}
        }
        // A default of another type is another value anyway.
        let message = matches!(r.kind(), Kind::Message(_));
        if !message
            && w.supports_presence()
            && std::mem::discriminant(&w.kind()) == std::mem::discriminant(&r.kind())
            && w.default_value() != r.default_value()
        {
            self.notes.push(format!("{at}: a missing value reads as another default"));
        }
    }

    /// A reader keeps one member of a oneof. It loses what a writer sends besides.
    fn oneofs(&mut self, path: &str, writer: &MessageDescriptor, reader: &MessageDescriptor) {
        for oneof in reader.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            // Members that exclude each other at the writer too are one source, all others one each.
            let mut sources: BTreeMap<Result<String, u32>, Vec<String>> = BTreeMap::new();
            for r in oneof.fields() {
                let Some(w) = writer.get_field(r.number()) else { continue };
                let source = real_oneof(&w).ok_or_else(|| w.number());
                sources.entry(source).or_default().push(format!("{} ({})", r.name(), r.number()));
            }
            if sources.len() > 1 {
                let members: Vec<String> = sources.into_values().flatten().collect();
                let (name, members) = (oneof.name(), members.join(", "));
                self.breaking.push(format!(
                    "{path}.{name}: the writer may send {members} together, and the oneof keeps only the last"
                ));
            } else if let Some((Err(_), members)) = sources.pop_first() {
                let (name, members) = (oneof.name(), members.join(", "));
                self.notes
                    .push(format!("{path}.{members}: in the oneof {name} here, and in none at the writer"));
            }
        }
        for w in writer.fields().filter(|w| real_oneof(w).is_some()) {
            if let Some(r) = reader.get_field(w.number())
                && real_oneof(&r).is_none()
            {
                self.notes.push(format!(
                    "{path}.{} ({}): in a oneof at the writer only",
                    r.name(),
                    r.number()
                ));
            }
        }
    }

    fn enums(&mut self, path: &str, writer: &EnumDescriptor, reader: &EnumDescriptor) -> ControlFlow<()> {
        self.step(writer.values().len() + reader.values().len())?;
        if writer.full_name() != reader.full_name() {
            let (w, r) = (writer.full_name(), reader.full_name());
            self.notes.push(format!("{path}: the type is {w} at the writer, {r} here"));
        }
        for w in writer.values() {
            let at = format!("{path}: value {} ({})", w.name(), w.number());
            match (reader.get_value_by_name(w.name()), reader.get_value(w.number())) {
                (Some(r), _) if r.number() == w.number() => {}
                (Some(r), _) => self.breaking.push(format!("{at} is number {} here", r.number())),
                (None, Some(r)) => self.notes.push(format!("{at} is called {} here", r.name())),
                (None, None) => self.notes.push(format!("{at}: only the writer has it")),
            }
        }
        for r in reader.values() {
            if writer.get_value(r.number()).is_none() && writer.get_value_by_name(r.name()).is_none() {
                let (name, number) = (r.name(), r.number());
                self.notes.push(format!("{path}: value {name} ({number}): only the reader has it"));
            }
        }
        let open = |of: &EnumDescriptor| of.parent_file().syntax() != prost_reflect::Syntax::Proto2;
        if open(writer) && !open(reader) {
            self.notes.push(format!("{path}: values that the reader does not know are set aside as unknown"));
        }
        ControlFlow::Continue(())
    }
}

/// The oneof a field is in, if it is not one that stands for `optional`.
fn real_oneof(field: &FieldDescriptor) -> Option<String> {
    field.containing_oneof().filter(|oneof| !oneof.is_synthetic()).map(|oneof| oneof.name().to_owned())
}

/// Returns a type as it is written in a `.proto` file.
fn type_name(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(enumeration) => format!("enum {}", enumeration.full_name()),
        simple => format!("{simple:?}"),
    }
}

/// Returns a field's label and type.
fn describe(field: &FieldDescriptor) -> String {
    let kind = field.kind();
    if let Kind::Message(entry) = &kind
        && field.is_map()
        && let (Some(key), Some(value)) = (entry.get_field(1), entry.get_field(2))
    {
        return format!("map<{}, {}>", type_name(&key.kind()), type_name(&value.kind()));
    }
    let label = match field.cardinality() {
        Cardinality::Repeated => "repeated ",
        Cardinality::Required => "required ",
        Cardinality::Optional => "",
    };
    let group = if field.is_group() { "group " } else { "" };
    format!("{label}{group}{}", type_name(&kind))
}
