//! Sees every record before it is sent, and every outcome before its callback: the trait that users
//! implement, and the calls to it.
//!
//! An interceptor's error or panic ends here: it is logged, and the record continues as if the
//! interceptor had not been called. Never runs with a lock held; reads no clock. Runs on: caller
//! (`on_send`, and the outcomes of refused records), I/O thread (all other outcomes).

use std::error::Error as StdError;

use crate::error::Error;
use crate::foreign::Held;
use crate::record::metadata::RecordMetadata;
use crate::sync::Arc;

mod chain;
mod record;

pub(crate) use chain::{Interceptors, PartitionInterceptors};
pub use record::InterceptedRecord;

/// Sees each record before it is sent and may change it, and sees each record's outcome: for tracing,
/// auditing, masking.
///
/// Set by `interceptor.classes`, one or several: each gets the record as the one before it left it.
/// One interceptor serves all threads that send through a producer, so it must be [`Sync`]; it is
/// dropped when the last producer and the last [`Properties`](crate::Properties) that hold it are gone.
/// It runs with no lock held.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use linger::{
///     Acknowledgement, InterceptedRecord, Producer, ProducerInterceptor, ProducerRecord, Properties,
///     PropertyObject,
/// };
///
/// /// Says in a header where records come from, and counts those that fail.
/// #[derive(Default)]
/// struct Origin {
///     failed: AtomicU64,
/// }
///
/// impl ProducerInterceptor for Origin {
///     fn on_send(
///         &self,
///         record: &mut InterceptedRecord<'_>,
///     ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
///         record.add_header("origin", b"shop-7");
///         Ok(())
///     }
///
///     fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) {
///         if acknowledgement.result().is_err() {
///             self.failed.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// # let cluster = linger::testing::MockCluster::start()?;
/// let origin = Arc::new(Origin::default());
/// let properties = Properties::new()
///     .set("bootstrap.servers", cluster.bootstrap_servers())
///     .set("key.serializer", "string")
///     .set("value.serializer", "string")
///     .set_object("interceptor.classes", PropertyObject::interceptor(Arc::clone(&origin)));
/// let producer: Producer<str, str> = Producer::new(&properties)?;
/// producer.send(ProducerRecord::new("orders", "order_placed"), |_| ())?;
/// producer.close()?;
/// assert_eq!(cluster.records("orders", 0)[0].headers[0].0, "origin");
/// assert_eq!(origin.failed.load(Ordering::Relaxed), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What it sees
///
/// Keys and values as bytes, after the serializers. (In Java interceptors run before the serializers.
/// Here an interceptor can be named in a file, so it cannot know a program's own types of keys and
/// values; and bytes that no interceptor changes are not copied.)
///
/// # When it fails
///
/// An error of [`on_send`](Self::on_send) and a panic in either method change nothing: the record goes
/// on as it was before that interceptor, the next one is called, and so are the callbacks, once each.
/// The first failure of an interceptor is logged as an error with the interceptor's name, and then
/// the 2nd, the 4th, the 8th and so on. A panic of its drop is logged, too. A partitioner that panics
/// ends the call that sends: [`on_acknowledgement`](Self::on_acknowledgement) then hears an error that
/// says so and has its words.
///
/// # What it costs
///
/// `on_send` runs within the call that sends, which takes so much longer.
/// [`on_acknowledgement`](Self::on_acknowledgement) runs where callbacks do, on the I/O thread, and
/// **holds everything up for as long as it takes**: hand slow work to a thread of your own. What
/// [callbacks must not do](crate::Producer#inside-a-callback) it must not do either. Without
/// interceptors none of this costs anything.
pub trait ProducerInterceptor: Send + Sync {
    /// A record is about to be sent; what is changed here is sent instead. Called once by each call
    /// that sends, on its thread, before the topic is looked at, and so also for records that are
    /// refused afterwards. Does nothing unless implemented.
    ///
    /// The record that a refused call hands back is the caller's own, without these changes: if it is
    /// sent again, it comes here again.
    ///
    /// # Errors
    /// Whatever goes wrong: the record continues as if this interceptor had not been called. So it
    /// does if it has a negative partition or timestamp or an illegal topic name afterwards.
    fn on_send(
        &self,
        record: &mut InterceptedRecord<'_>,
    ) -> Result<(), Box<dyn StdError + Send + Sync>> {
        let _unchanged = record;
        Ok(())
    }

    /// A record has its outcome. Called exactly once for each, before the record's callback or its
    /// group's function, in the same order and on the same thread.
    ///
    /// The outcome of a record that `send` refuses comes here, too, before the call returns and on its
    /// thread. If it was a serializer that refused the record, [`on_send`](Self::on_send) has not seen
    /// it before. A call that panics in a serializer, or that is misuse, reaches neither method. Does
    /// nothing unless implemented.
    fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) {
        let _unheard = acknowledgement;
    }
}

/// Lets a program keep a reference to the interceptor that it hands over.
impl<I: ProducerInterceptor + ?Sized> ProducerInterceptor for Arc<I> {
    fn on_send(
        &self,
        record: &mut InterceptedRecord<'_>,
    ) -> Result<(), Box<dyn StdError + Send + Sync>> {
        (**self).on_send(record)
    }

    fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) {
        (**self).on_acknowledgement(acknowledgement);
    }
}

impl<I: ProducerInterceptor> ProducerInterceptor for Held<I> {
    fn on_send(
        &self,
        record: &mut InterceptedRecord<'_>,
    ) -> Result<(), Box<dyn StdError + Send + Sync>> {
        (**self).on_send(record)
    }

    fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) {
        (**self).on_acknowledgement(acknowledgement);
    }
}

/// A record's outcome, as [`ProducerInterceptor::on_acknowledgement`] sees it.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledgement<'a> {
    topic: &'a str,
    partition: Option<i32>,
    result: Result<&'a RecordMetadata, &'a Error>,
}

impl<'a> Acknowledgement<'a> {
    /// The topic that the record was sent to.
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// The partition; `None` for a record that was refused and did not name one.
    pub fn partition(&self) -> Option<i32> {
        self.partition
    }

    /// Where the record was written.
    ///
    /// # Errors
    /// Why it failed or was refused; the error's [`fate`](Error::fate) says whether it may be written
    /// all the same.
    pub fn result(&self) -> Result<&'a RecordMetadata, &'a Error> {
        self.result
    }
}
