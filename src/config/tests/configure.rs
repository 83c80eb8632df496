//! Serializers, partitioners and interceptors look at the properties.

use super::*;
use crate::given::GivenProperties;
use crate::sync::Mutex;

type Outcome<T = ()> = std::result::Result<T, Box<dyn StdError + Send + Sync>>;

/// Keeps what it saw; complains about a format that it does not know.
#[derive(Default)]
struct Curious {
    seen: Mutex<Vec<String>>,
}

impl Curious {
    fn look(&self, properties: &GivenProperties<'_>, role: &str) -> Outcome {
        let format = properties.get("order.format").unwrap_or("none");
        self.seen.lock().push(format!("{role} {format}"));
        match format {
            "json" | "none" => Ok(()),
            _ => Err("no such format".into()),
        }
    }

    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock())
    }
}

impl Serializer<Order> for Curious {
    fn serialize<'a>(
        &self,
        _: &Context<'_>,
        _: &'a Order,
        _: &mut Vec<u8>,
    ) -> Outcome<Serialized<'a>> {
        Ok(Serialized::Null)
    }

    fn configure(&self, properties: &GivenProperties<'_>, is_key: bool) -> Outcome {
        self.look(properties, if is_key { "key" } else { "value" })
    }
}

impl Partitioner for Curious {
    fn partition(&self, _: &PartitionRequest<'_>, _: &TopicPartitions<'_>) -> Outcome<i32> {
        Ok(0)
    }

    fn configure(&self, properties: &GivenProperties<'_>) -> Outcome {
        self.look(properties, "partitioner")
    }
}

impl ProducerInterceptor for Curious {
    fn configure(&self, properties: &GivenProperties<'_>) -> Outcome {
        self.look(properties, "interceptor")
    }
}

#[test]
fn each_sees_the_properties_and_what_it_asks_for_is_known() {
    let curious = Arc::new(Curious::default());
    let serializer = PropertyObject::serializer::<Order>(Arc::clone(&curious));
    let properties = || {
        Properties::new()
            .set("bootstrap.servers", "a:1")
            .set("order.format", "json")
    };
    let cases = [
        properties()
            .register("Mine", serializer.clone())
            .set("key.serializer", "Mine"),
        properties().set_object("value.serializer", serializer),
        properties().set_object(
            "partitioner.class",
            PropertyObject::partitioner(Arc::clone(&curious)),
        ),
        properties().set_object(
            "interceptor.classes",
            PropertyObject::interceptor(Arc::clone(&curious)),
        ),
    ];
    let roles = ["key", "value", "partitioner", "interceptor"];
    for (properties, role) in cases.into_iter().zip(roles) {
        config(&properties);
        assert_eq!(curious.seen(), [format!("{role} json")]);
        let message = refused(&properties.clone().set("order.version", "2"));
        assert_eq!(message, "unknown property \"order.version\"");
        let message = refused(&properties.set("order.format", "xml"));
        assert!(
            message.ends_with("refuses the properties: no such format"),
            "{message}"
        );
        curious.seen();
    }
    assert_eq!(
        refused(&properties()),
        "unknown property \"order.format\"",
        "nobody has asked for it"
    );
}

#[test]
fn all_with_a_prefix_are_known_when_they_are_asked_for_together() {
    let given = GivenProperties::new([("a.b", "1"), ("a.c", "2"), ("d", "3")]);
    let found = given.with_prefix("a.");
    assert_eq!(found, [("b", "1"), ("c", "2")]);
    assert!(given.was_asked_for("a.c") && !given.was_asked_for("d"));
}

#[test]
fn a_type_decides_where_no_serializer_is_named() {
    let config = config(&Properties::new().set("bootstrap.servers", "a:1"));
    assert!(config.serializers::<[u8], str>().is_ok());
    assert!(config.serializers::<Vec<u8>, String>().is_ok());
    let error = config.serializers::<i64, Order>().err().unwrap();
    assert_eq!(
        error.to_string(),
        "2 problems:\n  key.serializer must be set, as the keys of this producer are i64; \"long\" \
         serves i64\n  value.serializer must be set, as the values of this producer are \
         linger::config::tests::Order"
    );
    // What is named is not overruled.
    let named = super::config(&minimal().set("value.serializer", "long"));
    assert!(named.serializers::<str, str>().is_err());
}
