//! The library in use: the textbook's programs in C++ are built on the package that `dist-libzmq` lays out, and talk to
//! each other, to Python on the same library, and to the examples in Rust. Every subscriber has to get every message.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::dist;

use super::compiler::compile;
use super::process::{self, End};
use super::{everything_is_required, pyzmq, scratch};

/// Seconds that a program may take.
const LIMIT: u32 = 60;

/// What a program is written in, and on what it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// C++, linked with `libzmq.so` through pkg-config.
    Shared,
    /// C++, linked with `libzmq.a`.
    Static,
    /// C++, built by CMake.
    CMake,
    /// Python, with the library loaded before pyzmq's own.
    Python,
    /// Rust, on Tamtam itself.
    Rust,
}

/// Who publishes, and who subscribes.
const RUNS: [(Kind, &[Kind]); 9] = [
    (Kind::Shared, &[Kind::Shared]),
    (Kind::CMake, &[Kind::CMake, Kind::CMake]),
    (Kind::Static, &[Kind::Shared]),
    (Kind::Shared, &[Kind::Static]),
    (Kind::Shared, &[Kind::Python]),
    (Kind::Python, &[Kind::Shared]),
    (Kind::Shared, &[Kind::Rust]),
    (Kind::Rust, &[Kind::Shared]),
    (Kind::Shared, &[Kind::Shared, Kind::Python, Kind::Rust]),
];

/// Builds the programs and has them talk.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let folder = scratch(root).join("use");
    let missing = missing(root, &folder)?;
    if !missing.is_empty() {
        let text = format!("not run, for want of {}", missing.join(", "));
        if everything_is_required() {
            return Err(text);
        }
        println!("{text}\n\n0 passed, 0 failed");
        return Ok(());
    }
    let programs = Programs::build(root, &folder)?;
    let mut failed = 0;
    for (publisher, subscribers) in RUNS {
        let start = Instant::now();
        let result = programs.talk(publisher, subscribers);
        let who = format!("{publisher:?} to {subscribers:?}");
        match result {
            Ok(()) => println!("ok     {who} ({:.1} s)", start.elapsed().as_secs_f64()),
            Err(error) => {
                println!("FAILED {who}\n{error}");
                failed += 1;
            }
        }
    }
    super::topics::check_document(root)?;
    failed += super::topics::run(&programs)?;
    println!("\n{} passed, {failed} failed", RUNS.len() + 2 - failed);
    if failed == 0 { Ok(()) } else { Err(format!("{failed} of the runs failed")) }
}

/// Where `zmq.hpp` was unpacked, if it is not installed.
fn unpacked(root: &Path) -> PathBuf {
    scratch(root).join("cppzmq/usr/include")
}

/// What is needed and not there.
fn missing(root: &Path, folder: &Path) -> Result<Vec<&'static str>, String> {
    fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let works = |command: &mut Command| {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    };
    let mut missing = Vec::new();
    for (program, name) in [("protoc", "protoc"), ("pkg-config", "pkg-config"), ("cmake", "cmake")] {
        if !works(Command::new(program).arg("--version")) {
            missing.push(name);
        }
    }
    if !works(Command::new("pkg-config").arg("protobuf")) {
        missing.push("protobuf for C++");
    }
    let mut compiler = Command::new("c++");
    compiler.arg("-I").arg(root.join("crates/libzmq/include")).arg("-I").arg(unpacked(root));
    if !works(compiler.args(["-fsyntax-only", "-include", "zmq.hpp", "-x", "c++", "/dev/null"])) {
        missing.push("cppzmq (zmq.hpp)");
    }
    Ok(missing)
}

/// The programs, built.
#[derive(Debug)]
pub(super) struct Programs {
    root: PathBuf,
    folder: PathBuf,
    prefix: PathBuf,
    python: PathBuf,
}

impl Programs {
    fn build(root: &Path, folder: &Path) -> Result<Self, String> {
        let prefix = folder.join("prefix");
        dist::lay_out(root, &prefix, false)?;
        let python = pyzmq::python(root)?;
        let this = Self { root: root.to_path_buf(), folder: folder.to_path_buf(), prefix, python };
        this.build_with_compiler()?;
        this.build_with_cmake()?;
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut cargo = Command::new(program);
        cargo.current_dir(root).args(["build", "--quiet", "--release", "--package", "tamtam-zmq"]);
        cargo.arg("--target-dir").arg(root.join("target"));
        compile(cargo.args(["--example", "textbook_publisher", "--example", "textbook_subscriber"]))?;
        Ok(this)
    }

    fn source(&self, name: &str) -> PathBuf {
        self.root.join("examples/cpp").join(name)
    }

    fn build_with_compiler(&self) -> Result<(), String> {
        let mut protoc = Command::new("protoc");
        protoc.arg(format!("--cpp_out={}", self.folder.display()));
        compile(protoc.arg("-I").arg(self.source("")).arg(self.source("info.proto")))?;
        let flags = self.pkg_config(&["--cflags", "libzmq", "protobuf"])?;
        let shared = self.pkg_config(&["--libs", "libzmq", "protobuf"])?;
        let archive: Vec<String> = self
            .pkg_config(&["--libs", "--static", "libzmq"])?
            .into_iter()
            .map(|flag| if flag == "-lzmq" { "-l:libzmq.a".to_owned() } else { flag })
            .chain(self.pkg_config(&["--libs", "protobuf"])?)
            .collect();
        let messages = [self.folder.join("info.pb.cc")];
        for (kind, libraries) in [(Kind::Shared, &shared), (Kind::Static, &archive)] {
            for name in ["publisher", "subscriber"] {
                let source = self.source(&format!("{name}.cpp"));
                let to = self.cpp(kind, name);
                compile_with(&self.root, (&source, &messages), (&self.folder, &flags), libraries, &to)?;
            }
        }
        Ok(())
    }

    /// Compiles a program that includes what protoc has made in `include`, and links it with the library.
    pub(super) fn compile_cpp(
        &self,
        source: &Path,
        include: &Path,
        messages: &[PathBuf],
        to: &Path,
    ) -> Result<(), String> {
        let flags = self.pkg_config(&["--cflags", "libzmq", "protobuf"])?;
        let libraries = self.pkg_config(&["--libs", "libzmq", "protobuf"])?;
        compile_with(&self.root, (source, messages), (include, &flags), &libraries, to)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn python(&self) -> &Path {
        &self.python
    }

    pub(super) fn library(&self) -> PathBuf {
        self.prefix.join("lib")
    }

    fn build_with_cmake(&self) -> Result<(), String> {
        let folder = self.folder.join("cmake");
        let mut configure = Command::new("cmake");
        configure.arg("-S").arg(self.source("")).arg("-B").arg(&folder);
        configure.arg(format!(
            "-DCMAKE_PREFIX_PATH={};{}",
            self.prefix.display(),
            unpacked(&self.root).display()
        ));
        compile(configure.arg(format!("-DCMAKE_INCLUDE_PATH={}", unpacked(&self.root).display())))?;
        compile(Command::new("cmake").arg("--build").arg(&folder))
    }

    fn pkg_config(&self, arguments: &[&str]) -> Result<Vec<String>, String> {
        let mut command = Command::new("pkg-config");
        command.args(arguments).env("PKG_CONFIG_PATH", self.prefix.join("lib/pkgconfig"));
        let output = command.output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
        if !output.status.success() {
            return Err(format!("{command:?}\n{}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect())
    }

    fn cpp(&self, kind: Kind, name: &str) -> PathBuf {
        match kind {
            Kind::CMake => self.folder.join("cmake").join(name),
            Kind::Static => self.folder.join(format!("{name}-static")),
            _ => self.folder.join(name),
        }
    }

    fn command(&self, kind: Kind, name: &str) -> Command {
        let library = self.library();
        match kind {
            Kind::Shared | Kind::CMake => {
                let mut command = Command::new(self.cpp(kind, name));
                command.env("LD_LIBRARY_PATH", library);
                command
            }
            Kind::Static => Command::new(self.cpp(kind, name)),
            Kind::Python => {
                let mut command = Command::new(&self.python);
                command.arg(self.root.join(format!("crates/zmq/tests/textbook/{name}.py")));
                command.env("LD_PRELOAD", library.join("libzmq.so.5"));
                command
            }
            Kind::Rust => Command::new(self.root.join(format!("target/release/examples/textbook_{name}"))),
        }
    }

    /// Runs one publisher with these subscribers and checks what the subscribers print.
    fn talk(&self, publisher: Kind, subscribers: &[Kind]) -> Result<(), String> {
        let (data, sync) = (free_port()?, free_port()?);
        let mut commands = Vec::new();
        let mut first = self.command(publisher, "publisher");
        first.args([subscribers.len().to_string(), format!("tcp://*:{data}"), format!("tcp://*:{sync}")]);
        commands.push(first);
        for kind in subscribers {
            let mut command = self.command(*kind, "subscriber");
            command.args([format!("tcp://localhost:{data}"), format!("tcp://localhost:{sync}")]);
            commands.push(command);
        }
        let log = |at: usize| self.folder.join(format!("log-{at}.txt"));
        let ended = std::thread::scope(|scope| {
            let run = |(at, command)| scope.spawn(move || process::run(command, LIMIT, &log(at)));
            let running: Vec<_> = commands.iter().enumerate().map(run).collect();
            running.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
        });
        for (at, result) in ended.into_iter().enumerate() {
            let ended = result.map_err(|_| "a thread panicked".to_owned())??;
            let who = if at == 0 { "the publisher".to_owned() } else { format!("subscriber {at}") };
            if ended.end != End::Code(0) {
                return Err(format!("{who}: {}\n{}", ended.end, ended.output));
            }
            if at > 0 && ended.output != expected() {
                return Err(format!("{who} got something else\n{}", ended.output));
            }
        }
        Ok(())
    }
}

/// Compiles one program: its source with the messages', the folder of their headers with flags, libraries.
fn compile_with(
    root: &Path,
    (source, messages): (&Path, &[PathBuf]),
    (include, flags): (&Path, &[String]),
    libraries: &[String],
    to: &Path,
) -> Result<(), String> {
    let mut compiler = Command::new("c++");
    compiler.args(["-std=c++17", "-O1", "-Wall", "-Wextra"]).args(flags);
    compiler.arg("-I").arg(include).arg("-I").arg(unpacked(root));
    compiler.arg(source).args(messages);
    compile(compiler.args(libraries).arg("-o").arg(to))
}

/// What a subscriber prints.
fn expected() -> String {
    let line = |id| format!("Receiving id: {id} date: 10.10.2023  Type: 1 Message: Hello, ZMQ & Protobuf!\n");
    (0..10).map(line).chain(["Received 10 updates\n".to_owned()]).collect()
}

/// A tcp port that was free a moment ago.
fn free_port() -> Result<u16, String> {
    let port = TcpListener::bind("0.0.0.0:0").and_then(|listener| listener.local_addr());
    port.map(|address| address.port()).map_err(|error| format!("no free port: {error}"))
}
