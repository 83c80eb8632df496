//! One simulated world: the production sender, accumulator, connections and codec on one side, the
//! mock's brokers on the other, a network between them, and one clock. All chance comes from the seed.
//!
//! Here is what a world is made of, and the acts of a schedule: workload, healing, probe, end. What
//! happens in them: `step` (the driver's part, and events), `workload` and `commands` (the callers'
//! part), `calamities` (faults of machines).

mod calamities;
mod commands;
mod step;
mod workload;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::accumulator::Accumulator;
use crate::ids::NodeId;
use crate::sender::{Input, Sender};
use crate::sim::brokers::Brokers;
use crate::sim::caller::Caller;
use crate::sim::checker::Checker;
use crate::sim::client::Client;
use crate::sim::counting_interceptor::CountingInterceptor;
use crate::sim::dice::{Dice, Stream};
use crate::sim::event::Event;
use crate::sim::flights::Flights;
use crate::sim::habits::Habits;
use crate::sim::network::Network;
use crate::sim::options::{ANY_SIZE, Options, TOPIC};
use crate::sim::promise::{I8, I11, broken_if};
use crate::sim::record::RecordId;
use crate::sim::stage::{Reader, Stage, Summary, Trace};
use crate::sim::transactions::Transactions;
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
    interceptor: CountingInterceptor,
    pub(super) callers: Vec<Caller>,
    /// Decides what callers do.
    pub(super) dice: Dice,
    pub(super) commands: u64,
    /// Of a transactional producer.
    pub(super) transactions: Option<Transactions>,
    /// How many gaps brokers had found in sequences when nothing was wrong any more.
    settled_gaps: Option<u64>,
    /// How many callers have stood in line for memory.
    pub(super) stood_in_line: u64,
    /// Commands that the sender has not taken yet.
    pub(super) posted: Vec<Input>,
    /// Whether the I/O thread has been woken.
    pub(super) wake: bool,
    pub(super) sender: Sender,
    pub(super) network: Network,
    pub(super) brokers: Brokers,
    /// Batches on their way, as the client knows it.
    pub(super) flights: Flights,
    /// The logs of the topic's earlier lives.
    pub(super) graves: Vec<Grave>,
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

/// A log that is no more.
#[derive(Debug)]
pub(super) struct Grave {
    /// In which cluster it was, counted from 1.
    pub(super) cluster: usize,
    pub(super) partition: i32,
    pub(super) log: Vec<MockRecord>,
}

impl World {
    pub(super) fn new(seed: u64, options: Options, reader: Reader) -> Self {
        let stage = Stage::new(seed, &options, Trace::new(reader));
        let interceptor = CountingInterceptor::default();
        Self {
            accumulator: Accumulator::new(options.batch_size, options.buffer_memory, true)
                .with_settings(options.topics.clone())
                .with_transactions(options.sender.transactional.is_some())
                .with_interceptors(interceptor.interceptors()),
            interceptor,
            checker: Checker::new(&options),
            habits: Habits::new(&options),
            callers: Vec::new(),
            dice: Dice::new(seed, Stream::Workload),
            commands: 0,
            transactions: None,
            settled_gaps: None,
            stood_in_line: 0,
            posted: Vec::new(),
            wake: false,
            sender: Sender::new(stage.now, options.sender.clone(), Arc::default()),
            network: Network::new(options.socket_bytes, options.is_sealed),
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

    /// Runs until nothing is left to do.
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
            let graves = graves.filter(|grave| grave.partition == partition);
            let mut logs: Vec<_> = graves
                .map(|grave| (grave.cluster, grave.log.clone()))
                .collect();
            let log = self.brokers.state.written(TOPIC, partition);
            logs.push((self.brokers.clusters, log));
            self.checker.check_logs(partition, &logs);
        }
        self.mark_end();
        let (acknowledged, failed) = (self.checker.acknowledged, self.checker.failed);
        self.stage.summary(acknowledged, failed, self.steps)
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
