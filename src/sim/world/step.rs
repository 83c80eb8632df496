//! One step of a world: to the next event or deadline, and all that follows from it. Takes the place
//! of the driver's loop. An `impl` of [`World`].

use std::time::{Duration, Instant};

use crate::accumulator::Outcome;
use crate::address::{Address, Destination};
use crate::cluster::ClusterView;
use crate::error::{ErrorKind, Fate};
use crate::ids::NodeId;
use crate::protocol::Request;
use crate::sender::Output;
use crate::sim::caller::Caller;
use crate::sim::event::Event;
use crate::sim::options::FIRST_PORT;
use crate::sim::promise::{I8, broken_if};
use crate::sim::world::World;
use crate::sync::Arc;

/// One poll of the sender does bounded work, and so does one step.
const MOST_OUTPUTS: u32 = 5_000;
/// More idle wake-ups in a row than this are a busy loop.
const MOST_IDLE_WAKES: u32 = 2_000;
/// Far more than any run needs.
const MOST_STEPS: u64 = 2_000_000;

impl World {
    /// Goes on to the next point in time at which something happens; false if there is none, or
    /// none before `end`.
    pub(super) fn step(&mut self, end: Option<Instant>) -> bool {
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
        // The sender is only run for a reason, as by the driver: if it were run at each step, a missing
        // wake-up would never show.
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
                self.habits.on_input(&input);
                self.sender.handle(now, input, &self.accumulator);
            }
            match self.sender.poll(now, &self.accumulator) {
                Output::Connect {
                    node,
                    address,
                    setup_timeout,
                    destination,
                    ..
                } => self.connect(node, &address, setup_timeout, destination),
                Output::Disconnect(node) => self.disconnect(node),
                Output::Send(node, id, request) => {
                    let api = request.api_key();
                    self.checker.on_departing(&request);
                    self.flights
                        .on_send(node, id, &request, &mut self.stage.trace);
                    self.checker.on_sent(self.stage.elapsed());
                    if let Request::Metadata(metadata) = &request {
                        self.checker.on_asked(now, metadata);
                    }
                    self.habits.on_sent(now, node, &request);
                    self.stage
                        .note("send", [node.0.into(), id.0 as i64, api as i64], || {
                            format!("{api} as request {} to node {node}", id.0)
                        });
                    self.inputs.extend(self.client.send(now, node, id, request));
                }
                Output::Publish { view, changed } => {
                    self.has_view = true;
                    self.publish(&view, &changed);
                }
                Output::Deliver(outcome) => self.deliver(outcome),
                Output::Doom(error) => {
                    self.stage.note("doom", [0; 3], || error.to_string());
                    if let Some(transactions) = &mut self.transactions {
                        transactions.on_doom(&error);
                    }
                }
                Output::Finish(id, result) => self.on_finish(id, &result),
                Output::Purged(id, purged) => self.on_purged(id, &purged),
                Output::Report(_) => {}
                Output::Wait(deadline) => {
                    let inputs = &mut self.inputs;
                    self.client
                        .write_all(&mut self.stage, &mut self.network, inputs);
                    if self.inputs.is_empty() {
                        let is_past = deadline.is_some_and(|deadline| deadline <= now);
                        broken_if(I8, is_past, || "waits for a time that is over".to_owned());
                        self.habits.on_idle();
                        self.wait = deadline;
                        return;
                    }
                }
                Output::Yield => return self.look_at_the_sockets(),
                Output::Stop => {
                    // The driver drops what it has left, without an outcome for the sender.
                    self.flights.forget();
                    self.stage.note("STOPPED", [0; 3], String::new);
                    self.stopped = true;
                    return;
                }
            }
        }
        broken_if(I8, true, || "the sender never says to wait".to_owned());
    }

    fn disconnect(&mut self, node: NodeId) {
        let may_idle = self.options.sender.connections_max_idle.is_some();
        if may_idle && !self.flights.are_on(node) {
            self.stage.trace.mark("idle connection closed");
        }
        self.flights.on_disconnected(node);
        self.habits.on_lost(node);
        self.client
            .disconnect(&mut self.stage, &mut self.network, node);
    }

    /// More is to be compressed, and the sockets have their turn before.
    fn look_at_the_sockets(&mut self) {
        self.client
            .write_all(&mut self.stage, &mut self.network, &mut self.inputs);
        self.wait = Some(self.stage.now);
    }

    fn connect(
        &mut self,
        node: NodeId,
        address: &Address,
        setup_timeout: Duration,
        destination: Option<Destination>,
    ) {
        if node.0 < 0 && self.has_view {
            self.stage.trace.mark("rebootstrap");
        }
        self.checker.on_connecting(self.stage.elapsed());
        let broker = NodeId(i32::from(address.port) - i32::from(FIRST_PORT));
        let listens = self.brokers.listens(broker);
        let (stage, network) = (&mut self.stage, &mut self.network);
        let to = (broker, listens);
        self.client
            .connect(stage, network, node, to, setup_timeout, destination);
    }

    fn publish(&mut self, view: &ClusterView, changed: &[Arc<str>]) {
        self.habits.on_published(view);
        for (name, topic) in view.known(changed) {
            let count = topic.partitions.len();
            self.accumulator.publish(name, count, topic.available());
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
        self.interceptor.tell(outcome);
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
                // A caller that waits for memory is answered without the sender.
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
