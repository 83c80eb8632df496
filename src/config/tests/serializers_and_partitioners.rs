//! Class properties: names, objects, and the types that they serve.

use super::*;

fn misfit<T: ?Sized>(result: Result<Arc<dyn Serializer<T>>, String>) -> String {
    result.err().unwrap()
}

#[test]
fn serve_the_types_of_their_names() {
    let config = config(&minimal());
    assert!(config.key_serializer::<str>().is_ok());
    assert!(config.key_serializer::<String>().is_ok());
    assert!(config.value_serializer::<[u8]>().is_ok());
    assert!(config.value_serializer::<Vec<u8>>().is_ok());
}

#[test]
fn name_both_types_when_they_do_not_fit() {
    let config = config(&minimal());
    assert_eq!(
        misfit(config.key_serializer::<i64>()),
        "key.serializer: \"string\" serves str and alloc::string::String, but the keys of \
         this producer are i64; \"long\" serves i64"
    );
    assert_eq!(
        misfit(config.value_serializer::<u8>()),
        "value.serializer: \"bytes\" serves [u8] and alloc::vec::Vec<u8>, but the values of \
         this producer are u8"
    );
}

#[test]
fn may_be_objects_of_the_users_own() {
    let properties = minimal()
        .set_object(
            "value.serializer",
            PropertyObject::serializer(OrderSerializer),
        )
        .set_object(
            "partitioner.class",
            PropertyObject::partitioner(AlwaysThree),
        );
    let config = config(&properties);
    let mut buffer = Vec::new();
    let serializer = config.value_serializer::<Order>().unwrap();
    let context = Context::new("orders", &[], false);
    let serialized = serializer.serialize(&context, &Order, &mut buffer).unwrap();
    assert_eq!((serialized, buffer), (Serialized::Buffer, vec![7]));
    let record = PartitionRequest::new("orders", None, None);
    let partitions = TopicPartitions::new(4, &[]);
    let partitioner = config.partitioner().unwrap();
    assert_eq!(partitioner.partition(&record, &partitions).unwrap(), 3);
    assert!(misfit(config.value_serializer::<str>()).starts_with(
        "value.serializer: the given object serves linger::config::tests::Order, but the \
         values of this producer are str; \"string\" serves str"
    ));
}

#[test]
fn may_have_names_that_the_program_registers() {
    let properties = Properties::parse(
        "bootstrap.servers = a:1\nkey.serializer = string\n\
         value.serializer = com.example.OrderSerializer\n\
         partitioner.class = com.example.Three",
    )
    .register(
        "com.example.OrderSerializer",
        PropertyObject::serializer(OrderSerializer),
    )
    .register(
        "com.example.Three",
        PropertyObject::partitioner(AlwaysThree),
    );
    let config = config(&properties);
    assert!(config.value_serializer::<Order>().is_ok());
    assert!(config.partitioner().is_some());
}

#[test]
fn may_have_javas_names() {
    let properties = with(&[
        (
            "key.serializer",
            "org.apache.kafka.common.serialization.LongSerializer",
        ),
        (
            "partitioner.class",
            "org.apache.kafka.clients.producer.RoundRobinPartitioner",
        ),
    ]);
    let config = config(&properties);
    assert!(config.key_serializer::<i64>().is_ok());
    assert!(config.partitioner().is_some());
}

#[test]
fn are_refused_when_nobody_knows_them() {
    let message = refused(&with(&[("key.serializer", "com.example.S")]));
    assert!(message.starts_with("key.serializer: there is no serializer \"com.example.S\"; "));
    let message = refused(&with(&[("partitioner.class", "com.example.P")]));
    assert!(
        message.starts_with("partitioner.class: there is no partitioner "),
        "{message}"
    );
    let removed = "org.apache.kafka.clients.producer.internals.DefaultPartitioner";
    let message = refused(&with(&[("partitioner.class", removed)]));
    assert!(
        message.contains("was removed from Kafka in 4.0"),
        "{message}"
    );
}

#[test]
fn are_not_taken_for_each_other_or_for_text() {
    let partitioner = PropertyObject::partitioner(AlwaysThree);
    let serializer = PropertyObject::serializer(OrderSerializer);
    let cases = [
        (
            "key.serializer",
            partitioner.clone(),
            "key.serializer: a partitioner is not a serializer",
        ),
        (
            "partitioner.class",
            serializer,
            "partitioner.class: a serializer of linger::config::tests::Order is not a \
             partitioner",
        ),
        (
            "linger.ms",
            partitioner,
            "linger.ms takes text, not a partitioner",
        ),
    ];
    for (name, object, message) in cases {
        assert_eq!(refused(&minimal().set_object(name, object)), message);
    }
}

#[test]
fn may_be_kept_and_given_away() {
    let partitioner = Arc::new(AlwaysThree);
    let object = PropertyObject::partitioner(Arc::clone(&partitioner));
    let config = config(&minimal().set_object("partitioner.class", object));
    assert!(config.partitioner().is_some());
    assert!(Arc::strong_count(&partitioner) > 1);
}
