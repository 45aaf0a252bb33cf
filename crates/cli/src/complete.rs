//! Completion: the command line's own words, and what lives in the domain at the moment.
//!
//! The shell's script asks the command itself ([`VARIABLE`] is set then). Only this host's registry is looked at: that takes no
//! time worth mentioning, and a shell must not wait for a network.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;

use clap::CommandFactory as _;
use clap_complete::env::{CompleteEnv, Shells};
use clap_complete::{ArgValueCompleter, CompletionCandidate};
use tamtam::{DEFAULT_DOMAIN, Graph, Name};

use crate::args::Cli;

/// The environment variable by which a shell's script asks.
const VARIABLE: &str = "TAMTAM_COMPLETE";
/// What stands for octets where a type is expected.
const BYTES: &str = "bytes";

/// Answers a shell that asks, and ends the process then.
pub(crate) fn answer() {
    CompleteEnv::with_factory(Cli::command).var(VARIABLE).bin("tamtam").complete();
}

/// Writes the script by which a shell comes to ask the command `tamtam`.
pub(crate) fn write_script(shell: &str, to: &mut dyn io::Write) -> io::Result<()> {
    let shells = Shells::builtins();
    let known = shells.completer(shell);
    let known = known.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no such shell"))?;
    known.write_registration(VARIABLE, "tamtam", "tamtam", "tamtam", to)
}

/// Topics.
pub(crate) fn topics() -> ArgValueCompleter {
    offer(|graph| graph.topics().into_keys().collect())
}

/// Topics and types.
pub(crate) fn topics_and_types() -> ArgValueCompleter {
    offer(|graph| graph.topics().into_keys().chain(all_types(graph)).collect())
}

/// Types.
pub(crate) fn types() -> ArgValueCompleter {
    offer(|graph| all_types(graph).collect())
}

/// Types, or octets.
pub(crate) fn types_or_bytes() -> ArgValueCompleter {
    offer(|graph| all_types(graph).chain([BYTES.to_owned()]).collect())
}

/// Services.
pub(crate) fn services() -> ArgValueCompleter {
    offer(|graph| graph.services().into_keys().collect())
}

/// Nodes.
pub(crate) fn nodes() -> ArgValueCompleter {
    offer(|graph| graph.nodes.iter().map(|node| node.name.clone()).collect())
}

fn all_types(graph: &Graph) -> impl Iterator<Item = String> {
    let ends = graph.nodes.iter().flat_map(|node| node.publishers.iter().chain(&node.subscribers));
    let services = graph.nodes.iter().flat_map(|node| &node.services);
    let served = services.flat_map(|service| [&service.request_type, &service.reply_type]);
    ends.map(|end| &end.type_name).chain(served).cloned()
}

fn offer(names: impl Fn(&Graph) -> BTreeSet<String> + Send + Sync + 'static) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| {
        let Some(typed) = typed.to_str() else { return Vec::new() };
        // Whoever cannot be asked offers nothing: there is nobody to tell why.
        let graph = Graph::read(&domain(std::env::args_os()), None).unwrap_or_default();
        candidates(typed, names(&graph)).into_iter().map(CompletionCandidate::new).collect()
    })
}

/// Those that go on from what was typed, with the slash in front left out if it was.
fn candidates(typed: &str, names: BTreeSet<String>) -> Vec<String> {
    let as_typed = |name: String| match name.strip_prefix('/') {
        Some(rest) if !typed.is_empty() && !typed.starts_with('/') => rest.to_owned(),
        _ => name,
    };
    let fits = |name: &String| is_harmless(name) && name.starts_with(typed);
    names.into_iter().map(as_typed).filter(fits).collect()
}

/// Anybody may write what stands in the registry, and a shell takes it for words of its own.
fn is_harmless(name: &str) -> bool {
    let is_harmless = |letter: char| letter.is_alphanumeric() || "/_-.".contains(letter);
    !name.is_empty()
        && !name.starts_with('-')
        && name.chars().all(is_harmless)
        && (!name.starts_with('/') || name.parse::<Name>().is_ok())
}

/// The domain that the command line so far names, else the one that commands are in anyway.
fn domain(words: impl Iterator<Item = OsString>) -> String {
    let mut given = None;
    let mut is_next = false;
    for word in words {
        let Some(word) = word.to_str() else { continue };
        if std::mem::replace(&mut is_next, word == "--domain") {
            given = Some(word.to_owned());
        } else if let Some(domain) = word.strip_prefix("--domain=") {
            given = Some(domain.to_owned());
        }
    }
    given.or_else(|| std::env::var("TAMTAM_DOMAIN").ok()).unwrap_or_else(|| DEFAULT_DOMAIN.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(typed: &str) -> Vec<String> {
        let names = ["/imu", "/imu/raw", "/camera", "demo.Imu", "a b", "$(x)", "-f", "/*", "", "/../x"];
        candidates(typed, names.map(str::to_owned).into())
    }

    #[test]
    fn names_go_on_from_what_was_typed() {
        assert_eq!(complete("/im"), ["/imu", "/imu/raw"]);
        assert_eq!(complete("im"), ["imu", "imu/raw"], "as the command takes them");
        assert_eq!(complete("demo"), ["demo.Imu"]);
        assert_eq!(
            complete(""),
            ["/camera", "/imu", "/imu/raw", "demo.Imu"],
            "nothing that a shell would act on"
        );
        assert!(complete("x").is_empty());
    }

    #[test]
    fn the_domain_is_the_one_that_was_typed() {
        let of = |line: &str| domain(line.split(' ').map(OsString::from));
        assert_eq!(of("tamtam -- tamtam --domain lab echo /i"), "lab");
        assert_eq!(of("tamtam -- tamtam echo --domain=lab /i"), "lab");
        assert_eq!(of("tamtam echo --domain a --domain b"), "b");
    }
}
