//! What a batch calls when it is finished: for each record its own callback, or its
//! [group's function](GroupFunction), and before that the interceptors. Each is called exactly once:
//! a call consumes the entry, and [`Completions`] that are dropped before they have run call the rest
//! with an error, so that no path through the producer can lose one. A callback that panics is caught
//! here. Never runs under a lock. HOT.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use crate::accumulator::group::{GroupFunction, Tokens};
use crate::error::{Error, ErrorKind, Fate, Result};
use crate::foreign;
use crate::foreign::logging::log_error;
use crate::interceptor::PartitionInterceptors;
use crate::record::Record;
use crate::record::metadata::RecordMetadata;
use crate::sync::Arc;

/// A record's own callback.
pub(crate) type Callback = dyn FnOnce(Result<RecordMetadata>) + Send;

/// One record of a batch: what to call, and the part of its result that other records do not share.
pub(crate) struct Completion {
    /// `None` if a group's function is called instead, and after the call.
    callback: Option<Box<Callback>>,
    timestamp_ms: i64,
    /// -1 for none, as in Kafka's format.
    key_size: i32,
    value_size: i32,
    /// Without a callback: which of the batch's groups is called, with the next of its tokens.
    group: u32,
}

/// What to call for the records of a batch, in the order of `send`: from the moment the first record is
/// accepted until all callbacks have returned.
#[derive(Default)]
pub(crate) struct Completions {
    records: Vec<Completion>,
    /// How many of them were called already.
    called: usize,
    /// Invariant: each holds as many tokens as there are records of its group still to be called.
    groups: Vec<Box<dyn Tokens>>,
    /// Notified of each record before its callback runs.
    interceptors: Option<Arc<PartitionInterceptors>>,
}

/// The result of an acknowledged batch, as far as all of its records share it.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    /// Of the first record; `None` with `acks=0`, where no broker answers.
    pub(crate) base_offset: Option<i64>,
    /// The broker's time, if the topic has `message.timestamp.type=LogAppendTime`.
    pub(crate) log_append_time_ms: Option<i64>,
}

/// Why a batch failed: one error for all of its records, and, where the broker has named the records
/// to blame (KIP-467), an error of their own for these.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    error: Error,
    /// By the record's index in the batch. Owns no memory while it is empty.
    blamed: BTreeMap<i64, Error>,
}

impl Failure {
    /// The records in `blamed`, by their index in the batch, fail with errors of their own, the others
    /// with `error`.
    pub(crate) fn blaming(error: Error, blamed: BTreeMap<i64, Error>) -> Self {
        Self { error, blamed }
    }

    /// Why the batch failed: what is wrong with one of its records, if the broker has named one.
    pub(crate) fn cause(&self) -> &Error {
        self.blamed.values().next().unwrap_or(&self.error)
    }

    /// Why record number `index` of the batch failed.
    pub(crate) fn of_record(&self, index: i64) -> &Error {
        self.blamed.get(&index).unwrap_or(&self.error)
    }

    /// The batch, and with it each of its records, is of this partition.
    pub(crate) fn at(self, topic: &Arc<str>, partition: i32) -> Self {
        self.map(|error| error.at(Arc::clone(topic), Some(partition)))
    }

    /// The batch, and with it each of its records, has this fate.
    pub(crate) fn with_fate(self, fate: Fate) -> Self {
        self.map(|error| error.with_fate(fate))
    }

    /// In place: to collect a map anew is a sort, in machine code of its own.
    fn map(mut self, change: impl Fn(Error) -> Error) -> Self {
        for error in self.blamed.values_mut() {
            *error = change(error.clone());
        }
        self.error = change(self.error);
        self
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::blaming(error, BTreeMap::new())
    }
}

impl Written {
    /// What the records have in common; the rest comes from [`Self::describe`].
    fn metadata(&self) -> RecordMetadata {
        RecordMetadata {
            topic: SmolStr::from(Arc::clone(&self.topic)),
            partition: self.partition,
            offset: None,
            timestamp_ms: 0,
            key_size: None,
            value_size: None,
        }
    }

    /// Makes `metadata` that of this record, number `index` of its batch.
    fn describe(&self, index: i64, record: &Completion, metadata: &mut RecordMetadata) {
        metadata.offset = self.base_offset.map(|base| base.saturating_add(index));
        metadata.timestamp_ms = self.log_append_time_ms.unwrap_or(record.timestamp_ms);
        metadata.key_size = usize::try_from(record.key_size).ok();
        metadata.value_size = usize::try_from(record.value_size).ok();
    }
}

impl Completion {
    #[inline]
    fn new(callback: Option<Box<Callback>>, group: u32, record: &Record<'_>) -> Self {
        let (key_size, value_size) = record.sizes();
        Self {
            callback,
            timestamp_ms: record.timestamp_ms,
            key_size,
            value_size,
            group,
        }
    }
}

impl Completions {
    /// Empty, in memory that was used before.
    pub(super) fn in_memory_of(
        mut records: Vec<Completion>,
        interceptors: Option<Arc<PartitionInterceptors>>,
    ) -> Self {
        records.clear();
        Self {
            records,
            called: 0,
            groups: Vec::new(),
            interceptors,
        }
    }

    /// How many records there are, called already or not.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// The next record has a callback of its own.
    #[inline]
    pub(crate) fn push(&mut self, callback: Box<Callback>, record: &Record<'_>) {
        self.records
            .push(Completion::new(Some(callback), 0, record));
    }

    /// The next record belongs to a group.
    #[inline]
    pub(crate) fn push_token<T: Send + 'static>(
        &mut self,
        group: &Arc<GroupFunction<T>>,
        token: T,
        record: &Record<'_>,
    ) {
        let index = self.add_token(group, token);
        self.records.push(Completion::new(None, index, record));
    }

    /// Adds the token to the others of its group in this batch; returns the group's index.
    #[inline]
    fn add_token<T: Send + 'static>(&mut self, group: &Arc<GroupFunction<T>>, token: T) -> u32 {
        /// Bytes of room for tokens that may never come.
        const MOST_AHEAD: usize = 16 * 1024;
        /// How many lists are looked at, so that a batch of many groups stays cheap to append to. A
        /// group that is not found among them gets another list: entries say which list is theirs, so
        /// the order of calls stays that of `send`.
        const RECENT: usize = 4;
        let as_index = |index| u32::try_from(index).expect("a batch has fewer records than that");
        let count = self.groups.len();
        let recent = self.groups.iter_mut().enumerate().rev().take(RECENT);
        for (index, tokens) in recent {
            if let Some(tokens) = group.tokens_in(&mut **tokens) {
                tokens.push_back(token);
                return as_index(index);
            }
        }
        // Most often all records of a batch are of one group: it gets room for as many tokens as the
        // batch has for records.
        let capacity = match count {
            0 => self
                .records
                .capacity()
                .min(MOST_AHEAD / size_of::<T>().max(1)),
            _ => 0,
        };
        self.groups.push(group.new_list(token, capacity));
        as_index(count)
    }

    /// Takes the first records out.
    pub(super) fn split_off_front(&mut self, count: usize) -> Self {
        let count = count.min(self.records.len());
        let records: Vec<_> = self.records.drain(..count).collect();
        let mut tokens = vec![0; self.groups.len()];
        for record in records.iter().filter(|record| record.callback.is_none()) {
            if let Some(tokens) = tokens.get_mut(record.group as usize) {
                *tokens += 1;
            }
        }
        let groups = self.groups.iter_mut().zip(tokens);
        Self {
            records,
            called: 0,
            groups: groups
                .map(|(group, tokens)| group.split_off_front(tokens))
                .collect(),
            interceptors: self.interceptors.clone(),
        }
    }

    /// Calls for each record that was not called yet, in order. `after_each` gets the record's result,
    /// and whether its callback has panicked.
    pub(super) fn run(
        &mut self,
        result: &Result<Written, Failure>,
        mut after_each: impl FnMut(Result<(), &Error>, Result<(), Panicked>),
    ) {
        // One value for all records, changed for each: to make it anew would count a reference.
        let mut result = match result {
            Ok(written) => Ok((written, written.metadata())),
            Err(failure) => Err(failure),
        };
        while let Some(record) = self.records.get_mut(self.called) {
            let index = i64::try_from(self.called).unwrap_or(i64::MAX);
            // Before the call: whatever happens in it, none is called twice.
            self.called += 1;
            let error;
            let answer = match &mut result {
                Ok((written, metadata)) => {
                    written.describe(index, record, metadata);
                    Ok(&*metadata)
                }
                Err(failure) => {
                    let shared = failure.of_record(index).clone();
                    error = shared.of_record((record.key_size, record.value_size));
                    Err(&error)
                }
            };
            if let Some(interceptors) = &self.interceptors {
                interceptors.tell(answer);
            }
            let called = match record.callback.take() {
                Some(callback) => caught(|| callback(answer.cloned().map_err(Error::clone))),
                None => {
                    let group = self.groups.get_mut(record.group as usize);
                    let group = group.expect("a record without a callback has a group");
                    caught(|| group.call_next(answer))
                }
            };
            after_each(answer.map(drop), called);
        }
    }

    /// After the last call: drops the groups, which may be the end of some, and gives the memory back.
    pub(super) fn finish(mut self) -> Vec<Completion> {
        std::mem::take(&mut self.records)
    }
}

/// The callback panicked; the panic is in the log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Panicked;

/// Runs a callback, or what else of the user's comes with an outcome. A panic can leave nothing of ours
/// half done: the callback is gone afterwards, and a group's function has no access to our state.
#[inline]
pub(crate) fn caught(callback: impl FnOnce()) -> Result<(), Panicked> {
    foreign::contain(callback).map_err(|panic| {
        log_error!("a callback panicked: {panic}");
        Panicked
    })
}

impl Drop for Completions {
    fn drop(&mut self) {
        if self.called < self.records.len() {
            let text = "the record was abandoned: the producer's I/O thread has died";
            let error = Error::new(ErrorKind::Internal, text).with_fate(Fate::MayBeWritten);
            // A panic is in the log by then; no counter of panics can be reached from here.
            self.run(&Err(error.into()), |_, _| ());
        }
    }
}

impl std::fmt::Debug for Completions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Completions")
            .field("records", &self.records.len())
            .field("called", &self.called)
            .field("groups", &self.groups.len())
            .finish()
    }
}

impl std::fmt::Debug for Completion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Completion").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
    use std::sync::mpsc::{self, Receiver, Sender};

    use super::*;
    use crate::interceptor::{Acknowledgement, Interceptors, ProducerInterceptor};
    use crate::metrics::Counters;

    const RECORD: Record<'_> = Record {
        timestamp_ms: 7,
        key: None,
        value: Some(b"value"),
        headers: &[],
    };

    fn failed() -> Result<Written, Failure> {
        Err(Error::new(ErrorKind::Closed, "closed").into())
    }

    fn written() -> Result<Written, Failure> {
        Ok(Written {
            topic: Arc::from("t"),
            partition: 3,
            base_offset: Some(10),
            log_append_time_ms: None,
        })
    }

    /// Who was called, and with which offset, if any.
    type Call = (&'static str, i32, Option<i64>);

    fn group(name: &'static str, calls: &Sender<Call>) -> Arc<GroupFunction<i32>> {
        let calls = calls.clone();
        let function = move |token, result: Result<&RecordMetadata, &Error>| {
            let offset = result.ok().and_then(RecordMetadata::offset);
            calls.send((name, token, offset)).unwrap();
        };
        GroupFunction::new(function, &Arc::default())
    }

    fn callback(token: i32, calls: &Sender<Call>) -> Box<Callback> {
        let calls = calls.clone();
        Box::new(move |result| {
            let offset = result.ok().and_then(|metadata| metadata.offset());
            calls.send(("own", token, offset)).unwrap();
        })
    }

    /// Records of two groups, and some that have callbacks.
    fn mixed() -> (Completions, Receiver<Call>) {
        let (calls, called) = mpsc::channel();
        let groups = ["a", "b"].map(|name| group(name, &calls));
        let mut completions = Completions::default();
        for token in 0..10 {
            match token % 4 {
                3 => completions.push(callback(token, &calls), &RECORD),
                other => completions.push_token(&groups[usize::from(other == 1)], token, &RECORD),
            }
        }
        assert_eq!(completions.groups.len(), 2, "one list for each");
        (completions, called)
    }

    /// What [`mixed`] calls for these, in order, if the first of all is at this offset.
    fn expected(tokens: std::ops::Range<i32>, base: Option<i64>) -> Vec<Call> {
        let name = |token: i32| ["a", "b", "a", "own"][usize::try_from(token % 4).unwrap()];
        let offset = |token: i32| base.map(|base| base + i64::from(token));
        tokens
            .map(|token| (name(token), token, offset(token)))
            .collect()
    }

    #[test]
    fn a_record_takes_no_more_than_it_did_without_groups() {
        assert_eq!(size_of::<Completion>(), 40);
    }

    #[test]
    fn groups_and_callbacks_are_told_in_the_order_of_send() {
        let (mut completions, called) = mixed();
        completions.run(&written(), |_, call| call.unwrap());
        assert_eq!(
            called.try_iter().collect::<Vec<_>>(),
            expected(0..10, Some(10))
        );
        drop(completions.finish());
        assert_eq!(called.try_recv().ok(), None, "nobody twice");
    }

    #[test]
    fn dropped_untold_every_group_and_callback_is_told_once_in_order() {
        let (completions, called) = mixed();
        drop(completions);
        assert_eq!(called.iter().collect::<Vec<_>>(), expected(0..10, None));
    }

    #[test]
    fn whoever_is_not_told_yet_when_telling_ends_early_is_told_then() {
        let (mut completions, called) = mixed();
        let mut before = 4;
        let ended = catch_unwind(AssertUnwindSafe(|| {
            completions.run(&written(), |_, _| {
                before -= 1;
                assert!(before > 0, "the one who tells dies");
            });
        }));
        assert!(ended.is_err());
        drop(completions);
        let all = [expected(0..4, Some(10)), expected(4..10, None)].concat();
        assert_eq!(called.iter().collect::<Vec<_>>(), all);
    }

    #[test]
    fn parts_have_the_tokens_of_their_records() {
        for at in 0..=10 {
            let (mut rest, called) = mixed();
            let mut front = rest.split_off_front(at);
            assert_eq!((front.len(), rest.len()), (at, 10 - at));
            rest.run(&failed(), |_, call| call.unwrap());
            front.run(&written(), |_, call| call.unwrap());
            let at = i32::try_from(at).unwrap();
            let all = [expected(at..10, None), expected(0..at, Some(10))].concat();
            assert_eq!(called.try_iter().collect::<Vec<_>>(), all);
        }
    }

    /// Passes on what it hears.
    struct Hears(Sender<Call>);

    impl ProducerInterceptor for Hears {
        fn on_acknowledgement(&self, acknowledgement: &Acknowledgement<'_>) {
            let offset = acknowledgement.result().ok();
            let offset = offset.and_then(RecordMetadata::offset);
            let partition = acknowledgement.partition().unwrap();
            self.0.send(("hears", partition, offset)).unwrap();
        }
    }

    #[test]
    fn an_interceptor_hears_of_each_record_before_its_caller_however_that_ends() {
        let (calls, called) = mpsc::channel();
        let hears: Arc<dyn ProducerInterceptor> = Arc::new(Hears(calls.clone()));
        let all = Interceptors::new([("hears".to_owned(), hears)]).unwrap();
        let interceptors = PartitionInterceptors::new(&all, &Arc::from("t"), 3);
        let mut failing = Completions::in_memory_of(Vec::new(), Some(Arc::new(interceptors)));
        for token in 0..6 {
            failing.push(callback(token, &calls), &RECORD);
        }
        let mut written_ones = failing.split_off_front(2);
        let lost = failing.split_off_front(2);
        written_ones.run(&written(), |_, call| call.unwrap());
        drop(written_ones.finish());
        drop(lost);
        failing.run(&failed(), |_, call| call.unwrap());
        drop(failing.finish());
        let expected = (0..6).flat_map(|token| {
            let offset = (token < 2).then_some(10 + i64::from(token));
            [("hears", 3, offset), ("own", token, offset)]
        });
        assert_eq!(
            called.try_iter().collect::<Vec<_>>(),
            expected.collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_group_that_comes_back_after_many_others_keeps_its_order() {
        let (calls, called) = mpsc::channel();
        let groups: Vec<_> = (0..20).map(|_| group("one of many", &calls)).collect();
        let mut completions = Completions::default();
        for token in 0..40 {
            completions.push_token(&groups[token % 20], i32::try_from(token).unwrap(), &RECORD);
        }
        completions.run(&written(), |_, call| call.unwrap());
        let tokens: Vec<_> = called.try_iter().map(|(_, token, _)| token).collect();
        assert_eq!(tokens, (0..40).collect::<Vec<_>>());
    }

    #[test]
    fn groups_whose_tokens_differ_in_type_share_a_batch() {
        let (calls, called) = mpsc::channel();
        let texts = calls.clone();
        let texts = move |text: String, _: Result<&RecordMetadata, &Error>| {
            texts.send(text).unwrap();
        };
        let texts = GroupFunction::new(texts, &Arc::default());
        let units = move |(), result: Result<&RecordMetadata, &Error>| {
            let metadata = result.unwrap();
            let sizes = (metadata.key_size(), metadata.value_size());
            let text = format!("{metadata} {} {sizes:?}", metadata.timestamp_ms());
            calls.send(text).unwrap();
        };
        let units = GroupFunction::new(units, &Arc::default());
        let mut completions = Completions::default();
        completions.push_token(&texts, "one".to_owned(), &RECORD);
        completions.push_token(&units, (), &RECORD);
        completions.push_token(&texts, "two".to_owned(), &RECORD);
        completions.run(&written(), |_, call| call.unwrap());
        let calls: Vec<_> = called.try_iter().collect();
        assert_eq!(calls, ["one", "t-3@11 7 (None, Some(5))", "two"]);
    }

    /// Panics when it is dropped, with another one as its payload.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            resume_unwind(Box::new(Self));
        }
    }

    #[test]
    fn a_panic_stays_inside() {
        let mut completions = Completions::default();
        completions.push(Box::new(|_| panic!("a user's mistake")), &RECORD);
        let function = |token: i32, _: Result<&RecordMetadata, &Error>| match token {
            1 | 2 => resume_unwind(Box::new(Bomb)),
            _ => (),
        };
        let group = GroupFunction::new(function, &Arc::default());
        for token in 0..4 {
            completions.push_token(&group, token, &RECORD);
        }
        completions.push(Box::new(|_| resume_unwind(Box::new(Bomb))), &RECORD);
        let mine = Bomb;
        completions.push(Box::new(move |_| drop(mine)), &RECORD);
        completions.push(Box::new(|_| ()), &RECORD);
        let mut calls = Vec::new();
        completions.run(&failed(), |_, call| calls.push(call));
        let (fine, panicked) = (Ok(()), Err(Panicked));
        let expected = [
            panicked, fine, panicked, panicked, fine, panicked, panicked, fine,
        ];
        assert_eq!(calls, expected);
    }

    #[test]
    fn so_do_panics_where_groups_end() {
        let counters = Arc::new(Counters::default());
        let mut completions = Completions::default();
        for _ in 0..2 {
            let mine = Bomb;
            let function = move |(), _: Result<&RecordMetadata, &Error>| {
                let _used = &mine;
            };
            let group = GroupFunction::new(function, &counters);
            completions.push_token(&group, (), &RECORD);
        }
        completions.run(&failed(), |_, call| call.unwrap());
        drop(completions.finish());
        let counted = format!("{:?}", counters.callbacks_panicked);
        assert_eq!(counted, "Counter(2)");
    }

    #[test]
    fn so_do_those_of_records_that_were_abandoned() {
        let (tell, told) = mpsc::channel();
        let mut completions = Completions::default();
        for _ in 0..3 {
            let tell = tell.clone();
            let callback = move |_| {
                tell.send(()).unwrap();
                resume_unwind(Box::new(Bomb));
            };
            completions.push(Box::new(callback), &RECORD);
        }
        drop(completions);
        assert_eq!(told.try_iter().count(), 3);
    }

    #[test]
    fn a_dropped_completion_still_answers() {
        let (answers, answer) = mpsc::channel();
        let callback = Box::new(move |result| answers.send(result).unwrap());
        let mut completions = Completions::default();
        completions.push(callback, &RECORD);
        drop(completions);
        let error: Error = answer.recv().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert_eq!(error.fate(), Fate::MayBeWritten, "nobody knows any more");
        assert!(answer.recv().is_err(), "and answers once");
    }

    #[test]
    fn blamed_records_have_their_own_errors_and_the_fate_of_all() {
        let invalid = Error::new(ErrorKind::InvalidRecord, "too blue");
        let blamed = BTreeMap::from([(1, invalid.clone()), (-7, invalid)]);
        let other = Error::new(ErrorKind::BatchRejected, "one of the others is invalid");
        let failure = Failure::blaming(other, blamed).with_fate(Fate::MayBeWritten);
        let texts: Vec<_> = (0..3).map(|i| failure.of_record(i).to_string()).collect();
        let others = "one of the others is invalid";
        assert_eq!(texts, [others, "too blue", others]);
        assert!((0..3).all(|i| failure.of_record(i).fate() == Fate::MayBeWritten));
    }
}
