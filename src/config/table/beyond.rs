//! Properties that Kafka's producer does not have, under librdkafka's names.

use super::{Definition, Kind, supported};

pub(super) const ROWS: &[Definition] = &[supported(
    "broker.address.family",
    Kind::Choice {
        values: &["any", "v4", "v6"],
        later: &[],
        ignores_case: true,
    },
    "any",
    "Which of a broker's addresses are connected to: all, those of IPv4, or those of IPv6. \
     librdkafka's; Kafka's producer has no such property.",
)];
