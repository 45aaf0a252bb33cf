//! Compiles the C programs of `tests/c` against the library and its headers, and runs them.
//!
//! Needs nothing but a C compiler: `$CC`, or `cc`. Each program prints one line per test; with arguments it runs those alone, so
//! after a failure `target/…/c-programs/bin/NAME TEST` repeats one.
//!
//! With `TAMTAM_C_SANITIZE` in the environment the programs are built with the address and undefined-behaviour sanitizers.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// How long one program may run.
const TIMEOUT: Duration = Duration::from_secs(300);

/// One program at a time: several measure time.
static ALONE: Mutex<()> = Mutex::new(());

/// Where the library is and where programs go.
struct Place {
    library: PathBuf,
    programs: PathBuf,
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c")
}

/// The folder `target/PROFILE` that this test was built into.
fn profile_folder() -> PathBuf {
    let program = std::env::current_exe().expect("a program knows where it is");
    program.ancestors().nth(2).expect("tests are built to target/PROFILE/deps").to_owned()
}

/// Builds the library. That `cargo test` has built this test does not mean that it has built the shared library, now or ever:
/// a test does not depend on one. The folder is one of its own, so that no cargo waits for another.
fn build() -> Place {
    let built = profile_folder();
    let folder = built.join("c-programs");
    let profile = match built.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--offline", "--package", "tamtam-libzmq", "--lib", "--profile", profile])
        .arg("--target-dir")
        .arg(folder.join("build"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("CARGO_BUILD_TARGET");
    if cfg!(feature = "draft") {
        cargo.args(["--features", "draft"]);
    }
    let status = cargo.status().expect("cargo runs: it runs this test");
    assert!(status.success(), "the library cannot be built");

    let name = if profile == "dev" { "debug" } else { profile };
    let library = folder.join("build").join(name).join("libzmq.so");
    assert!(library.exists(), "{} is missing", library.display());
    // The loader asks for the name inside the library.
    let programs = folder.join("bin");
    fs::create_dir_all(&programs).expect("a folder below target can be made");
    let link = programs.join("libzmq.so.5");
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(&library, &link).expect("a link below target can be made");
    Place { library, programs }
}

fn place() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(build)
}

fn compile(name: &str) -> PathBuf {
    let place = place();
    let program = place.programs.join(name);
    let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    compiler.args(["-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror"]);
    if std::env::var_os("TAMTAM_C_SANITIZE").is_some() {
        compiler.args(["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]);
    }
    if cfg!(feature = "draft") {
        compiler.arg("-DZMQ_BUILD_DRAFT_API");
    }
    let output = compiler
        .arg("-I")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("include"))
        .arg("-o")
        .arg(&program)
        .arg(sources().join(name).with_extension("c"))
        .arg(&place.library)
        .arg(format!("-Wl,-rpath,{}", place.programs.display()))
        .arg("-lpthread")
        .output()
        .expect("a C compiler is there");
    assert!(output.status.success(), "{name}.c:\n{}", String::from_utf8_lossy(&output.stderr));
    program
}

/// Reads all that a pipe brings; `open` is let go at its end.
fn gather(mut pipe: impl Read + Send + 'static, open: Sender<()>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut octets = Vec::new();
        let _ = pipe.read_to_end(&mut octets);
        drop(open);
        String::from_utf8_lossy(&octets).into_owned()
    })
}

/// Waits for a program's end, which closes its pipes; one that takes too long is ended.
fn finish(child: &mut Child, open: &Receiver<()>) -> Option<bool> {
    let in_time = open.recv_timeout(TIMEOUT) == Err(RecvTimeoutError::Disconnected);
    if !in_time {
        let _ = child.kill();
    }
    let status = child.wait().expect("a child can be waited for");
    in_time.then_some(status.success())
}

fn run(name: &str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let program = compile(name);
    let mut child = Command::new(program)
        // A size that no memory holds is an error that programs see, under the sanitizer as well.
        .env("ASAN_OPTIONS", "allocator_may_return_null=1")
        // Cargo's would have the loader find another library, maybe an older one, before this one.
        .env_remove("LD_LIBRARY_PATH")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("what was compiled can be run");
    let (open, is_open) = channel();
    let output = child.stdout.take().map(|pipe| gather(pipe, open.clone()));
    let errors = child.stderr.take().map(|pipe| gather(pipe, open));
    let outcome = finish(&mut child, &is_open);
    let [output, errors] =
        [output, errors].map(|reader| reader.and_then(|reader| reader.join().ok()).unwrap_or_default());
    println!("{output}{errors}");
    assert_eq!(outcome, Some(true), "{name} (none: it did not end in time)\n{output}{errors}");
}

macro_rules! programs {
    ($($name:ident)*) => {
        /// Every program that is run.
        const PROGRAMS: &[&str] = &[$(stringify!($name)),*];

        $(
            #[test]
            fn $name() {
                run(stringify!($name));
            }
        )*
    };
}

programs! {
    blocking
    defects
    descriptors
    handles
    messages
    sending
    utilities
}

#[test]
fn every_program_is_run() {
    let mut found: Vec<String> = fs::read_dir(sources())
        .expect("the sources are here")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .filter_map(|path| path.file_stem().map(|name| name.to_string_lossy().into_owned()))
        .collect();
    found.sort();
    assert_eq!(found, PROGRAMS);
}
