//! Linger: a synchronous Kafka producer.

mod accumulator;
mod cluster;
mod config;
mod connection;
mod driver;
mod error;
mod ids;
mod metrics;
mod partitioner;
mod producer;
mod protocol;
mod record;
mod sender;
mod serializer;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
mod transport;

pub use config::{
    Acks, MetadataRecovery, ProducerConfig, ProducerConfigBuilder, Properties, PropertyObject,
};
pub use error::{Error, ErrorKind, Result};
pub use metrics::ProducerMetrics;
pub use partitioner::{PartitionRequest, Partitioner, RoundRobinPartitioner, TopicPartitions};
pub use producer::{
    CloseReport, Node, OwnedProducerRecord, PartitionInfo, Producer, ProducerRecord, SendError,
    SendHandle,
};
pub use protocol::error_code::ErrorCode;
pub use record::Header;
pub use record::metadata::RecordMetadata;
pub use serializer::{Context, Serialized, Serializer};
