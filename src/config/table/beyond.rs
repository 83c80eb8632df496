//! Properties that Kafka's producer does not have, under librdkafka's names.

use super::{Definition, Kind, supported};

pub(super) const ROWS: &[Definition] = &[
    supported(
        "batch.num.messages",
        Kind::int(0),
        "0",
        "How many records a batch may have, whatever their size; 0: as many as `batch.size` has room \
         for. librdkafka's; Kafka's producer has no such property.",
    ),
    supported(
        "queue.buffering.max.messages",
        Kind::int(0),
        "0",
        "How many records may be accepted and without an outcome, whatever their size: a `send` beyond \
         that waits for up to `max.block.ms`, as it does for `buffer.memory`; 0: as many as \
         `buffer.memory` has room for. librdkafka's; Kafka's producer has no such property.",
    ),
    supported(
        "broker.address.family",
        Kind::Choice {
            values: &["any", "v4", "v6"],
            later: &[],
            ignores_case: true,
        },
        "any",
        "Which of a broker's addresses are connected to: all, those of IPv4, or those of IPv6. \
         librdkafka's; Kafka's producer has no such property.",
    ),
];
