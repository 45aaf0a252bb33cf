//! Completion, asked for as a shell does.

use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use tamtam::Node;

/// Has bash complete the last of these words; in the order in which it would show them.
fn complete(place: &Path, words: &[&str]) -> Vec<String> {
    let program = Path::new(env!("CARGO_BIN_EXE_tamtam"));
    let script = r#"
        source <(tamtam completion bash)
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        COMP_TYPE=9
        [[ $(complete -p tamtam) == *"-F "* ]] || { echo "nothing completes tamtam" >&2; exit 1; }
        completer=$(complete -p tamtam | sed 's/.*-F \([^ ]*\) .*/\1/')
        "$completer" tamtam "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let path = std::env::join_paths(
        [program.parent().unwrap().to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let output = Command::new("bash")
        .args(["--noprofile", "--norc", "-c", script, "bash"])
        .args(words)
        .env("PATH", path.unwrap())
        .env("TAMTAM_RUNTIME_DIR", place)
        .env("TAMTAM_DOMAIN", "lab")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && errors.is_empty(), "{words:?}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes_what_lives_in_the_domain() {
    let place = tempfile::Builder::new().prefix("tt").tempdir().unwrap();
    let node =
        |name: &str, domain: &str| Node::builder(name).domain(domain).directory(place.path()).open().unwrap();
    let (driver, _logger, other) = (node("driver", "lab"), node("logger", "lab"), node("other", "far"));
    let _imu = driver.publisher::<Bytes>("/imu").create().unwrap();
    let _raw = driver.publisher::<Bytes>("/imu/raw").create().unwrap();
    let _far = other.publisher::<Bytes>("/far").create().unwrap();
    let _add = driver.service("/add", |request: Bytes| Ok::<Bytes, String>(request)).unwrap();
    let asked = |words: &[&str]| complete(place.path(), words);

    assert_eq!(asked(&["tamtam", "echo", "/im"]), ["/imu", "/imu/raw"]);
    assert_eq!(asked(&["tamtam", "hz", "im"]), ["imu", "imu/raw"], "the slash may be left out");
    assert_eq!(asked(&["tamtam", "bw", "/imu", "/imu/r"]), ["/imu/raw"], "and once more");
    assert_eq!(asked(&["tamtam", "call", "/"]), ["/add"]);
    assert_eq!(asked(&["tamtam", "nodes", "l"]), ["logger"]);
    assert_eq!(asked(&["tamtam", "pub", "/imu", "by"]), ["bytes"]);
    assert_eq!(asked(&["tamtam", "--domain", "far", "info", "/"]), ["/far"]);
    assert!(asked(&["tamtam", "echo", "/nothing"]).is_empty());
    // And the command line's own words.
    assert!(asked(&["tamtam", "doc"]).contains(&"doctor".to_owned()));
    assert!(asked(&["tamtam", "pub", "--dep"]).contains(&"--depth-bytes".to_owned()));
    assert_eq!(asked(&["tamtam", "graph", "--format", "mer"]), ["mermaid"]);
}

/// A shell that asks where nothing can be read gets the command's own words, and no complaint.
#[test]
fn completion_complains_of_nothing() {
    let nowhere = Path::new("/dev/null/nowhere");
    assert!(complete(nowhere, &["tamtam", "echo", "/"]).is_empty());
    assert!(complete(nowhere, &["tamtam", "ech"]).contains(&"echo".to_owned()));
}
