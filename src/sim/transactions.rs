//! The level of transactional producers: the byte level, with one caller more, who ends a transaction every
//! now and then. At the end each log is read as a consumer with `isolation.level=read_committed` does, and
//! compared with what commits and aborts were told (I9).

use std::collections::BTreeSet;
use std::time::Duration;

use crate::ErrorCode;
use crate::error::{Error, ErrorKind, Fate, Result};
use crate::protocol::version::TransactionVersion;
use crate::sender::{Command, Transactional};
use crate::sim::caller::{Caller, Kind, State};
use crate::sim::checker::Checker;
use crate::sim::dice::{Dice, Stream};
use crate::sim::event::Event;
use crate::sim::level::{Attempt, Level, outcome};
use crate::sim::options::{Options, TOPIC};
use crate::sim::promise::{I8, I9, broken_if};
use crate::sim::record::RecordId;
use crate::sim::shrink::Cuts;
use crate::sim::stage::{Reader, Summary};
use crate::sim::world::World;
use crate::sync::Arc;

/// The transactions of one producer, as the application knows them.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    /// Whether records are taken: the producer has its id, and no transaction is being ended.
    is_open: bool,
    is_doomed: bool,
    is_fatal: bool,
    has_id: bool,
    /// Whether nothing goes wrong in this schedule.
    is_calm: bool,
    /// Records of the open transaction.
    current: Vec<RecordId>,
    ended: Vec<Ended>,
}

/// What a transaction has come to, as far as its program was told.
#[derive(Debug)]
struct Ended {
    end: End,
    records: Vec<RecordId>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Committed,
    Aborted,
    Unknown,
}

impl Transactions {
    /// Whether the program may send a record.
    pub(super) fn may_send(&self) -> bool {
        self.is_open && !self.is_doomed && !self.is_fatal
    }

    pub(super) fn is_fatal(&self) -> bool {
        self.is_fatal
    }

    pub(super) fn on_accepted(&mut self, id: RecordId) {
        self.current.push(id);
    }

    pub(super) fn on_doom(&mut self, error: &Error) {
        broken_if(I8, !error.is_abortable() && !error.is_fatal(), || {
            format!("nothing can be done about: {error}")
        });
        let is_excused = matches!(
            error.kind(),
            ErrorKind::TimedOut | ErrorKind::Broker(ErrorCode::MESSAGE_TOO_LARGE)
        );
        broken_if(I8, self.is_calm && !is_excused, || {
            format!("a transaction is lost although nothing is wrong: {error}")
        });
        self.is_doomed = true;
        self.is_fatal |= error.is_fatal();
    }

    fn end(&mut self, end: End) {
        let records = std::mem::take(&mut self.current);
        self.ended.push(Ended { end, records });
        self.is_doomed = false;
    }

    /// All of a transaction is visible in the log, or nothing, as its end says.
    pub(super) fn check(&self, visible: &BTreeSet<RecordId>) {
        for (number, Ended { end, records }) in self.ended.iter().enumerate() {
            let seen = records.iter().filter(|id| visible.contains(id)).count();
            let is_right = match end {
                End::Committed => seen == records.len(),
                End::Aborted => seen == 0,
                End::Unknown => seen == 0 || seen == records.len(),
            };
            broken_if(I9, !is_right, || {
                format!(
                    "transaction {number} is {end:?}, and {seen} of its {} records are visible: \
                     {records:?}",
                    records.len()
                )
            });
        }
        let open: Vec<_> = { &self.current }
            .iter()
            .filter(|id| visible.contains(id))
            .collect();
        broken_if(I9, !open.is_empty(), || {
            format!("records {open:?} are visible, and nobody has committed them")
        });
    }
}

/// The caller who ends transactions.
impl World {
    /// Its next thing to do.
    pub(super) fn go_on_with_transactions(&mut self, index: usize) {
        let Some(transactions) = &mut self.transactions else {
            return;
        };
        if transactions.is_fatal {
            self.callers[index].state = State::Done;
        } else if !transactions.has_id {
            self.ask_to(index, Command::InitTransactions, None);
        } else {
            transactions.is_open = false;
            let is_waiting = self.callers.iter().any(Caller::awaits_memory);
            if is_waiting {
                // What is being sent belongs to the transaction.
                return self.pause(index);
            }
            let commit = self.dice.chance(750);
            self.end_transaction(index, commit);
        }
    }

    fn end_transaction(&mut self, index: usize, commit: bool) {
        let before = self.accumulator.next_batch();
        self.ask_to(
            index,
            Command::EndTransaction { commit, before },
            Some(commit),
        );
    }

    fn ask_to(&mut self, index: usize, command: Command, commit: Option<bool>) {
        let id = self.command(command);
        self.callers[index].state = State::Ending(id, commit);
        // It may be asked while the sender acts, which then has nothing else to wake up for.
        self.stage.after(Duration::ZERO, Event::Wake);
    }

    /// The sender has answered it.
    pub(super) fn on_transaction(
        &mut self,
        index: usize,
        commit: Option<bool>,
        result: &Result<()>,
    ) {
        self.callers[index].state = State::Running;
        let Some(transactions) = &mut self.transactions else {
            return;
        };
        match (commit, result) {
            (None, Ok(())) => {
                transactions.has_id = true;
                transactions.is_open = true;
            }
            (None, Err(error)) => transactions.is_fatal |= error.is_fatal(),
            (Some(commit), Ok(())) => {
                self.stage
                    .trace
                    .mark(if commit { "committed" } else { "aborted" });
                transactions.end(if commit { End::Committed } else { End::Aborted });
                transactions.is_open = true;
            }
            (Some(true), Err(error)) if error.is_abortable() => {
                self.stage.trace.mark("commit refused");
                return self.end_transaction(index, false);
            }
            (Some(_), Err(error)) => {
                let is_unknown = error.fate() == Fate::MayBeWritten;
                self.stage.trace.mark(if is_unknown {
                    "unknown end"
                } else {
                    "fatal end"
                });
                transactions.end(if is_unknown {
                    End::Unknown
                } else {
                    End::Aborted
                });
                transactions.is_fatal |= error.is_fatal();
                broken_if(I8, !error.is_fatal() && !error.is_closed(), || {
                    format!("an end that is no end: {error}")
                });
            }
        }
        let senders = self.callers.iter().filter(|one| one.kind == Kind::Sender);
        let is_last = senders.clone().all(|one| matches!(one.state, State::Done));
        let is_done = commit.is_some()
            && is_last
            && self
                .transactions
                .as_ref()
                .is_some_and(|one| one.current.is_empty());
        if is_done {
            self.callers[index].state = State::Done;
        } else {
            self.pause(index);
        }
    }

    /// When nothing is left to do, nobody waits for the end of a transaction.
    fn check_ender(&self) {
        let mut enders = self.callers.iter().filter(|one| one.kind == Kind::Ender);
        broken_if(
            I8,
            !enders.all(|one| matches!(one.state, State::Done)),
            || "a transaction does not end".to_owned(),
        );
    }

    /// What goes wrong with transactions.
    pub(super) fn on_transactional_calamity(&mut self) {
        if self.transactions.is_none() {
            return;
        }
        let mix = self.options.faults.clone();
        let (weather, state) = (&mut self.stage.weather, &mut self.brokers.state);
        let mut what = Vec::new();
        if weather.strikes("expired transaction", mix.expire_transaction)
            && state.expire_transaction(ID)
        {
            what.push("EXPIRED");
        }
        if weather.strikes("coordinator moves", mix.move_coordinator) {
            let brokers = self.brokers.ids();
            let broker = self.stage.weather.dice.pick(&brokers);
            self.brokers.state.coordinate(ID, broker);
            what.push("COORDINATOR");
        }
        let (weather, state) = (&mut self.stage.weather, &mut self.brokers.state);
        if weather.strikes("held markers", mix.hold_markers) {
            state.set_markers_held(weather.dice.chance(500));
            what.push("MARKERS");
        }
        if weather.strikes("another version", mix.switch_version) {
            let versions = [TransactionVersion::V1, TransactionVersion::V2];
            state.speak(weather.dice.pick(&versions));
            what.push("VERSION");
        }
        for what in what {
            self.stage.note(what, [0; 3], String::new);
        }
    }

    fn check_transactions(&mut self) {
        let partitions = 0..self.partitions();
        let state = &mut self.brokers.state;
        let visible = partitions.flat_map(|partition| {
            let log = state.committed(TOPIC, partition, ID);
            Checker::ids(&log)
        });
        let visible = visible.collect();
        if let Some(transactions) = &self.transactions {
            transactions.check(&visible);
        }
    }
}

const ID: &str = "orders";

/// What a seed draws for this level.
fn options(seed: u64) -> (Options, TransactionVersion) {
    let mut options = Options::swarm(seed);
    let d = &mut Dice::new(seed, Stream::Transactions);
    let version = d.pick(&[TransactionVersion::V1, TransactionVersion::V2]);
    options.make_idempotent();
    options.sender.transactional = Some(Transactional {
        id: Arc::from(ID),
        timeout: Duration::from_secs(60),
    });
    options.versions.clear();
    options.purges = 0;
    options.close_after = None;
    options.close_timeout = Duration::from_secs(60);
    options.first_epoch = 0;
    let is_calm = options.faults.calamity_ms == 0;
    let faults = &mut options.faults;
    faults.wind = 0;
    faults.forget = 0;
    faults.recreate = 0;
    faults.replace_cluster = 0;
    for (fault, most) in [
        (&mut faults.refuse_transaction, 300),
        (&mut faults.expire_transaction, 300),
        (&mut faults.move_coordinator, 300),
        (&mut faults.hold_markers, 500),
        (&mut faults.switch_version, 200),
    ] {
        let exists = d.chance(400) && !is_calm;
        *fault = if exists { d.between(1, most) } else { 0 };
    }
    (options, version)
}

fn attempt(seed: u64, reader: Reader, cuts: &Cuts) -> Attempt {
    let (mut options, version) = options(seed);
    options.records = options.records.min(cuts.records);
    let mut world = World::new(seed, options, reader);
    world.brokers.state.speak(version);
    world.stage.weather.spare(&cuts.spared);
    let result = outcome(|| run(&mut world));
    Attempt::new(world.options, world.stage, result)
}

fn run(world: &mut World) -> Summary {
    world.transactions = Some(Transactions {
        is_calm: world.options.faults.calamity_ms == 0,
        ..Transactions::default()
    });
    world.add_caller(Caller::new(Kind::Ender, 0), Duration::ZERO);
    world.run_workload();
    world.heal();
    world.brokers.state.set_markers_held(false);
    world.run_until_idle();
    world.check_ender();
    // When nothing is wrong any more, a transaction succeeds.
    let ended = world.transactions.as_ref().map_or(0, |one| one.ended.len());
    world.run_for(world.options.patience());
    let share = u32::from(world.options.brokers);
    world.add_caller(Caller::sender(share), Duration::ZERO);
    world.add_caller(Caller::new(Kind::Ender, 0), Duration::ZERO);
    world.run_until_idle();
    let transactions = world.transactions.as_ref().expect("set above");
    let later = transactions.ended.iter().skip(ended);
    let is_stuck = later.clone().count() == 0 && !transactions.is_fatal;
    broken_if(I8, is_stuck, || {
        "no transaction ends although nothing is wrong".to_owned()
    });
    world.check_ender();
    world.add_closer();
    world.run_until_idle();
    let summary = world.finish();
    world.check_transactions();
    summary
}

const LEVEL: Level = Level {
    name: "transactions",
    module: "sim::transactions",
    attempt,
    fixed_seeds: 300,
    twice_each: 64,
    marks: &[
        "committed",
        "aborted",
        "commit refused",
        "CUT",
        "SILENCE",
        "CRASH",
        "sent again",
        "EXPIRED",
        "COORDINATOR",
        "MARKERS",
        "VERSION",
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
