//! Callers that wait for a topic: in `send`, mostly, for the first record to it. Pure.

use crate::sorted_map::SortedMap;
use std::time::Instant;

use crate::cluster::{ClusterView, refused_for_good};
use crate::error::{Error, Result};
use crate::sender::event::{CommandId, Output};
use crate::sender::step::Agenda;
use crate::sender::timers::Timer;
use crate::sync::Arc;

/// The callers that wait.
#[derive(Debug, Default)]
pub(super) struct TopicWaits(SortedMap<CommandId, TopicWait>);

/// One caller.
#[derive(Debug)]
pub(super) struct TopicWait {
    pub(super) topic: Arc<str>,
    /// The partition that there has to be, too.
    pub(super) partition: Option<i32>,
    pub(super) since: Instant,
    pub(super) deadline: Option<Instant>,
    /// How many answers there had been by then. A topic that one of these refused may be allowed by
    /// now: only an answer that was still to come counts for this caller.
    pub(super) answers_before: u64,
}

impl TopicWaits {
    pub(super) fn add(&mut self, id: CommandId, wait: TopicWait, agenda: &mut Agenda) {
        if let Some(deadline) = wait.deadline {
            agenda.set(deadline, Timer::Topic(id));
        }
        self.0.insert(id, wait);
    }

    /// The topics that are waited for.
    pub(super) fn topics(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(|wait| &*wait.topic)
    }

    /// The topics for which a caller would still have to wait; not those that are refused for good.
    pub(super) fn short_of(&self, view: &ClusterView) -> impl Iterator<Item = &str> {
        let waits = self.0.values();
        let short = waits.filter(|wait| wait.answer(view).is_none());
        short.map(|wait| &*wait.topic)
    }

    /// Answers the callers whose topic has come, or will never come.
    pub(super) fn answer(&mut self, view: &ClusterView, agenda: &mut Agenda) {
        self.0.retain(|id, wait| match wait.answer(view) {
            Some(answer) => {
                wait.end(*id, answer, agenda);
                false
            }
            None => true,
        });
    }

    /// No topic will come any more, for this reason.
    pub(super) fn refuse_all(&mut self, error: &Error, agenda: &mut Agenda) {
        for (id, wait) in std::mem::take(&mut self.0) {
            wait.end(id, Err(error.clone()), agenda);
        }
    }

    /// The caller has waited for as long as it may. `unreachable` is why no broker can be asked, if none
    /// can.
    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        id: CommandId,
        view: &ClusterView,
        unreachable: Option<&Error>,
        agenda: &mut Agenda,
    ) {
        if let Some(wait) = self.0.remove(&id) {
            let error = wait.overdue(now, view, unreachable);
            wait.end(id, Err(error), agenda);
        }
    }
}

impl TopicWait {
    pub(super) fn is_short_of(&self, view: &ClusterView) -> bool {
        let Some(topic) = view.topics.get(&self.topic) else {
            return true;
        };
        let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        self.partition.is_some_and(|partition| partition >= count)
    }

    /// The answer, if there is one yet. A refusal counts if a broker has said so since the caller came:
    /// the topic may be allowed by now.
    fn answer(&self, view: &ClusterView) -> Option<Result<()>> {
        if !self.is_short_of(view) {
            return Some(Ok(()));
        }
        let refusal = view.refused.get(&self.topic);
        let refusal = refusal.filter(|refusal| refusal.answer > self.answers_before)?;
        refused_for_good(&self.topic, refusal.code).map(Err)
    }

    /// The error of a caller whose time is over: as much as is known.
    fn overdue(&self, now: Instant, view: &ClusterView, unreachable: Option<&Error>) -> Error {
        let waited = now.saturating_duration_since(self.since);
        let Self {
            topic, partition, ..
        } = self;
        view.missing(topic, *partition, unreachable, Some(waited))
    }

    fn end(&self, id: CommandId, answer: Result<()>, agenda: &mut Agenda) {
        if let Some(deadline) = self.deadline {
            agenda.cancel(deadline, Timer::Topic(id));
        }
        agenda.push(Output::Finish(id, answer));
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;
    use crate::cluster::Refusal;
    use crate::error::ErrorKind;
    use crate::protocol::error_code::ErrorCode;

    #[expect(clippy::disallowed_methods, reason = "an Instant has no other source")]
    fn now() -> Instant {
        Instant::now()
    }

    fn wait(answers_before: u64) -> TopicWait {
        TopicWait {
            topic: Arc::from("orders"),
            partition: None,
            since: now(),
            deadline: None,
            answers_before,
        }
    }

    /// What follows from an answer that refuses the topic.
    fn refusing(code: ErrorCode, answer: u64) -> ClusterView {
        let mut view = ClusterView::default();
        view.refused
            .insert(Arc::from("orders"), Refusal { code, answer });
        view
    }

    /// Which callers are answered, of two that have come before and after the first answer.
    fn answered(view: &ClusterView) -> Vec<u64> {
        let (mut waits, mut agenda) = (TopicWaits::default(), Agenda::new(1));
        for id in [0, 1] {
            waits.add(CommandId(id), wait(id), &mut agenda);
        }
        waits.answer(view, &mut agenda);
        let finished = agenda.into_outputs().filter_map(|output| match output {
            Output::Finish(CommandId(id), _) => Some(id),
            _ => None,
        });
        finished.collect()
    }

    #[test]
    fn a_refusal_counts_only_for_callers_that_had_come_before() {
        let refused_by = |answer| refusing(ErrorCode::TOPIC_AUTHORIZATION_FAILED, answer);
        assert_eq!(answered(&refused_by(1)), [0]);
        assert_eq!(answered(&refused_by(2)), [0, 1]);
    }

    #[test]
    fn a_topic_that_a_broker_does_not_know_yet_is_waited_for() {
        let view = refusing(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, 2);
        assert_eq!(answered(&view), [0; 0]);
    }

    #[test]
    fn a_caller_whose_time_is_over_gets_what_was_said_last() {
        let view = refusing(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, 1);
        for answers_before in [0, 1] {
            let error = wait(answers_before).overdue(now(), &view, None);
            assert_eq!(error.kind(), ErrorKind::UnknownTopicOrPartition);
        }
        let error = wait(0).overdue(now(), &ClusterView::default(), None);
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}
