//! The guide's program with Asio is compiled, and reads what a server in Rust writes, however it is cut.

#[path = "book/process.rs"]
mod process;

use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

/// Compiles it; `None` where the compiler or Asio's header is not installed, unless that is an error (`TAMTAM_REQUIRE_CPP`).
fn compile(folder: &Path) -> Option<std::path::PathBuf> {
    let program = folder.join("frames");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("cpp/frames.cpp");
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let has_asio = Command::new(&compiler)
        .args(["-std=c++17", "-fsyntax-only", "-include", "asio/version.hpp", "-x", "c++", "/dev/null"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !has_asio {
        let is_required = std::env::var_os("TAMTAM_REQUIRE_CPP").is_some();
        assert!(!is_required, "no C++ compiler, or no asio.hpp (libasio-dev)");
        eprintln!("the program with Asio is not compiled: no C++ compiler, or no asio.hpp (libasio-dev)");
        return None;
    }
    let mut command = Command::new(&compiler);
    command.args(["-std=c++17", "-Wall", "-Wextra", "-DASIO_STANDALONE", "-pthread", "-o"]);
    let output = command.arg(&program).arg(source).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !errors.contains("frames.cpp"), "{errors}");
    Some(program)
}

/// Serves these octets in pieces of this size; returns what the program prints.
fn serve(program: &Path, octets: &[u8], size: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let ended = process::start(Command::new(program).arg(port.to_string()));
    let patience = Timespec::try_from(process::PATIENCE).unwrap();
    let ready = poll(&mut [PollFd::new(&listener, PollFlags::IN)], Some(&patience)).unwrap();
    assert_eq!(ready, 1, "the program does not connect");
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in octets.chunks(size) {
        stream.write_all(piece).unwrap();
    }
    drop(stream);
    String::from_utf8(ended().stdout).unwrap()
}

#[test]
fn asio_reads_frames_however_they_are_cut() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = compile(folder.path()) else { return };
    let wire = b"\0\0\0\x03one\0\0\0\0\0\0\0\x05three";
    for size in [1, 3, wire.len()] {
        let printed = serve(&program, wire, size);
        assert_eq!(printed, "a message: \"one\"\na message: \"\"\na message: \"three\"\nthe end\n", "{size}");
    }
    let cut = serve(&program, &wire[..wire.len() - 1], 4);
    assert!(cut.ends_with("cut short: End of file\n"), "{cut}");
    assert_eq!(serve(&program, b"GET / HTTP/1.1\r\n", 100), "a message of 1195725856 octets\n");
}
