//! The canonical closure: of the descriptors of a set, what one type needs, in one possible form.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use super::descriptor::{
    Enum, EnumOptions, EnumValue, Field, File, FileSet, Message, MessageOptions, Oneof, Range,
};
use super::error::{SchemaError, shorten};
use super::fields::{canonical_field, check_map_entry, identifier};
use super::files::{self, TopLevel};

/// How many fields, enum values, types and the like a closure may have: some of the work on them is
/// quadratic.
const MAX_PARTS: usize = 1 << 14;
/// The longest full name, in octets: every part is kept under its full name.
const MAX_NAME: usize = 512;
/// Field numbers end before this one.
const NUMBERS_END: i32 = 1 << 29;

/// A type of the descriptor set.
#[derive(Clone, Copy)]
pub(super) enum Type<'a> {
    Message(&'a Message),
    Enum(&'a Enum),
}

#[derive(Clone, Copy)]
struct Known<'a> {
    def: Type<'a>,
    file: &'a File,
    /// The length of the full name of the type around it that is not nested.
    top_len: usize,
}

/// All types of a descriptor set, by full name.
pub(super) struct Index<'a> {
    known: HashMap<String, Known<'a>>,
}

impl<'a> Index<'a> {
    fn new(set: &'a FileSet) -> Result<Self, SchemaError> {
        let mut index = Self { known: HashMap::new() };
        let mut seen: HashMap<&str, &File> = HashMap::new();
        for file in &set.file {
            // Sets may be joined by joining their bytes: the same file twice is one file.
            if let Some(name) = &file.name {
                match seen.entry(name) {
                    Slot::Occupied(earlier) if *earlier.get() == file => continue,
                    Slot::Occupied(_) => {}
                    Slot::Vacant(slot) => _ = slot.insert(file),
                }
            }
            for message in &file.message_type {
                index.add_message(file, file.package(), message, None)?;
            }
            for enumeration in &file.enum_type {
                index.add(file, join(file.package(), enumeration.name())?, Type::Enum(enumeration), None)?;
            }
        }
        Ok(index)
    }

    /// Goes down at most a hundred levels: more cannot be decoded.
    fn add_message(
        &mut self,
        file: &'a File,
        scope: &str,
        message: &'a Message,
        top_len: Option<usize>,
    ) -> Result<(), SchemaError> {
        let name = join(scope, message.name())?;
        let top_len = top_len.unwrap_or(name.len());
        for nested in &message.nested_type {
            self.add_message(file, &name, nested, Some(top_len))?;
        }
        for enumeration in &message.enum_type {
            self.add(file, join(&name, enumeration.name())?, Type::Enum(enumeration), Some(top_len))?;
        }
        self.add(file, name, Type::Message(message), Some(top_len))
    }

    fn add(
        &mut self,
        file: &'a File,
        name: String,
        def: Type<'a>,
        top_len: Option<usize>,
    ) -> Result<(), SchemaError> {
        let top_len = top_len.unwrap_or(name.len());
        match self.known.entry(name) {
            Slot::Occupied(slot) => {
                Err(SchemaError::invalid(format!("{} is defined twice", shorten(slot.key()))))
            }
            Slot::Vacant(slot) => {
                slot.insert(Known { def, file, top_len });
                Ok(())
            }
        }
    }

    /// Finds the type a field names: in full after a dot, as compilers write it.
    pub(super) fn target(&self, field: &Field) -> Result<Option<(&str, Type<'a>)>, SchemaError> {
        let Some(written) = field.type_name.as_deref().filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let Some(name) = written.strip_prefix('.') else {
            let (name, of) = (shorten(field.name()), shorten(written));
            return Err(SchemaError::invalid(format!("field {name}: type name {of} is not a full one")));
        };
        match self.known.get_key_value(name) {
            Some((name, known)) => Ok(Some((name.as_str(), known.def))),
            None => {
                let (name, of) = (shorten(field.name()), shorten(name));
                Err(SchemaError::invalid(format!("field {name}: type {of} is not in the descriptors")))
            }
        }
    }

    /// Finds all that a type needs, itself included, and which file each comes from.
    fn reach(&self, root: &str) -> Result<HashMap<&str, Known<'a>>, SchemaError> {
        let (root, known) = self
            .known
            .get_key_value(root)
            .filter(|(_, known)| matches!(known.def, Type::Message(_)))
            .ok_or_else(|| SchemaError::NoSuchType { name: shorten(root) })?;
        let mut reached = HashMap::from([(root.as_str(), *known)]);
        let mut open = vec![*known];
        let mut parts = 0_usize;
        while let Some(known) = open.pop() {
            parts += match known.def {
                Type::Message(m) => {
                    1 + m.field.len() + m.oneof_decl.len() + m.reserved_range.len() + m.reserved_name.len()
                }
                Type::Enum(e) => 1 + e.value.len() + e.reserved_range.len() + e.reserved_name.len(),
            };
            if parts > MAX_PARTS {
                return Err(SchemaError::TooLarge { what: "parts of the types needed", limit: MAX_PARTS });
            }
            let Type::Message(message) = known.def else { continue };
            for field in &message.field {
                let Some((name, _)) = self.target(field)? else { continue };
                let Some(target) = self.known.get(name) else { continue };
                if let Slot::Vacant(slot) = reached.entry(name) {
                    slot.insert(*target);
                    open.push(*target);
                }
            }
        }
        Ok(reached)
    }
}

fn join(scope: &str, name: &str) -> Result<String, SchemaError> {
    if scope.len() + name.len() >= MAX_NAME {
        return Err(SchemaError::TooLarge { what: "octets in a full name", limit: MAX_NAME });
    }
    Ok(if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") })
}

/// Returns the canonical closure of the message type `name`.
pub(super) fn canonical(name: &str, set: &FileSet) -> Result<FileSet, SchemaError> {
    let index = Index::new(set)?;
    let reached = index.reach(name)?;
    let mut tops: HashMap<&str, TopLevel> = HashMap::new();
    for (name, known) in &reached {
        let top = name.get(..known.top_len).unwrap_or(name);
        if let Slot::Vacant(slot) = tops.entry(top) {
            slot.insert(
                Build { index: &index, reached: &reached, proto3: is_proto3(known.file)? }
                    .top(top, known.file.package())?,
            );
        }
        let Type::Message(message) = known.def else { continue };
        for field in &message.field {
            let Some((target, _)) = index.target(field)? else { continue };
            let of = reached.get(target).and_then(|known| target.get(..known.top_len)).unwrap_or(target);
            if let Some(built) = tops.get_mut(top) {
                built.needs.insert(of.to_owned());
            }
        }
    }
    files::arrange(tops.into_values().collect())
}

fn is_proto3(file: &File) -> Result<bool, SchemaError> {
    match (file.syntax.as_deref(), file.edition) {
        (None | Some("" | "proto2"), None | Some(0)) => Ok(false),
        (Some("proto3"), None | Some(0)) => Ok(true),
        (syntax, _) => Err(SchemaError::Unsupported {
            what: format!("syntax \"{}\" of {}", shorten(syntax.unwrap_or("editions")), shorten(file.name())),
        }),
    }
}

/// Makes the canonical forms of the types of a file.
struct Build<'i, 'a> {
    index: &'i Index<'a>,
    reached: &'i HashMap<&'i str, Known<'a>>,
    proto3: bool,
}

impl Build<'_, '_> {
    fn top(&self, name: &str, package: &str) -> Result<TopLevel, SchemaError> {
        if !package.is_empty() {
            package.split('.').try_for_each(identifier)?;
        }
        let mut top = TopLevel::new(name, package, self.proto3);
        match self.index.known.get(name).map(|known| known.def) {
            Some(Type::Message(message)) => top.message = self.message(name, message)?,
            Some(Type::Enum(enumeration)) => top.enumeration = Some(canonical_enum(enumeration)?),
            None => {}
        }
        Ok(top)
    }

    /// Returns `None` if neither the message nor anything inside of it is needed.
    fn message(&self, full_name: &str, message: &Message) -> Result<Option<Message>, SchemaError> {
        let mut out = Message { name: message.name.clone(), ..Message::default() };
        for nested in &message.nested_type {
            out.nested_type.extend(self.message(&join(full_name, nested.name())?, nested)?);
        }
        for enumeration in &message.enum_type {
            if self.reached.contains_key(join(full_name, enumeration.name())?.as_str()) {
                out.enum_type.push(canonical_enum(enumeration)?);
            }
        }
        let reached = self.reached.contains_key(full_name);
        if !reached && out.nested_type.is_empty() && out.enum_type.is_empty() {
            return Ok(None);
        }
        identifier(message.name())?;
        out.nested_type.sort_by(|a, b| a.name().cmp(b.name()));
        out.enum_type.sort_by(|a, b| a.name().cmp(b.name()));
        if reached {
            self.fill(full_name, message, &mut out)?;
        }
        Ok(Some(out))
    }

    fn fill(&self, full_name: &str, message: &Message, out: &mut Message) -> Result<(), SchemaError> {
        let options = message.options.unwrap_or_default();
        if options.message_set_wire_format() {
            return Err(SchemaError::Unsupported {
                what: format!("message_set_wire_format of {}", shorten(full_name)),
            });
        }
        for field in &message.field {
            out.field.push(canonical_field(self.index, full_name, field, self.proto3)?);
        }
        out.field.sort_by_key(Field::number);
        if options.map_entry() {
            check_map_entry(full_name, &out.field)?;
            out.options = Some(MessageOptions { map_entry: Some(true), ..MessageOptions::default() });
        }
        out.oneof_decl = sort_oneofs(full_name, &message.oneof_decl, &mut out.field)?;
        out.reserved_range = merge(&message.reserved_range, 1)?;
        let (first, last) = (out.reserved_range.first(), out.reserved_range.last());
        if first.is_some_and(|range| range.start() < 1) || last.is_some_and(|range| range.end() > NUMBERS_END)
        {
            return Err(SchemaError::invalid(format!("{full_name}: reserved numbers out of range")));
        }
        out.reserved_name = reserved_names(&message.reserved_name);
        Ok(())
    }
}

/// Puts the oneofs in the order of their lowest field number, those that stand for `optional` last, and
/// leaves out those without a field.
fn sort_oneofs(message: &str, oneofs: &[Oneof], fields: &mut [Field]) -> Result<Vec<Oneof>, SchemaError> {
    let wrong = |what: &str| Err(SchemaError::invalid(format!("{message}: {what}")));
    // Whether it is synthetic, the number of its first field, how many fields it has.
    let mut found: Vec<Option<(bool, i32, usize)>> = vec![None; oneofs.len()];
    for field in fields.iter() {
        let Some(index) = field.oneof_index else {
            if field.proto3_optional() {
                return wrong("an optional field without its oneof");
            }
            continue;
        };
        let slot = usize::try_from(index).ok().and_then(|index| found.get_mut(index));
        match slot {
            None => return wrong("a field of a oneof that does not exist"),
            Some(slot @ None) => *slot = Some((field.proto3_optional(), field.number(), 1)),
            Some(Some((synthetic, _, count))) => {
                if *synthetic || field.proto3_optional() {
                    return wrong("an optional field that shares its oneof");
                }
                *count += 1;
            }
        }
    }
    let mut order: Vec<(bool, i32, usize)> = found
        .iter()
        .enumerate()
        .filter_map(|(index, found)| found.map(|(synthetic, number, _)| (synthetic, number, index)))
        .collect();
    order.sort_unstable();
    let mut place = vec![None; oneofs.len()];
    let mut out = Vec::with_capacity(order.len());
    for (new, (_, _, old)) in order.into_iter().enumerate() {
        let (Some(oneof), Some(place)) = (oneofs.get(old), place.get_mut(old)) else { continue };
        identifier(oneof.name())?;
        out.push(oneof.clone());
        *place = i32::try_from(new).ok();
    }
    for field in fields {
        field.oneof_index = field
            .oneof_index
            .and_then(|index| usize::try_from(index).ok())
            .and_then(|index| place.get(index).copied().flatten());
    }
    Ok(out)
}

fn canonical_enum(enumeration: &Enum) -> Result<Enum, SchemaError> {
    identifier(enumeration.name())?;
    let mut value = enumeration.value.clone();
    value.iter().try_for_each(|value| identifier(value.name()))?;
    for value in &mut value {
        value.number = Some(value.number());
    }
    // The first one is the default. Of several names for a number the first is the one that is written.
    if let Some((_, rest)) = value.split_first_mut() {
        rest.sort_by_key(EnumValue::number);
    }
    let mut numbers: Vec<i32> = value.iter().map(EnumValue::number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let aliases = numbers.len() < value.len();
    if aliases && !enumeration.options.unwrap_or_default().allow_alias() {
        let name = enumeration.name();
        return Err(SchemaError::invalid(format!(
            "enum {name} has two names for a number, without allow_alias"
        )));
    }
    Ok(Enum {
        name: enumeration.name.clone(),
        value,
        options: aliases.then_some(EnumOptions { allow_alias: Some(true) }),
        reserved_range: merge(&enumeration.reserved_range, 0)?,
        reserved_name: reserved_names(&enumeration.reserved_name),
    })
}

/// Sorts ranges and joins those that touch; `past` is 1 if a range's end is not part of it.
fn merge(ranges: &[Range], past: i64) -> Result<Vec<Range>, SchemaError> {
    let mut pairs: Vec<(i32, i32)> = ranges.iter().map(|range| (range.start(), range.end())).collect();
    if pairs.iter().any(|&(start, end)| i64::from(end) - past < i64::from(start)) {
        return Err(SchemaError::invalid("a range of reserved numbers ends before it starts"));
    }
    pairs.sort_unstable();
    let mut merged: Vec<(i32, i32)> = Vec::with_capacity(pairs.len());
    for (start, end) in pairs {
        match merged.last_mut() {
            Some((_, last)) if i64::from(start) <= i64::from(*last) + 1 - past => *last = end.max(*last),
            _ => merged.push((start, end)),
        }
    }
    Ok(merged.into_iter().map(|(start, end)| Range { start: Some(start), end: Some(end) }).collect())
}

/// A reserved name that is no identifier reserves nothing; compilers only warn of it.
fn reserved_names(names: &[String]) -> Vec<String> {
    let mut names: Vec<String> = names.iter().filter(|name| identifier(name).is_ok()).cloned().collect();
    names.sort();
    names.dedup();
    names
}
