//! Properties from text to a configuration, as a user sees them.

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::table::{self, Class, Kind, Preset};
use super::*;
use crate::compression::{Codec, Compression};
use crate::error::ErrorKind;
use crate::interceptor::ProducerInterceptor;
use crate::partitioner::{PartitionRequest, Partitioner, TopicPartitions};
use crate::serializer::{Context, Serialized};

mod builder;
mod configure;
mod defaults;
mod in_one_round;
mod interceptors;
mod kafkas_table;
mod librdkafkas_names;
mod names_of_others;
mod of_one_topic;
mod properties;
mod rules_across_properties;
mod secrets;
mod serializers_and_partitioners;
mod values;
mod what_is_not_supported;
mod wrong_files;

/// Everything that must be set.
fn minimal() -> Properties {
    Properties::from([
        ("bootstrap.servers", "localhost:9092"),
        ("key.serializer", "string"),
        ("value.serializer", "bytes"),
    ])
}

#[track_caller]
fn config(properties: &Properties) -> ProducerConfig {
    ProducerConfig::from_properties(properties).unwrap()
}

fn with(pairs: &[(&str, &str)]) -> Properties {
    minimal().merge(pairs.iter().copied().collect())
}

#[track_caller]
fn refused(properties: &Properties) -> String {
    let error = ProducerConfig::from_properties(properties).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    error.to_string()
}

#[track_caller]
fn warnings(properties: &Properties) -> Vec<String> {
    producer_config::check(properties, &|_, _| None).unwrap().1
}

/// One serializer of the two, whatever the other would serve.
impl ProducerConfig {
    fn key_serializer<K: ?Sized + 'static>(&self) -> Result<Arc<dyn Serializer<K>>, String> {
        self.key_serializer.serving("key")
    }

    fn value_serializer<V: ?Sized + 'static>(&self) -> Result<Arc<dyn Serializer<V>>, String> {
        self.value_serializer.serving("value")
    }
}

/// What is set in place of the built-in choice; and what holds for a topic of which nothing is said.
impl ProducerConfig {
    fn partitioner(&self) -> Option<Arc<dyn Partitioner>> {
        match self.partitioning() {
            Partitioning::Custom(partitioner) => Some(partitioner),
            Partitioning::ByKey(_) => None,
        }
    }

    fn acks(&self) -> Acks {
        self.topics.of("any").acks
    }

    fn compression(&self) -> Option<Compression> {
        self.topics.of("any").compression
    }

    fn delivery_timeout(&self) -> Duration {
        self.topics.of("any").delivery_timeout
    }
}

/// Data of the user's own, with a serializer and a partitioner to match.
struct Order;
struct OrderSerializer;

impl Serializer<Order> for OrderSerializer {
    fn serialize<'a>(
        &self,
        _: &Context<'_>,
        _: &'a Order,
        buffer: &mut Vec<u8>,
    ) -> Result<Serialized<'a>, Box<dyn StdError + Send + Sync>> {
        buffer.push(7);
        Ok(Serialized::Buffer)
    }
}

struct AlwaysThree;

/// Neither changes nor hears anything.
struct Idle;

impl ProducerInterceptor for Idle {}

impl Partitioner for AlwaysThree {
    fn partition(
        &self,
        _: &PartitionRequest<'_>,
        _: &TopicPartitions<'_>,
    ) -> Result<i32, Box<dyn StdError + Send + Sync>> {
        Ok(3)
    }
}
