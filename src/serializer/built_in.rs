//! The built-in serializers, which have names: the same bytes as Java's classes of these names. Numbers
//! are big-endian.

use std::error::Error;
use std::io::Write;

use super::{Context, ErasedSerializer, Serialized, Serializer};
use crate::sync::Arc;

/// The serializer of a short name (`string`) or of Java's class name
/// (`org.apache.kafka.common.serialization.StringSerializer`).
pub(crate) fn built_in(name: &str) -> Option<ErasedSerializer> {
    let short = match name.strip_prefix(JAVA_PACKAGE) {
        Some(class) => JAVA_CLASSES.iter().find(|(java, _)| *java == class)?.1,
        None => name,
    };
    Some(match short {
        "bytes" => ErasedSerializer::new::<[u8]>(Bytes).and::<Vec<u8>>(Bytes),
        "string" => ErasedSerializer::new::<str>(Text).and::<String>(Text),
        "short" => ErasedSerializer::new::<i16>(BigEndian),
        "integer" => ErasedSerializer::new::<i32>(BigEndian),
        "long" => ErasedSerializer::new::<i64>(BigEndian),
        "float" => ErasedSerializer::new::<f32>(BigEndian),
        "double" => ErasedSerializer::new::<f64>(BigEndian),
        "boolean" => ErasedSerializer::new::<bool>(Boolean),
        "uuid" => ErasedSerializer::new::<u128>(Uuid).and::<[u8; 16]>(Uuid),
        "void" => ErasedSerializer::void(),
        _ => return None,
    })
}

/// The serializer of `T` if none is configured: only bytes and text leave no doubt about theirs.
pub(crate) fn default_for<T: ?Sized + 'static>() -> Option<Arc<dyn Serializer<T>>> {
    ["bytes", "string"]
        .into_iter()
        .find_map(|name| built_in(name)?.serving::<T>())
}

/// The short name of the built-in serializer that is made for `T`, to suggest it.
pub(crate) fn name_serving<T: ?Sized + 'static>() -> Option<&'static str> {
    SHORT_NAMES
        .into_iter()
        .filter(|name| *name != "void")
        .find(|name| built_in(name).is_some_and(|serializer| serializer.serving::<T>().is_some()))
}

pub(crate) const SHORT_NAMES: [&str; 10] = [
    "bytes", "string", "short", "integer", "long", "float", "double", "boolean", "uuid", "void",
];

const JAVA_PACKAGE: &str = "org.apache.kafka.common.serialization.";

const JAVA_CLASSES: [(&str, &str); 12] = [
    ("ByteArraySerializer", "bytes"),
    ("ByteBufferSerializer", "bytes"),
    ("BytesSerializer", "bytes"),
    ("StringSerializer", "string"),
    ("ShortSerializer", "short"),
    ("IntegerSerializer", "integer"),
    ("LongSerializer", "long"),
    ("FloatSerializer", "float"),
    ("DoubleSerializer", "double"),
    ("BooleanSerializer", "boolean"),
    ("UUIDSerializer", "uuid"),
    ("VoidSerializer", "void"),
];

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

struct Bytes;

impl<T: AsRef<[u8]> + ?Sized> Serializer<T> for Bytes {
    fn serialize<'a>(
        &self,
        _: &Context<'_>,
        data: &'a T,
        _: &mut Vec<u8>,
    ) -> Result<Serialized<'a>> {
        Ok(Serialized::Bytes(data.as_ref()))
    }
}

struct Text;

impl<T: AsRef<str> + ?Sized> Serializer<T> for Text {
    fn serialize<'a>(
        &self,
        _: &Context<'_>,
        data: &'a T,
        _: &mut Vec<u8>,
    ) -> Result<Serialized<'a>> {
        Ok(Serialized::Bytes(data.as_ref().as_bytes()))
    }
}

/// The bytes of a number, most significant first; of a float, those of its IEEE 754 form.
struct BigEndian;

macro_rules! big_endian {
    ($($number:ty),*) => {$(
        impl Serializer<$number> for BigEndian {
            fn serialize<'a>(
                &self,
                _: &Context<'_>,
                data: &'a $number,
                buffer: &mut Vec<u8>,
            ) -> Result<Serialized<'a>> {
                buffer.extend_from_slice(&data.to_be_bytes());
                Ok(Serialized::Buffer)
            }
        }
    )*};
}

big_endian!(i16, i32, i64, f32, f64);

/// One byte, 1 for true.
struct Boolean;

impl Serializer<bool> for Boolean {
    fn serialize<'a>(
        &self,
        _: &Context<'_>,
        data: &'a bool,
        _: &mut Vec<u8>,
    ) -> Result<Serialized<'a>> {
        Ok(Serialized::Bytes(if *data { &[1] } else { &[0] }))
    }
}

/// The 36 characters of a UUID's text form, as Java's class writes it.
struct Uuid;

impl Serializer<u128> for Uuid {
    fn serialize<'a>(
        &self,
        _: &Context<'_>,
        data: &'a u128,
        buffer: &mut Vec<u8>,
    ) -> Result<Serialized<'a>> {
        let uuid = *data;
        write!(
            buffer,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            uuid >> 96,
            (uuid >> 80) & 0xffff,
            (uuid >> 64) & 0xffff,
            (uuid >> 48) & 0xffff,
            uuid & 0xffff_ffff_ffff,
        )?;
        Ok(Serialized::Buffer)
    }
}

impl Serializer<[u8; 16]> for Uuid {
    fn serialize<'a>(
        &self,
        context: &Context<'_>,
        data: &'a [u8; 16],
        buffer: &mut Vec<u8>,
    ) -> Result<Serialized<'a>> {
        self.serialize(context, &u128::from_be_bytes(*data), buffer)?;
        Ok(Serialized::Buffer)
    }
}

/// Null, whatever it is given.
pub(super) struct Void;

impl<T: ?Sized> Serializer<T> for Void {
    fn serialize<'a>(&self, _: &Context<'_>, _: &'a T, _: &mut Vec<u8>) -> Result<Serialized<'a>> {
        Ok(Serialized::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `name` writes for `data`: `None` for null.
    fn written<T: ?Sized + 'static>(name: &str, data: &T) -> Option<Vec<u8>> {
        let serializer = built_in(name).unwrap().serving::<T>().unwrap();
        let context = Context::new("orders", &[], true);
        let mut buffer = Vec::new();
        match serializer.serialize(&context, data, &mut buffer).unwrap() {
            Serialized::Null => None,
            Serialized::Bytes(bytes) => Some(bytes.to_vec()),
            Serialized::Buffer => Some(buffer),
        }
    }

    #[test]
    fn writes_the_bytes_that_java_writes() {
        let cases: [(Option<Vec<u8>>, &[u8]); 11] = [
            (written::<[u8]>("bytes", &[1, 2]), &[1, 2]),
            (written::<Vec<u8>>("bytes", &vec![1, 2]), &[1, 2]),
            (written("string", "h\u{e9}"), b"h\xc3\xa9"),
            (written("string", &"x".to_owned()), b"x"),
            (written("short", &-2_i16), &[0xff, 0xfe]),
            (written("integer", &258_i32), &[0, 0, 1, 2]),
            (written("long", &258_i64), &[0, 0, 0, 0, 0, 0, 1, 2]),
            (written("float", &1.5_f32), &[0x3f, 0xc0, 0, 0]),
            (written("double", &-2.0_f64), &[0xc0, 0, 0, 0, 0, 0, 0, 0]),
            (written("boolean", &true), &[1]),
            (written("boolean", &false), &[0]),
        ];
        for (written, expected) in cases {
            assert_eq!(written.as_deref(), Some(expected));
        }
    }

    #[test]
    fn writes_a_uuid_as_its_36_characters() {
        let uuid = 0x0f8f_ad5b_d9cb_469f_a165_7086_7728_950e_u128;
        let text: &[u8] = b"0f8fad5b-d9cb-469f-a165-70867728950e";
        assert_eq!(written("uuid", &uuid).as_deref(), Some(text));
        assert_eq!(written("uuid", &uuid.to_be_bytes()).as_deref(), Some(text));
        let one: &[u8] = b"00000000-0000-0000-0000-000000000001";
        assert_eq!(written("uuid", &1_u128).as_deref(), Some(one));
    }

    #[test]
    fn void_is_null_for_every_type() {
        assert_eq!(written("void", &()), None);
        assert_eq!(written("void", "something"), None);
    }

    #[test]
    fn borrows_text_and_bytes_instead_of_copying_them() {
        let mut buffer = Vec::new();
        let text = "borrowed";
        let context = Context::new("orders", &[], false);
        let serializer = built_in("string").unwrap().serving::<str>().unwrap();
        let serialized = serializer.serialize(&context, text, &mut buffer).unwrap();
        assert_eq!(serialized, Serialized::Bytes(text.as_bytes()));
        assert_eq!(buffer.capacity(), 0);
    }

    #[test]
    fn knows_the_names_of_javas_classes() {
        for (class, short) in JAVA_CLASSES {
            let java = built_in(&format!("{JAVA_PACKAGE}{class}")).unwrap();
            assert_eq!(
                java.served_types(),
                built_in(short).unwrap().served_types(),
                "{class}"
            );
        }
        assert!(built_in("org.apache.kafka.common.serialization.ListSerializer").is_none());
        assert!(built_in("org.apache.kafka.common.serialization.string").is_none());
        assert!(built_in("String").is_none());
        assert!(SHORT_NAMES.iter().all(|name| built_in(name).is_some()));
    }

    #[test]
    fn serves_its_own_types_only() {
        let string = built_in("string").unwrap();
        assert!(string.serving::<str>().is_some());
        assert!(string.serving::<String>().is_some());
        assert!(string.serving::<[u8]>().is_none());
        assert!(string.serving::<i64>().is_none());
        assert_eq!(string.served_types(), "str and alloc::string::String");
        assert_eq!(name_serving::<i64>(), Some("long"));
        assert_eq!(name_serving::<u8>(), None);
    }
}
