//! The programs that `tamtam ipc explain` shows, compiled and run: each is the very file that is shown.

use std::error::Error;

use tamtam_ipc::{Unavailable, all, by_name};

/// Letters of a line, as the command prints them.
const WIDTH: usize = 110;
/// Lines of a program, without what it uses, blanks and comments of their own.
const LINES_MAX: usize = 25;

macro_rules! programs {
    ($($module:ident: $name:literal,)*) => {
        $(mod $module {
            include!(concat!("../programs/", stringify!($module), ".rs"));

            #[test]
            fn runs() {
                super::is_fine($name, main());
            }
        })*

        /// The mechanisms' names, and the programs as they were compiled.
        const PROGRAMS: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../programs/", stringify!($module), ".rs"))),)*];
    };
}

programs! {
    pipe: "pipe",
    fifo: "fifo",
    unix_stream: "unix-stream",
    unix_datagram: "unix-datagram",
    unix_seqpacket: "unix-seqpacket",
    tcp: "tcp",
    udp: "udp",
    shm_ring: "shm-ring",
    shm_mutex_queue: "shm-mutex-queue",
    shm_latest: "shm-latest",
    posix_queue: "posix-queue",
    sysv_queue: "sysv-queue",
    signals: "signals",
    message_passing: "message-passing",
    eventfd: "eventfd",
    channel: "channel",
}

/// A program may fail for one reason only: its mechanism cannot be used here, and `probe` says so as well.
fn is_fine(name: &str, ended: Result<(), Box<dyn Error>>) {
    let Err(error) = ended else { return };
    let unavailable: Option<Unavailable> = by_name(name).and_then(|mechanism| mechanism.probe().err());
    assert!(unavailable.is_some(), "{name}: {error}");
}

#[test]
fn each_mechanism_shows_the_program_that_was_run() {
    let shown: Vec<_> = all().iter().map(|mechanism| mechanism.facts()).collect();
    let shown: Vec<_> = shown.iter().map(|facts| (facts.name, facts.program)).collect();
    assert!(shown == PROGRAMS, "{:?}", shown.iter().map(|(name, _)| name).collect::<Vec<_>>());
}

#[test]
fn programs_are_short_and_fit_the_screen() {
    for (name, program) in PROGRAMS {
        let begins = program.starts_with("// ") && program.ends_with("}\n");
        assert!(begins, "{name} does not begin with what it does, or end with a whole line");
        let long = program.lines().find(|line| line.chars().count() > WIDTH);
        assert_eq!(long, None, "{name}");
        let is_code = |line: &&str| {
            let line = line.trim();
            !(line.is_empty() || line.starts_with("//") || line.starts_with("use "))
        };
        let lines = program.lines().filter(is_code).count();
        assert!((10..=LINES_MAX).contains(&lines), "{name}: {lines} lines");
    }
}
