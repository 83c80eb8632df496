//! Messages in transactions: so many in each, some of them aborted, and a line for how each one ended.

use linger::{Error, ErrorKind, Fate, Result, SharedTransactionalProducer};

use crate::args::Args;
use crate::event::{Event, TransactionEnd};
use crate::event_log::{EventLog, Message};
use crate::stop::Stop;

/// The transactions of a run, one after the other.
pub(crate) struct Transactions<'a> {
    producer: &'a SharedTransactionalProducer<str, str>,
    log: &'a EventLog,
    stop: &'a Stop,
    records: u64,
    abort_every: Option<u64>,
    /// Of the one that is open or was last, from 1.
    number: u64,
    open: Option<Open>,
}

/// The values of the first and the last message, and how many there are.
struct Open {
    first: String,
    last: String,
    records: u64,
}

impl<'a> Transactions<'a> {
    pub(crate) fn new(
        args: &Args,
        producer: &'a SharedTransactionalProducer<str, str>,
        stop: &'a Stop,
        log: &'a EventLog,
    ) -> Self {
        Self {
            producer,
            log,
            stop,
            records: args.transaction_records,
            abort_every: args.abort_every,
            number: 0,
            open: None,
        }
    }

    /// Before a message is sent; false if no more can be.
    pub(crate) fn before(&mut self, message: &Message) -> bool {
        if self.open.is_some() {
            return true;
        }
        self.number += 1;
        self.open = Some(Open {
            first: message.value.clone(),
            last: message.value.clone(),
            records: 0,
        });
        match self.producer.begin_transaction() {
            Ok(()) => {
                self.print(TransactionEnd::Begun);
                true
            }
            Err(error) => {
                self.give_up(&error);
                false
            }
        }
    }

    /// After it was sent; false if no more can be.
    pub(crate) fn after(&mut self, message: &Message, is_last: bool) -> bool {
        let Some(open) = &mut self.open else {
            return false;
        };
        open.last.clone_from(&message.value);
        open.records += 1;
        if open.records < self.records && !is_last {
            return true;
        }
        let aborts = |every| self.number.is_multiple_of(every);
        let ended = match self.abort_every.is_some_and(aborts) {
            true => self.abort(Some(TransactionEnd::Aborted)),
            false => self.commit(),
        };
        match ended {
            Ok(()) => {
                self.open = None;
                true
            }
            Err(error) => {
                self.give_up(&error);
                false
            }
        }
    }

    /// The program stops: closing the producer aborts what is open.
    pub(crate) fn stopped(&mut self) {
        self.stop.is_handled();
        if self.open.is_some() {
            self.print(TransactionEnd::Aborted);
            self.open = None;
        }
    }

    fn commit(&self) -> Result<()> {
        let mut is_told = false;
        loop {
            match self.producer.commit_transaction() {
                Ok(()) => {
                    self.print(TransactionEnd::Committed);
                    return Ok(());
                }
                Err(error) if error.is_abortable() => {
                    self.print(TransactionEnd::Failed("abortable", &error.to_string()));
                    return self.abort(None);
                }
                Err(error) if error.kind() == ErrorKind::TimedOut => {
                    if !is_told && error.fate() == Fate::MayBeWritten {
                        self.print(TransactionEnd::Unknown);
                        is_told = true;
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn abort(&self, end: Option<TransactionEnd<'_>>) -> Result<()> {
        loop {
            match self.producer.abort_transaction() {
                Ok(()) => {
                    if let Some(end) = end {
                        self.print(end);
                    }
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::TimedOut => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Nothing can be sent any more.
    fn give_up(&mut self, error: &Error) {
        if error.fate() == Fate::MayBeWritten {
            self.print(TransactionEnd::Unknown);
        } else if error.is_closed() {
            self.print(TransactionEnd::Aborted);
        } else {
            self.print(TransactionEnd::Failed("fatal", &error.to_string()));
        }
        self.open = None;
    }

    fn print(&self, end: TransactionEnd<'_>) {
        let Some(open) = &self.open else { return };
        self.log.print(&Event::Transaction {
            number: self.number,
            first: &open.first,
            last: &open.last,
            end,
        });
    }
}
