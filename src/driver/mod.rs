//! The I/O thread: turns readiness and time into inputs for the sender, and its outputs into bytes
//! and callbacks. Decides nothing about records, and holds no lock while a callback runs. When
//! there is nothing to do it sleeps until a deadline of the sender's, with no periodic wake-ups.

mod mailbox;
#[cfg(test)]
#[cfg(shuttle)]
#[path = "model/tests.rs"]
mod model;
#[cfg_attr(all(test, shuttle), path = "model/peers.rs")]
mod peers;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

pub(crate) use mailbox::{End, Mailbox, Slot, Ticket};
#[cfg(test)]
#[cfg(shuttle)]
pub(crate) use peers::{DEADLY_TO_KNOW, DEADLY_TO_SEND};

use crate::accumulator::{Accumulator, BatchId, Outcome, Panicked, UndeliveredRecord};
use crate::cluster::ClusterView;
use crate::config::{MetadataRecovery, ProducerConfig};
use crate::connection;
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::Counters;
use crate::protocol::frame::MAX_FRAME_BYTES;
use crate::sender::{self, Command, CommandId, Input, Output, Sender};
use crate::sync::thread::{self, ThreadId};
use crate::sync::{Arc, Mutex, OnceLock, Rank, Ranked};
use crate::transport::{Connector, Poller, SocketOptions, Waker};
use mailbox::Answer;
use peers::{ConnectSettings, Peers};

/// What callers and the I/O thread share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) accumulator: Accumulator,
    pub(crate) counters: Arc<Counters>,
    mailbox: Mailbox,
    view: Mutex<Arc<ClusterView>>,
    /// What fails is kept here, batch by batch, once a caller that closes has asked for it.
    undelivered: Mutex<Option<BTreeMap<BatchId, Vec<UndeliveredRecord>>>>,
    waker: Waker,
    io_thread: OnceLock<ThreadId>,
}

impl Shared {
    /// Whoever is about to wait for the I/O thread looks whether it is in this process at all.
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
    pub(crate) fn post(&self, command: Command) -> Result<Ticket, End> {
        // First of all: a lock may have been copied in the hands of a thread that was not.
        self.check_process()?;
        let ticket = self.mailbox.post(command)?;
        self.waker.wake();
        Ok(ticket)
    }

    /// Tells the I/O thread that there is something new to look at.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// Whether this is the I/O thread, where waiting for it would wait for ever.
    pub(crate) fn is_io_thread(&self) -> bool {
        self.io_thread
            .get()
            .is_some_and(|id| *id == thread::current().id())
    }

    /// Why the I/O thread does nothing any more, if that is so.
    pub(crate) fn ending(&self) -> Option<End> {
        self.mailbox.ending()
    }

    pub(crate) fn view(&self) -> Arc<ClusterView> {
        Arc::clone(&self.view.lock())
    }

    /// Keeps what fails from now on.
    pub(crate) fn keep_undelivered(&self) {
        self.undelivered.lock().get_or_insert_default();
    }

    /// What was kept, oldest batch first; keeps nothing any more.
    pub(crate) fn take_undelivered(&self) -> Vec<UndeliveredRecord> {
        let kept = self.undelivered.lock().take().unwrap_or_default();
        kept.into_values().flatten().collect()
    }

    /// The I/O thread has panicked: every record that is left fails, with a fate that is true.
    fn bury(&self, sender: Sender) {
        let error = End::Died.error();
        for outcome in sender.abandon(&error) {
            self.deliver(outcome);
        }
        for outcome in self.accumulator.abandon(&error) {
            self.deliver(outcome);
        }
        log::error!("the I/O thread has panicked; every pending record has failed");
    }

    /// Runs the callbacks of a batch, in the order of `send`.
    fn deliver(&self, outcome: Outcome) {
        let started = now();
        let records = outcome.completions.len();
        if outcome.result.is_err()
            && let Some(kept) = &mut *self.undelivered.lock()
        {
            kept.insert(outcome.batch, outcome.undelivered());
        }
        let queue = Arc::clone(&outcome.queue);
        let note = |called: Result<(), Panicked>| {
            if called.is_err() {
                self.counters.callbacks_panicked.add_from_any_thread(1);
            }
        };
        let ended = outcome.run_callbacks(|result, called| {
            // Counted one by one: a close that runs out of time tells how many are left.
            self.accumulator.tally().count(result);
            note(called);
        });
        note(ended);
        let took = now().saturating_duration_since(started);
        if took > SLOW_CALLBACKS {
            let (topic, partition) = (queue.topic(), queue.index());
            log::warn!(
                "the callbacks of {records} records of \"{topic}\"-{partition} ran for {took:?}; \
                 nothing is sent meanwhile"
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
    peers: Peers,
    /// Callers who wait for the sender's answer.
    waiting: BTreeMap<CommandId, Answer>,
    inputs: Vec<Input>,
}

/// A batch whose callbacks take longer than this holds everything else up.
const SLOW_CALLBACKS: Duration = Duration::from_secs(1);

/// Starts the I/O thread; connects to nobody yet.
///
/// # Errors
/// The system has no thread or file descriptor to give.
pub(crate) fn start(config: &ProducerConfig) -> Result<(Arc<Shared>, thread::JoinHandle<()>)> {
    let refused = |error| {
        Error::with_source(
            ErrorKind::Internal,
            format!("cannot start the I/O thread: {error}"),
            error,
        )
    };
    let poller = Poller::new().map_err(refused)?;
    let counters = Arc::new(Counters::default());
    let shared = Arc::new(Shared {
        accumulator: Accumulator::new(
            config.batch_size(),
            config.buffer_memory(),
            config.adaptive_partitioning(),
        )
        .with_settings(config.topics().clone())
        .with_interceptors(config.interceptors().cloned()),
        counters: Arc::clone(&counters),
        mailbox: Mailbox::default(),
        view: Mutex::ranked(Rank::View, Arc::default()),
        undelivered: Mutex::ranked(Rank::Undelivered, None),
        waker: poller.waker(),
        io_thread: OnceLock::new(),
    });
    let connect = connect_settings(config);
    let sender = Sender::new(now(), sender_settings(config), counters);
    let driver = Driver {
        shared: Arc::clone(&shared),
        sender,
        peers: Peers::new(connect, Connector::new(poller.waker())),
        poller,
        waiting: BTreeMap::new(),
        inputs: Vec::new(),
    };
    // Whatever a client may call itself, a thread's name ends at a null byte.
    let name = format!("linger-io {}", config.client_id().replace('\0', "?"));
    let thread = thread::Builder::new()
        .name(name)
        .spawn(move || driver.run())
        .map_err(refused)?;
    Ok((shared, thread))
}

fn connect_settings(config: &ProducerConfig) -> ConnectSettings {
    let setup = config.connection_setup_timeout();
    ConnectSettings {
        connection: Arc::new(connection::Settings {
            client_id: Arc::from(config.client_id()),
            request_timeout: config.request_timeout(),
            max_in_flight: config.max_in_flight(),
            max_response_bytes: MAX_FRAME_BYTES,
        }),
        options: SocketOptions {
            send_buffer_bytes: config.send_buffer(),
            receive_buffer_bytes: config.receive_buffer(),
            user_timeout: Some(config.request_timeout()),
        },
        setup_timeout: setup.initial,
        setup_timeout_max: setup.max,
    }
}

fn sender_settings(config: &ProducerConfig) -> sender::Settings {
    sender::Settings {
        bootstrap: config.bootstrap_servers().to_vec(),
        retries: config.retries(),
        idempotence: config.idempotence(),
        linger: config.linger(),
        request_timeout: config.request_timeout(),
        // Batches that go together leave as much room for the names of their partitions.
        max_request_size: config.max_request_size().min(1 << 30),
        max_in_flight: config.max_in_flight(),
        retry_backoff: config.retry_backoff(),
        reconnect_backoff: config.reconnect_backoff(),
        metadata_max_age: config.metadata_max_age(),
        metadata_max_idle: config.metadata_max_idle(),
        rebootstrap: match config.metadata_recovery() {
            MetadataRecovery::None => None,
            MetadataRecovery::Rebootstrap => Some(config.rebootstrap_trigger()),
        },
        connections_max_idle: config.connections_max_idle(),
        availability_timeout: config.partition_availability_timeout(),
        seed: seed(),
    }
}

/// What the sender's jitter starts from: different in each producer.
fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
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
        let result = catch_unwind(AssertUnwindSafe(|| self.run_until_stopped()));
        let end = match result {
            Ok(()) => End::Closed,
            Err(_) => End::Died,
        };
        let Self {
            shared,
            sender,
            peers,
            waiting,
            ..
        } = self;
        // In this order: whoever finds the producer closed asks the mailbox why.
        shared.mailbox.announce(end);
        shared.accumulator.close();
        drop(peers);
        if end == End::Died {
            // Not even another panic, in a logger perhaps, keeps callers waiting.
            catch_unwind(AssertUnwindSafe(|| shared.bury(sender))).ok();
        }
        // Who waits for anything, or comes to ask for it now, is answered after the callbacks: a
        // close that returns has seen them all.
        for answer in waiting.into_values() {
            answer.give(Err(end.error()));
        }
        shared.mailbox.end(end);
    }

    fn run_until_stopped(&mut self) {
        loop {
            let Some(deadline) = self.act() else { return };
            let deadline = [deadline, self.peers.deadline()]
                .into_iter()
                .flatten()
                .min();
            let timeout = deadline.map(|deadline| deadline.saturating_duration_since(now()));
            self.poller
                .poll(self.peers.interests(), timeout)
                .unwrap_or_else(|error| panic!("the system cannot wait for sockets: {error}"));
            let now = now();
            self.take_commands(now);
            self.peers.take_connected(now, &mut self.inputs);
            // First of all: an answer may end another connection, and what was written whole there
            // with acks=0 is done.
            self.peers.write_all(&mut self.inputs);
            for index in 0..self.poller.ready().len() {
                let Some(ready) = self.poller.ready().get(index).copied() else {
                    continue;
                };
                if let Some(node) = self.peers.node_of(ready.token)
                    && ready.readable
                {
                    self.peers.read(now, node, &mut self.inputs);
                }
            }
            self.peers.check_timeouts(now, &mut self.inputs);
        }
    }

    /// Tells the sender what happened and does what it says, until it says to wait; returns until
    /// when, or `None` if it says to stop.
    fn act(&mut self) -> Option<Option<Instant>> {
        loop {
            for input in std::mem::take(&mut self.inputs) {
                self.sender.handle(now(), input, &self.shared.accumulator);
            }
            let now = now();
            match self.sender.poll(now, &self.shared.accumulator) {
                Output::Connect(node, address) => self.peers.connect(now, node, address),
                Output::Disconnect(node) => self.peers.disconnect(node),
                Output::Send(node, id, request) => {
                    self.inputs.extend(self.peers.send(now, node, id, request));
                }
                Output::Publish(view) => self.publish(view),
                Output::Deliver(outcome) => self.shared.deliver(outcome),
                Output::Finish(id, result) => {
                    if let Some(answer) = self.waiting.remove(&id) {
                        answer.give(result);
                    }
                }
                Output::Wait(deadline) => {
                    self.peers.write_all(&mut self.inputs);
                    if self.inputs.is_empty() {
                        return Some(deadline);
                    }
                }
                Output::Stop => return None,
            }
        }
    }

    fn take_commands(&mut self, now: Instant) {
        for posted in self.shared.mailbox.take() {
            self.waiting.insert(posted.id, posted.answer);
            let input = Input::Command(posted.id, posted.command);
            self.sender.handle(now, input, &self.shared.accumulator);
        }
    }

    fn publish(&self, view: Arc<ClusterView>) {
        self.shared.accumulator.change(|topics| {
            for (name, topic) in &view.topics {
                let leaders = (0i32..).zip(&topic.partitions);
                let available = leaders
                    .filter(|(_, one)| one.leader.is_some())
                    .map(|(index, _)| index)
                    .collect();
                topics.publish(name, topic.partitions.len(), available);
            }
        });
        *self.shared.view.lock() = view;
    }
}
