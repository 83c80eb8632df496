//! The I/O thread: turns readiness and time into inputs for the sender, and its outputs into bytes
//! and callbacks. Decides nothing about records, and holds no lock while a callback runs. When
//! there is nothing to do it sleeps until a deadline of the sender's or of a connection, with no
//! periodic wake-ups.

#[cfg_attr(all(test, shuttle), path = "model/client.rs")]
mod client;
mod doom;
mod health;
mod losses;
mod mailbox;
#[cfg(test)]
#[cfg(shuttle)]
#[path = "model/tests.rs"]
mod model;
mod settings;

use crate::sorted_map::SortedMap;
use std::time::{Duration, Instant};

#[cfg(test)]
#[cfg(shuttle)]
pub(crate) use client::{DEADLY_TO_KNOW, DEADLY_TO_SEND};
use doom::Doom;
pub(crate) use health::Health;
use losses::Losses;
pub(crate) use mailbox::{End, Mailbox, Slot, Ticket};

use crate::accumulator::{Accumulator, Outcome};
use crate::cluster::ClusterView;
use crate::config::ProducerConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::event::EventListener;
use crate::foreign::contain;
use crate::foreign::logging::{log_error, log_warn};
use crate::metrics::Counters;
use crate::sender::{CommandId, Input, Output, PurgeId, Purged, Report, Sender};
#[cfg(feature = "testing")]
use crate::sync::AtomicBool;
use crate::sync::thread::{self, ThreadId};
use crate::sync::{Arc, AtomicU64, Mutex, OnceLock, Ordering, Rank, Ranked};
use crate::transport::{Connector, Poller, Waker};
use client::NetworkClient;
use mailbox::{Answer, Postable, Posted};
use settings::{connect_settings, sender_settings};

/// What callers and the I/O thread share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) accumulator: Accumulator,
    pub(crate) counters: Arc<Counters>,
    mailbox: Mailbox,
    view: Mutex<Arc<ClusterView>>,
    /// The producer's own rack, if its keyless records are to stay there.
    rack: Option<String>,
    health: Mutex<Health>,
    /// Since when the callbacks of a batch have been running: milliseconds since `started`, plus one; 0
    /// while none are.
    callbacks_since: AtomicU64,
    started: Instant,
    /// What fails is kept here, once a caller closes.
    losses: Mutex<Option<Losses>>,
    /// Why no record is taken into the open transaction any more.
    pub(crate) doom: Doom,
    waker: Waker,
    io_thread: OnceLock<ThreadId>,
    /// A test wants to see what happens when the I/O thread dies.
    #[cfg(feature = "testing")]
    doomed: AtomicBool,
}

impl Shared {
    /// Makes the I/O thread panic. Nothing that a user or a broker does can, so tests have this.
    #[cfg(feature = "testing")]
    pub(crate) fn doom(&self) {
        self.doomed.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Whether the I/O thread is in this process. A fork copies no threads: a child that waited for
    /// the I/O thread would wait for ever, so every call that may wait asks here first.
    ///
    /// # Errors
    /// This is a forked child.
    pub(crate) fn check_process(&self) -> Result<(), End> {
        match self.accumulator.home() {
            home if home.is_current() => Ok(()),
            home => Err(End::Forked(home)),
        }
    }

    /// Leaves a command for the I/O thread and wakes it. Runs on: caller.
    ///
    /// # Errors
    /// The I/O thread has ended, or is in another process.
    pub(crate) fn post<C: Postable>(&self, command: C) -> Result<Ticket<C::Answer>, End> {
        // Before any lock is taken: after a fork, a lock may be held by a thread that does not exist
        // here.
        self.check_process()?;
        let ticket = self.mailbox.post(command)?;
        self.waker.wake();
        Ok(ticket)
    }

    /// Makes the I/O thread look for something new.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// Whether this is the I/O thread, where waiting for it would wait for ever.
    pub(crate) fn is_io_thread(&self) -> bool {
        self.io_thread
            .get()
            .is_some_and(|id| *id == thread::current().id())
    }

    /// Why the I/O thread has ended, if it has.
    pub(crate) fn ending(&self) -> Option<End> {
        self.mailbox.ending()
    }

    pub(crate) fn view(&self) -> Arc<ClusterView> {
        Arc::clone(&self.view.lock())
    }

    pub(crate) fn health(&self) -> Health {
        self.health.lock().clone()
    }

    /// The error of a call that wants a topic, with the partition if it names one, and must not wait for
    /// it: as much as the I/O thread has learned by now.
    pub(crate) fn missing(&self, topic: &str, partition: Option<i32>) -> Error {
        let unreachable = self.health.lock().unreachable().cloned();
        self.view()
            .missing(topic, partition, unreachable.as_ref(), None)
    }

    /// For how long the callbacks of one batch have been running, if any are.
    pub(crate) fn callbacks_running_for(&self) -> Option<Duration> {
        let since = self
            .callbacks_since
            .load(Ordering::Relaxed)
            .checked_sub(1)?;
        let now = now().saturating_duration_since(self.started);
        Some(now.saturating_sub(Duration::from_millis(since)))
    }

    /// The I/O thread has panicked: every record that is left fails, with a fate that is true.
    fn fail_all(&self, sender: Sender) {
        let error = End::Died.error();
        for outcome in sender.abandon(&error) {
            self.deliver(outcome);
        }
        for outcome in self.accumulator.abandon(&error) {
            self.deliver(outcome);
        }
        log_error!("the I/O thread has panicked; every pending record has failed");
    }

    /// Runs the callbacks of a batch, in the order of `send`.
    fn deliver(&self, outcome: Outcome) {
        let started = now();
        let records = outcome.completions.len();
        let since = started.saturating_duration_since(self.started).as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX - 1) + 1;
        self.callbacks_since.store(since, Ordering::Relaxed);
        if outcome.result.is_err() {
            self.keep_records_of(&outcome);
        }
        let queue = Arc::clone(&outcome.queue);
        outcome.run_callbacks(|result, called| {
            // Counted one by one: a close that runs out of time tells how many are left.
            self.accumulator.finish_record(result);
            if called.is_err() {
                self.counters.callbacks_panicked.add_from_any_thread(1);
            }
            if let Err(error) = result {
                self.count_loss(&queue, error);
            }
        });
        self.callbacks_since.store(0, Ordering::Relaxed);
        let took = now().saturating_duration_since(started);
        if took > SLOW_CALLBACKS {
            log_warn!(
                "the callbacks of {records} records of {} ran for {took:?}; nothing is sent meanwhile",
                queue.name()
            );
        }
    }
}

/// Owns the sender and the sockets, and runs on the one thread.
#[derive(Debug)]
pub(crate) struct Driver {
    shared: Arc<Shared>,
    sender: Sender,
    poller: Poller,
    client: NetworkClient,
    /// Callers that wait for the sender's answer.
    waiting: SortedMap<CommandId, Answer<()>>,
    /// Callers that wait for what a purge comes to.
    purging: SortedMap<PurgeId, Answer<Purged>>,
    inputs: Vec<Input>,
    /// The program's function for events.
    listener: Option<EventListener>,
}

/// A batch whose callbacks take longer than this holds everything else up.
const SLOW_CALLBACKS: Duration = Duration::from_secs(1);

/// Starts the I/O thread, which connects to no broker yet.
///
/// # Errors
/// The system has no thread or file descriptor to give.
pub(crate) fn start(config: &ProducerConfig) -> Result<(Arc<Shared>, thread::JoinHandle<()>)> {
    let refused = |what: &str, error| {
        let text =
            format!("cannot start the I/O thread: the system has no {what} to give: {error}");
        Error::with_source(ErrorKind::System, text, error)
    };
    let poller = Poller::new().map_err(|error| refused("file descriptor", error))?;
    let counters = Arc::new(Counters::default());
    let settings = sender_settings(config);
    let shared = Arc::new(Shared {
        accumulator: Accumulator::new(
            config.batch_size(),
            config.buffer_memory(),
            config.adaptive_partitioning(),
        )
        .with_settings(config.topics().clone())
        .with_record_limits(config.batch_records(), config.pending_records())
        .with_transactions(settings.transactional.is_some())
        .with_interceptors(config.interceptors().cloned()),
        counters: Arc::clone(&counters),
        mailbox: Mailbox::default(),
        view: Mutex::ranked(Rank::View, Arc::default()),
        rack: config.rack().map(str::to_owned),
        health: Mutex::ranked(Rank::Health, Health::new(config.bootstrap_servers())),
        callbacks_since: AtomicU64::new(0),
        started: now(),
        losses: Mutex::ranked(Rank::Losses, None),
        doom: Doom::default(),
        waker: poller.waker(),
        io_thread: OnceLock::new(),
        #[cfg(feature = "testing")]
        doomed: AtomicBool::new(false),
    });
    let connect = connect_settings(config);
    let sender = Sender::new(now(), settings, counters);
    let driver = Driver {
        shared: Arc::clone(&shared),
        sender,
        client: NetworkClient::new(connect, Connector::new(poller.waker())),
        poller,
        waiting: SortedMap::new(),
        purging: SortedMap::new(),
        inputs: Vec::new(),
        listener: config.listener().cloned(),
    };
    // A client id may have a null byte, a thread's name may not.
    let name = format!("linger-io {}", config.client_id().replace('\0', "?"));
    let thread = thread::Builder::new()
        .name(name)
        .spawn(move || driver.run())
        .map_err(|error| refused("thread", error))?;
    Ok((shared, thread))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the driver is where time comes from"
)]
fn now() -> Instant {
    Instant::now()
}

impl Driver {
    /// Runs until the producer is closed. Whatever ends it, every record gets its outcome and every
    /// waiting caller an answer.
    fn run(mut self) {
        self.shared.io_thread.get_or_init(|| thread::current().id());
        // What a panic leaves half done is not used any more, only taken apart.
        let result = contain(|| self.run_until_stopped());
        let end = match result {
            Ok(()) => End::Closed,
            Err(_) => End::Died,
        };
        let Self {
            shared,
            sender,
            client,
            waiting,
            purging,
            ..
        } = self;
        // In this order: a caller that finds the accumulator closed asks the mailbox why.
        shared.mailbox.announce(end);
        shared.accumulator.close();
        drop(client);
        if end == End::Died {
            // Not even another panic keeps callers waiting.
            contain(|| shared.fail_all(sender)).ok();
        }
        // Callers that wait, and those that come only now, are answered after the callbacks have
        // run: when a close returns, no callback is still to come.
        for answer in waiting.into_values() {
            answer.give(Err(end.error()));
        }
        for answer in purging.into_values() {
            answer.give(Err(end.error()));
        }
        shared.mailbox.end(end);
    }

    fn run_until_stopped(&mut self) {
        loop {
            let Some(deadline) = self.act() else { return };
            let deadline = [deadline, self.client.deadline()]
                .into_iter()
                .flatten()
                .min();
            let timeout = deadline.map(|deadline| deadline.saturating_duration_since(now()));
            self.poller.poll(self.client.interests(), timeout);
            let now = now();
            self.take_commands(now);
            self.client.poll_connected(now, &mut self.inputs);
            // Write before reading. An answer may make the sender drop another connection, and a
            // request with acks=0 that could have left whole on it before would be lost.
            self.client.write_all(&mut self.inputs);
            for index in 0..self.poller.ready().len() {
                let Some(ready) = self.poller.ready().get(index).copied() else {
                    continue;
                };
                if let Some(node) = self.client.node_of(ready.token)
                    && ready.readable
                {
                    self.client.read(now, node, &mut self.inputs);
                }
            }
            self.client.handle_timeouts(now, &mut self.inputs);
        }
    }

    /// Hands the sender what happened and carries out what it returns, until that is to wait;
    /// returns until when, or `None` if it is to stop.
    fn act(&mut self) -> Option<Option<Instant>> {
        loop {
            for input in std::mem::take(&mut self.inputs) {
                self.sender.handle(now(), input, &self.shared.accumulator);
            }
            let now = now();
            match self.sender.poll(now, &self.shared.accumulator) {
                Output::Connect {
                    node,
                    address,
                    setup_timeout,
                    first_address,
                    destination,
                } => self.client.connect(
                    now,
                    node,
                    address,
                    setup_timeout,
                    first_address,
                    destination,
                ),
                Output::Disconnect(node) => self.client.disconnect(node),
                Output::Send(node, id, request) => {
                    self.inputs.extend(self.client.send(now, node, id, request));
                }
                Output::Publish { view, changed } => self.publish(view, &changed),
                Output::Deliver(outcome) => self.shared.deliver(outcome),
                Output::Finish(id, result) => {
                    if let Some(answer) = self.waiting.remove(&id) {
                        answer.give(result);
                    }
                }
                Output::Purged(id, purged) => {
                    if let Some(answer) = self.purging.remove(&id) {
                        answer.give(Ok(purged));
                    }
                }
                Output::Doom(error) => self.shared.doom.set(error),
                Output::Report(report) => self.note(now, report),
                Output::Wait(deadline) => {
                    self.client.write_all(&mut self.inputs);
                    if self.inputs.is_empty() {
                        return Some(deadline);
                    }
                }
                Output::Yield => {
                    self.client.write_all(&mut self.inputs);
                    return Some(Some(now));
                }
                Output::Stop => return None,
            }
        }
    }

    fn take_commands(&mut self, now: Instant) {
        #[cfg(feature = "testing")]
        if self.shared.doomed.load(Ordering::Acquire) {
            std::panic::resume_unwind(Box::new("as a test has asked for"));
        }
        for posted in self.shared.mailbox.take() {
            let input = match posted {
                Posted::Command(id, command, answer) => {
                    self.waiting.insert(id, answer);
                    Input::Command(id, command)
                }
                Posted::Purge(id, order, answer) => {
                    self.purging.insert(id, answer);
                    Input::Purge(id, order)
                }
            };
            self.sender.handle(now, input, &self.shared.accumulator);
        }
    }

    fn publish(&self, view: Arc<ClusterView>, changed: &[Arc<str>]) {
        let rack = self.shared.rack.as_deref();
        let is_near = |leader| rack.is_some() && view.rack(leader) == rack;
        if !changed.is_empty() {
            self.shared.accumulator.change(|topics| {
                for (name, topic) in view.known(changed) {
                    let (led, near) = (topic.available(), topic.led_by(&is_near));
                    topics.publish(name, topic.partitions.len(), led, near);
                }
            });
        }
        self.shared.health.lock().follow(&view);
        *self.shared.view.lock() = view;
    }

    /// Keeps the report for callers who ask, and tells the program if it is an event.
    fn note(&self, now: Instant, report: Report) {
        let event = self.shared.health.lock().note(now, report);
        if let Some((listener, event)) = self.listener.as_ref().zip(event)
            && listener.tell(&event)
        {
            self.shared
                .counters
                .callbacks_panicked
                .add_from_any_thread(1);
        }
    }
}
