//! The mock cluster as other clients see it: Kafka's own Java tools and librdkafka produce to it,
//! and what they are told is what its logs hold.

#![expect(missing_docs, reason = "tests say what they show by their names")]

mod java;
mod librdkafka;
