//! One simulated world: the production sender, accumulator, connections and codec on one side, the
//! mock's brokers on the other, a network between them, and one clock. Nothing here is left to
//! chance that does not come from the seed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::accumulator::{Accumulator, Outcome};
use crate::address::Address;
use crate::cluster::ClusterView;
use crate::error::{ErrorKind, Fate};
use crate::ids::NodeId;
use crate::protocol::ApiKey;
use crate::sender::{Input, Output, Sender};
use crate::sim::brokers::Brokers;
use crate::sim::checker::{Checker, RecordId};
use crate::sim::client::Client;
use crate::sim::dice::{Dice, Stream};
use crate::sim::eavesdropper::Eavesdropper;
use crate::sim::flights::Flights;
use crate::sim::habits::Habits;
use crate::sim::network::Network;
use crate::sim::options::{ANY_SIZE, Options, TOPIC};
use crate::sim::promise::{I8, I11, broken_if};
use crate::sim::stage::{Event, Reader, Stage, Summary, Trace};
use crate::sim::workload::Caller;
use crate::sync::Arc;
use crate::testing::simulated::Blow;
use crate::testing::{Api, MockRecord};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct World {
    pub(super) options: Options,
    pub(super) stage: Stage,
    pub(super) accumulator: Accumulator,
    pub(super) checker: Checker,
    habits: Habits,
    eavesdropper: Eavesdropper,
    pub(super) callers: Vec<Caller>,
    /// Decides what callers do.
    pub(super) dice: Dice,
    pub(super) commands: u64,
    /// How many gaps brokers had found in sequences when nothing was wrong any more.
    settled_gaps: Option<u64>,
    /// How many callers have stood in line for memory.
    pub(super) stood_in_line: u64,
    /// Commands that the sender has not taken yet.
    pub(super) posted: Vec<Input>,
    /// Whether somebody has woken the I/O thread.
    pub(super) wake: bool,
    pub(super) sender: Sender,
    pub(super) network: Network,
    pub(super) brokers: Brokers,
    /// Batches on their way, as the client knows it.
    pub(super) flights: Flights,
    /// The logs of the topic's earlier lives: partition, records.
    pub(super) graves: Vec<(i32, Vec<MockRecord>)>,
    client: Client,
    inputs: Vec<Input>,
    /// Until when the sender wants to sleep.
    wait: Option<Instant>,
    pub(super) paused_until: Option<Instant>,
    /// Whether metadata has come.
    has_view: bool,
    stopped: bool,
    steps: u64,
    /// Wake-ups by nothing but a deadline, in a row.
    idle_wakes: u32,
}

/// One poll of the sender does bounded work, and so does one step.
const MOST_OUTPUTS: u32 = 5_000;
/// Nobody wakes up so often for nothing at all.
const MOST_IDLE_WAKES: u32 = 2_000;
/// Far more than any run needs.
const MOST_STEPS: u64 = 2_000_000;

impl World {
    pub(super) fn new(seed: u64, options: Options, reader: Reader) -> Self {
        let stage = Stage::new(seed, &options, Trace::new(reader));
        let eavesdropper = Eavesdropper::default();
        Self {
            accumulator: Accumulator::new(options.batch_size, options.buffer_memory, true)
                .with_settings(options.topics.clone())
                .with_interceptors(eavesdropper.interceptors()),
            eavesdropper,
            checker: Checker::new(&options),
            habits: Habits::new(&options),
            callers: Vec::new(),
            dice: Dice::new(seed, Stream::Workload),
            commands: 0,
            settled_gaps: None,
            stood_in_line: 0,
            posted: Vec::new(),
            wake: false,
            sender: Sender::new(stage.now, options.sender.clone(), Arc::default()),
            network: Network::new(options.socket_bytes),
            brokers: Brokers::new(&options),
            flights: Flights::new(&options),
            graves: Vec::new(),
            client: Client::new(&options),
            inputs: Vec::new(),
            wait: None,
            paused_until: None,
            has_view: false,
            stopped: false,
            steps: 0,
            idle_wakes: 0,
            stage,
            options,
        }
    }

    /// The callers do what they do and faults happen, until both end.
    pub(super) fn run_workload(&mut self) {
        for _ in 0..self.options.callers {
            let share = self.options.records / self.options.callers as u32;
            let after = self.dice.millis(0, 5);
            self.add_caller(Caller::sender(share.max(1)), after);
        }
        if let Some(after) = self.options.close_after {
            self.add_caller(Caller::closer(), after);
        }
        self.stage.weather.is_bad = true;
        let mix = &self.options.faults;
        if mix.calamity_ms > 0 {
            self.stage.after(Duration::ZERO, Event::Calamity);
            self.stage.after(self.options.heal_after, Event::Weather);
        }
        let end = self.stage.start + self.options.heal_after;
        self.run_until(end);
    }

    /// Nothing goes wrong any more.
    pub(super) fn heal(&mut self) {
        self.stage.note("HEALED", [0; 3], String::new);
        self.stage.weather.is_bad = false;
        self.brokers.heal();
        self.resume();
        self.checker.on_healed(self.stage.now);
    }

    /// Long after the last fault, and when the last silent connection is gone, every partition
    /// takes records.
    pub(super) fn add_probe(&mut self) {
        self.run_for(self.options.patience() + Duration::from_millis(1));
        for link in self.network.believed_links() {
            self.network.cut(&mut self.stage, link);
        }
        self.run_for(self.options.quick());
        self.checker.on_settled(self.stage.now);
        self.settled_gaps = Some(self.brokers.state.gaps());
        self.add_caller(Caller::probe(), Duration::ZERO);
    }

    pub(super) fn add_closer(&mut self) {
        self.add_caller(Caller::closer(), Duration::ZERO);
    }

    /// Until nobody has anything left to do.
    pub(super) fn run_until_idle(&mut self) {
        while self.step(None) {}
    }

    pub(super) fn run_until(&mut self, end: Instant) {
        while self.step(Some(end)) {}
        self.stage.now = self.stage.now.max(end);
    }

    /// Everything is over: what was promised was kept.
    pub(super) fn finish(&mut self) -> Summary {
        broken_if(I11, !self.stopped, || {
            "the producer has not stopped".to_owned()
        });
        self.client
            .disconnect_all(&mut self.stage, &mut self.network);
        self.checker.finish(&self.accumulator);
        let gaps = self.brokers.state.gaps();
        broken_if(
            I8,
            // A record that is too large leaves one, too.
            self.options.max_message_bytes == ANY_SIZE
                && self.settled_gaps.is_some_and(|before| gaps > before),
            || "sequences have a gap although nothing was wrong".to_owned(),
        );
        broken_if(I11, self.flights.are_aloft(), || {
            "a request is on its way after the end".to_owned()
        });
        for caller in &self.callers {
            broken_if(I11, !caller.has_returned(), || {
                format!("after the end, a caller is {:?}", caller.state)
            });
        }
        for partition in 0..self.partitions() {
            let graves = { &self.graves }.iter();
            let graves = graves.filter(|(index, _)| *index == partition);
            let mut logs: Vec<_> = graves.map(|(_, log)| log.clone()).collect();
            logs.push(self.brokers.state.written(TOPIC, partition));
            self.checker.check_logs(partition, &logs);
        }
        self.mark_end();
        let (acknowledged, failed) = (self.checker.acknowledged, self.checker.failed);
        self.stage.summary(acknowledged, failed, self.steps)
    }

    /// Goes on to the next point in time at which something happens; false if there is none, or
    /// none before `end`.
    fn step(&mut self, end: Option<Instant>) -> bool {
        let event = self.stage.next();
        let deadline = match self.paused_until {
            // The client does nothing, whatever its deadlines say.
            Some(_) => None,
            None if self.stopped => None,
            None => [self.wait, self.client.deadline()]
                .into_iter()
                .flatten()
                .min(),
        };
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
        if self.paused_until.is_some() || self.stopped {
            return true;
        }
        let inputs = &mut self.inputs;
        self.client
            .write_all(&mut self.stage, &mut self.network, inputs);
        self.client
            .check_timeouts(&mut self.stage, &mut self.network, inputs);
        // Nobody looks after the sender for no reason: a wake-up that is missing has to show.
        let is_due = self.wait.is_some_and(|wait| wait <= self.stage.now);
        if self.wake || is_due || !self.inputs.is_empty() || !self.posted.is_empty() {
            self.act();
        }
        self.wake_callers();
        self.check_callers();
        self.check_line();
        let now = self.stage.now;
        self.checker
            .after_step(now, &self.accumulator, self.client.in_flight());
        let mut callers = self.callers.iter();
        // What is left of requests at the end is dropped with the connections.
        let is_idle = !self.stopped && !self.flights.are_aloft();
        if is_idle && !callers.any(Caller::is_given_memory) {
            self.checker.check_cost(&self.accumulator);
        }
        self.checker.on_oldest(now, self.client.oldest());
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

    /// Tells the sender what happened and does what it says, until it says to wait; as the driver.
    fn act(&mut self) {
        self.wake = false;
        self.inputs.splice(0..0, self.posted.drain(..));
        for _ in 0..MOST_OUTPUTS {
            let now = self.stage.now;
            for input in std::mem::take(&mut self.inputs) {
                self.flights.on_input(&input);
                self.sender.handle(now, input, &self.accumulator);
            }
            match self.sender.poll(now, &self.accumulator) {
                Output::Connect(node, address) => self.connect(node, &address),
                Output::Disconnect(node) => {
                    let may_idle = self.options.sender.connections_max_idle.is_some();
                    if may_idle && !self.flights.are_on(node) {
                        self.stage.trace.mark("idle connection closed");
                    }
                    self.flights.on_disconnected(node);
                    self.client
                        .disconnect(&mut self.stage, &mut self.network, node);
                }
                Output::Send(node, id, request) => {
                    let api = request.api_key();
                    self.checker.on_departing(&request);
                    self.flights
                        .on_send(node, id, &request, &mut self.stage.trace);
                    self.checker.on_sent(self.stage.elapsed());
                    if api == ApiKey::Metadata {
                        self.checker.on_asked(now);
                    }
                    self.habits.on_sent(now, node, &request);
                    self.stage
                        .note("send", [node.0.into(), id.0 as i64, api as i64], || {
                            format!("{api} as request {} to node {node}", id.0)
                        });
                    self.inputs.extend(self.client.send(now, node, id, request));
                }
                Output::Publish(view) => {
                    self.has_view = true;
                    self.publish(&view);
                }
                Output::Deliver(outcome) => self.deliver(outcome),
                Output::Finish(id, result) => self.on_finish(id, &result),
                Output::Wait(deadline) => {
                    let inputs = &mut self.inputs;
                    self.client
                        .write_all(&mut self.stage, &mut self.network, inputs);
                    if self.inputs.is_empty() {
                        let is_past = deadline.is_some_and(|deadline| deadline <= now);
                        broken_if(I8, is_past, || "waits for a time that is over".to_owned());
                        self.wait = deadline;
                        return;
                    }
                }
                Output::Stop => {
                    // The driver drops what it has; nobody will hear of it.
                    self.flights.forget();
                    self.stage.note("STOPPED", [0; 3], String::new);
                    self.stopped = true;
                    return;
                }
            }
        }
        broken_if(I8, true, || "the sender never says to wait".to_owned());
    }

    fn connect(&mut self, node: NodeId, address: &Address) {
        if node.0 < 0 && self.has_view {
            self.stage.trace.mark("rebootstrap");
        }
        self.checker.on_connecting(self.stage.elapsed());
        let (stage, network) = (&mut self.stage, &mut self.network);
        self.client
            .connect(stage, network, &self.brokers, node, address);
    }

    fn publish(&mut self, view: &ClusterView) {
        self.habits.on_published(view);
        for (name, topic) in &view.topics {
            let leaders = (0..).zip(&topic.partitions);
            let led = leaders.filter(|(_, one)| one.leader.is_some());
            let available = led.map(|(index, _)| index).collect();
            let count = topic.partitions.len();
            self.accumulator.publish(name, count, available);
        }
    }

    fn deliver(&mut self, outcome: Outcome) {
        let (batch, queue) = (outcome.batch, Arc::clone(&outcome.queue));
        let numbers = [
            batch.number as i64,
            queue.index().into(),
            outcome.result.is_ok().into(),
        ];
        self.stage.note("outcome", numbers, || {
            let what = match &outcome.result {
                Ok(written) => format!("at offset {:?}", written.base_offset),
                Err(failure) => failure.of_record(0).to_string(),
            };
            format!(
                "batch {} of partition {}: {what}",
                batch.number,
                queue.index()
            )
        });
        self.stage.trace.mark(mark(&outcome));
        self.eavesdropper.tell(outcome);
        self.checker.on_told(self.stage.now);
    }

    fn on_event(&mut self, event: Event) {
        let (stage, network) = (&mut self.stage, &mut self.network);
        if let Some(until) = self.paused_until
            && matches!(
                event,
                Event::Connected(..) | Event::Readable(_) | Event::Writable(_) | Event::Caller(_)
            )
        {
            stage.at(until, event);
            return;
        }
        match event {
            Event::Connected(link, succeeded) => {
                if succeeded && let Some(broker) = network.broker(link) {
                    self.brokers.accept(link, broker);
                }
                self.client
                    .on_connected(stage, network, link, succeeded, &mut self.inputs);
            }
            Event::Readable(link) => {
                self.client
                    .on_readable(stage, network, link, &mut self.inputs);
            }
            Event::Writable(link) => {
                self.client
                    .on_writable(stage, network, link, &mut self.inputs);
            }
            Event::Arrive(link) => self.brokers.on_arrive(stage, network, link),
            Event::Serve(link) => self
                .brokers
                .on_serve(stage, network, &mut self.checker, link),
            Event::Answer(link) => self.brokers.on_answer(stage, network, link),
            Event::Restart(broker) => {
                stage.note("RESTART", [broker.0.into(), 0, 0], || {
                    format!("broker {broker}")
                });
                self.brokers.restart(broker);
            }
            Event::FailOver(broker) => self.brokers.fail_over(broker),
            Event::Elect(partition) => self.brokers.elect(partition),
            Event::Caller(index) => {
                // Whoever waits for memory finds out without the sender.
                if !self.stopped || self.callers[index].awaits_memory() {
                    self.on_caller(index);
                }
            }
            Event::Wake => self.wake = true,
            Event::Resume => self.resume(),
            Event::Calamity => self.on_calamity(),
            Event::Weather => self.on_weather(),
        }
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let end = self.stage.now + time;
        self.run_until(end);
    }

    /// Sends records to a partition, one right after the other.
    pub(super) fn append(&mut self, partition: i32, count: u32) -> Vec<RecordId> {
        let ids: Vec<_> = (0..count)
            .map(|_| self.checker.draft(partition, 20))
            .collect();
        for id in &ids {
            self.append_now(*id);
        }
        self.stage.after(Duration::ZERO, Event::Wake);
        ids
    }

    /// Something rare has happened.
    pub(super) fn assert_marked(&self, what: &str) {
        let mut marks = BTreeMap::new();
        self.stage.trace.add_marks(&mut marks);
        assert!(marks.contains_key(what), "{what:?} is not among {marks:?}");
    }

    /// How many partitions there are by now.
    pub(super) fn partitions(&self) -> i32 {
        self.brokers.state.leaders(TOPIC).len() as i32
    }

    fn mark_end(&mut self) {
        let trace = &mut self.stage.trace;
        if self.brokers.state.repeated_batches() > 0 {
            trace.mark("duplicate answered");
        }
        for (_, what) in &self.stage.weather.struck {
            trace.mark(what);
        }
    }

    pub(super) fn leader(&self, partition: i32) -> NodeId {
        let leaders = self.brokers.state.leaders(TOPIC);
        let index = usize::try_from(partition).expect("partitions count from 0");
        leaders[index].0.expect("a leader")
    }

    /// A scenario's fault: the next request of this kind meets it.
    pub(super) fn on_next(&mut self, api: Api, blow: Blow) {
        self.brokers.on_next(api, blow);
    }

    /// Cuts every connection to a broker.
    pub(super) fn cut(&mut self, broker: NodeId) {
        for link in self.network.open_links(broker) {
            self.network.cut(&mut self.stage, link);
        }
    }

    pub(super) fn log(&self, partition: i32) -> Vec<RecordId> {
        Checker::ids(&self.brokers.state.written(TOPIC, partition))
    }
}

/// What became of a batch, for the list of states that are reached.
fn mark(outcome: &Outcome) -> &'static str {
    let Err(failure) = &outcome.result else {
        return "acknowledged";
    };
    let error = failure.of_record(0);
    match (error.kind(), error.fate()) {
        (ErrorKind::TimedOut, Fate::NotWritten) => "timed out, not written",
        (ErrorKind::TimedOut, Fate::MayBeWritten) => "timed out, may be written",
        (ErrorKind::Closed, _) => "closed",
        (ErrorKind::Purged, _) => "purged",
        (_, Fate::NotWritten) => "failed, not written",
        (_, Fate::MayBeWritten) => "failed, may be written",
    }
}
