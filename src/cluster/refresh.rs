//! When to ask for metadata again, and for which topics. Owns no socket, reads no clock: the sender
//! asks what is due, and says what came of it. Runs on the I/O thread, or in a simulation.
//!
//! A topic that was never asked for is asked for alone and at once. What was asked for in vain, or is
//! out of date, is asked for again after a pause; and all topics together when what is known of them
//! is too old, or when something has happened that may concern any of them. So what is asked grows
//! with the number of topics, and not with its square.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::sync::Arc;

/// The schedule of metadata requests. At most one is under way, apart from those that are
/// [overdue](Refresh::handle_overdue).
#[derive(Debug)]
pub(crate) struct Refresh {
    max_age: Duration,
    max_idle: Duration,
    /// Topics in use, and when they last were.
    topics: BTreeMap<Arc<str>, Instant>,
    /// Those that were never asked for.
    new: BTreeSet<Arc<str>>,
    /// Those to be asked for again.
    again: BTreeSet<Arc<str>>,
    /// Whether all are to be asked for again.
    all: bool,
    /// When the answer in hand is too old; `None` while there is none, and no topic is in use.
    expires: Option<Instant>,
    /// Nothing is asked for again before.
    not_before: Option<Instant>,
    /// The inquiry under way: its number, and what it asks for.
    in_flight: Option<(u64, Vec<Arc<str>>)>,
    inquiries: u64,
    /// Answers and failures in a row that did not bring what was wanted.
    attempts: u32,
    /// No topic has been idle for too long before then.
    none_idle_before: Option<Instant>,
}

/// What one request asks for.
#[derive(Debug)]
pub(crate) struct Inquiry {
    number: u64,
    /// In the order of their names.
    pub(crate) topics: Vec<Arc<str>>,
    /// Whether these are all that are in use.
    is_all: bool,
    /// Whether it asks for anything again.
    is_again: bool,
    /// Whether something else has to wait for the end of its pause.
    leaves_others: bool,
}

/// Metadata is not asked for more often than this because of its age: a setting of 0 would keep an idle
/// producer busy.
pub(crate) const SHORTEST_AGE: Duration = Duration::from_millis(100);

impl Refresh {
    pub(crate) fn new(max_age: Duration, max_idle: Duration) -> Self {
        Self {
            max_age: max_age.max(SHORTEST_AGE),
            max_idle,
            topics: BTreeMap::new(),
            new: BTreeSet::new(),
            again: BTreeSet::new(),
            all: false,
            expires: None,
            not_before: None,
            in_flight: None,
            inquiries: 0,
            attempts: 0,
            none_idle_before: None,
        }
    }

    /// A topic is in use. A new one is asked for at once, whatever the backoff.
    pub(crate) fn track(&mut self, now: Instant, topic: &Arc<str>) {
        if self.topics.insert(Arc::clone(topic), now).is_none() {
            self.new.insert(Arc::clone(topic));
        }
    }

    /// Whether the topic is in use.
    pub(crate) fn is_tracked(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
    }

    /// Something changed in the cluster that may concern any topic: asks for all of them as soon as the
    /// backoff allows.
    pub(crate) fn request_all(&mut self) {
        self.all = true;
    }

    /// What is known of a topic is not enough, or out of date: asks for it as soon as the backoff
    /// allows.
    pub(crate) fn request(&mut self, topic: &Arc<str>) {
        if self.is_tracked(topic) && !self.new.contains(topic) {
            self.again.insert(Arc::clone(topic));
        }
    }

    /// Whether the request under way asks for this topic.
    pub(crate) fn is_asking_for(&self, topic: &Arc<str>) -> bool {
        let topics = self.in_flight.as_ref().map(|(_, topics)| topics);
        topics.is_some_and(|topics| topics.binary_search(topic).is_ok())
    }

    /// Whether this inquiry is the one under way.
    pub(crate) fn is_current(&self, inquiry: &Inquiry) -> bool {
        let current = self.in_flight.as_ref();
        current.is_some_and(|(number, _)| *number == inquiry.number)
    }

    /// Does not ask before then, unless for a new topic.
    pub(crate) fn hold(&mut self, until: Instant) {
        self.not_before = self.not_before.max(Some(until));
    }

    /// When a request is due; `None` while one is under way or nothing is wanted.
    pub(crate) fn due(&self) -> Option<Due> {
        if self.in_flight.is_some() {
            return None;
        }
        if !self.new.is_empty() {
            return Some(Due::Now);
        }
        match (self.all || !self.again.is_empty(), self.not_before) {
            (true, None) => Some(Due::Now),
            (true, Some(at)) => Some(Due::At(at)),
            (false, not_before) => self
                .expires
                .max(not_before.filter(|_| self.expires.is_some()))
                .map(Due::At),
        }
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        match self.due() {
            Some(Due::Now) => true,
            Some(Due::At(at)) => at <= now,
            None => false,
        }
    }

    /// Whether anything may be asked for again now.
    fn may_ask_again(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|at| at <= now)
    }

    /// Whether a request would ask for all topics.
    fn is_all_due(&self, now: Instant) -> bool {
        let is_old = self.expires.is_some_and(|at| at <= now);
        (self.all || is_old) && self.may_ask_again(now)
    }

    /// Forgets those of the topics to ask for that were not used for `metadata.max.idle.ms`, unless
    /// `is_needed` says that records wait for them. Returns those that are forgotten.
    pub(crate) fn forget_idle(
        &mut self,
        now: Instant,
        is_needed: impl Fn(&str) -> bool,
    ) -> Vec<Arc<str>> {
        let is_all = self.is_all_due(now);
        if is_all && self.none_idle_before.is_some_and(|at| now < at) {
            return Vec::new();
        }
        let max_idle = self.max_idle;
        let is_idle = |(topic, used): (&Arc<str>, &Instant)| {
            let is_idle = now.saturating_duration_since(*used) >= max_idle && !is_needed(topic);
            is_idle.then(|| Arc::clone(topic))
        };
        let forgotten: Vec<_> = if is_all {
            self.topics.iter().filter_map(is_idle).collect()
        } else {
            let asked = self.again.iter().chain(&self.new);
            let known = asked.filter_map(|topic| self.topics.get_key_value(topic));
            known.filter_map(is_idle).collect()
        };
        for topic in &forgotten {
            self.topics.remove(topic);
            self.again.remove(topic);
            self.new.remove(topic);
        }
        if self.topics.is_empty() {
            self.all = false;
            self.expires = None;
        }
        if is_all {
            // Looked for again when the next can be; those that are needed are idle already.
            let next = self.topics.values().min().map(|used| *used + max_idle);
            self.none_idle_before = next.map(|next| next.max(now + max_idle / 16));
        }
        forgotten
    }

    /// A request is under way. Returns what it asks for.
    pub(crate) fn start(&mut self, now: Instant) -> Inquiry {
        let is_all = self.is_all_due(now) || self.topics.len() == self.new.len();
        let is_again = is_all && self.topics.len() > self.new.len()
            || !self.again.is_empty() && self.may_ask_again(now);
        let mut topics = std::mem::take(&mut self.new);
        if is_all {
            topics = self.topics.keys().cloned().collect();
        }
        if is_again {
            topics.append(&mut self.again);
        }
        self.all &= !is_all;
        let is_old = !is_all && self.expires.is_some_and(|at| at <= now);
        self.inquiries += 1;
        let topics: Vec<_> = topics.into_iter().collect();
        self.in_flight = Some((self.inquiries, topics.clone()));
        Inquiry {
            number: self.inquiries,
            topics,
            is_all,
            is_again,
            leaves_others: self.all || is_old || !self.again.is_empty(),
        }
    }

    /// An answer came, which lacks something of these topics. Asks for them again after
    /// `backoff(attempts so far)`.
    pub(crate) fn handle_answer(
        &mut self,
        now: Instant,
        inquiry: &Inquiry,
        lacking: &[Arc<str>],
        backoff: impl FnOnce(u32) -> Duration,
    ) {
        let is_current = self
            .in_flight
            .take_if(|(number, _)| *number == inquiry.number)
            .is_some();
        let is_good = lacking.is_empty();
        for topic in lacking {
            self.request(topic);
        }
        if inquiry.is_all || self.expires.is_none() {
            self.expires = (!self.topics.is_empty()).then(|| now + self.max_age);
        }
        if is_current && inquiry.is_again {
            self.back_off(now, is_good, backoff);
        } else if is_current && !inquiry.leaves_others {
            // What was asked for the first time has a pause of its own behind it, though another may not
            // be over. What had to wait already waits no longer, however many new topics there are.
            if self.may_ask_again(now) {
                self.attempts = u32::from(!is_good);
            }
            self.not_before = self.not_before.max(Some(now + backoff(0)));
        }
    }

    /// No answer came. Asks again after `backoff(attempts so far)`.
    pub(crate) fn handle_failure(
        &mut self,
        now: Instant,
        inquiry: &Inquiry,
        backoff: impl FnOnce(u32) -> Duration,
    ) {
        if self.give_up(inquiry) {
            self.back_off(now, false, backoff);
        }
    }

    /// No answer has come for so long that another broker is asked beside. The answer is of use even
    /// so.
    pub(crate) fn handle_overdue(&mut self, inquiry: &Inquiry) -> bool {
        self.give_up(inquiry)
    }

    /// Whether this inquiry is the one under way, which is given up then.
    fn give_up(&mut self, inquiry: &Inquiry) -> bool {
        let is_current = self
            .in_flight
            .take_if(|(number, _)| *number == inquiry.number)
            .is_some();
        if is_current {
            self.all |= inquiry.is_all;
            for topic in &inquiry.topics {
                self.request(topic);
            }
        }
        is_current
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

    fn name(text: &str) -> Arc<str> {
        Arc::from(text)
    }

    /// Asks at this moment, and gets an answer that lacks these topics. Returns what was asked for.
    fn ask(refresh: &mut Refresh, at: Instant, lacking: &[&str]) -> Vec<Arc<str>> {
        assert!(refresh.is_due(at));
        let inquiry = refresh.start(at);
        let lacking: Vec<_> = lacking.iter().copied().map(name).collect();
        refresh.handle_answer(at, &inquiry, &lacking, |_| PAUSE);
        inquiry.topics
    }

    #[test]
    fn asks_at_once_for_a_new_topic_and_pauses_before_asking_again() {
        let (mut refresh, start) = (refresh(), now());
        refresh.track(start, &name("orders"));
        assert!(refresh.is_due(start));
        let inquiry = refresh.start(start);
        assert_eq!(inquiry.topics, [name("orders")]);
        assert!(!refresh.is_due(start), "one request at a time");
        refresh.handle_answer(start, &inquiry, &[name("orders")], |_| PAUSE);
        assert!(!refresh.is_due(start));
        assert!(refresh.is_due(start + PAUSE));
    }

    #[test]
    fn a_complete_answer_holds_until_it_is_too_old() {
        let (mut refresh, start) = (refresh(), now());
        refresh.track(start, &name("orders"));
        ask(&mut refresh, start, &[]);
        assert_eq!(refresh.due(), Some(Due::At(start + 5 * MINUTE)));
    }

    #[test]
    fn asks_for_what_is_new_alone_and_for_all_at_their_age() {
        let (mut refresh, start) = (refresh(), now());
        for topic in ["a", "b", "c"] {
            refresh.track(start, &name(topic));
            assert_eq!(ask(&mut refresh, start, &[]), [name(topic)]);
        }
        let all = ["a", "b", "c"].map(name);
        for round in 1..3 {
            for topic in &all {
                refresh.touch(start + 5 * MINUTE * round, topic);
            }
            assert_eq!(ask(&mut refresh, start + 5 * MINUTE * round, &[]), all);
        }
    }

    #[test]
    fn asks_again_for_what_was_missing_and_for_nothing_else() {
        let (mut refresh, start) = (refresh(), now());
        refresh.track(start, &name("there"));
        refresh.track(start, &name("missing"));
        ask(&mut refresh, start, &["missing"]);
        assert_eq!(
            ask(&mut refresh, start + PAUSE, &["missing"]),
            [name("missing")]
        );
        // A new topic neither waits for the pause nor shortens it.
        refresh.track(start + PAUSE, &name("new"));
        assert_eq!(ask(&mut refresh, start + PAUSE, &[]), [name("new")]);
        assert_eq!(refresh.due(), Some(Due::At(start + 2 * PAUSE)));
        refresh.request_all();
        assert_eq!(ask(&mut refresh, start + 2 * PAUSE, &[]).len(), 3);
    }

    #[test]
    fn a_topic_that_was_new_has_a_whole_pause_behind_it_whatever_pause_went_on() {
        let (mut refresh, start) = (refresh(), now());
        refresh.hold(start + PAUSE / 2);
        refresh.track(start, &name("orders"));
        ask(&mut refresh, start, &[]);
        refresh.request_all();
        assert!(!refresh.is_due(start + PAUSE / 2));
        assert_eq!(ask(&mut refresh, start + PAUSE, &[]).len(), 1);
    }

    #[test]
    fn new_topics_without_end_do_not_put_off_what_is_asked_for_again() {
        let (mut refresh, start) = (refresh(), now());
        refresh.track(start, &name("missing"));
        ask(&mut refresh, start, &["missing"]);
        let mut asked = 0;
        for tick in 1..100 {
            let at = start + PAUSE / 10 * tick;
            refresh.track(at, &name(&format!("new-{tick}")));
            asked += u32::from(ask(&mut refresh, at, &["missing"]).contains(&name("missing")));
        }
        assert_eq!(asked, 9, "once in each pause");
    }

    #[test]
    fn new_topics_without_end_do_not_put_off_the_refresh_by_age() {
        let start = now();
        let mut refresh = Refresh::new(Duration::from_secs(1), 500 * MINUTE);
        refresh.track(start, &name("old"));
        ask(&mut refresh, start, &[]);
        let mut asked = 0;
        // An answer takes 5 ms; another new topic waits whenever one comes.
        for tick in 1..2000u32 {
            let at = start + Duration::from_millis(5) * tick;
            refresh.track(at, &name(&format!("new-{tick}")));
            let inquiry = refresh.start(at);
            asked += u32::from(inquiry.topics.contains(&name("old")));
            refresh.handle_answer(at + Duration::from_millis(5), &inquiry, &[], |_| PAUSE);
        }
        assert!(asked > 5, "in ten seconds: {asked}");
    }

    #[test]
    fn what_turns_out_to_be_old_while_it_is_asked_for_has_its_pause() {
        let (mut refresh, start) = (refresh(), now());
        let orders = name("orders");
        refresh.track(start, &orders);
        let inquiry = refresh.start(start);
        assert!(refresh.is_asking_for(&orders) && !refresh.is_asking_for(&name("others")));
        refresh.request(&orders);
        refresh.handle_answer(start, &inquiry, &[], |_| PAUSE);
        assert_eq!(refresh.due(), Some(Due::At(start + PAUSE)));
    }

    #[test]
    fn no_age_is_so_short_that_it_is_asked_without_a_pause() {
        let start = now();
        let mut refresh = Refresh::new(Duration::ZERO, MINUTE);
        refresh.track(start, &name("orders"));
        ask(&mut refresh, start, &[]);
        assert_eq!(refresh.due(), Some(Due::At(start + SHORTEST_AGE)));
        // The pause holds, too, where it is longer.
        let inquiry = refresh.start(start + SHORTEST_AGE);
        refresh.handle_answer(start + SHORTEST_AGE, &inquiry, &[], |_| MINUTE);
        assert_eq!(refresh.due(), Some(Due::At(start + SHORTEST_AGE + MINUTE)));
    }

    #[test]
    fn what_is_overdue_is_asked_for_beside_and_its_answer_counts() {
        let (mut refresh, start) = (refresh(), now());
        refresh.track(start, &name("orders"));
        let slow = refresh.start(start);
        assert!(refresh.handle_overdue(&slow));
        assert!(refresh.is_due(start));
        let second = refresh.start(start);
        assert_eq!(second.topics, slow.topics);
        assert!(
            !refresh.handle_overdue(&slow),
            "it is not the one under way any more"
        );
        refresh.handle_answer(start, &slow, &[], |_| PAUSE);
        assert!(
            !refresh.is_due(start + PAUSE),
            "the second one is still under way"
        );
        refresh.handle_failure(start, &second, |_| PAUSE);
        assert!(refresh.is_due(start + PAUSE));
    }

    #[test]
    fn forgets_a_topic_not_in_use_unless_records_wait_for_it() {
        let (mut refresh, start) = (refresh(), now());
        refresh.track(start, &name("idle"));
        refresh.track(start, &name("waited-for"));
        ask(&mut refresh, start, &[]);
        let later = start + 6 * MINUTE;
        let forgotten = refresh.forget_idle(later, |topic| topic == "waited-for");
        assert_eq!(forgotten, [name("idle")]);
        assert_eq!(ask(&mut refresh, later, &[]), [name("waited-for")]);
    }

    #[test]
    fn asks_for_nothing_when_no_topic_is_in_use() {
        let (mut refresh, start) = (refresh(), now());
        refresh.track(start, &name("idle"));
        assert_eq!(refresh.forget_idle(start + 6 * MINUTE, |_| false).len(), 1);
        assert_eq!(refresh.due(), None);
    }
}
