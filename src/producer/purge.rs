//! Taking records back that were never sent. The I/O thread does it, as it does the sending, so no
//! record can be both sent and purged. Runs on: caller.

use crate::accumulator::UndeliveredRecord;
use crate::driver::End;
use crate::error::{Error, ErrorKind, Result};
use crate::producer::{Handle, Producer, misuse, now};
use crate::sender::{PurgeOrder, Purged};
use crate::sync::Arc;

/// Which records [`Producer::purge`] takes.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purge<'a> {
    /// Those of all topics.
    All,
    /// Those of this topic. If nothing was ever sent to it, there is nothing to purge, which is no
    /// error.
    Topic(&'a str),
}

/// What a [`purge`](Producer::purge) has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PurgeReport {
    /// Records taken back: none of them was sent, or ever will be.
    pub purged: u64,
    /// Records of the same topics that were left alone, as their batches had been taken to be sent:
    /// they are on their way, or between two attempts. [`Producer::flush`] waits for them.
    pub left: u64,
}

impl<K: ?Sized, V: ?Sized> Producer<K, V> {
    /// Takes back what is queued and was never sent: each record accepted before this call whose batch
    /// no attempt to send has begun fails with [`Purged`](ErrorKind::Purged) and the fate
    /// [`NotWritten`](crate::Fate::NotWritten), and its memory is free for others (the encoded bytes at
    /// once, the bookkeeping and what a callback captures with its outcome). What the I/O thread has
    /// taken to be sent is left alone, also between two attempts: it may be written, or is what others
    /// in its sequence follow. The producer goes on: what is sent afterwards is not purged. Of what
    /// other threads send at the same moment, some may be.
    ///
    /// ```
    /// # use linger::{Producer, ProducerRecord, Properties, Purge};
    /// # let cluster = linger::testing::MockCluster::start()?;
    /// # let properties = Properties::new()
    /// #     .set("bootstrap.servers", cluster.bootstrap_servers())
    /// #     .set("linger.ms", 60_000);
    /// # let producer: Producer<str, str> = Producer::new(&properties)?;
    /// producer.send(ProducerRecord::new("positions", "old"), |result| {
    ///     println!("{}", result.unwrap_err()); // "positions"-0: purged by the program before ...
    /// })?;
    /// let report = producer.purge(Purge::Topic("positions"))?;
    /// assert_eq!((report.purged, report.left), (1, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Each callback runs once, on the I/O thread and in the order of `send`: before this returns, but
    /// where older records of the same partition are left alone, after those have their outcomes.
    ///
    /// Returns at once, unless callbacks keep the I/O thread busy: after the longest
    /// `delivery.timeout.ms` of all topics at the latest.
    ///
    /// # Errors
    /// [`Misuse`](ErrorKind::Misuse) inside a callback and in a forked child;
    /// [`Closed`](ErrorKind::Closed) after a close; [`TimedOut`](ErrorKind::TimedOut) if callbacks are
    /// what lasts too long: the purge is done when they have returned.
    pub fn purge(&self, what: Purge<'_>) -> Result<PurgeReport> {
        let purged = self.handle.purge(what, false)?;
        Ok(purged.report())
    }

    /// [`purge`](Self::purge) that also hands back the records: in the order of `send` per partition,
    /// each with the error that its callback gets. They are copies outside of `buffer.memory`.
    ///
    /// # Errors
    /// As [`purge`](Self::purge). After [`TimedOut`](ErrorKind::TimedOut) the records do not come back:
    /// only their callbacks tell.
    pub fn purge_and_return(
        &self,
        what: Purge<'_>,
    ) -> Result<(PurgeReport, Vec<UndeliveredRecord>)> {
        let purged = self.handle.purge(what, true)?;
        Ok((purged.report(), purged.returned))
    }
}

impl Handle {
    fn purge(&self, what: Purge<'_>, returns: bool) -> Result<Purged> {
        let shared = &self.shared;
        shared.check_process().map_err(End::error)?;
        if shared.is_io_thread() {
            return Err(misuse(match returns {
                true => "purge_and_return",
                false => "purge",
            }));
        }
        let topic = match what {
            Purge::All => None,
            Purge::Topic(name) => Some(Arc::from(name)),
        };
        let order = PurgeOrder {
            topic,
            before: shared.accumulator.next_batch(),
            returns,
        };
        let ticket = shared.post(order).map_err(End::error)?;
        let limit = self.longest_delivery_timeout;
        let deadline = now().checked_add(limit);
        ticket.take(deadline).unwrap_or_else(|| {
            let text = format!(
                "not purged within delivery.timeout.ms ({} ms): the I/O thread is busy with \
                 callbacks, and purges when they have returned",
                limit.as_millis()
            );
            Err(Error::new(ErrorKind::TimedOut, text))
        })
    }
}

impl Purged {
    fn report(&self) -> PurgeReport {
        PurgeReport {
            purged: self.records,
            left: self.left,
        }
    }
}
