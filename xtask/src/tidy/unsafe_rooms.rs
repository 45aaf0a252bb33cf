//! Where `unsafe` may stand, and that each place says why it is sound.

use super::Finding;
use super::rust_text::{code_of, lines_with};
use super::tree::Tree;

/// Roots of crates that promise to have none at all.
const FORBIDDING: [&str; 3] = ["crates/zmtp/src/lib.rs", "crates/cli/src/main.rs", "xtask/src/main.rs"];

/// The rooms: a folder ends with `/`. A C interface is made of pointers. Those under `tests` and `bench` are not shipped: they fork, send signals, set limits,
/// or ask the system what something cost.
const ROOMS: &[&str] = &[
    "crates/ipc-bench/src/ends/library.rs",
    "crates/costs/src/allocations.rs",
    "crates/ipc/src/memory/latest/lock.rs",
    "crates/ipc/src/memory/locked_queue/mutex.rs",
    "crates/ipc/src/memory/region.rs",
    "crates/ipc/src/memory/segment.rs",
    "crates/ipc/src/message_passing/sys.rs",
    "crates/ipc/src/posix_queue/sys.rs",
    "crates/ipc/src/signals/sys.rs",
    "crates/ipc/src/socket_option.rs",
    "crates/ipc/src/sysv_queue/sys.rs",
    "crates/libzmq/src/",
    "crates/zmq/src/sys/",
    "crates/zmq/src/engine/ring.rs",
    "crates/ipc/tests/conformance/child.rs",
    "crates/zmq/tests/common/",
    "crates/zmq/tests/descriptors.rs",
    "crates/zmq/tests/fork.rs",
    "crates/zmq/tests/threads.rs",
    "bench/src/engine/drop_in.rs",
    "bench/protocol/src/usage.rs",
];

/// Exports to C stand here. What their callers must keep to is the text of the C header; what they do with it is proved
/// inside, block by block.
const EXPORTS: &str = "crates/libzmq/src/";
const EXPORTING: [&str; 2] = ["#[unsafe(no_mangle)]", "unsafe extern \"C\" fn"];

/// A proof stands at most so many lines above.
const PROOF_DISTANCE: usize = 8;

/// Finds broken promises, `unsafe` outside the rooms, and `unsafe` without its proof.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in FORBIDDING {
        let promised = tree.text(path).is_some_and(|text| code_of(text).contains("#![forbid(unsafe_code)]"));
        if !promised {
            findings.push(Finding::new(path, 1, "#![forbid(unsafe_code)] is missing"));
        }
    }
    for file in tree.rust() {
        let code = code_of(&file.text);
        let is_room =
            ROOMS.iter().any(|room| file.path == *room || room.ends_with('/') && file.path.starts_with(room));
        let lines: Vec<&str> = file.text.lines().collect();
        for line in lines_with(&code, "unsafe") {
            if !is_room {
                let text = format!("unsafe outside its rooms ({})", ROOMS.join(", "));
                findings.push(Finding::new(&file.path, line, text));
            }
            let own = lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
            if file.path.starts_with(EXPORTS) && EXPORTING.iter().any(|words| own.contains(words)) {
                continue;
            }
            let near = lines.get(line.saturating_sub(PROOF_DISTANCE + 1)..line).unwrap_or_default();
            if !near.iter().any(|text| text.contains("SAFETY:") || text.contains("# Safety")) {
                findings.push(Finding::new(&file.path, line, "unsafe without a SAFETY comment above it"));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMISES: [(&str, &str); 3] = [
        ("crates/zmtp/src/lib.rs", "#![forbid(unsafe_code)]\n"),
        ("crates/cli/src/main.rs", "//! Text.\n#![forbid(unsafe_code)]\n"),
        ("xtask/src/main.rs", "#![forbid(unsafe_code)]\n"),
    ];

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let tree = Tree::of(&[&PROMISES[..], files].concat());
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn promises_are_code() {
        assert_eq!(found(&[]), [""; 0]);
        let broken =
            Tree::of(&[PROMISES[0], PROMISES[2], ("crates/cli/src/main.rs", "// #![forbid(unsafe_code)]")]);
        assert_eq!(
            check(&broken),
            [Finding::new("crates/cli/src/main.rs", 1, "#![forbid(unsafe_code)] is missing")]
        );
    }

    #[test]
    fn a_room_needs_proofs() {
        let near = "// SAFETY: it is ours.\nlet x = unsafe { f() };\n";
        let far = "// SAFETY: it is ours.\n\n\n\n\n\n\n\n\n\nlet x = unsafe { f() };\n";
        let none = "unsafe impl Send for X {}\n";
        assert_eq!(found(&[("crates/zmq/src/sys/tcp.rs", near)]), [""; 0]);
        assert_eq!(
            found(&[("crates/zmq/src/sys/tcp.rs", far), ("crates/zmq/src/engine/ring.rs", none)]),
            [
                "crates/zmq/src/sys/tcp.rs:11: unsafe without a SAFETY comment above it",
                "crates/zmq/src/engine/ring.rs:1: unsafe without a SAFETY comment above it",
            ]
        );
    }

    #[test]
    fn exports_to_c_have_their_contract_in_the_header() {
        let export = "#[unsafe(no_mangle)]\npub unsafe extern \"C\" fn zmq_x(p: *mut u8) {\n    unsafe { *p = 0 };\n}\n";
        assert_eq!(
            found(&[("crates/libzmq/src/x.rs", export)]),
            ["crates/libzmq/src/x.rs:3: unsafe without a SAFETY comment above it"]
        );
    }

    #[test]
    fn outside_there_is_none_but_in_words() {
        assert_eq!(
            found(&[("crates/zmq/src/a.rs", "// unsafe\nlet x = \"unsafe\"; // SAFETY: unsafe\n")]),
            [""; 0]
        );
        let one = "// SAFETY: really.\nunsafe { f() }\n";
        assert_eq!(
            found(&[("crates/zmq/src/a.rs", one)]),
            [format!("crates/zmq/src/a.rs:2: unsafe outside its rooms ({})", ROOMS.join(", "))]
        );
    }
}
