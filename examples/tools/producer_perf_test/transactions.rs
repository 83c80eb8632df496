//! Sending in transactions of a chosen duration.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use linger::{ProducerRecord, Properties, RecordMetadata, Transaction, TransactionalProducer};

use crate::args::Args;
use crate::meter::Meter;
use crate::{Outlet, Run};

/// Kafka's, if there is only an id.
const DEFAULT_DURATION: Duration = Duration::from_secs(3);
const ID: &str = "transactional.id";

/// The properties with the id that the flags ask for: their own; else that of the properties; else a random
/// one if there is a duration.
pub(crate) fn with_id(args: &Args, properties: Properties) -> Properties {
    match &args.transactional_id {
        Some(id) => properties.set(ID, id),
        None if args.transaction_duration_ms.is_some() && properties.get(ID).is_none() => {
            properties.set(ID, format!("performance-producer-{}", random_uuid()))
        }
        None => properties,
    }
}

/// How long each transaction takes; `None` without transactions.
pub(crate) fn duration(args: &Args, properties: &Properties) -> Option<Duration> {
    properties.get(ID)?;
    let given = args.transaction_duration_ms.map(i64::unsigned_abs);
    Some(given.map_or(DEFAULT_DURATION, Duration::from_millis))
}

impl Outlet for Transaction<'_, [u8], [u8]> {
    fn send(
        &self,
        record: ProducerRecord<'_, [u8], [u8]>,
        callback: impl FnOnce(linger::Result<RecordMetadata>) + Send + 'static,
    ) -> linger::Result<()> {
        Transaction::send(self, record, callback)
    }
}

impl Run<'_> {
    /// Sends all records. Each transaction is committed once a record was sent after its time, and the last
    /// one after the last record.
    pub(crate) fn send_in_transactions(
        mut self,
        producer: &mut TransactionalProducer<[u8], [u8]>,
        duration: Duration,
    ) -> linger::Result<Arc<Meter>> {
        while self.next < self.records {
            let transaction = producer.begin()?;
            let began_at = self.meter.elapsed();
            let mut sent_at = self.send_next(&transaction);
            while self.next < self.records && sent_at.saturating_sub(began_at) < duration {
                self.pause(sent_at);
                sent_at = self.send_next(&transaction);
            }
            transaction.commit()?;
            self.pause(sent_at);
        }
        Ok(self.meter)
    }
}

/// Of version 4, from the seeds of the standard hash maps.
fn random_uuid() -> String {
    let random = || RandomState::new().hash_one(0);
    let (high, low) = (random(), random());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        0x8000 | (low >> 48) & 0x3fff,
        low & 0xffff_ffff_ffff,
    )
}
