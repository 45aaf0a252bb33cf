//! Keys, and sockets that use them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use crate::process::{Process, tamtam};

/// A file in a folder that goes with the test.
fn file(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

#[test]
fn keys_are_printed_or_written_to_new_files() {
    let printed = tamtam(["zmq", "keygen"]);
    assert!(printed.ok().contains("public-key = \"") && printed.ok().contains("secret-key = \""));
    let json: serde_json::Value = serde_json::from_str(tamtam(["zmq", "keygen", "--json"]).ok()).unwrap();
    assert_eq!(json["public"].as_str().unwrap().len(), 40);
    assert_eq!(json["secret"].as_str().unwrap().len(), 40);

    let folder = TempDir::new().unwrap();
    let secret = file(&folder, "a.key");
    let public = tamtam(["zmq", "keygen", "-o", &secret]).ok().trim().to_owned();
    assert_eq!(fs::read_to_string(file(&folder, "a.key.pub")).unwrap().trim(), public);
    assert!(fs::read_to_string(&secret).unwrap().contains(&public));
    assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&secret).unwrap();
    tamtam(["zmq", "keygen", "-o", &secret]).says(1, &["cannot write", "exists"]);
    assert_eq!(fs::read(&secret).unwrap(), before, "nothing is overwritten");
}

#[test]
fn requests_and_replies_are_encrypted() {
    let folder = TempDir::new().unwrap();
    let (server, client) = (file(&folder, "server.key"), file(&folder, "client.key"));
    let server_key = tamtam(["zmq", "keygen", "-o", &server]).ok().trim().to_owned();
    tamtam(["zmq", "keygen", "-o", &client]).ok();
    let allowed = file(&folder, "client.key.pub");
    let mut replier = Process::start([
        "zmq",
        "rep",
        "tcp://127.0.0.1:*",
        "--curve-server",
        &server,
        "--allow",
        &allowed,
        "--count",
        "1",
    ]);
    let endpoint = replier.bound();
    // Nobody without the right keys gets an answer.
    tamtam(["zmq", "req", &endpoint, "--message", "hello", "--timeout", "300ms", "--linger", "0s"])
        .says(4, &[]);
    let request = [
        "zmq",
        "req",
        &endpoint,
        "--message",
        "hello",
        "--curve-client",
        &client,
        "--server-key",
        &server_key,
    ];
    assert_eq!(tamtam(request).ok(), "hello\n");
    replier.end().ok();
}

#[test]
fn passwords_are_asked_for() {
    let mut puller = Process::start([
        "zmq",
        "pull",
        "tcp://127.0.0.1:*",
        "--plain-server",
        "admin:secret",
        "--count",
        "1",
    ]);
    let endpoint = puller.bound();
    tamtam(["zmq", "push", &endpoint, "--message", "hello", "--plain", "admin:secret"]).ok();
    assert_eq!(puller.end().ok(), "hello\n");
}

#[test]
fn what_does_not_go_together_is_refused() {
    let key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
    for args in [
        &["--allow", "file"][..],
        &["--curve-client", "file"],
        &["--server-key", key],
        &["--curve-client", "file", "--server-key", "short"],
        &["--plain", "admin:a", "--plain-server", "admin:a"],
        &["--plain", "nobody"],
        &["--curve-server", "file", "--plain", "a:b"],
    ] {
        let command = [&["zmq", "pull", "tcp://127.0.0.1:1"], args].concat();
        assert_eq!(tamtam(&command).code, Some(2), "{args:?}");
    }
    tamtam(["zmq", "pull", "tcp://127.0.0.1:1", "--curve-server", "/nowhere/key"]).says(3, &["/nowhere/key"]);
}
