//! When to ask for metadata again, and for which topics. Owns no socket, reads no clock: the sender
//! asks what is due, and says what came of it. Runs on the I/O thread, or in a simulation.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::sync::Arc;

/// The schedule of metadata requests. At most one is under way.
#[derive(Debug)]
pub(crate) struct Refresh {
    max_age: Duration,
    max_idle: Duration,
    /// Topics in use, and when they last were.
    topics: BTreeMap<Arc<str>, Instant>,
    /// When the answer in hand is too old; `None` while there is none, and no topic is in use.
    expires: Option<Instant>,
    /// Not earlier than this, whatever is wanted.
    not_before: Option<Instant>,
    wanted: bool,
    in_flight: bool,
    /// Answers and failures in a row that did not bring what was wanted.
    attempts: u32,
}

impl Refresh {
    pub(crate) fn new(max_age: Duration, max_idle: Duration) -> Self {
        Self {
            max_age,
            max_idle,
            topics: BTreeMap::new(),
            expires: None,
            not_before: None,
            wanted: false,
            in_flight: false,
            attempts: 0,
        }
    }

    /// A topic is in use. A new one is asked for at once, whatever the backoff.
    pub(crate) fn track(&mut self, now: Instant, topic: &Arc<str>) {
        if self.topics.insert(Arc::clone(topic), now).is_none() {
            self.wanted = true;
            self.attempts = 0;
            self.not_before = None;
        }
    }

    /// Whether the topic is in use.
    pub(crate) fn is_tracked(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
    }

    /// Something changed in the cluster: asks as soon as the backoff allows.
    pub(crate) fn request(&mut self) {
        self.wanted = true;
    }

    /// Does not ask before then, unless for a new topic.
    pub(crate) fn hold(&mut self, until: Instant) {
        self.not_before = self.not_before.max(Some(until));
    }

    /// When a request is due; `None` while one is under way or nothing is wanted.
    pub(crate) fn due(&self) -> Option<Due> {
        if self.in_flight {
            return None;
        }
        match (self.wanted, self.not_before) {
            (true, None) => Some(Due::Now),
            (true, Some(at)) => Some(Due::At(at)),
            (false, _) => self.expires.map(Due::At),
        }
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        match self.due() {
            Some(Due::Now) => true,
            Some(Due::At(at)) => at <= now,
            None => false,
        }
    }

    /// Forgets topics not used for `metadata.max.idle.ms`, unless `is_needed` says that records wait
    /// for them. Without topics there is nothing to ask for; returns whether there is.
    pub(crate) fn forget_idle(&mut self, now: Instant, is_needed: impl Fn(&str) -> bool) -> bool {
        let max_idle = self.max_idle;
        self.topics.retain(|topic, used| {
            now.saturating_duration_since(*used) < max_idle || is_needed(topic)
        });
        if self.topics.is_empty() {
            self.wanted = false;
            self.expires = None;
        }
        !self.topics.is_empty()
    }

    /// A request is under way: for these topics.
    pub(crate) fn start(&mut self) -> Vec<Arc<str>> {
        self.wanted = false;
        self.in_flight = true;
        self.topics.keys().cloned().collect()
    }

    /// An answer came. If it `is_incomplete`, asks again after `backoff(attempts so far)`.
    pub(crate) fn handle_answer(
        &mut self,
        now: Instant,
        is_incomplete: bool,
        backoff: impl FnOnce(u32) -> Duration,
    ) {
        self.in_flight = false;
        self.expires = (!self.topics.is_empty()).then(|| now + self.max_age);
        self.wanted |= is_incomplete;
        self.back_off(now, !is_incomplete, backoff);
    }

    /// No answer came. Asks again after `backoff(attempts so far)`.
    pub(crate) fn handle_failure(&mut self, now: Instant, backoff: impl FnOnce(u32) -> Duration) {
        self.in_flight = false;
        self.wanted = true;
        self.back_off(now, false, backoff);
    }

    fn back_off(&mut self, now: Instant, good: bool, backoff: impl FnOnce(u32) -> Duration) {
        // Even a good answer is not asked for twice in a row without a pause: a broker that keeps
        // saying "not leader" while metadata still names it must not make us spin.
        self.not_before = Some(now + backoff(self.attempts));
        self.attempts = if good {
            0
        } else {
            self.attempts.saturating_add(1)
        };
    }

    /// A topic was used. Runs when a batch opens, not per record.
    pub(crate) fn touch(&mut self, now: Instant, topic: &Arc<str>) {
        match self.topics.get_mut(topic) {
            Some(used) => *used = now,
            None => self.track(now, topic),
        }
    }
}

/// When a request is due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Due {
    Now,
    At(Instant),
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const PAUSE: Duration = Duration::from_millis(100);

    #[expect(clippy::disallowed_methods, reason = "an Instant has no other source")]
    fn now() -> Instant {
        Instant::now()
    }

    fn refresh() -> Refresh {
        Refresh::new(5 * MINUTE, 5 * MINUTE)
    }

    #[test]
    fn asks_at_once_for_a_new_topic_and_pauses_before_asking_again() {
        let (mut refresh, start) = (refresh(), now());
        refresh.track(start, &Arc::from("orders"));
        assert!(refresh.is_due(start));
        assert_eq!(refresh.start(), [Arc::from("orders")]);
        assert!(!refresh.is_due(start), "one request at a time");
        refresh.handle_answer(start, true, |_| PAUSE);
        assert!(!refresh.is_due(start));
        assert!(refresh.is_due(start + PAUSE));
    }

    #[test]
    fn a_complete_answer_holds_until_it_is_too_old() {
        let (mut refresh, start) = (refresh(), now());
        refresh.track(start, &Arc::from("orders"));
        refresh.start();
        refresh.handle_answer(start, false, |_| PAUSE);
        assert_eq!(refresh.due(), Some(Due::At(start + 5 * MINUTE)));
    }

    #[test]
    fn forgets_a_topic_not_in_use_unless_records_wait_for_it() {
        let (mut refresh, start) = (refresh(), now());
        refresh.track(start, &Arc::from("idle"));
        refresh.track(start, &Arc::from("waited-for"));
        assert!(refresh.forget_idle(start + 6 * MINUTE, |topic| topic == "waited-for"));
        assert_eq!(refresh.start(), [Arc::from("waited-for")]);
    }

    #[test]
    fn asks_for_nothing_when_no_topic_is_in_use() {
        let (mut refresh, start) = (refresh(), now());
        refresh.track(start, &Arc::from("idle"));
        assert!(!refresh.forget_idle(start + 6 * MINUTE, |_| false));
        assert_eq!(refresh.due(), None);
    }
}
