//! One real broker: what Linger sends is read back by Kafka's own consumer and log dumper.

mod compression;
mod console;
mod content;
mod delivery;
mod doctor;
mod examples;
mod topics;
