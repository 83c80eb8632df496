//! What the program under test calls. Runs on: caller.

use std::time::Duration;

use crate::driver::{End, Slot};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::ProducerMetrics;
use crate::producer::gate::check_topic_name;
use crate::producer::mock::state::Pending;
use crate::producer::mock::{MockProducer, NODE};
use crate::producer::prepare::all_in_one;
use crate::producer::produce::{Callback, Produce};
use crate::producer::{
    CloseReport, Node, PartitionInfo, ProducerRecord, ProducerState, Purge, PurgeReport, SendError,
};
use crate::record::metadata::RecordMetadata;
use crate::sync::Arc;

impl<K, V> Produce<K, V> for MockProducer<K, V>
where
    K: ?Sized + ToOwned<Owned: Send>,
    V: ?Sized + ToOwned<Owned: Send>,
{
    fn send(&self, record: ProducerRecord<'_, K, V>, callback: Callback) -> Result<()> {
        Ok(self.send_or_return(record, None, callback)?)
    }

    fn try_send(&self, record: ProducerRecord<'_, K, V>, callback: Callback) -> Result<()> {
        self.send(record, callback)
    }

    fn send_timeout(
        &self,
        record: ProducerRecord<'_, K, V>,
        _timeout: Duration,
        callback: Callback,
    ) -> Result<()> {
        self.send(record, callback)
    }

    fn send_or_return<'a>(
        &self,
        record: ProducerRecord<'a, K, V>,
        _timeout: Option<Duration>,
        callback: Callback,
    ) -> Result<(), SendError<'a, K, V, Callback>> {
        let mut offered = Some(callback);
        let submitted = self.submit(&record, &mut offered);
        if let Some((error, callback)) = submitted.err().zip(offered) {
            return Err(SendError::new(error, record, callback));
        }
        self.catch_up();
        Ok(())
    }

    /// Completes what is pending, as a flush does.
    fn send_wait(&self, record: ProducerRecord<'_, K, V>) -> Result<RecordMetadata> {
        self.check_thread("send_wait")?;
        let outcome = Arc::new(Slot::default());
        let filled = Arc::clone(&outcome);
        let callback: Callback = Box::new(move |result| filled.fill(result));
        self.submit(&record, &mut Some(callback))?;
        self.deliver(usize::MAX);
        // Another thread may be about to run the callback.
        let done = outcome.wait(None);
        done.expect("without a deadline the wait ends with the outcome")
    }

    fn prepare(&self, topics: &[&str], _timeout: Duration) -> Result<()> {
        self.check_thread("prepare")?;
        let mut state = self.shared.state.lock();
        let known = topics.iter().map(|topic| state.partitions_of(topic));
        let errors: Vec<Error> = known.filter_map(Result::err).collect();
        drop(state);
        all_in_one(&errors, topics.len())
    }

    fn partitions_for(&self, topic: &str) -> Result<Vec<PartitionInfo>> {
        check_topic_name(topic)?;
        let count = self.shared.state.lock().partitions_of(topic)?;
        let leader = Node {
            id: NODE,
            host: "mock".to_owned(),
            port: 9092,
        };
        let describe = |partition| PartitionInfo {
            partition,
            leader: Some(leader.clone()),
            replicas: vec![NODE],
            in_sync_replicas: vec![NODE],
        };
        Ok((0..count).map(describe).collect())
    }

    fn flush(&self) -> Result<()> {
        self.check_thread("flush")?;
        self.shared.state.lock().start_flush()?;
        self.deliver(usize::MAX);
        Ok(())
    }

    fn flush_timeout(&self, _timeout: Duration) -> Result<()> {
        self.flush()
    }

    fn purge(&self, what: Purge<'_>) -> Result<PurgeReport> {
        self.check_thread("purge")?;
        self.shared.state.lock().check_open()?;
        let is_meant = |pending: &Pending| match what {
            Purge::All => true,
            Purge::Topic(topic) => pending.metadata.topic == topic,
        };
        let error = Error::new(
            ErrorKind::Purged,
            "purged by the program before it was sent",
        );
        let mut purged = 0;
        while self.deliver_one(|state| {
            let index = state.pending.iter().position(is_meant)?;
            let pending = state.pending.remove(index)?;
            Some(pending.failing(error.clone()))
        }) {
            purged += 1;
        }
        self.catch_up();
        Ok(PurgeReport { purged, left: 0 })
    }

    fn metrics(&self) -> ProducerMetrics {
        let totals = self.shared.tally.totals();
        ProducerMetrics {
            records_accepted: self.shared.state.lock().accepted,
            records_acknowledged: totals.acknowledged,
            records_failed: totals.failed(),
            ..ProducerMetrics::default()
        }
    }

    fn state(&self) -> ProducerState {
        let state = self.shared.state.lock();
        ProducerState {
            is_alive: !state.is_closed,
            is_closed: state.is_closed,
            pending_records: state.pending.len() as u64,
            ..ProducerState::default()
        }
    }

    fn close(&self) -> Result<CloseReport> {
        self.close_with(None)
    }

    /// Fails what is pending if `timeout` is zero, and completes it otherwise.
    fn close_timeout(&self, timeout: Duration) -> Result<CloseReport> {
        let error = End::Closed.error();
        self.close_with(Some(&error).filter(|_| timeout.is_zero()))
    }
}
