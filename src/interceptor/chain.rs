//! The interceptors of a producer, in their order, and what keeps their failures from everything else.
//! Failures are counted, and logged ever more rarely: one that comes with each record must not fill a
//! disk.

use std::error::Error as StdError;
use std::fmt;

use crate::error::Error;
use crate::foreign;
use crate::foreign::logging::log_error;
use crate::interceptor::record::InterceptedRecord;
use crate::interceptor::{Acknowledgement, ProducerInterceptor};
use crate::record::metadata::RecordMetadata;
use crate::sync::{Arc, AtomicU64, Ordering};

/// At least one interceptor.
pub(crate) struct Interceptors(Vec<Link>);

struct Link {
    /// The name in the properties, or that of its type.
    name: String,
    interceptor: Arc<dyn ProducerInterceptor>,
    failures: AtomicU64,
}

impl Interceptors {
    /// In the order in which they are called, each with its name; `None` if there are none.
    pub(crate) fn new(
        named: impl IntoIterator<Item = (String, Arc<dyn ProducerInterceptor>)>,
    ) -> Option<Arc<Self>> {
        let links = named.into_iter().map(|(name, interceptor)| Link {
            name,
            interceptor,
            failures: AtomicU64::new(0),
        });
        let links: Vec<_> = links.collect();
        (!links.is_empty()).then(|| Arc::new(Self(links)))
    }

    /// The record as the interceptors leave it. Runs on: caller.
    pub(crate) fn on_send<'a>(&self, mut record: InterceptedRecord<'a>) -> InterceptedRecord<'a> {
        for link in &self.0 {
            // Copies only what earlier interceptors have changed; the caller's bytes are borrowed.
            let before = record.clone();
            let called = link.contain("on_send", || {
                link.interceptor.on_send(&mut record)?;
                match record.fault_since(&before) {
                    None => Ok(()),
                    Some(fault) => Err(fault.into()),
                }
            });
            if called.is_err() {
                record = before;
            }
        }
        record
    }

    /// A record of this topic was refused, or has its outcome.
    pub(crate) fn tell(
        &self,
        topic: &str,
        partition: Option<i32>,
        result: Result<&RecordMetadata, &Error>,
    ) {
        let acknowledgement = Acknowledgement {
            topic,
            partition,
            result,
        };
        for link in &self.0 {
            // A failure is in the log; it changes nothing.
            let _called = link.contain("on_acknowledgement", || {
                link.interceptor.on_acknowledgement(&acknowledgement);
                Ok(())
            });
        }
    }
}

/// An interceptor has failed. That is logged already, or was often enough.
struct Failed;

impl Link {
    /// Runs the user's code, and returns whatever it does: a panic would unwind past the record's
    /// callback, which would then never be called.
    fn contain(
        &self,
        method: &str,
        call: impl FnOnce() -> Result<(), Box<dyn StdError + Send + Sync>>,
    ) -> Result<(), Failed> {
        // After a panic the caller takes the record from before, so nothing half-changed is seen.
        match foreign::contain(call) {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => self.note_failure(method, "failed", &foreign::into_text(error)),
            Err(panic) => self.note_failure(method, "panicked", &panic),
        }
        Err(Failed)
    }

    /// Logs the 1st failure, the 2nd, the 4th, and so on.
    #[cold]
    fn note_failure(&self, method: &str, what: &str, why: &dyn fmt::Display) {
        let count = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            let name = &self.name;
            log_error!("{method} of the interceptor {name:?} {what} (failure {count}): {why}");
        }
    }
}

/// The interceptors, as the batches of one partition notify them of outcomes.
#[derive(Debug)]
pub(crate) struct PartitionInterceptors {
    interceptors: Arc<Interceptors>,
    topic: Arc<str>,
    partition: i32,
}

impl PartitionInterceptors {
    pub(crate) fn new(interceptors: &Arc<Interceptors>, topic: &Arc<str>, partition: i32) -> Self {
        Self {
            interceptors: Arc::clone(interceptors),
            topic: Arc::clone(topic),
            partition,
        }
    }

    /// A record of the partition has its outcome. Never panics.
    pub(crate) fn tell(&self, result: Result<&RecordMetadata, &Error>) {
        self.interceptors
            .tell(&self.topic, Some(self.partition), result);
    }
}

impl fmt::Debug for Interceptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|link| &link.name);
        f.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::panic::resume_unwind;
    use std::sync::mpsc::{self, Receiver, Sender};

    use super::*;
    use crate::error::ErrorKind;
    use crate::record::Header;

    type Outcome = Result<(), Box<dyn StdError + Send + Sync>>;

    /// Does this with each record, and passes on what it hears.
    struct Does<F>(F, Sender<String>);

    impl<F> ProducerInterceptor for Does<F>
    where
        F: Fn(&mut InterceptedRecord<'_>) -> Outcome + Send + Sync,
    {
        fn on_send(&self, record: &mut InterceptedRecord<'_>) -> Outcome {
            (self.0)(record)
        }

        fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) {
            let Acknowledgement {
                topic,
                partition,
                result,
            } = acknowledgement;
            let result = result.map_err(Error::kind).map(RecordMetadata::offset);
            self.1
                .send(format!("{topic} {partition:?} {result:?}"))
                .unwrap();
        }
    }

    struct Chain(
        Vec<(String, Arc<dyn ProducerInterceptor>)>,
        Sender<String>,
        Receiver<String>,
    );

    impl Chain {
        fn new() -> Self {
            let (tell, told) = mpsc::channel();
            Self(Vec::new(), tell, told)
        }

        fn and<F>(mut self, on_send: F) -> Self
        where
            F: Fn(&mut InterceptedRecord<'_>) -> Outcome + Send + Sync + 'static,
        {
            let name = self.0.len().to_string();
            self.0.push((name, Arc::new(Does(on_send, self.1.clone()))));
            self
        }

        fn all(self) -> (Arc<Interceptors>, Receiver<String>) {
            (Interceptors::new(self.0).unwrap(), self.2)
        }
    }

    const HEADERS: &[Header<'_>] = &[
        Header {
            name: "given",
            value: Some(b"1"),
        },
        Header {
            name: "twice",
            value: None,
        },
    ];

    fn record() -> InterceptedRecord<'static> {
        InterceptedRecord::new("t", Some(b"key"), Some(b"value"), HEADERS)
    }

    /// All of it, to be compared.
    fn shown(record: &InterceptedRecord<'_>) -> String {
        let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into());
        let headers = record.header_list();
        let headers: Vec<(&str, Option<String>)> = headers
            .iter()
            .map(|header| (header.name, text(header.value)))
            .collect();
        let (key, value) = (text(record.key()), text(record.value()));
        format!(
            "{} {:?} {:?} {key:?} {value:?} {headers:?}",
            record.topic(),
            record.partition(),
            record.timestamp_ms(),
        )
    }

    #[test]
    fn nobody_is_no_chain() {
        assert!(Interceptors::new([]).is_none());
    }

    #[test]
    fn each_gets_what_the_one_before_has_left() {
        let (chain, _told) = Chain::new()
            .and(|record| {
                record.set_topic(format!("{}2", record.topic()));
                record.set_partition(Some(3));
                record.set_timestamp_ms(Some(4));
                record.set_key(b"new key");
                record.remove_value();
                record.add_header("own", b"first".to_vec());
                record.add_null_header("twice");
                Ok(())
            })
            .and(|record| {
                assert_eq!(record.topic(), "t2");
                assert_eq!(record.headers().count(), 4);
                record.remove_key();
                record.set_value(vec![b'v'; 3]);
                record.remove_headers("twice");
                Ok(())
            })
            .all();
        let record = chain.on_send(record());
        let expected =
            r#"t2 Some(3) Some(4) None Some("vvv") [("given", Some("1")), ("own", Some("first"))]"#;
        assert_eq!(shown(&record), expected);
    }

    #[test]
    fn whoever_looks_only_copies_nothing() {
        let (chain, _told) = Chain::new()
            .and(|record| {
                assert_eq!(record.headers().collect::<Vec<_>>(), HEADERS);
                Ok(())
            })
            .all();
        let given = b"value".to_vec();
        let record = InterceptedRecord::new("t", None, Some(&given), HEADERS);
        let left = chain.on_send(record);
        assert_eq!(left.value().unwrap().as_ptr(), given.as_ptr());
        assert_eq!(left.header_list().as_ptr(), HEADERS.as_ptr());
    }

    /// Panics when it is dropped or shown, on top of all.
    struct Nasty;

    impl Drop for Nasty {
        fn drop(&mut self) {
            resume_unwind(Box::new("dropped"));
        }
    }

    #[derive(Debug)]
    struct Unspeakable;

    impl StdError for Unspeakable {}

    impl fmt::Display for Unspeakable {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            resume_unwind(Box::new("shown"));
        }
    }

    #[test]
    fn what_fails_leaves_the_record_as_it_was_and_the_next_one_runs() {
        fn spoil(record: &mut InterceptedRecord<'_>) {
            record.set_topic("spoilt");
            record.set_partition(Some(9));
            record.set_timestamp_ms(Some(9));
            record.remove_key();
            record.set_value(b"spoilt");
            record.remove_headers("first");
        }
        type Spoiler = fn(&mut InterceptedRecord<'_>) -> Outcome;
        let spoilers: [Spoiler; 8] = [
            |_| Err("no".into()),
            |_| resume_unwind(Box::new("a user's mistake")),
            |_| resume_unwind(Box::new(Nasty)),
            |_| Err(Box::new(Unspeakable)),
            |record| {
                record.set_partition(Some(-1));
                Ok(())
            },
            |record| {
                record.set_timestamp_ms(Some(-1));
                Ok(())
            },
            |record| {
                record.set_topic("no topic");
                Ok(())
            },
            |_| resume_unwind(Box::new(String::from("in a String"))),
        ];
        for spoiler in spoilers {
            let (chain, _told) = Chain::new()
                .and(|record| {
                    record.add_header("first", b"1");
                    Ok(())
                })
                .and(move |record| {
                    spoil(record);
                    spoiler(record)
                })
                .and(|record| {
                    record.add_header("last", b"2");
                    Ok(())
                })
                .all();
            let record = chain.on_send(record());
            let expected = r#"t None None Some("key") Some("value") [("given", Some("1")), ("twice", None), ("first", Some("1")), ("last", Some("2"))]"#;
            assert_eq!(shown(&record), expected);
        }
    }

    #[test]
    fn what_was_wrong_before_is_nobodys_fault() {
        let (chain, _told) = Chain::new()
            .and(|record| {
                record.add_header("seen", b"");
                Ok(())
            })
            .all();
        let mut wrong = record();
        wrong.set_partition(Some(-2));
        wrong.set_timestamp_ms(Some(-2));
        wrong.set_topic("no topic");
        let left = chain.on_send(wrong);
        assert_eq!(left.headers().count(), 3);
        assert_eq!(left.partition(), Some(-2));
    }

    #[test]
    fn everybody_is_told_even_if_the_one_before_panics() {
        struct Panics;
        impl ProducerInterceptor for Panics {
            fn on_acknowledgement(&self, _: &Acknowledgement<'_>) {
                resume_unwind(Box::new(Nasty));
            }
        }
        let mut chain = Chain::new();
        chain.0.push(("panics".to_owned(), Arc::new(Panics)));
        let (chain, told) = chain.and(|_| Ok(())).and(|_| Ok(())).all();
        let closed = Error::new(ErrorKind::Closed, "closed");
        chain.tell("t", None, Err(&closed));
        let watch = PartitionInterceptors::new(&chain, &Arc::from("u"), 2);
        let metadata = RecordMetadata {
            topic: "u".into(),
            partition: 2,
            offset: Some(7),
            timestamp_ms: 0,
            key_size: None,
            value_size: None,
        };
        watch.tell(Ok(&metadata));
        let told: Vec<_> = told.try_iter().collect();
        let (refused, landed) = ("t None Err(Closed)", "u Some(2) Ok(Some(7))");
        assert_eq!(told, [refused, refused, landed, landed]);
    }
}
