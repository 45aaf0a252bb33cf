//! Topics and services in other languages: the programs of `examples/topics` in Python and C++ talk to Rust.

use std::path::Path;
use std::process::Command;

use super::compiler::compile;
use super::process::{self, End};
use super::textbook::Programs;

/// Seconds that a language may take.
const LIMIT: u32 = 90;
const ROLES: [&str; 3] = ["publisher", "subscriber", "client"];

/// Builds the programs and has them talk; returns how many languages failed.
pub(super) fn run(programs: &Programs) -> Result<usize, String> {
    let (root, folder) = (programs.root(), programs.folder().join("topics"));
    std::fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let sources = root.join("examples/topics");
    // Generated code and its runtime belong together: for Python both come in one package.
    if !Command::new(programs.python())
        .args(["-c", "import grpc_tools.protoc"])
        .output()
        .is_ok_and(|o| o.status.success())
    {
        let mut pip = Command::new(programs.python());
        pip.args(["-m", "pip", "--quiet", "--disable-pip-version-check", "install"]);
        compile(pip.args(["grpcio-tools>=1.70", "setuptools"]))?;
    }
    let mut for_python = Command::new(programs.python());
    for_python.args(["-m", "grpc_tools.protoc"]).arg(format!("--python_out={}", folder.display()));
    let mut for_cpp = Command::new("protoc");
    for_cpp.arg(format!("--cpp_out={}", folder.display()));
    for mut protoc in [for_python, for_cpp] {
        protoc.arg("-I").arg(sources.join("proto")).arg("-I").arg(root.join("docs"));
        compile(protoc.args(["demo.proto", "tamtam.proto"]))?;
    }
    let messages = [folder.join("demo.pb.cc"), folder.join("tamtam.pb.cc")];
    for role in ROLES {
        let source = sources.join("cpp").join(format!("{role}.cpp"));
        programs.compile_cpp(&source, &folder, &messages, &folder.join(role))?;
    }
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(program);
    cargo.current_dir(root).args(["build", "--quiet", "--release", "--package", "tamtam-examples"]);
    compile(cargo.arg("--target-dir").arg(root.join("target")).args(["--example", "counterpart"]))?;

    let python = |role: &str| {
        format!(
            "{} {}",
            programs.python().display(),
            sources.join("python").join(format!("{role}.py")).display()
        )
    };
    let cpp = |role: &str| folder.join(role).display().to_string();
    let languages: [(&str, [String; 3]); 2] = [("Python", ROLES.map(python)), ("C++", ROLES.map(cpp))];
    let runtime = runtime_folder()?;
    let mut failed = 0;
    for (language, commands) in languages {
        let mut command = Command::new(root.join("target/release/examples/counterpart"));
        command.args(commands).env("PYTHONPATH", &folder);
        command.env("TAMTAM_RUNTIME_DIR", &runtime);
        command.env("LD_LIBRARY_PATH", programs.library());
        let ended = process::run(&command, LIMIT, &folder.join(format!("{language}.txt")))?;
        if ended.end == End::Code(0) {
            println!("ok     topics and services in {language}");
        } else {
            println!("FAILED topics and services in {language}: {}\n{}", ended.end, ended.output);
            failed += 1;
        }
    }
    std::fs::remove_dir_all(&runtime)
        .map_err(|error| format!("cannot remove {}: {error}", runtime.display()))?;
    Ok(failed)
}

/// A short path, for Unix sockets stand in it.
fn runtime_folder() -> Result<std::path::PathBuf, String> {
    let folder = std::env::temp_dir().join(format!("tamtam-topics-{}", std::process::id()));
    match std::fs::create_dir(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(format!("cannot make {}: {error}", folder.display()))
        }
        _ => Ok(folder),
    }
}

/// Tells whether the document still shows the programs that are run.
pub(super) fn check_document(root: &Path) -> Result<(), String> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
    };
    let document = read(&root.join("docs/topic-protocol.md"))?;
    let sources = root.join("examples/topics");
    let shown = ["python/publisher.py", "python/subscriber.py", "python/client.py", "cpp/subscriber.cpp"];
    for name in shown {
        if !document.contains(&read(&sources.join(name))?) {
            return Err(format!("docs/topic-protocol.md shows something else than examples/topics/{name}"));
        }
    }
    Ok(())
}
