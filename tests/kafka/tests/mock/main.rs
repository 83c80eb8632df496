//! The mock cluster as other clients see it: Kafka's own Java tools and librdkafka produce to it,
//! and what they are told is what its logs hold.

mod java;
mod librdkafka;
