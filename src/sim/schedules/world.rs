//! The client's side of the message-level simulation: the production sender and accumulator on a
//! virtual clock, one caller, and connections that carry whole requests. Decides nothing about what
//! brokers do.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::accumulator::{Accumulator, NewRecord, OwnCallback, Target};
use crate::error::{ErrorKind, Result};
use crate::ids::{NodeId, RequestId};
use crate::protocol::Response;
use crate::record::Record;
use crate::sender::{Command, CommandId, Input, Output, PurgeId, Purged, Sender};
use crate::sim::caller::purge_order;
use crate::sim::checker::Checker;
use crate::sim::dice::{Dice, Stream};
use crate::sim::flights::Flights;
use crate::sim::options::{Options, TOPIC};
use crate::sim::promise::{I1, I8, I11, broken_if};
use crate::sim::record::RecordId;
use crate::sim::schedules::cluster::{Cluster, Index, listener};
use crate::sim::schedules::links::Link;
use crate::sim::stage::{Reader, Stage, Summary, Trace};
use crate::sync::Arc;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct World {
    pub(super) options: Options,
    pub(super) stage: Stage<Event>,
    pub(super) cluster: Cluster,
    pub(super) links: Vec<Link>,
    pub(super) checker: Checker,
    /// Decides what the caller does.
    dice: Dice,
    pub(super) sender: Sender,
    /// Batches on their way, as the client knows it.
    pub(super) flights: Flights,
    accumulator: Accumulator,
    /// The connections that the sender believes in.
    pub(super) peers: Vec<(NodeId, usize)>,
    pub(super) inputs: Vec<Input>,
    wait: Option<Instant>,
    paused_until: Option<Instant>,
    stopped: bool,
    pub(super) steps: u64,
    idle_wakes: u32,
    commands: u64,
    waits: Vec<(CommandId, Waiting)>,
    purge: Option<(PurgeId, Purging)>,
    /// How many records the caller still sends.
    left: u32,
    /// The partition that the probe comes to next.
    probe: Option<i32>,
}

/// What a command's answer is for.
#[derive(Debug)]
enum Waiting {
    Topic(Instant),
    Flush(BTreeSet<RecordId>, Instant),
    Close(Instant),
}

/// A purge without an answer: what had no outcome when it began, and when that was.
type Purging = (BTreeSet<RecordId>, Instant);

/// Something that happens at a point in time.
#[derive(Debug)]
pub(super) enum Event {
    Connected(usize, bool),
    /// The setup of a connection has taken too long.
    Overdue(usize),
    Unblock(usize),
    /// A request may have come to the head of the broker's line.
    Serve(usize),
    Answer(usize, RequestId, Box<Response>),
    /// The client learns that a connection has ended.
    Lost(usize),
    /// `request.timeout.ms` after a request.
    Timeout(usize, RequestId),
    Restart(Index),
    FailOver(Index),
    Elect(usize),
    Caller,
    Close,
    Resume,
    Calamity,
    Weather,
}

const MOST_OUTPUTS: u32 = 5_000;
const MOST_STEPS: u64 = 200_000;
const MOST_IDLE_WAKES: u32 = 2_000;

impl World {
    pub(super) fn new(seed: u64, options: Options, reader: Reader) -> Self {
        let stage = Stage::new(seed, &options, Trace::new(reader));
        Self {
            cluster: Cluster::new(&options),
            links: Vec::new(),
            checker: Checker::new(&options),
            dice: Dice::new(seed, Stream::Workload),
            flights: Flights::new(&options),
            sender: Sender::new(stage.now, options.sender.clone(), Arc::default()),
            accumulator: Accumulator::new(options.batch_size, options.buffer_memory, true)
                .with_settings(options.topics.clone()),
            peers: Vec::new(),
            inputs: Vec::new(),
            wait: None,
            paused_until: None,
            stopped: false,
            steps: 0,
            idle_wakes: 0,
            commands: 0,
            waits: Vec::new(),
            purge: None,
            left: options.records,
            probe: None,
            options,
            stage,
        }
    }

    /// Everything, from the first record to what is left in the end.
    pub(super) fn run(&mut self) -> Summary {
        self.stage.after(Duration::ZERO, Event::Caller);
        if let Some(after) = self.options.close_after {
            self.stage.after(after, Event::Close);
        }
        self.stage.weather.is_bad = true;
        if self.options.faults.calamity_ms > 0 {
            self.stage.after(Duration::ZERO, Event::Calamity);
            self.stage.after(self.options.heal_after, Event::Weather);
        }
        self.run_for(self.options.heal_after);
        self.heal();
        if self.options.close_after.is_none() {
            self.run_for(self.options.patience() + Duration::from_millis(1));
            for link in 0..self.links.len() {
                self.cut(link);
            }
            self.run_for(self.options.quick());
            self.checker.on_settled(self.stage.now);
            self.left = 0;
            self.probe = Some(0);
            self.stage.after(Duration::ZERO, Event::Caller);
        }
        self.run_until_idle();
        if !self.accumulator.is_closed() {
            self.stage.after(Duration::ZERO, Event::Close);
        }
        self.run_until_idle();
        self.finish()
    }

    fn heal(&mut self) {
        self.stage.note("HEALED", [0; 3], String::new);
        self.stage.weather.is_bad = false;
        self.paused_until = None;
        for broker in 0..self.cluster.brokers.len() {
            self.cluster.brokers[broker].stalled_until = None;
            self.restart(broker);
        }
        for partition in 0..self.cluster.partitions.len() {
            self.elect(partition);
        }
        self.checker.on_healed(self.stage.now);
    }

    fn finish(&mut self) -> Summary {
        broken_if(I11, !self.stopped, || {
            "the producer has not stopped".to_owned()
        });
        let waits = !self.waits.is_empty() || self.purge.is_some();
        broken_if(I11, waits, || {
            format!("nobody answers {:?}, {:?}", self.waits, self.purge)
        });
        // The driver drops its connections, and with them what no socket has taken.
        for link in &mut self.links {
            link.abandon();
        }
        self.checker.finish(&self.accumulator);
        if self.cluster.repeated > 0 {
            self.stage.trace.mark("duplicate answered");
        }
        for (_, what) in &self.stage.weather.struck {
            self.stage.trace.mark(what);
        }
        for partition in 0..self.cluster.partitions.len() {
            for log in self.cluster.logs(partition) {
                self.checker.check_ids(partition as i32, log);
            }
            let logs = self.cluster.logs(partition);
            self.checker.check_acknowledged(partition as i32, &logs);
        }
        let (acknowledged, failed) = (self.checker.acknowledged, self.checker.failed);
        self.stage.summary(acknowledged, failed, self.steps)
    }

    fn run_for(&mut self, time: Duration) {
        let end = self.stage.now + time;
        while self.step(Some(end)) {}
        self.stage.now = self.stage.now.max(end);
    }

    fn run_until_idle(&mut self) {
        while self.step(None) {}
    }

    fn step(&mut self, end: Option<Instant>) -> bool {
        let event = self.stage.next();
        let deadline = self
            .wait
            .filter(|_| self.paused_until.is_none() && !self.stopped);
        let Some(next) = [event, deadline].into_iter().flatten().min() else {
            return false;
        };
        if end.is_some_and(|end| next > end) {
            return false;
        }
        self.stage.now = self.stage.now.max(next);
        self.count_step(event);
        while let Some(event) = self.stage.pop() {
            self.on_event(event);
        }
        if self.paused_until.is_none() && !self.stopped {
            self.act();
            let links = &self.links;
            let in_flight = self.peers.iter();
            let in_flight = in_flight.map(|(node, link)| (*node, links[*link].waiting.len()));
            self.checker
                .after_step(self.stage.now, &self.accumulator, in_flight);
        }
        true
    }

    fn count_step(&mut self, event: Option<Instant>) {
        self.steps += 1;
        broken_if(I8, self.steps > MOST_STEPS, || {
            format!("no end after {MOST_STEPS} steps")
        });
        let is_idle = event.is_none_or(|event| event > self.stage.now);
        self.idle_wakes = if is_idle { self.idle_wakes + 1 } else { 0 };
        broken_if(I8, self.idle_wakes > MOST_IDLE_WAKES, || {
            format!("woken up {MOST_IDLE_WAKES} times for nothing")
        });
    }

    fn on_event(&mut self, event: Event) {
        if let Some(until) = self.paused_until
            && matches!(
                event,
                Event::Connected(..)
                    | Event::Overdue(_)
                    | Event::Unblock(_)
                    | Event::Answer(..)
                    | Event::Lost(_)
                    | Event::Timeout(..)
                    | Event::Caller
                    | Event::Close
            )
        {
            return self.stage.at(until, event);
        }
        match event {
            Event::Connected(link, succeeded) => self.on_connected(link, succeeded),
            Event::Overdue(link) => {
                if !self.links[link].is_ready {
                    self.lose(link, ErrorKind::Connect, "no handshake in time");
                }
            }
            Event::Unblock(link) => self.write(link),
            Event::Serve(link) => self.serve(link),
            Event::Answer(link, id, response) => self.on_answer(link, id, *response),
            Event::Lost(link) => self.lose(link, ErrorKind::Disconnected, "the cable was cut"),
            Event::Timeout(link, id) => {
                if self.links[link].waiting.contains(&id) {
                    self.lose(link, ErrorKind::TimedOut, "no answer in time");
                }
            }
            Event::Restart(broker) => self.restart(broker),
            Event::FailOver(broker) => self.fail_over(broker),
            Event::Elect(partition) => self.elect(partition),
            Event::Caller => self.on_caller(),
            Event::Close => self.close(),
            Event::Resume => self.paused_until = None,
            Event::Calamity => self.on_calamity(),
            Event::Weather => self.on_weather(),
        }
    }

    pub(super) fn pause_client(&mut self, lasts: Duration) {
        if self.paused_until.is_none() {
            let until = self.stage.now + lasts;
            self.stage
                .note("PAUSE", [0; 3], || format!("the client, for {lasts:?}"));
            self.paused_until = Some(until);
            self.checker.on_pause(self.stage.now, until);
            self.stage.at(until, Event::Resume);
        }
    }

    /// Tells the sender what happened and does what it says, until it says to wait; as the driver.
    fn act(&mut self) {
        for _ in 0..MOST_OUTPUTS {
            for input in std::mem::take(&mut self.inputs) {
                self.flights.on_input(&input);
                self.sender.handle(self.stage.now, input, &self.accumulator);
            }
            match self.sender.poll(self.stage.now, &self.accumulator) {
                Output::Connect { node, address, .. } => self.connect(node, listener(&address)),
                Output::Disconnect(node) => {
                    self.flights.on_disconnected(node);
                    if let Some(link) = self.take_peer(node) {
                        self.hang_up(link);
                    }
                }
                Output::Send(node, id, request) => self.send(node, id, request),
                Output::Publish { view, changed } => {
                    for (name, topic) in view.known(&changed) {
                        let count = topic.partitions.len();
                        self.accumulator.publish(name, count, topic.available());
                    }
                }
                Output::Deliver(outcome) => self.deliver(outcome),
                Output::Doom(_) => {}
                Output::Finish(id, result) => self.on_finish(id, &result),
                Output::Purged(id, purged) => self.on_purged(id, &purged),
                Output::Yield => {
                    self.wait = Some(self.stage.now);
                    return;
                }
                Output::Report(_) => {}
                Output::Wait(_) if !self.inputs.is_empty() => {}
                Output::Wait(deadline) => {
                    let is_past = deadline.is_some_and(|deadline| deadline <= self.stage.now);
                    broken_if(I8, is_past, || "waits for a time that is over".to_owned());
                    self.wait = deadline;
                    return;
                }
                Output::Stop => {
                    self.flights.forget();
                    self.stage.note("STOPPED", [0; 3], String::new);
                    self.stopped = true;
                    return;
                }
            }
        }
        broken_if(I8, true, || "the sender never says to wait".to_owned());
    }

    fn command(&mut self, command: Command, waiting: Waiting) {
        let id = CommandId(self.commands);
        self.commands += 1;
        self.stage.note("command", [id.0 as i64, 0, 0], || {
            format!("{} is {command:?}", id.0)
        });
        self.waits.push((id, waiting));
        self.inputs.push(Input::Command(id, command));
    }

    fn on_finish(&mut self, id: CommandId, result: &Result<()>) {
        let succeeded = result.is_ok();
        self.stage
            .note("finish", [id.0 as i64, succeeded.into(), 0], || {
                format!("command {}", id.0)
            });
        let index = self.waits.iter().position(|(command, _)| *command == id);
        broken_if(I1, index.is_none(), || {
            format!("command {} has two answers", id.0)
        });
        let (_, waiting) = self.waits.swap_remove(index.expect("just seen"));
        match waiting {
            Waiting::Topic(deadline) => {
                self.checker
                    .on_unblocked(self.stage.now, "waiting for a topic", deadline);
                if !succeeded {
                    self.left = self.left.saturating_sub(1);
                }
                self.next_turn();
            }
            Waiting::Flush(before, deadline) => {
                self.checker.on_unblocked(self.stage.now, "flush", deadline);
                self.checker.on_flushed(&before);
                self.next_turn();
            }
            Waiting::Close(deadline) => {
                self.checker.on_unblocked(self.stage.now, "close", deadline);
            }
        }
    }

    fn purge(&mut self) {
        let before = self.checker.open();
        let order = purge_order(&mut self.dice, self.accumulator.next_batch());
        let id = PurgeId(self.commands);
        self.commands += 1;
        self.stage.note("purge", [id.0 as i64, 0, 0], || {
            format!("{} is {order:?}", id.0)
        });
        self.purge = Some((id, (before, self.stage.now)));
        self.inputs.push(Input::Purge(id, order));
    }

    fn on_purged(&mut self, id: PurgeId, purged: &Purged) {
        self.stage
            .note("purged", [id.0 as i64, 1, 0], || format!("purge {}", id.0));
        let purge = self.purge.take_if(|(purge, _)| *purge == id);
        broken_if(I1, purge.is_none(), || {
            format!("purge {} has two answers", id.0)
        });
        let (_, (before, since)) = purge.expect("just seen");
        self.checker.on_unblocked(self.stage.now, "purge", since);
        let trace = &mut self.stage.trace;
        self.checker.on_purged(&before, purged, trace);
        self.next_turn();
    }

    fn next_turn(&mut self) {
        let most = u32::try_from(self.options.gap.as_micros()).expect("short");
        let gap = self.dice.micros(0, most);
        self.stage.after(gap, Event::Caller);
    }

    fn close(&mut self) {
        if !self.accumulator.is_closed() {
            self.accumulator.close();
            if self.flights.are_aloft() {
                self.stage.trace.mark("close with records on their way");
            }
            let deadline = self.stage.now + self.options.close_timeout;
            self.command(Command::Close(Some(deadline)), Waiting::Close(deadline));
        }
    }

    fn on_caller(&mut self) {
        let is_over = self.left == 0 && self.probe.is_none();
        if self.stopped || self.accumulator.is_closed() || is_over {
            return;
        }
        let Some(topic) = self.accumulator.topic(TOPIC) else {
            let deadline = self.stage.now + self.options.max_block;
            let command = Command::AwaitTopic {
                topic: Arc::from(TOPIC),
                partition: None,
                deadline: Some(deadline),
            };
            return self.command(command, Waiting::Topic(deadline));
        };
        let known = topic.partition_count() as usize;
        if let Some(partition) = self.probe {
            self.probe = (partition + 1 < known as i32).then_some(partition + 1);
            self.append(partition);
            return self.next_turn();
        }
        if self.dice.chance(40) {
            let before = self.checker.open();
            let next = self.accumulator.next_batch();
            let deadline = self.stage.now + self.options.topic().delivery_timeout;
            if self.flights.have_retries() {
                self.stage.trace.mark("flush while sending again");
            }
            return self.command(Command::Flush(next), Waiting::Flush(before, deadline));
        }
        if self.options.purges > 0 && self.dice.chance(self.options.purges) {
            return self.purge();
        }
        let burst = match self.dice.chance(250) {
            true => self.dice.between(2, 8),
            false => 1,
        };
        for _ in 0..burst.min(self.left) {
            self.left -= 1;
            let partition = match self.dice.chance(400) {
                true => 0,
                false => self.dice.index(known) as i32,
            };
            self.append(partition);
        }
        self.next_turn();
    }

    /// A record that there is no memory for is not sent.
    fn append(&mut self, partition: i32) {
        let Some(topic) = self.accumulator.topic(TOPIC) else {
            return;
        };
        let Some(queue) = topic.queue(partition).map(Arc::clone) else {
            return;
        };
        let id = self.checker.draft(partition, 8);
        let record = Record {
            timestamp_ms: id.into(),
            key: None,
            value: Some(&self.checker.record(id).value),
            headers: &[],
        };
        let log = Arc::clone(&self.checker.callbacks);
        let callback = move |result| log.lock().push((id, result));
        let mut callback = OwnCallback::new(callback);
        let mut callback = callback.by_ref();
        let mut new = NewRecord::new(record, &mut callback);
        let clock = || self.stage.now;
        let target = Target::Partition(&queue);
        let appended = self.accumulator.append(&clock, target, &mut new, None);
        let Ok(appended) = appended else {
            self.accumulator.budget().set_refused();
            return;
        };
        let numbers = [id.into(), partition.into(), appended.batch.number as i64];
        self.stage.note("append", numbers, || {
            format!(
                "record {id} to partition {partition}, batch {}",
                appended.batch.number
            )
        });
        self.checker.on_accepted(self.stage.now, id, appended.batch);
    }

    fn deliver(&mut self, outcome: crate::accumulator::Outcome) {
        let is_ok = outcome.result.is_ok();
        let partition = outcome.queue.index();
        let numbers = [outcome.batch.number as i64, partition.into(), is_ok.into()];
        self.stage.note("outcome", numbers, || {
            let what = match &outcome.result {
                Ok(written) => format!("at offset {:?}", written.base_offset),
                Err(failure) => failure.of_record(0).to_string(),
            };
            format!(
                "batch {} of partition {partition}: {what}",
                outcome.batch.number
            )
        });
        outcome.run_callbacks(|_, called| {
            called.expect("the checker's callbacks do not panic");
        });
        self.checker.on_told(self.stage.now);
    }
}
