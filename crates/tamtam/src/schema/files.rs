//! Distributes the types of a closure over files, independent of the files they were defined in.

use std::collections::{BTreeMap, BTreeSet};

use super::descriptor::{Enum, File, FileSet, Message};
use super::error::SchemaError;

/// A type that is not nested, in canonical form: one of `message` and `enumeration` is there.
pub(super) struct TopLevel {
    name: String,
    package: String,
    proto3: bool,
    pub(super) message: Option<Message>,
    pub(super) enumeration: Option<Enum>,
    /// The full names of the types it needs that are not nested, maybe itself.
    pub(super) needs: BTreeSet<String>,
}

impl TopLevel {
    pub(super) fn new(name: &str, package: &str, proto3: bool) -> Self {
        Self {
            name: name.to_owned(),
            package: package.to_owned(),
            proto3,
            message: None,
            enumeration: None,
            needs: BTreeSet::new(),
        }
    }
}

/// Returns the name of the file for a type: Google's for a well-known type, which readers may know already,
/// otherwise made of the type's name.
fn file_name(top: &str) -> String {
    let known = match top.strip_prefix("google.protobuf.") {
        Some("Any") => "any",
        Some("Duration") => "duration",
        Some("Empty") => "empty",
        Some("FieldMask") => "field_mask",
        Some("Struct" | "Value" | "ListValue" | "NullValue") => "struct",
        Some("Timestamp") => "timestamp",
        Some(
            "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value"
            | "BoolValue" | "StringValue" | "BytesValue",
        ) => "wrappers",
        _ => return format!("{}.proto", top.replace('.', "/")),
    };
    format!("google/protobuf/{known}.proto")
}

/// Makes the files: dependencies first, then by name.
pub(super) fn arrange(tops: Vec<TopLevel>) -> Result<FileSet, SchemaError> {
    // Numbered in the order of their names, so that the smallest number has the first name.
    let mut groups: BTreeMap<String, Vec<TopLevel>> = BTreeMap::new();
    for top in tops {
        groups.entry(file_name(&top.name)).or_default().push(top);
    }
    let numbers: BTreeMap<&str, usize> =
        groups.keys().enumerate().map(|(number, name)| (name.as_str(), number)).collect();
    let edges: Vec<BTreeSet<usize>> = groups
        .values()
        .map(|group| {
            group
                .iter()
                .flat_map(|top| &top.needs)
                .filter_map(|need| numbers.get(file_name(need).as_str()).copied())
                .collect()
        })
        .collect();
    // Types that need each other have to share a file, as imports must not form a cycle.
    let component = components(&edges);
    let names: Vec<String> = groups.keys().cloned().collect();
    let name_of = |number: usize| names.get(number).map(String::as_str).unwrap_or_default();

    let mut files: BTreeMap<usize, (File, BTreeSet<usize>)> = BTreeMap::new();
    for ((number, group), (edges, &home)) in
        groups.into_values().enumerate().zip(edges.iter().zip(&component))
    {
        debug_assert!(home <= number, "named after the first");
        for top in group {
            let (file, needs) =
                files.entry(home).or_insert_with(|| (new_file(name_of(home), &top), BTreeSet::new()));
            if file.package() != top.package || file.syntax.is_some() != top.proto3 {
                let (a, b) = (file.name(), &top.name);
                return Err(SchemaError::invalid(format!("{a} and {b} import each other")));
            }
            file.message_type.extend(top.message);
            file.enum_type.extend(top.enumeration);
            needs
                .extend(edges.iter().filter_map(|&edge| component.get(edge)).filter(|&&other| other != home));
        }
    }
    for (file, needs) in files.values_mut() {
        file.message_type.sort_by(|a, b| a.name().cmp(b.name()));
        file.enum_type.sort_by(|a, b| a.name().cmp(b.name()));
        file.dependency = needs.iter().map(|&other| name_of(other).to_owned()).collect();
    }
    Ok(FileSet { file: sort(files) })
}

fn new_file(name: &str, top: &TopLevel) -> File {
    File {
        name: Some(name.to_owned()),
        package: (!top.package.is_empty()).then(|| top.package.clone()),
        // A file that says nothing is proto2.
        syntax: top.proto3.then(|| "proto3".to_owned()),
        ..File::default()
    }
}

/// Puts dependencies first; what is free to come is taken in the order of numbers, which is that of names.
fn sort(mut files: BTreeMap<usize, (File, BTreeSet<usize>)>) -> Vec<File> {
    let mut needed_by: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut ready: BTreeSet<usize> = BTreeSet::new();
    for (&number, (_, needs)) in &files {
        if needs.is_empty() {
            ready.insert(number);
        }
        for &need in needs {
            needed_by.entry(need).or_default().push(number);
        }
    }
    let mut sorted = Vec::with_capacity(files.len());
    while let Some(number) = ready.pop_first() {
        for other in needed_by.remove(&number).unwrap_or_default() {
            if let Some((_, needs)) = files.get_mut(&other) {
                needs.remove(&number);
                if needs.is_empty() {
                    ready.insert(other);
                }
            }
        }
        sorted.extend(files.remove(&number).map(|(file, _)| file));
    }
    sorted
}

/// Returns for every node the smallest node of its strongly connected component.
///
/// Kosaraju's algorithm with stacks of its own: a chain of types can be longer than the thread's stack is
/// deep.
fn components(edges: &[BTreeSet<usize>]) -> Vec<usize> {
    let mut reversed = vec![Vec::new(); edges.len()];
    for (from, targets) in edges.iter().enumerate() {
        for &to in targets {
            if let Some(sources) = reversed.get_mut(to) {
                sources.push(from);
            }
        }
    }
    let mut seen = vec![false; edges.len()];
    let mut finished = Vec::with_capacity(edges.len());
    for start in 0..edges.len() {
        let mut stack = Vec::new();
        let mut enter = |node: usize, stack: &mut Vec<_>| {
            if let (Some(seen @ false), Some(targets)) = (seen.get_mut(node), edges.get(node)) {
                *seen = true;
                stack.push((node, targets.iter()));
            }
        };
        enter(start, &mut stack);
        while let Some((node, targets)) = stack.last_mut() {
            match targets.next() {
                Some(&next) => enter(next, &mut stack),
                None => {
                    finished.push(*node);
                    stack.pop();
                }
            }
        }
    }
    let mut component = vec![usize::MAX; edges.len()];
    while let Some(start) = finished.pop() {
        let mut members = Vec::new();
        let mut open = vec![start];
        while let Some(node) = open.pop() {
            if let Some(home @ &mut usize::MAX) = component.get_mut(node) {
                *home = start;
                members.push(node);
                open.extend(reversed.get(node).into_iter().flatten());
            }
        }
        let smallest = members.iter().min().copied().unwrap_or(start);
        for member in members {
            if let Some(home) = component.get_mut(member) {
                *home = smallest;
            }
        }
    }
    component
}
