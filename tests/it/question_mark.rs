//! `?` behind every call of a producer, in functions with the usual errors: Linger's own, boxed ones, an
//! enum made `#[from]` it, and one that takes every error, as anyhow's does.

use std::error::Error as StdError;
use std::fmt;

use linger::{Error, ErrorKind, Producer, ProducerRecord, Result};

use crate::support::{Setup, ignore};

/// What `#[derive(thiserror::Error)]` makes of a variant with `#[from]`.
#[derive(Debug)]
enum AppError {
    Kafka(Error),
}

impl From<Error> for AppError {
    fn from(error: Error) -> Self {
        Self::Kafka(error)
    }
}

/// As `anyhow::Error`: whatever is an error of its own and borrows nothing.
struct Anyhow(Box<dyn StdError + Send + Sync>);

impl<E: StdError + Send + Sync + 'static> From<E> for Anyhow {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Debug for Anyhow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A function that returns this kind of error, and calls whatever can refuse a record that borrows from
/// what is the function's own.
macro_rules! function {
    ($name:ident, $error:ty) => {
        fn $name(producer: &Producer<str, str>, partition: i32) -> Result<(), $error> {
            let value = format!("to partition {partition}");
            let record = || ProducerRecord::new("t", &value).partition(partition);
            let patience = crate::support::PATIENCE;
            producer.send(record(), ignore)?;
            producer.try_send(record(), ignore)?;
            producer.send_timeout(record(), patience, ignore)?;
            producer.send_wait(record())?;
            producer.send_with_handle(record())?.wait()?;
            producer
                .send_or_return(record(), None, ignore)
                .map_err(linger::SendError::into_error)?;
            let each = producer.group(|_: u8, _| ());
            each.send(record(), 1)?;
            each.try_send(record(), 2)?;
            each.send_timeout(record(), patience, 3)?;
            let once = producer.group_once(|_| ());
            once.send(record(), 1)?;
            once.try_send(record(), 2)?;
            once.send_timeout(record(), patience, 3)?;
            producer.flush()?;
            Ok(())
        }
    };
}

function!(with_our_own, Error);
function!(with_an_enum, AppError);
function!(with_any, Anyhow);
function!(with_a_box, Box<dyn StdError>);
function!(with_a_box_to_share, Box<dyn StdError + Send + Sync>);

#[test]
fn a_question_mark_behind_a_send_works_with_all_usual_errors() {
    let (cluster, producer) = Setup::new().topic("t", 1).start();
    with_our_own(&producer, 0).unwrap();
    with_an_enum(&producer, 0).unwrap();
    with_any(&producer, 0).unwrap();
    with_a_box(&producer, 0).unwrap();
    with_a_box_to_share(&producer, 0).unwrap();
    assert_eq!(cluster.records("t", 0).len(), 5 * 12);
}

#[test]
fn the_error_behind_it_is_still_ours() {
    let (_cluster, producer) = Setup::new().topic("t", 1).start();
    let AppError::Kafka(error) = with_an_enum(&producer, -1).unwrap_err();
    let kinds = [
        with_our_own(&producer, -1).unwrap_err().kind(),
        error.kind(),
        of(&*with_any(&producer, -1).unwrap_err().0),
        of(&*with_a_box(&producer, -1).unwrap_err()),
        of(&*with_a_box_to_share(&producer, -1).unwrap_err()),
    ];
    assert_eq!(kinds, [ErrorKind::InvalidRecord; 5]);
}

/// The kind of an error that has lost its type on the way.
fn of(error: &(dyn StdError + 'static)) -> ErrorKind {
    error.downcast_ref::<Error>().unwrap().kind()
}
