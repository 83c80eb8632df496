//! Groups of records within one transaction: as those of a producer, and gone with their transaction, so
//! that no record of theirs is sent beside or after its end. Runs on: caller.

use std::borrow::Borrow;
use std::fmt;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::producer::{
    Group, GroupOnce, GroupReport, OwnedProducerRecord, Producer, ProducerRecord, SendError,
};
use crate::record::metadata::RecordMetadata;

/// A [`Group`] whose records belong to one transaction, from
/// [`Transaction::group`](crate::Transaction::group).
pub struct TransactionGroup<'t, K: ?Sized, V: ?Sized, T> {
    producer: &'t Producer<K, V>,
    group: Group<K, V, T>,
}

/// A [`GroupOnce`] whose records belong to one transaction, from
/// [`Transaction::group_once`](crate::Transaction::group_once). Its function hears of acknowledgements, not
/// of the commit.
pub struct TransactionGroupOnce<'t, K: ?Sized, V: ?Sized, T> {
    producer: &'t Producer<K, V>,
    group: GroupOnce<K, V, T>,
}

impl<'t, K: ?Sized, V: ?Sized, T: Send + 'static> TransactionGroup<'t, K, V, T> {
    pub(super) fn new<F>(producer: &'t Producer<K, V>, function: F) -> Self
    where
        F: Fn(T, Result<&RecordMetadata, &Error>) + Send + Sync + 'static,
    {
        Self {
            producer,
            group: producer.group(function),
        }
    }
}

impl<'t, K: ?Sized, V: ?Sized, T: Send + 'static> TransactionGroupOnce<'t, K, V, T> {
    pub(super) fn new<F>(producer: &'t Producer<K, V>, function: F) -> Self
    where
        F: FnOnce(GroupReport<T>) + Send + 'static,
    {
        Self {
            producer,
            group: producer.group_once(function),
        }
    }
}

impl<K: ?Sized, V: ?Sized, T> TransactionGroupOnce<'_, K, V, T> {
    /// As [`GroupOnce::done`].
    pub fn done(self) {}
}

fn admit<K: ?Sized, V: ?Sized>(
    producer: &Producer<K, V>,
    record: &ProducerRecord<'_, K, V>,
) -> Result<()> {
    let doom = producer.handle.shared.doom.check();
    doom.map_err(|doom| doom.at(record.topic, record.partition))
}

/// The two kinds send alike.
macro_rules! sends {
    ($group:ident) => {
        impl<K: ?Sized, V: ?Sized, T: Send + 'static> $group<'_, K, V, T> {
            /// As [`Transaction::send`](crate::Transaction::send), with a token in place of a callback.
            ///
            /// # Errors
            /// As there.
            pub fn send(&self, record: ProducerRecord<'_, K, V>, token: T) -> Result<()> {
                admit(self.producer, &record)?;
                self.group.send(record, token)
            }

            /// As [`Producer::try_send`], with a token in place of a callback.
            ///
            /// # Errors
            /// As [`send`](Self::send).
            pub fn try_send(&self, record: ProducerRecord<'_, K, V>, token: T) -> Result<()> {
                admit(self.producer, &record)?;
                self.group.try_send(record, token)
            }

            /// As [`Producer::send_timeout`], with a token in place of a callback.
            ///
            /// # Errors
            /// As [`send`](Self::send).
            pub fn send_timeout(
                &self,
                record: ProducerRecord<'_, K, V>,
                timeout: Duration,
                token: T,
            ) -> Result<()> {
                admit(self.producer, &record)?;
                self.group.send_timeout(record, timeout, token)
            }

            /// As [`Producer::send_or_return`], with a token in place of a callback.
            ///
            /// # Errors
            /// As [`send`](Self::send), with the record and the token.
            pub fn send_or_return<'a>(
                &self,
                record: ProducerRecord<'a, K, V>,
                timeout: Option<Duration>,
                token: T,
            ) -> Result<(), SendError<'a, K, V, T>> {
                match admit(self.producer, &record) {
                    Ok(()) => self.group.send_or_return(record, timeout, token),
                    Err(error) => Err(SendError::new(error, record, token)),
                }
            }

            /// As [`Producer::send_owned`], with a token in place of a callback.
            ///
            /// # Errors
            /// As [`send`](Self::send).
            pub fn send_owned<A, B>(
                &self,
                record: &OwnedProducerRecord<A, B>,
                token: T,
            ) -> Result<()>
            where
                A: Borrow<K>,
                B: Borrow<V>,
            {
                self.send(record.as_record(), token)
            }
        }

        impl<K: ?Sized, V: ?Sized, T> Clone for $group<'_, K, V, T> {
            fn clone(&self) -> Self {
                Self {
                    producer: self.producer,
                    group: self.group.clone(),
                }
            }
        }

        impl<K: ?Sized, V: ?Sized, T> fmt::Debug for $group<'_, K, V, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($group))
                    .field("producer", self.producer)
                    .finish_non_exhaustive()
            }
        }
    };
}

sends!(TransactionGroup);
sends!(TransactionGroupOnce);
