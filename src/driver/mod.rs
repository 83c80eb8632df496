//! The I/O thread: turns readiness and time into inputs for the sender, and its outputs into bytes
//! and callbacks. Decides nothing about records, and holds no lock while a callback runs. When
//! there is nothing to do it sleeps until a deadline of the sender's or of a connection, with no
//! periodic wake-ups.

#[cfg_attr(all(test, shuttle), path = "model/client.rs")]
mod client;
mod mailbox;
#[cfg(test)]
#[cfg(shuttle)]
#[path = "model/tests.rs"]
mod model;

use crate::sorted_map::SortedMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

#[cfg(test)]
#[cfg(shuttle)]
pub(crate) use client::{DEADLY_TO_KNOW, DEADLY_TO_SEND};
pub(crate) use mailbox::{End, Mailbox, Slot, Ticket};

use crate::accumulator::{Accumulator, BatchId, Outcome, Panicked, UndeliveredRecord};
use crate::cluster::ClusterView;
use crate::config::{MetadataRecovery, ProducerConfig};
use crate::connection;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::NodeId;
use crate::metrics::Counters;
use crate::protocol::frame::MAX_FRAME_BYTES;
use crate::sender::{self, CommandId, Input, Output, PurgeId, Purged, Sender};
use crate::sync::thread::{self, ThreadId};
use crate::sync::{Arc, Mutex, OnceLock, Rank, Ranked};
use crate::transport::{Connector, Poller, SocketOptions, Waker};
use client::{ConnectSettings, NetworkClient};
use mailbox::{Answer, Postable, Posted};

/// What callers and the I/O thread share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) accumulator: Accumulator,
    pub(crate) counters: Arc<Counters>,
    mailbox: Mailbox,
    view: Mutex<Arc<ClusterView>>,
    /// What fails is kept here, batch by batch, once a caller that closes has asked for it.
    undelivered: Mutex<Option<SortedMap<BatchId, Vec<UndeliveredRecord>>>>,
    /// The producer's own rack, if its keyless records are to stay there.
    rack: Option<String>,
    waker: Waker,
    io_thread: OnceLock<ThreadId>,
}

impl Shared {
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
    fn fail_all(&self, sender: Sender) {
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
            self.accumulator.finish_record(result);
            note(called);
        });
        note(ended);
        let took = now().saturating_duration_since(started);
        if took > SLOW_CALLBACKS {
            log::warn!(
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
}

/// A batch whose callbacks take longer than this holds everything else up.
const SLOW_CALLBACKS: Duration = Duration::from_secs(1);

/// Starts the I/O thread, which connects to no broker yet.
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
        .with_record_limits(config.batch_records(), config.pending_records())
        .with_interceptors(config.interceptors().cloned()),
        counters: Arc::clone(&counters),
        mailbox: Mailbox::default(),
        view: Mutex::ranked(Rank::View, Arc::default()),
        undelivered: Mutex::ranked(Rank::Undelivered, None),
        rack: config.rack().map(str::to_owned),
        waker: poller.waker(),
        io_thread: OnceLock::new(),
    });
    let connect = connect_settings(config);
    let sender = Sender::new(now(), sender_settings(config), counters);
    let driver = Driver {
        shared: Arc::clone(&shared),
        sender,
        client: NetworkClient::new(connect, Connector::new(poller.waker())),
        poller,
        waiting: SortedMap::new(),
        purging: SortedMap::new(),
        inputs: Vec::new(),
    };
    // A client id may have a null byte, a thread's name may not.
    let name = format!("linger-io {}", config.client_id().replace('\0', "?"));
    let thread = thread::Builder::new()
        .name(name)
        .spawn(move || driver.run())
        .map_err(refused)?;
    Ok((shared, thread))
}

fn connect_settings(config: &ProducerConfig) -> ConnectSettings {
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
        setup_timeout: config.connection_setup_timeout(),
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
            // Not even another panic, in a logger perhaps, keeps callers waiting.
            catch_unwind(AssertUnwindSafe(|| shared.fail_all(sender))).ok();
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
            self.poller
                .poll(self.client.interests(), timeout)
                .unwrap_or_else(|error| panic!("the system cannot wait for sockets: {error}"));
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
                } => self
                    .client
                    .connect(now, node, address, setup_timeout, first_address),
                Output::Disconnect(node) => self.client.disconnect(node),
                Output::Send(node, id, request) => {
                    self.inputs.extend(self.client.send(now, node, id, request));
                }
                Output::Publish(view) => self.publish(view),
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

    fn publish(&self, view: Arc<ClusterView>) {
        self.shared.accumulator.change(|topics| {
            for (name, topic) in &view.topics {
                let led = |is_meant: &dyn Fn(NodeId) -> bool| -> Vec<i32> {
                    let leaders = (0i32..).zip(&topic.partitions);
                    leaders
                        .filter(|(_, one)| one.leader.is_some_and(is_meant))
                        .map(|(index, _)| index)
                        .collect()
                };
                let in_rack = self.shared.rack.as_deref().map_or_else(Vec::new, |rack| {
                    led(&|leader| view.rack(leader) == Some(rack))
                });
                topics.publish(name, topic.partitions.len(), led(&|_| true), in_rack);
            }
        });
        *self.shared.view.lock() = view;
    }
}
