//! The Python interpreter and pyzmq, if they are there.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

/// Set to 1 where the absence of pyzmq is a failure, as in continuous integration.
const REQUIRE: &str = "TAMTAM_REQUIRE_PYZMQ";

/// Returns a command that runs a script of this folder (`tests/…`) with Python; `None` where pyzmq is not installed.
///
/// That is said on the standard error output, where everybody sees it: what is printed by `eprintln!` is kept back when a
/// test passes.
pub(crate) fn script(path: &str) -> Option<Command> {
    static MISSING: OnceLock<Option<String>> = OnceLock::new();
    let missing = MISSING.get_or_init(|| {
        let missing = what_is_missing()?;
        std::io::stderr().write_all(format!("\n{missing}\n").as_bytes()).unwrap();
        Some(missing)
    });
    if let Some(missing) = missing {
        assert!(std::env::var_os(REQUIRE).is_none_or(|value| value != "1"), "{REQUIRE}=1, but {missing}");
        return None;
    }
    let mut command = Command::new("python3");
    // -u: what is printed is seen at once.
    command.arg("-u").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path));
    Some(command)
}

fn what_is_missing() -> Option<String> {
    let what = match Command::new("python3").args(["-c", "import zmq"]).output() {
        Ok(output) if output.status.success() => return None,
        Ok(_) => "the Python package pyzmq is not installed".to_owned(),
        Err(error) => format!("python3 cannot be run ({error})"),
    };
    Some(format!("NOT TESTED against pyzmq: {what}. To have it: pip install pyzmq"))
}
