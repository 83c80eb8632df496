//! The mock cluster as other clients see it: Kafka's own Java tools and librdkafka produce to it,
//! and what they are told is what its logs hold. Beside librdkafka on that cluster: its partitioners
//! and its properties, and ours of the same names.

mod java;
mod librdkafka;
mod partitioners;
mod properties;
