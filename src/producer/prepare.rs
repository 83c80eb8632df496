//! Getting to know topics before the first record: what `send` would wait for. Runs on: caller.

use std::time::Duration;

use crate::driver::{End, Ticket};
use crate::error::{Error, ErrorKind, Result};
use crate::producer::gate::{ANSWER_GRACE, check_topic_name};
use crate::producer::{Producer, misuse, now};
use crate::sender::Command;
use crate::sync::Arc;

impl<K: ?Sized, V: ?Sized> Producer<K, V> {
    /// Waits until the brokers have told of all these topics, for at most `timeout`. Afterwards
    /// [`try_send`](Self::try_send) takes their first records, and [`send`](Self::send) need not wait for
    /// metadata. A topic that is not used for `metadata.max.idle.ms` (5 minutes) stays usable.
    ///
    /// A topic that does not exist is waited for, as in `send`: brokers that create topics when they are
    /// asked for them (`auto.create.topics.enable`) create it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use linger::{Producer, ProducerRecord, Properties};
    /// # let cluster = linger::testing::MockCluster::start()?;
    /// # let properties = Properties::new()
    /// #     .set("bootstrap.servers", cluster.bootstrap_servers())
    /// #     .set("key.serializer", "string")
    /// #     .set("value.serializer", "string");
    /// # let producer: Producer<str, str> = Producer::new(&properties)?;
    /// producer.prepare(&["orders", "audit"], Duration::from_secs(10))?;
    /// producer.try_send(ProducerRecord::new("orders", "placed"), |_| {})?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Some topics are not known in time. The message names each of them with the reason, one a line; the
    /// kind is that of the first that trying again does not mend, or else of the first. It tells the cause, as
    /// in `send`: [`Broker`](ErrorKind::Broker), the brokers refuse it, and this returned at once if they
    /// refuse all that is missing;
    /// [`UnknownTopicOrPartition`](ErrorKind::UnknownTopicOrPartition), they do not know it;
    /// [`Connect`](ErrorKind::Connect), [`BadResponse`](ErrorKind::BadResponse) and others, no broker can be
    /// reached or asked; [`TimedOut`](ErrorKind::TimedOut), no broker has answered about it;
    /// [`InvalidRecord`](ErrorKind::InvalidRecord), the name is not legal. [`Misuse`](ErrorKind::Misuse)
    /// inside a callback and in a forked child; [`Closed`](ErrorKind::Closed) after a close.
    pub fn prepare(&self, topics: &[&str], timeout: Duration) -> Result<()> {
        let shared = &self.handle.shared;
        shared.check_process().map_err(End::error)?;
        if shared.is_io_thread() {
            return Err(misuse("prepare"));
        }
        let deadline = now().checked_add(timeout);
        let ask = |topic: &&str| -> Result<Ticket<()>> {
            check_topic_name(topic)?;
            let command = Command::AwaitTopic {
                topic: Arc::from(*topic),
                partition: None,
                deadline,
            };
            shared.post(command).map_err(End::error)
        };
        // All are asked for before any is waited for.
        let mut each_once = topics.to_vec();
        each_once.sort_unstable();
        each_once.dedup();
        let asked: Vec<_> = each_once.iter().map(|topic| (*topic, ask(topic))).collect();
        let mut errors = Vec::new();
        for (topic, asked) in asked {
            let known = asked.and_then(|ticket| {
                let late = || Err(late(topic, timeout));
                let answer = ticket.wait_beyond(deadline, ANSWER_GRACE);
                answer.unwrap_or_else(late)
            });
            match known {
                Ok(()) => {}
                Err(error) if error.is_closed() => return Err(error),
                Err(error) => errors.push(error.at(topic, None)),
            }
        }
        all_in_one(&errors, each_once.len())
    }
}

fn late(topic: &str, timeout: Duration) -> Error {
    let text = format!(
        "no metadata for topic \"{topic}\" within {} ms; the I/O thread is busy, with a callback perhaps",
        timeout.as_millis()
    );
    Error::new(ErrorKind::TimedOut, text)
}

/// One error that tells of all.
pub(super) fn all_in_one(errors: &[Error], topics: usize) -> Result<()> {
    let lasting = errors.iter().find(|error| !error.is_retriable());
    let Some(worst) = lasting.or_else(|| errors.first()) else {
        return Ok(());
    };
    if errors.len() == 1 {
        return Err(worst.clone());
    }
    let mut text = format!("{} of {topics} topics are not ready:", errors.len());
    for error in errors {
        text.push_str(&format!("\n  {error}"));
    }
    Err(Error::with_source(worst.kind(), text, worst.clone()))
}
