//! `bootstrap.resolve.timeout.ms` (KIP-909): for how long the names of the bootstrap servers may lead
//! nowhere before the producer gives up for good. Reads no clock.

use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};
use crate::foreign::logging::log_error;
use crate::sender::step::Agenda;
use crate::sender::timers::Timer;

/// Whether one of the names has led to an address.
#[derive(Debug)]
pub(in crate::sender) struct Resolving {
    limit: Option<Duration>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// No name has been looked up.
    NotBegun,
    /// None has led anywhere since then; with why not.
    Since(Instant, Option<Error>),
    Done,
    /// There is no time left.
    Failed(Error),
}

impl Resolving {
    /// Without a limit it goes on for ever.
    pub(super) fn new(limit: Option<Duration>) -> Self {
        Self {
            limit,
            state: match limit {
                Some(_) => State::NotBegun,
                None => State::Done,
            },
        }
    }

    /// A bootstrap server is connected to.
    pub(in crate::sender) fn begin(&mut self, now: Instant, agenda: &mut Agenda) {
        if let (State::NotBegun, Some(limit)) = (&self.state, self.limit) {
            self.state = State::Since(now, None);
            agenda.set(now + limit, Timer::Resolve);
        }
    }

    /// That came to nothing, as its name led to no address.
    pub(in crate::sender) fn handle_unresolved(&mut self, error: &Error) {
        if let State::Since(_, last) = &mut self.state {
            *last = Some(error.clone());
        }
    }

    /// A name has led to an address, whatever came of that.
    pub(in crate::sender) fn handle_resolved(&mut self, agenda: &mut Agenda) {
        if let (State::Since(since, _), Some(limit)) = (&self.state, self.limit) {
            agenda.cancel(*since + limit, Timer::Resolve);
            self.state = State::Done;
        }
    }

    /// The time is over.
    pub(super) fn handle_timeout(&mut self) {
        let (State::Since(_, last), Some(limit)) = (&self.state, self.limit) else {
            return;
        };
        let limit = limit.as_millis();
        let mut text = format!(
            "none of the names in bootstrap.servers has led to an address within \
             bootstrap.resolve.timeout.ms ({limit} ms); this producer has given up"
        );
        if let Some(last) = last {
            text = format!("{text}; last error: {last}");
        }
        log_error!("{text}");
        self.state = State::Failed(Error::new(ErrorKind::Config, text));
    }

    /// Why the producer has given up, if it has.
    pub(super) fn failure(&self) -> Option<&Error> {
        match &self.state {
            State::Failed(error) => Some(error),
            State::NotBegun | State::Since(..) | State::Done => None,
        }
    }
}
