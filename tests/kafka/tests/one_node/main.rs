//! One real broker: what Linger sends is read back by Kafka's own consumer and log dumper.

#![expect(missing_docs, reason = "tests say what they show by their names")]

mod content;
mod delivery;
mod examples;
mod topics;
