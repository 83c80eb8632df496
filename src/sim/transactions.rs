//! The level of transactional producers: the byte level, with one caller more, who ends a transaction every
//! now and then. At the end each log is read as a consumer with `isolation.level=read_committed` does, and
//! compared with what commits and aborts were told (I9).

use std::collections::BTreeSet;

use crate::error::{Error, Fate, Result};
use crate::protocol::version::TransactionVersion;
use crate::sender::{Command, CommandId, Transactional};
use crate::sim::caller::{Caller, Kind, State};
use crate::sim::dice::{Dice, Stream};
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
        let is_done = is_last
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

    pub(super) fn check_transactions(&self) {
        let Some(transactions) = &self.transactions else {
            return;
        };
        let partitions = 0..self.partitions();
        let visible = partitions.flat_map(|partition| {
            let log = self.brokers.state.committed(TOPIC, partition);
            crate::sim::checker::Checker::ids(&log)
        });
        transactions.check(&visible.collect());
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
        timeout: std::time::Duration::from_secs(60),
    });
    options.versions.clear();
    options.purges = 0;
    options.close_after = None;
    options.close_timeout = std::time::Duration::from_secs(60);
    options.first_epoch = 0;
    let faults = &mut options.faults;
    faults.wind = 0;
    faults.forget = 0;
    faults.recreate = 0;
    faults.replace_cluster = 0;
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
    world.transactions = Some(Transactions::default());
    world.add_caller(Caller::new(Kind::Ender, 0), std::time::Duration::ZERO);
    world.run_workload();
    world.heal();
    world.run_until_idle();
    // When nothing is wrong any more, a transaction succeeds.
    let ended = world.transactions.as_ref().map_or(0, |one| one.ended.len());
    world.run_for(world.options.patience());
    let share = u32::from(world.options.brokers);
    world.add_caller(Caller::sender(share), std::time::Duration::ZERO);
    world.add_caller(Caller::new(Kind::Ender, 0), std::time::Duration::ZERO);
    world.run_until_idle();
    let transactions = world.transactions.as_ref().expect("set above");
    let later = transactions.ended.iter().skip(ended);
    let is_stuck = later.clone().count() == 0 && !transactions.is_fatal;
    broken_if(I8, is_stuck, || {
        "no transaction ends although nothing is wrong".to_owned()
    });
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
