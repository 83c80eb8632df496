//! The application: callers that append, flush and close. A caller that would block is parked until
//! it is answered or its time is over, so that blocking calls are part of the simulation.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use crate::accumulator::{
    BatchId, GroupFunction, GroupToken, NewRecord, OnCompletion, OwnCallback, QueuedCaller,
    Refused, Reservation, Target, most_needed,
};
use crate::error::{Error, Result};
use crate::record::metadata::RecordMetadata;
use crate::record::{Header, Record};
use crate::sender::{Command, CommandId, Input, PurgeId, PurgeOrder, Purged};
use crate::sim::checker::{RecordId, Told, header_of};
use crate::sim::dice::Dice;
use crate::sim::options::TOPIC;
use crate::sim::promise::{I1, I6, I7, broken_if};
use crate::sim::stage::Event;
use crate::sim::world::World;
use crate::sync::Arc;

/// A thread of the application.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) state: State,
    /// How many records it still sends.
    left: u32,
    kind: Kind,
}

/// What a caller is for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Sends what the dice say.
    Sender,
    /// Sends one record to each partition and flushes.
    Probe { next: i32 },
    /// Closes the producer.
    Closer,
}

/// What a caller is doing.
#[derive(Debug)]
pub(super) enum State {
    Running,
    AwaitingTopic(CommandId, Instant),
    AwaitingMemory {
        record: RecordId,
        place: QueuedCaller,
        /// How many came before.
        turn: u64,
        deadline: Instant,
    },
    /// What had no outcome when it began, and when the last of it has one.
    Flushing(CommandId, BTreeSet<RecordId>, Instant),
    /// The same, and when it began: it waits for nothing.
    Purging(PurgeId, BTreeSet<RecordId>, Instant),
    Closing(CommandId, Instant),
    Done,
}

impl Caller {
    pub(super) fn sender(records: u32) -> Self {
        Self::new(Kind::Sender, records)
    }

    pub(super) fn probe() -> Self {
        Self::new(Kind::Probe { next: 0 }, 1)
    }

    pub(super) fn closer() -> Self {
        Self::new(Kind::Closer, 0)
    }

    pub(super) fn awaits_memory(&self) -> bool {
        matches!(self.state, State::AwaitingMemory { .. })
    }

    /// Whether the memory that it waits for is its own by now.
    pub(super) fn is_given_memory(&self) -> bool {
        matches!(&self.state, State::AwaitingMemory { place, .. } if place.is_answered())
    }

    /// Whether it is in no call that waits.
    pub(super) fn has_returned(&self) -> bool {
        matches!(self.state, State::Running | State::Done)
    }

    fn new(kind: Kind, left: u32) -> Self {
        Self {
            state: State::Running,
            left,
            kind,
        }
    }
}

impl World {
    pub(super) fn add_caller(&mut self, caller: Caller, after: Duration) {
        let index = self.callers.len();
        self.callers.push(caller);
        self.stage.after(after, Event::Caller(index));
    }

    /// A caller does its next thing, or gives up what it waited for.
    pub(super) fn on_caller(&mut self, index: usize) {
        let state = std::mem::replace(&mut self.callers[index].state, State::Running);
        match state {
            State::AwaitingMemory {
                record,
                place,
                turn,
                deadline,
            } => {
                if place.is_answered() || self.stage.now >= deadline {
                    self.end_wait_for_memory(index, record, place);
                } else {
                    self.callers[index].state = State::AwaitingMemory {
                        record,
                        place,
                        turn,
                        deadline,
                    };
                }
            }
            State::Running => match self.callers[index].kind {
                Kind::Closer => self.close(index),
                Kind::Probe { next } => self.probe(index, next),
                Kind::Sender => self.send_something(index),
            },
            other => self.callers[index].state = other,
        }
    }

    fn send_something(&mut self, index: usize) {
        // Nobody tells callers of a close: they find out.
        if self.callers[index].left == 0 {
            self.callers[index].state = State::Done;
            return;
        }
        let Some(topic) = self.accumulator.topic(TOPIC) else {
            self.await_topic(index);
            return;
        };
        if self.dice.chance(60) {
            self.flush(index);
            return;
        }
        if self.options.purges > 0 && self.dice.chance(self.options.purges) {
            self.purge(index);
            return;
        }
        let burst = if self.dice.chance(200) {
            self.dice.between(2, 10)
        } else {
            1
        };
        for _ in 0..burst.min(self.callers[index].left) {
            self.callers[index].left -= 1;
            let (low, high) = self.options.value_bytes;
            let size = self.dice.between(low, high);
            // One partition has more than its share.
            let partition = match self.dice.between(0, 3) {
                0 => 0,
                1 => -1,
                _ => self.dice.index(topic.partition_count() as usize) as i32,
            };
            let record = self.checker.draft(partition, size);
            if !self.submit(index, record, None) {
                return;
            }
        }
        self.pause(index);
    }

    fn pause(&mut self, index: usize) {
        let most = u32::try_from(self.options.gap.as_micros()).expect("short");
        let gap = self.dice.micros(0, most);
        self.stage.after(gap, Event::Caller(index));
    }

    fn probe(&mut self, index: usize, next: i32) {
        if self.accumulator.is_closed() {
            self.callers[index].state = State::Done;
        } else if self.accumulator.topic(TOPIC).is_none() {
            self.await_topic(index);
        } else if next < self.known_partitions() {
            self.callers[index].kind = Kind::Probe { next: next + 1 };
            let record = self.checker.draft(next, 20);
            if self.submit(index, record, None) {
                self.stage.after(Duration::ZERO, Event::Caller(index));
            }
        } else if next == self.known_partitions() {
            self.callers[index].kind = Kind::Probe { next: next + 1 };
            self.flush(index);
        } else {
            self.callers[index].state = State::Done;
        }
    }

    /// How many partitions the producer knows of.
    fn known_partitions(&self) -> i32 {
        let topic = self.accumulator.topic(TOPIC);
        topic.map_or(0, |topic| topic.partition_count())
    }

    /// Metadata of the topic has come.
    pub(super) fn learn_topic(&mut self) {
        self.add_caller(Caller::new(Kind::Sender, 0), Duration::ZERO);
        let index = self.callers.len() - 1;
        self.run_for(Duration::ZERO);
        self.await_topic(index);
        self.stage.after(Duration::ZERO, Event::Wake);
        self.run_for(self.options.max_block);
        let is_known = self.accumulator.topic(TOPIC).is_some();
        assert!(is_known, "no metadata within max.block.ms");
    }

    /// Gives a record to the producer, which must have room for it.
    pub(super) fn append_now(&mut self, id: RecordId) {
        let callers = self.callers.len();
        assert!(self.submit(callers, id, None), "no memory");
    }

    /// Gives a record to the producer; false if the caller has to wait.
    fn submit(&mut self, index: usize, id: RecordId, reserved: Option<Reservation>) -> bool {
        let Some(topic) = self.accumulator.topic(TOPIC) else {
            return true;
        };
        let sent = self.checker.record(id);
        let headers: Vec<_> = header_of(sent)
            .map(|(name, value)| Header {
                name,
                value: Some(value),
            })
            .collect();
        let record = Record {
            timestamp_ms: id.into(),
            key: sent.key.as_deref(),
            value: Some(&sent.value),
            headers: &headers,
        };
        let callback = callback(&self.checker.told, id);
        let callback_bytes = size_of_val(&callback);
        let group = Arc::clone(&self.checker.group.0);
        let mut own = OwnCallback::new(callback);
        let mut token = GroupToken::new(&group, id);
        // Every other record belongs to the group; all of them are charged alike.
        let callback: &mut dyn OnCompletion = match id % 2 {
            0 => &mut own,
            _ => &mut token,
        };
        let mut new = NewRecord {
            callback_bytes,
            ..NewRecord::new(record, callback)
        };
        let needed = most_needed(new.content, callback_bytes);
        let preempt = self.stage.weather.mix.preempt;
        let late = match self.stage.weather.strikes("preempted caller", preempt) {
            true => self.stage.weather.dice.micros(1, 2_000),
            false => Duration::ZERO,
        };
        let now = (self.stage.now - late).max(self.stage.start);
        let clock = || now;
        let accumulator = &self.accumulator;
        let target = match topic.queue(sent.partition) {
            Some(queue) => Target::Partition(queue),
            // The choice is the producer's.
            None => Target::Sticky(&topic),
        };
        match accumulator.append(&clock, target, &mut new, reserved) {
            Ok(appended) => {
                let queue = appended.queue;
                self.checker.redirect(id, queue.index());
                self.wake |= appended.wake;
                broken_if(I1, self.accumulator.is_closed(), || {
                    format!("record {id} was accepted after the close")
                });
                let (partition, batch) = (queue.index(), appended.batch);
                let numbers = [id.into(), partition.into(), batch.number as i64];
                self.stage.note("append", numbers, || {
                    format!(
                        "record {id} to partition {partition}, batch {}",
                        batch.number
                    )
                });
                self.checker.on_accepted(self.stage.now, id, batch);
                true
            }
            Err(Refused::Closed | Refused::Forked) => true,
            Err(Refused::NoMemory) => self.await_memory(index, id, needed),
        }
    }

    /// False: the caller waits.
    fn await_memory(&mut self, index: usize, record: RecordId, needed: usize) -> bool {
        let Ok(place) = self.accumulator.budget().enqueue(needed) else {
            return true;
        };
        self.wake = true;
        let deadline = self.stage.now + self.options.max_block;
        self.stage
            .note("no memory", [record.into(), needed as i64, 0], || {
                format!("record {record} waits for {needed} bytes")
            });
        self.callers[index].state = State::AwaitingMemory {
            record,
            place,
            turn: self.stood_in_line,
            deadline,
        };
        self.stood_in_line += 1;
        self.stage.at(deadline, Event::Caller(index));
        false
    }

    fn end_wait_for_memory(&mut self, index: usize, record: RecordId, place: QueuedCaller) {
        // Without memory the record is refused: the caller knows, and goes on.
        let went_on = match place.leave() {
            Ok(reserved) => {
                self.stage.trace.mark("memory granted");
                self.submit(index, record, Some(reserved))
            }
            Err(_) => {
                self.stage.trace.mark("memory refused");
                true
            }
        };
        if went_on {
            self.pause(index);
        }
    }

    /// Callers whose memory has come go on.
    pub(super) fn wake_callers(&mut self) {
        for (index, caller) in self.callers.iter().enumerate() {
            if let State::AwaitingMemory { place, .. } = &caller.state
                && place.is_answered()
            {
                self.stage.after(Duration::ZERO, Event::Caller(index));
            }
        }
    }

    fn await_topic(&mut self, index: usize) {
        let deadline = self.stage.now + self.options.max_block;
        let command = self.command(Command::AwaitTopic {
            topic: Arc::from(TOPIC),
            partition: None,
            deadline: Some(deadline),
        });
        self.callers[index].state = State::AwaitingTopic(command, deadline);
    }

    fn flush(&mut self, index: usize) {
        let before = self.checker.open();
        let next_batch = self.accumulator.next_batch();
        let command = self.command(Command::Flush(next_batch));
        // Every batch that it waits for has been opened by now.
        let deadline = self.stage.now + self.options.topic().delivery_timeout;
        self.callers[index].state = State::Flushing(command, before, deadline);
        if self.flights.have_retries() {
            self.stage.trace.mark("flush while sending again");
        }
    }

    fn purge(&mut self, index: usize) {
        let before = self.checker.open();
        let order = purge_order(&mut self.dice, self.accumulator.next_batch());
        let id = PurgeId(self.post("purge", &order));
        self.posted.push(Input::Purge(id, order));
        self.callers[index].state = State::Purging(id, before, self.stage.now);
    }

    fn close(&mut self, index: usize) {
        self.accumulator.close();
        let deadline = self.stage.now + self.options.close_timeout;
        let command = self.command(Command::Close(Some(deadline)));
        self.callers[index].state = State::Closing(command, deadline);
        if self.flights.are_aloft() {
            self.stage.trace.mark("close with records on their way");
        }
    }

    /// Leaves a command for the sender, which takes it at its next turn.
    fn command(&mut self, command: Command) -> CommandId {
        let id = CommandId(self.post("command", &command));
        self.posted.push(Input::Command(id, command));
        id
    }

    /// The number of a command that is about to be left.
    fn post(&mut self, kind: &'static str, what: &dyn fmt::Debug) -> u64 {
        let number = self.commands;
        self.commands += 1;
        let describe = || format!("{number} is {what:?}");
        self.stage.note(kind, [number as i64, 0, 0], describe);
        self.wake = true;
        number
    }

    /// The sender has answered a command.
    pub(super) fn on_finish(&mut self, id: CommandId, result: &Result<()>) {
        let now = self.stage.now;
        self.stage
            .note("finish", [id.0 as i64, result.is_ok().into(), 0], || {
                let text = result.as_ref().map(|_| "done");
                format!("{}: {text:?}", id.0)
            });
        for index in 0..self.callers.len() {
            let caller = &mut self.callers[index];
            match &caller.state {
                State::AwaitingTopic(command, deadline) if *command == id => {
                    self.checker
                        .on_unblocked(now, "waiting for a topic", *deadline);
                    caller.state = State::Running;
                    // A record that is refused for want of a topic is one that is not sent.
                    caller.left = caller.left.saturating_sub(u32::from(result.is_err()));
                    self.pause(index);
                }
                State::Flushing(command, before, deadline) if *command == id => {
                    self.checker.on_unblocked(now, "flush", *deadline);
                    let since = *deadline - self.options.topic().delivery_timeout;
                    self.checker.check_flush(now, since);
                    self.checker.on_flushed(before);
                    caller.state = State::Running;
                    self.pause(index);
                }
                State::Closing(command, deadline) if *command == id => {
                    self.checker.on_unblocked(now, "close", *deadline);
                    caller.state = State::Done;
                }
                _ => {}
            }
        }
    }

    /// The sender has answered a purge.
    pub(super) fn on_purged(&mut self, id: PurgeId, purged: &Purged) {
        let now = self.stage.now;
        let numbers = [id.0 as i64, 1, 0];
        self.stage
            .note("purged", numbers, || format!("{}: done", id.0));
        for index in 0..self.callers.len() {
            let caller = &mut self.callers[index];
            if let State::Purging(purge, before, since) = &caller.state
                && *purge == id
            {
                self.checker.on_unblocked(now, "purge", *since);
                let trace = &mut self.stage.trace;
                self.checker.on_purged(before, purged, trace);
                caller.state = State::Running;
                self.pause(index);
            }
        }
    }

    /// Answers that are overdue by now.
    pub(super) fn check_callers(&self) {
        for caller in &self.callers {
            let (what, deadline) = match &caller.state {
                State::AwaitingTopic(_, deadline) => ("waiting for a topic", deadline),
                State::Closing(_, deadline) => ("close", deadline),
                State::Flushing(_, _, deadline) => ("flush", deadline),
                State::Purging(_, _, deadline) => ("purge", deadline),
                State::AwaitingMemory { deadline, .. } => ("waiting for memory", deadline),
                _ => continue,
            };
            self.checker.on_unblocked(self.stage.now, what, *deadline);
        }
    }
}

impl World {
    /// The line for memory moves when it can, in the order in which callers came, and ends with the
    /// producer.
    pub(super) fn check_line(&self) {
        let budget = self.accumulator.budget();
        broken_if(I6, budget.has_forgotten_waiter(), || {
            "memory is free, and somebody waits for it".to_owned()
        });
        broken_if(
            I7,
            self.accumulator.is_closed() && budget.has_waiters(),
            || "the producer is closed, and somebody waits for memory".to_owned(),
        );
        let line = self
            .callers
            .iter()
            .filter_map(|caller| match &caller.state {
                State::AwaitingMemory { place, turn, .. } => Some((*turn, !place.is_answered())),
                _ => None,
            });
        let mut line: Vec<_> = line.collect();
        line.sort_unstable();
        broken_if(I6, !line.is_sorted_by_key(|(_, waits)| *waits), || {
            "somebody got memory before one who had waited for longer".to_owned()
        });
    }
}

/// Of all topics, or of the one that there is.
pub(super) fn purge_order(dice: &mut Dice, before: BatchId) -> PurgeOrder {
    let topic = dice.pick(&[None, Some(TOPIC)]);
    PurgeOrder {
        topic: topic.map(Arc::from),
        before,
        returns: true,
    }
}

fn callback(told: &Told, id: RecordId) -> impl FnOnce(Result<RecordMetadata>) + Send + use<> {
    let told = Arc::clone(told);
    move |result| told.lock().push((id, result))
}

/// The group of all records that belong to one.
pub(super) struct Group(pub(super) Arc<GroupFunction<RecordId>>);

impl Group {
    pub(super) fn telling(told: &Told) -> Self {
        let told = Arc::clone(told);
        Self(GroupFunction::new(
            move |id, result: Result<&RecordMetadata, &Error>| {
                let result = result.cloned().map_err(Error::clone);
                told.lock().push((id, result));
            },
        ))
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Group")
    }
}
