//! Keys and values become bytes as the properties say, and a serializer's failure is its caller's.

use std::error::Error as StdError;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use linger::testing::MockCluster;
use linger::{
    Context, ErrorKind, PartitionRequest, Partitioner, Producer, ProducerRecord, Properties,
    PropertyObject, Serialized, Serializer, TopicPartitions,
};

use crate::support::{Outcomes, Setup, ignore, values};

type Outcome<T> = Result<T, Box<dyn StdError + Send + Sync>>;

/// What arrives as key and value if both serializers are the one of this name.
fn arrives<T: ?Sized + 'static>(name: &str, data: &T) -> Option<Vec<u8>> {
    let (cluster, producer) = Setup::new()
        .topic("t", 1)
        .set("key.serializer", name)
        .set("value.serializer", name)
        .start_for::<T, T>();
    producer
        .send_wait(ProducerRecord::new("t", data).key(data))
        .unwrap();
    let record = cluster.records("t", 0).remove(0);
    assert_eq!(record.key, record.value, "{name}");
    record.value
}

#[test]
fn every_built_in_serializer_writes_what_java_writes() {
    assert_eq!(arrives("bytes", [1u8, 2].as_slice()).unwrap(), [1, 2]);
    assert_eq!(arrives("bytes", &vec![3u8]).unwrap(), [3]);
    assert_eq!(arrives("string", "hé").unwrap(), "hé".as_bytes());
    assert_eq!(arrives("string", &String::from("x")).unwrap(), b"x");
    assert_eq!(arrives("short", &-2i16).unwrap(), [0xff, 0xfe]);
    assert_eq!(arrives("integer", &258i32).unwrap(), [0, 0, 1, 2]);
    assert_eq!(arrives("long", &-1i64).unwrap(), [0xff; 8]);
    assert_eq!(arrives("float", &1.5f32).unwrap(), [0x3f, 0xc0, 0, 0]);
    assert_eq!(
        arrives("double", &-2.0f64).unwrap(),
        [0xc0, 0, 0, 0, 0, 0, 0, 0]
    );
    assert_eq!(arrives("boolean", &true).unwrap(), [1]);
    let uuid = 0x0f8f_ad5b_d9cb_469f_a165_7086_7728_950e_u128;
    assert_eq!(
        arrives("uuid", &uuid).unwrap(),
        b"0f8fad5b-d9cb-469f-a165-70867728950e"
    );
    assert_eq!(arrives("void", "anything"), None);
}

#[test]
fn javas_class_names_mean_the_same() {
    let package = "org.apache.kafka.common.serialization";
    assert_eq!(
        arrives(&format!("{package}.StringSerializer"), "x").unwrap(),
        b"x"
    );
    assert_eq!(
        arrives(&format!("{package}.LongSerializer"), &1i64).unwrap()[7],
        1
    );
}

/// A type of the user's own.
struct Order {
    id: u32,
    item: &'static str,
}

/// Writes an order with what it knows of the record; refuses number 0, and panics at number 13.
struct OrderSerializer;

impl Serializer<Order> for OrderSerializer {
    fn serialize<'a>(
        &self,
        context: &Context<'_>,
        order: &'a Order,
        buffer: &mut Vec<u8>,
    ) -> Outcome<Serialized<'a>> {
        assert!(buffer.is_empty(), "the buffer is handed over empty");
        let (topic, part) = (
            context.topic(),
            if context.is_key() { "key" } else { "value" },
        );
        let headers = context.headers().len();
        let Order { id, item } = order;
        write!(buffer, "{topic} {part} {headers} {id} {item}")?;
        match id {
            0 => Err("orders are numbered from 1".into()),
            13 => panic!("thirteen"),
            _ => Ok(Serialized::Buffer),
        }
    }
}

fn orders() -> (MockCluster, Producer<Order, Order>) {
    Setup::new()
        .topic("t", 1)
        .properties(|properties| {
            properties
                .set_object(
                    "key.serializer",
                    PropertyObject::serializer(OrderSerializer),
                )
                .set_object(
                    "value.serializer",
                    PropertyObject::serializer(OrderSerializer),
                )
        })
        .start_for()
}

const GOOD: Order = Order { id: 7, item: "tea" };
const REFUSED: Order = Order { id: 0, item: "air" };
const PANICS: Order = Order {
    id: 13,
    item: "salt",
};

#[test]
fn a_serializer_of_the_users_own_sees_topic_and_headers() {
    let (cluster, producer) = orders();
    let record = ProducerRecord::new("t", &GOOD).key(&GOOD).null_header("h");
    let landed = producer.send_wait(record).unwrap();
    assert_eq!(landed.key_size(), Some("t key 1 7 tea".len()));
    let record = &cluster.records("t", 0)[0];
    assert_eq!(record.key.as_deref(), Some(b"t key 1 7 tea".as_slice()));
    assert_eq!(record.value.as_deref(), Some(b"t value 1 7 tea".as_slice()));
}

#[test]
fn a_file_may_name_a_serializer_that_the_program_registers() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = "key.serializer = string\nvalue.serializer = com.example.OrderSerializer\n";
    std::fs::write(&file, text).unwrap();
    let from_file = Properties::from_file(&file).unwrap();
    let object = PropertyObject::serializer(OrderSerializer);
    let registered = from_file.register("com.example.OrderSerializer", object);
    let (cluster, producer) = Setup::new()
        .topic("t", 1)
        .properties(|properties| properties.merge(registered))
        .start_for::<str, Order>();
    producer
        .send_wait(ProducerRecord::new("t", &GOOD).key("k"))
        .unwrap();
    assert_eq!(values(&cluster, "t", 0), ["t value 0 7 tea"]);
}

#[test]
fn a_serializer_that_fails_hands_record_and_callback_back() {
    let (cluster, producer) = orders();
    let outcomes = Outcomes::new();
    let record = ProducerRecord::new("t", &REFUSED).header("h", b"x");
    let refused = producer
        .send_or_return(record, None, outcomes.callback("mine"))
        .unwrap_err();
    assert_eq!(refused.error().kind(), ErrorKind::Serialization);
    let text = "cannot serialize the value of a record for \"t\": orders are numbered from 1";
    assert_eq!(refused.to_string(), text);
    let (error, record, callback) = refused.into_parts();
    let cause = error.source().unwrap().to_string();
    assert_eq!(cause, "orders are numbered from 1");
    assert!(outcomes.is_empty(), "the callback has not run");
    // The record is as it was: its header is there, only the key was missing to go wrong next.
    let error = producer.send(record.key(&REFUSED), ignore).unwrap_err();
    assert!(error.to_string().contains("the key of a record"), "{error}");
    producer
        .send(ProducerRecord::new("t", &GOOD), callback)
        .unwrap();
    producer.flush().unwrap();
    assert_eq!(outcomes.acknowledged(1)[0].0, "mine");
    assert_eq!(values(&cluster, "t", 0), ["t value 0 7 tea"]);
}

#[test]
fn a_serializer_that_panics_unwinds_to_its_caller_and_leaks_nothing() {
    let (cluster, producer) = orders();
    let outcomes = Outcomes::new();
    for (key, value) in [(&PANICS, &GOOD), (&GOOD, &PANICS)] {
        let record = ProducerRecord::new("t", value).key(key);
        let send = || producer.send(record, outcomes.callback("lost")).is_ok();
        let panic = catch_unwind(AssertUnwindSafe(send)).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"thirteen"));
    }
    assert_eq!(producer.metrics().buffer_used_bytes, 0);
    assert_eq!(producer.metrics().records_accepted, 0);
    // This thread goes on sending, and so does the I/O thread.
    producer
        .send(ProducerRecord::new("t", &GOOD), outcomes.callback("next"))
        .unwrap();
    producer.close().unwrap();
    assert_eq!(outcomes.acknowledged(1)[0].0, "next");
    assert!(outcomes.is_empty(), "no callback of a refused record ran");
    assert_eq!(values(&cluster, "t", 0), ["t value 0 7 tea"]);
    assert_eq!(producer.metrics().buffer_used_bytes, 0);
}

/// Panics for values that say so.
struct Nervous;

impl Partitioner for Nervous {
    fn partition(&self, record: &PartitionRequest<'_>, _: &TopicPartitions<'_>) -> Outcome<i32> {
        assert!(record.value() != Some(b"boo"), "frightened");
        Ok(0)
    }
}

#[test]
fn a_partitioner_that_panics_unwinds_to_its_caller_and_leaks_nothing() {
    let (cluster, producer) = Setup::new()
        .topic("t", 1)
        .properties(|properties| {
            properties.set_object("partitioner.class", PropertyObject::partitioner(Nervous))
        })
        .start();
    let send = || {
        producer
            .send(ProducerRecord::new("t", "boo"), ignore)
            .is_ok()
    };
    let panic = catch_unwind(AssertUnwindSafe(send)).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"frightened"));
    assert_eq!(producer.metrics().buffer_used_bytes, 0);
    producer
        .send_wait(ProducerRecord::new("t", "fine"))
        .unwrap();
    assert_eq!(values(&cluster, "t", 0), ["fine"]);
}

/// Sends a note of its own for every record that it serializes.
struct Notes(Producer<str, str>);

impl Serializer<str> for Notes {
    fn serialize<'a>(
        &self,
        context: &Context<'_>,
        text: &'a str,
        buffer: &mut Vec<u8>,
    ) -> Outcome<Serialized<'a>> {
        buffer.extend_from_slice(b"outer ");
        self.0
            .send_wait(ProducerRecord::new("notes", context.topic()))?;
        buffer.extend_from_slice(text.as_bytes());
        Ok(Serialized::Buffer)
    }
}

#[test]
fn a_serializer_may_send_records_of_its_own() {
    let (cluster, notes) = Setup::new().topic("t", 1).topic("notes", 1).start();
    let properties = Properties::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("key.serializer", "string")
        .set_object("value.serializer", PropertyObject::serializer(Notes(notes)));
    let producer: Producer<str, str> = Producer::new(&properties).unwrap();
    producer
        .send_wait(ProducerRecord::new("t", "inner"))
        .unwrap();
    assert_eq!(values(&cluster, "t", 0), ["outer inner"]);
    assert_eq!(values(&cluster, "notes", 0), ["t"]);
}
