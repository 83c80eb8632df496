//! [`check`](crate::check) with this producer's settings. Does not involve the I/O thread. Runs on:
//! caller.

use std::time::Duration;

use super::Producer;
use crate::check::{self, CheckReport};
use crate::cluster::MAX_PARTITIONS;
use crate::driver::End;
use crate::error::{Error, ErrorKind, Result};
use crate::sync::Arc;

impl<K: ?Sized, V: ?Sized> Producer<K, V> {
    /// Looks at the bootstrap servers, the cluster, its brokers and the topics that this producer has
    /// sent to or tried to, and says what is wrong and what to do about it: see
    /// [`check`](crate::check). Sends no records and makes no topics.
    ///
    /// A producer that nothing was sent with knows of no topics:
    /// [`check_topics`](Self::check_topics) takes their names.
    ///
    /// Uses connections of its own, so it works also while the producer is stuck, or closed. Returns
    /// after `timeout` at the latest, and as soon as all brokers have answered: ten seconds are enough
    /// to find out that one does not.
    ///
    /// # Errors
    /// [`Misuse`](crate::ErrorKind::Misuse): inside a callback, which it would hold up, or in a forked
    /// child. What is wrong with the cluster is in the report.
    pub fn check(&self, timeout: Duration) -> Result<CheckReport> {
        self.look(timeout, || {
            let shared = &self.handle.shared;
            // Those that no broker has said anything about are known only as sought.
            let mut topics = shared.sought();
            let view = shared.view();
            topics.extend(view.topics.keys().chain(view.refused.keys()).cloned());
            topics.sort_unstable();
            topics.dedup();
            topics
        })
    }

    /// [`check`](Self::check) with these topics in place of those that were sent to. Topics that it finds
    /// are known to the producer afterwards: [`try_send`](Self::try_send) takes their first records.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_topics(&self, topics: &[&str], timeout: Duration) -> Result<CheckReport> {
        let report = self.look(timeout, || topics.iter().copied().map(Arc::from).collect())?;
        self.learn(&report);
        Ok(report)
    }

    /// Makes known what a check has found, without the I/O thread, which may be busy: so `try_send` need not
    /// refuse the first record of a topic that was there a moment ago. What the I/O thread knows of a topic
    /// is as good, and may be newer.
    fn learn(&self, report: &CheckReport) {
        let accumulator = &self.handle.shared.accumulator;
        if accumulator.is_closed() {
            return;
        }
        accumulator.change(|known| {
            for topic in &report.topics {
                let count = topic.partitions.min(MAX_PARTITIONS);
                if count == 0 || known.find(&topic.name).is_some() {
                    continue;
                }
                let indexes = 0..i32::try_from(count).unwrap_or(i32::MAX);
                let has_leader = |index: &i32| topic.without_leader.binary_search(index).is_err();
                let available = indexes.filter(has_leader).collect();
                known.publish(
                    &Arc::from(topic.name.as_str()),
                    count,
                    available,
                    Vec::new(),
                );
            }
        });
    }

    fn look(
        &self,
        timeout: Duration,
        topics: impl FnOnce() -> Vec<Arc<str>>,
    ) -> Result<CheckReport> {
        let shared = &self.handle.shared;
        // Before any lock: in a forked child one may be held by a thread that does not exist there.
        shared.check_process().map_err(End::error)?;
        if shared.is_io_thread() {
            let text = "check inside a callback would hold up the thread that runs callbacks, and with \
                        it all that is sent";
            return Err(Error::new(ErrorKind::Misuse, text));
        }
        Ok(check::check(&self.settings.check, topics(), timeout))
    }
}
