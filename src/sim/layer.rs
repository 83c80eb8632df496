//! What stands between the simulated client's connections and their sockets: nothing, or, in a level
//! of its own, the toy layer that buffers as TLS does. What is promised of fates and order holds
//! through it, too.

use std::io::{self, IoSlice};

use crate::channel::toy::Toy;
use crate::channel::{Layer, Plain};
use crate::connection::ConnectionError;
use crate::sim::level::{Attempt, Level};
use crate::sim::options::Options;
use crate::sim::run_options;
use crate::sim::shrink::Cuts;
use crate::sim::stage::Reader;
use crate::transport::{ByteStream, Progress};

/// Whether there is a layer is a schedule's choice.
#[derive(Debug)]
pub(super) enum SimLayer {
    Plain(Plain),
    Toy(Toy),
}

/// Plaintext in a record: requests have one record, or some.
const RECORD_BYTES: usize = 150;
/// Larger than some sockets, smaller than others.
const ROOM_BYTES: usize = 1_000;
const RECORDS_PER_KEY: u32 = 5;

impl SimLayer {
    pub(super) fn client(is_sealed: bool) -> Self {
        match is_sealed {
            true => Self::Toy(Toy::client(RECORD_BYTES, ROOM_BYTES)),
            false => Self::Plain(Plain),
        }
    }
}

/// The broker's end.
pub(super) fn server() -> Toy {
    Toy::server(RECORD_BYTES, Some(RECORDS_PER_KEY))
}

impl Layer for SimLayer {
    fn is_ready(&self) -> bool {
        match self {
            Self::Plain(plain) => plain.is_ready(),
            Self::Toy(toy) => toy.is_ready(),
        }
    }

    fn wants_write(&self) -> bool {
        match self {
            Self::Plain(plain) => plain.wants_write(),
            Self::Toy(toy) => toy.wants_write(),
        }
    }

    fn held_bytes(&self) -> usize {
        match self {
            Self::Plain(plain) => plain.held_bytes(),
            Self::Toy(toy) => toy.held_bytes(),
        }
    }

    fn write(
        &mut self,
        stream: &mut impl ByteStream,
        plaintext: &[IoSlice<'_>],
    ) -> io::Result<Progress> {
        match self {
            Self::Plain(plain) => plain.write(stream, plaintext),
            Self::Toy(toy) => toy.write(stream, plaintext),
        }
    }

    fn receive(
        &mut self,
        bytes: &[u8],
        pass_on: impl FnMut(&[u8]) -> Result<(), ConnectionError>,
    ) -> Result<(), ConnectionError> {
        match self {
            Self::Plain(plain) => plain.receive(bytes, pass_on),
            Self::Toy(toy) => toy.receive(bytes, pass_on),
        }
    }
}

/// The seeds of the byte level, through the layer.
fn attempt(seed: u64, reader: Reader, cuts: &Cuts) -> Attempt {
    let mut options = Options::swarm(seed);
    options.is_sealed = true;
    run_options(seed, options, reader, cuts)
}

const LEVEL: Level = Level {
    name: "byte level through a layer",
    module: "sim::layer",
    attempt,
    fixed_seeds: 200,
    twice_each: 64,
    marks: &[
        "acknowledged",
        "failed, not written",
        "failed, may be written",
        "lost",
        "CUT",
        "SILENCE",
        "DEAF",
        "MUTE",
        "drip",
        "late request",
        "pipeline full",
        "sent again",
    ],
};

#[test]
fn keeps_its_promises_under_a_fixed_range_of_seeds() {
    LEVEL.run_fixed_range();
}

#[test]
fn keeps_its_promises_under_a_fresh_seed() {
    LEVEL.run_fresh_seed();
}

#[test]
fn replay() {
    LEVEL.replay();
}

#[test]
fn hunt() {
    LEVEL.hunt();
}
