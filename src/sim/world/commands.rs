//! The calls of callers that the sender answers: waiting for a topic, flush, purge, close; and whether
//! the answers come in time. An `impl` of [`World`].

use std::fmt;

use crate::error::Result;
use crate::sender::{Command, CommandId, Input, PurgeId, Purged};
use crate::sim::caller::{State, purge_order};
use crate::sim::options::TOPIC;
use crate::sim::promise::{I6, I7, broken_if};
use crate::sim::world::World;
use crate::sync::Arc;

impl World {
    pub(super) fn await_topic(&mut self, index: usize) {
        let deadline = self.stage.now + self.options.max_block;
        let command = self.command(Command::AwaitTopic {
            topic: Arc::from(TOPIC),
            partition: None,
            deadline: Some(deadline),
        });
        self.callers[index].state = State::AwaitingTopic(command, deadline);
    }

    pub(super) fn flush(&mut self, index: usize) {
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

    pub(super) fn purge(&mut self, index: usize) {
        let before = self.checker.open();
        let order = purge_order(&mut self.dice, self.accumulator.next_batch());
        let id = PurgeId(self.post("purge", &order));
        self.posted.push(Input::Purge(id, order));
        self.callers[index].state = State::Purging(id, before, self.stage.now);
    }

    pub(super) fn close(&mut self, index: usize) {
        self.accumulator.close();
        let deadline = self.stage.now + self.options.close_timeout;
        let command = self.command(Command::Close(Some(deadline)));
        self.callers[index].state = State::Closing(command, deadline);
        if self.flights.are_aloft() {
            self.stage.trace.mark("close with records on their way");
        }
    }

    /// Leaves a command for the sender, which takes it at its next turn.
    pub(in crate::sim) fn command(&mut self, command: Command) -> CommandId {
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
    pub(in crate::sim) fn on_finish(&mut self, id: CommandId, result: &Result<()>) {
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
                State::Ending(command, commit) if *command == id => {
                    let commit = *commit;
                    self.on_transaction(index, commit, result);
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
    pub(in crate::sim) fn on_purged(&mut self, id: PurgeId, purged: &Purged) {
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
    pub(in crate::sim) fn check_callers(&self) {
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

    /// The line for memory moves when it can, in the order in which callers came, and ends with the
    /// producer.
    pub(in crate::sim) fn check_line(&self) {
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
