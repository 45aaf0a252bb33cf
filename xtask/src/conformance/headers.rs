//! Our `zmq.h` against libzmq's: every macro with its value, every structure with its places, every function with its
//! types, as one program prints them that is compiled with either header.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::dist::symbols;

use super::compiler::compile;
use super::scratch;
use super::tree;

/// Macros of the interface that do not begin with `ZMQ_`.
const ERRORS: [&str; 4] = ["EFSM", "ENOCOMPATPROTO", "EMTHREAD", "ETERM"];

/// Declared by our header, and only by libzmq's after 4.3.5.
const LATER: [&str; 1] = ["zmq_disconnect_peer"];

/// Structures with their members.
const STRUCTURES: [(&str, &[&str]); 3] = [
    ("zmq_msg_t", &["_"]),
    ("zmq_pollitem_t", &["socket", "fd", "events", "revents"]),
    ("zmq_poller_event_t", &["socket", "fd", "user_data", "events"]),
];

/// A type that only drafts have.
const DRAFT_STRUCTURE: &str = "zmq_poller_event_t";

/// Compares the headers, without and with drafts, and compiles ours as old C and old C++.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let ours = root.join("crates/libzmq/include");
    let theirs = tree::upstream(root)?.join("include");
    let folder = scratch(root).join("headers");
    fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let mut same = 0;
    let mut different = Vec::new();
    for draft in [false, true] {
        let program = program(&theirs, draft)?;
        let [ours, theirs] = [&ours, &theirs].map(|headers| facts(&folder, &program, headers, draft));
        let (ours, theirs) = (ours?, theirs?);
        same += theirs.intersection(&ours).count();
        different.extend(theirs.difference(&ours).map(|fact| format!("libzmq's header says {fact}")));
        different.extend(ours.difference(&theirs).map(|fact| format!("our header says {fact}")));
    }
    for language in [Language::C, Language::Cpp] {
        match compiles(&folder, &ours, language) {
            Ok(()) => same += 1,
            Err(error) => different.push(error),
        }
    }
    different.iter().for_each(|line| println!("{line}"));
    println!("{same} facts about libzmq 4.3.5's interface are the same in our header");
    println!("\n{same} passed, {} failed", different.len());
    if different.is_empty() { Ok(()) } else { Err("our header differs from libzmq's".to_owned()) }
}

/// Writes the program that prints everything that the header at `headers` has.
fn program(headers: &Path, draft: bool) -> Result<String, String> {
    let mut lines = String::new();
    for (name, value) in macros(headers, draft)? {
        if name == "ZMQ_EXPORT" {
            continue;
        } else if name.contains('(') {
            let bare = name.split('(').next().unwrap_or(&name);
            lines += &format!("    printf(\"{bare} %lld\\n\", (long long) {bare}(1, 2, 3));\n");
        } else if value.is_empty() {
            lines += &format!("#ifdef {name}\n    printf(\"{name}\\n\");\n#endif\n");
        } else if value.starts_with('"') {
            lines += &format!("    printf(\"{name} %s\\n\", {name});\n");
        } else {
            lines += &format!("    printf(\"{name} %lld\\n\", (long long) ({name}));\n");
        }
    }
    for (name, members) in STRUCTURES.iter().filter(|(name, _)| draft || *name != DRAFT_STRUCTURE) {
        lines += &format!("    printf(\"{name} %zu %zu\\n\", sizeof({name}), alignof({name}));\n");
        for member in *members {
            lines += &format!(
                "    printf(\"{name}.{member} %zu %zu\\n\", offsetof({name}, {member}), sizeof((({name} *) 0)->{member}));\n"
            );
        }
    }
    for name in ["zmq_fd_t", "zmq_free_fn *", "zmq_timer_fn *", "zmq_thread_fn *"] {
        lines += &format!("    printf(\"{name} %s\\n\", typeid({name}).name());\n");
    }
    for name in symbols::expected(draft).iter().filter(|name| !LATER.contains(name)) {
        lines += &format!("    printf(\"{name} %s\\n\", typeid(decltype(&{name})).name());\n");
    }
    let draft = if draft { "#define ZMQ_BUILD_DRAFT_API\n" } else { "" };
    Ok(format!("{draft}#include <zmq.h>\n#include <cstdio>\n#include <typeinfo>\nint main() {{\n{lines}}}\n"))
}

/// The macros of the interface, with their values unexpanded.
fn macros(headers: &Path, draft: bool) -> Result<Vec<(String, String)>, String> {
    let mut command = Command::new("cc");
    command.args(["-E", "-dM", "-x", "c"]).arg(headers.join("zmq.h"));
    if draft {
        command.arg("-DZMQ_BUILD_DRAFT_API");
    }
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?} ended with {}", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let defined = text.lines().filter_map(|line| line.strip_prefix("#define "));
    let found: Vec<(String, String)> = defined.filter_map(split).filter(|(name, _)| is_ours(name)).collect();
    if found.len() < 150 {
        return Err(format!("only {} macros in {}", found.len(), headers.display()));
    }
    Ok(found)
}

fn is_ours(name: &str) -> bool {
    name.starts_with("ZMQ_") && name != "ZMQ_BUILD_DRAFT_API" || ERRORS.contains(&name)
}

/// Takes a definition apart: a macro with parameters keeps their list.
fn split(definition: &str) -> Option<(String, String)> {
    let end = definition.find([' ', '(']).unwrap_or(definition.len());
    let end = match definition.get(end..)?.starts_with('(') {
        true => definition.find(')')? + 1,
        false => end,
    };
    Some((definition.get(..end)?.to_owned(), definition.get(end..)?.trim().to_owned()))
}

/// Compiles the program with these headers and reads what it prints.
fn facts(folder: &Path, program: &str, headers: &Path, draft: bool) -> Result<BTreeSet<String>, String> {
    let source = folder.join(if draft { "draft.cpp" } else { "stable.cpp" });
    let binary = source.with_extension("");
    write(&source, program)?;
    let mut command = Command::new("c++");
    command.args(["-std=c++11", "-w", "-I"]).arg(headers).arg(&source).arg("-o").arg(&binary);
    compile(&mut command)?;
    let output = Command::new(&binary)
        .output()
        .map_err(|error| format!("cannot run {}: {error}", binary.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

#[derive(Clone, Copy, Debug)]
enum Language {
    C,
    Cpp,
}

/// Compiles all our headers as the oldest of a language, without a warning.
fn compiles(folder: &Path, headers: &Path, language: Language) -> Result<(), String> {
    let (compiler, standard, name) = match language {
        Language::C => ("cc", "-std=gnu89", "all.c"),
        Language::Cpp => ("c++", "-std=gnu++98", "all.cpp"),
    };
    let source: PathBuf = folder.join(name);
    write(&source, "#define ZMQ_BUILD_DRAFT_API\n#include <zmq_utils.h>\n#include <tamtam_zmq.h>\n")?;
    let mut command = Command::new(compiler);
    command.args([
        standard,
        "-pedantic",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-long-long",
        "-fsyntax-only",
        "-I",
    ]);
    compile(command.arg(headers).arg(&source))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_taken_apart() {
        let pair = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        assert_eq!(split("A 1"), pair("A", "1"));
        assert_eq!(split("A (B + 1)"), pair("A", "(B + 1)"));
        assert_eq!(split("A(x, y) ((x) + (y))"), pair("A(x, y)", "((x) + (y))"));
        assert_eq!(split("A"), pair("A", ""));
    }
}
