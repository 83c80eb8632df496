//! The mock cluster as other clients see it: Kafka's own Java tools and librdkafka produce to it,
//! also in transactions, and what they are told is what its logs hold. Beside librdkafka on that cluster:
//! its partitioners and its properties, and ours of the same names. The mock as a program of its own is
//! tried there, too.

mod java;
mod librdkafka;
mod partitioners;
mod program;
mod properties;
mod tools;
mod transactions;
