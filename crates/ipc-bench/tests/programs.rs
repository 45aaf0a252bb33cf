//! The programs of candidates that are no mechanisms of `tamtam-ipc`, compiled and run: each is the very file that is shown.

use tamtam_ipc_bench::choose::CANDIDATES;

/// Letters of a line, as the command prints them.
const WIDTH: usize = 110;

macro_rules! programs {
    ($($module:ident: $name:literal,)*) => {
        $(mod $module {
            include!(concat!("../src/choose/programs/", stringify!($module), ".rs"));

            #[test]
            fn runs() {
                main().expect("it runs to its end");
            }
        })*

        /// The candidates' names, and the programs as they were compiled.
        const PROGRAMS: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../src/choose/programs/", stringify!($module), ".rs"))),)*];
    };
}

programs! {
    tamtam_inproc: "tamtam-inproc",
    tamtam_ipc: "tamtam-ipc",
    tamtam_tcp: "tamtam-tcp",
    tamtam_topics: "tamtam-topics",
}

#[test]
fn each_candidate_shows_the_program_that_was_run() {
    let own = CANDIDATES.iter().filter(|candidate| candidate.facts().is_none());
    let shown: Vec<_> = own.map(|candidate| (candidate.name, candidate.program())).collect();
    assert!(shown == PROGRAMS, "{:?}", shown.iter().map(|(name, _)| name).collect::<Vec<_>>());
    for (name, program) in PROGRAMS {
        assert!(program.starts_with("// ") && program.ends_with("}\n"), "{name}");
        assert_eq!(program.lines().find(|line| line.chars().count() > WIDTH), None, "{name}");
    }
}
