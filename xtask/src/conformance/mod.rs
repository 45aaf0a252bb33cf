//! Judges the drop-in library by other people's tests: `cargo xtask conformance SUITE`.
//!
//! The suites come through package clients at run time and stay below `target/conformance`; nothing of them is part of
//! this repository.

mod arguments;
mod compiler;
mod headers;
mod junit;
mod library;
mod libzmq;
mod process;
mod programs;
mod pyzmq;
mod report;
mod rust_zmq;
mod sources;
mod textbook;
mod topics;
mod tree;
mod unity;

use std::path::{Path, PathBuf};

use arguments::Arguments;
pub(crate) use library::build as build_library;

const USAGE: &str = "\
cargo xtask conformance SUITE [OPTION]...

Suites:
  headers            Our zmq.h against that of libzmq 4.3.5
  libzmq [--draft]   libzmq 4.3.5's own test programs
  pyzmq              pyzmq's own tests, compared with those on the libzmq of its wheel
  rust-zmq           The tests of the Rust binding zmq
  use                Programs in C++, built on the package, against each other, Python and Rust

Options:
  --only NAME        Only this program or file of tests; may be repeated
  --library PATH     Judge this library instead of our own, freshly built one";

/// Runs one suite.
pub(crate) fn run(root: &Path, words: &[&str]) -> Result<(), String> {
    let [suite, rest @ ..] = words else { return Err(USAGE.to_owned()) };
    let arguments = Arguments::parse(rest).map_err(|error| format!("{error}\n{USAGE}"))?;
    match *suite {
        "headers" => headers::run(root),
        "libzmq" => libzmq::run(root, &arguments),
        "pyzmq" => pyzmq::run(root, &arguments),
        "rust-zmq" => rust_zmq::run(root, &arguments),
        "use" => textbook::run(root),
        unknown => Err(format!("no suite {unknown:?}\n{USAGE}")),
    }
}

/// If this is set, what a suite needs and does not find on this machine is an error.
const REQUIRE: &str = "TAMTAM_REQUIRE_CPP";

/// Tells whether everything that suites need has to be there.
fn everything_is_required() -> bool {
    std::env::var_os(REQUIRE).is_some()
}

/// Where suites, builds and logs go.
fn scratch(root: &Path) -> PathBuf {
    root.join("target/conformance")
}
