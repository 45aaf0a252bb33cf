//! Who can take part in cells that encrypt, and the keys for them.

use tamtam_zmq::CurveKeyPair;

use crate::cells::Cell;
use crate::engine::{libzmq_without_curve, system_libzmq_curve, system_libzmq_version};
use crate::failure::Outcome;
use crate::keys::{KeyPair, Keys};
use crate::rival::{Rival, State};
use crate::rivals::describe;
use crate::spec::Contestant;

/// Takes those who cannot encrypt out of the cells that do, and says who of libzmq can, or why not.
pub(crate) fn admit(mut cells: Vec<Cell>, quiet: bool) -> (Vec<Cell>, Vec<Rival>) {
    let asked = |contestant| {
        let takes_part = |cell: &Cell| cell.curve && cell.contestants.contains(&contestant);
        cells.iter().any(takes_part)
    };
    let found: Vec<Rival> =
        [(Contestant::Libzmq, built_in as fn() -> State), (Contestant::LibzmqSystem, system)]
            .into_iter()
            .filter(|&(contestant, _)| asked(contestant))
            .map(|(contestant, look)| Rival { contestant, state: look() })
            .collect();
    for Rival { contestant, state } in &found {
        if matches!(state, State::Missing(_)) {
            for cell in cells.iter_mut().filter(|cell| cell.curve) {
                cell.contestants.retain(|one| one != contestant);
            }
        }
        if !quiet {
            eprintln!("{contestant}, encrypted: {}", describe(state));
        }
    }
    cells.retain(|cell| !cell.contestants.is_empty());
    (cells, found)
}

fn built_in() -> State {
    match libzmq_without_curve() {
        Some(why) => State::Missing(why.to_owned()),
        None => {
            State::Ready { version: "compiled by the zmq crate".to_owned(), settings: "CURVE".to_owned() }
        }
    }
}

fn system() -> State {
    match system_libzmq_version().and_then(|version| Ok((version, system_libzmq_curve()?))) {
        Ok((version, settings)) => State::Ready { version, settings },
        Err(why) => State::Missing(why),
    }
}

/// Makes keys for one measurement.
pub(crate) fn keys() -> Outcome<Keys> {
    let pair = || {
        let CurveKeyPair { public, secret } = CurveKeyPair::generate()?;
        Ok::<_, crate::failure::Failure>(KeyPair {
            public: public.to_string(),
            secret: secret.to_z85().to_string(),
        })
    };
    Ok(Keys { server: pair()?, client: pair()? })
}
