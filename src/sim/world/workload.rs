//! The application: what callers send, and how they wait for memory. An `impl` of [`World`].

use std::time::Duration;

use crate::accumulator::{
    CallbackRef, GroupToken, NewRecord, OwnCallback, QueuedCaller, Refused, Reservation, Target,
    most_needed,
};
use crate::record::{Header, Record};
use crate::sim::caller::{Caller, Kind, State};
use crate::sim::event::Event;
use crate::sim::options::TOPIC;
use crate::sim::promise::{I1, broken_if};
use crate::sim::record::{RecordId, callback, header_of};
use crate::sim::world::World;
use crate::sync::Arc;

impl World {
    pub(in crate::sim) fn add_caller(&mut self, caller: Caller, after: Duration) {
        let index = self.callers.len();
        self.callers.push(caller);
        self.stage.after(after, Event::Caller(index));
    }

    /// A caller does its next thing, or gives up what it waited for.
    pub(in crate::sim) fn on_caller(&mut self, index: usize) {
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
                Kind::Ender => self.go_on_with_transactions(index),
                Kind::Probe { next } => self.probe(index, next),
                Kind::Sender => self.send_something(index),
            },
            other => self.callers[index].state = other,
        }
    }

    fn send_something(&mut self, index: usize) {
        // Callers are not told of a close: their next call fails.
        if self.callers[index].left == 0 {
            self.callers[index].state = State::Done;
            return;
        }
        let Some(topic) = self.accumulator.topic(TOPIC) else {
            self.await_topic(index);
            return;
        };
        if let Some(transactions) = &self.transactions
            && !transactions.may_send()
        {
            // The program knows, and tries again in the next transaction.
            let is_fatal = transactions.is_fatal();
            self.callers[index].left *= u32::from(!is_fatal);
            return self.pause(index);
        }
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

    pub(in crate::sim) fn pause(&mut self, index: usize) {
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
    pub(in crate::sim) fn learn_topic(&mut self) {
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
    pub(in crate::sim) fn append_now(&mut self, id: RecordId) {
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
        let callback = callback(&self.checker.callbacks, id);
        let callback_bytes = size_of_val(&callback);
        let group = Arc::clone(&self.checker.group.0);
        let mut own = OwnCallback::new(callback);
        let mut token = GroupToken::new(&group, id);
        // Every other record belongs to the group; all of them are charged alike.
        let mut callback: CallbackRef<'_> = match id % 2 {
            0 => own.by_ref(),
            _ => token.by_ref(),
        };
        let mut new = NewRecord {
            callback_bytes,
            ..NewRecord::new(record, &mut callback)
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
                if let Some(transactions) = &mut self.transactions {
                    transactions.on_accepted(id);
                }
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
        // Without memory the record is refused: the caller knows, and sends the next one.
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

    /// Wakes the callers that have been given their memory.
    pub(in crate::sim) fn wake_callers(&mut self) {
        for (index, caller) in self.callers.iter().enumerate() {
            if let State::AwaitingMemory { place, .. } = &caller.state
                && place.is_answered()
            {
                self.stage.after(Duration::ZERO, Event::Caller(index));
            }
        }
    }
}
