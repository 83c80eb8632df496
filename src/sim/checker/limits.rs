//! What a seed has drawn, as far as it decides what may happen.

use std::time::Duration;

use crate::config::Acks;
use crate::sim::options::Options;

/// See the [module](self). Nothing in here changes.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) delivery_timeout: Duration,
    pub(super) linger: Duration,
    pub(super) request_timeout: Duration,
    pub(super) retries: u32,
    pub(super) acks: Acks,
    pub(super) idempotence: bool,
    /// Whether values take less memory than they have bytes.
    pub(super) compresses: bool,
    /// Whether the brokers are too old for the codec: what is compressed fails.
    pub(super) refuses_codec: bool,
    pub(super) max_message_bytes: usize,
    /// Whether nothing of an earlier epoch gets into a log after something of a later one.
    pub(super) has_fences: bool,
    pub(super) max_in_flight: usize,
    pub(super) max_request_size: usize,
    /// After the last fault, a record that has this much time left succeeds.
    pub(super) patience: Duration,
    /// When nothing is left of any fault, a record takes this long at most.
    pub(super) quick: Duration,
    pub(super) tells_duplicates: bool,
    /// A record may fail because of another one, and a log has markers between records.
    pub(super) has_transactions: bool,
}

impl Limits {
    pub(super) fn new(options: &Options) -> Self {
        let (sender, topic) = (&options.sender, options.topic());
        Self {
            delivery_timeout: topic.delivery_timeout,
            linger: sender.linger,
            request_timeout: sender.request_timeout,
            retries: sender.retries,
            acks: topic.acks,
            idempotence: sender.idempotence,
            compresses: topic.compression.is_some(),
            refuses_codec: options.refuses_codec(),
            max_message_bytes: options.max_message_bytes,
            has_fences: sender.idempotence && options.first_epoch == 0,
            max_in_flight: sender.max_in_flight,
            max_request_size: sender.max_request_size,
            patience: options.patience(),
            quick: options.quick(),
            tells_duplicates: options.tells_duplicates,
            has_transactions: sender.transactional.is_some(),
        }
    }
}
