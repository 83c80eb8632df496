//! What is known of the cluster, when to ask for more, and the callers who wait for a topic. Decides
//! what to ask and what an answer means; whom to ask, and what follows for brokers and partitions, is
//! the sender's ([`cluster_changes`](crate::sender::cluster_changes)). Reads no clock.

mod waits;

use std::cell::LazyCell;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::accumulator::PartitionQueue;
use crate::address::Address;
use crate::backoff::Backoff;
use crate::cluster::{ClusterView, Due, Refresh, Update};
use crate::error::Error;
use crate::foreign::logging::log_warn;
use crate::ids::NodeId;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{MetadataRequest, MetadataResponse, ProduceResponse};
use crate::sender::Settings;
use crate::sender::event::{CommandId, Output, Report};
use crate::sender::step::Agenda;
use crate::sender::timers::Timer;
use crate::sync::Arc;
use waits::{Known, TopicWait, TopicWaits};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Metadata {
    view: Arc<ClusterView>,
    refresh: Refresh,
    waits: TopicWaits,
    /// How many answers have come that could be used.
    answers: u64,
    /// Since when metadata has been wanted in vain: the clock of
    /// `metadata.recovery.rebootstrap.trigger.ms` (KIP-1102).
    wanted_since: Option<Instant>,
    /// What that clock may show; `None` if nothing happens then.
    rebootstrap: Option<Duration>,
    backoff: Backoff,
}

impl Metadata {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            view: Arc::default(),
            refresh: Refresh::new(settings.metadata_max_age, settings.metadata_max_idle),
            waits: TopicWaits::default(),
            answers: 0,
            wanted_since: None,
            rebootstrap: settings.rebootstrap,
            backoff: settings.retry_backoff,
        }
    }

    pub(super) fn view(&self) -> &ClusterView {
        &self.view
    }

    /// Who leads the partition of this queue.
    pub(super) fn leader_of(&self, queue: &PartitionQueue) -> Option<NodeId> {
        self.view.leader(queue.topic(), queue.index())
    }

    /// A topic was used. Runs when a batch opens, not per record.
    pub(super) fn touch(&mut self, now: Instant, topic: &Arc<str>) {
        self.refresh.touch(now, topic);
    }

    /// Not enough is known of a topic.
    pub(super) fn track(&mut self, now: Instant, topic: &Arc<str>) {
        self.refresh.track(now, topic);
        self.refresh.request();
    }

    /// What is known is out of date: asks as soon as the backoff allows.
    pub(super) fn request(&mut self) {
        self.refresh.request();
    }
}

/// Asking.
impl Metadata {
    /// Whether a request is due. Topics not used for long are forgotten first, unless a caller waits
    /// for one or `is_queued` says that records do.
    pub(super) fn poll_due(
        &mut self,
        now: Instant,
        is_queued: impl Fn(&str) -> bool,
        agenda: &mut Agenda,
    ) -> bool {
        if !self.refresh.is_due(now) {
            return false;
        }
        // Looked at only if some topic has been idle for long.
        let waits = &self.waits;
        let waited_for = LazyCell::new(|| waits.topics().collect::<BTreeSet<_>>());
        let is_needed = |topic: &str| waited_for.contains(topic) || is_queued(topic);
        let is_any = self.refresh.forget_idle(now, is_needed);
        if is_any {
            self.start_clock(now, agenda);
        } else {
            self.stop_clock(agenda);
        }
        is_any
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.refresh.is_due(now)
    }

    /// When a request is due next. `None` also if it has been for a while: some broker has to become
    /// reachable first, and that has its own timer.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        match self.refresh.due() {
            Some(Due::At(at)) if at > now => Some(at),
            _ => None,
        }
    }

    /// The request, which is on its way from now on.
    pub(super) fn start_request(&mut self) -> MetadataRequest {
        MetadataRequest {
            topics: Some(self.refresh.start()),
            allow_auto_topic_creation: true,
            include_topic_operations: false,
        }
    }

    /// Whether bootstrap addresses may be asked as well as the brokers that are known.
    pub(super) fn uses_bootstrap(&self) -> bool {
        self.rebootstrap.is_some() || self.view.brokers.is_empty()
    }

    /// No answer came: asks again after a pause.
    pub(super) fn handle_failure(&mut self, now: Instant, agenda: &mut Agenda) {
        let backoff = self.backoff;
        self.refresh
            .handle_failure(now, |attempts| agenda.pause(backoff, attempts));
    }

    /// An answer came. Returns the view that follows, if any does.
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        node: NodeId,
        response: &MetadataResponse,
        agenda: &mut Agenda,
    ) -> Option<ClusterView> {
        if response.brokers.is_empty() || response.error != ErrorCode::NONE {
            log_warn!("broker {node} answered with metadata that names no broker");
            self.handle_failure(now, agenda);
            let start_over = response.error == ErrorCode::REBOOTSTRAP_REQUIRED;
            return (start_over && self.rebootstrap.is_some())
                .then(|| self.start_over(agenda))
                .flatten();
        }
        self.stop_clock(agenda);
        self.answers += 1;
        let refresh = &self.refresh;
        let update = self
            .view
            .merged(response, |topic| refresh.is_tracked(topic));
        let Update {
            view,
            is_incomplete,
        } = update;
        for (topic, code) in &view.refused {
            log_warn!("broker {node} has no metadata for topic \"{topic}\": {code}");
        }
        let is_incomplete = is_incomplete || self.waits.any_short_of(&view);
        let backoff = self.backoff;
        self.refresh.handle_answer(now, is_incomplete, |attempts| {
            agenda.pause(backoff, attempts)
        });
        Some(view)
    }

    /// The view that follows from the leaders that a Produce response names (KIP-951), if they are
    /// news. They save the wait for metadata.
    pub(super) fn follow_hints(&self, response: &ProduceResponse) -> Option<ClusterView> {
        let mut view = None;
        let mut is_news = false;
        for topic in &response.topics {
            let partitions = topic.partitions.iter();
            for (index, hint) in partitions.filter_map(|one| Some((one.index, one.current_leader?)))
            {
                let view = view.get_or_insert_with(|| (*self.view).clone());
                let endpoint = response
                    .node_endpoints
                    .iter()
                    .find(|end| end.node == hint.leader);
                if let Some(endpoint) = endpoint.filter(|end| end.node.0 >= 0)
                    && let Some(address) = Address::advertised(&endpoint.host, endpoint.port)
                {
                    view.add_broker(hint.leader, address, endpoint.rack.as_deref());
                }
                let name = match topic.name.as_str() {
                    "" => view.name_of(topic.id),
                    name => Some(Arc::from(name)),
                };
                if let Some(name) = name {
                    is_news |= view.follow(&name, index, hint.leader, hint.leader_epoch);
                }
            }
        }
        view.filter(|_| is_news)
    }

    /// From now on this is what is known, to callers as well.
    pub(super) fn set_view(&mut self, view: ClusterView, agenda: &mut Agenda) {
        let before = std::mem::replace(&mut self.view, Arc::new(view));
        agenda.push(Output::Publish(Arc::clone(&self.view)));
        let is_news =
            |(topic, code): &(&Arc<str>, &ErrorCode)| before.refused.get(*topic) != Some(*code);
        for (topic, code) in self.view.refused.iter().filter(is_news) {
            let refused = Report::Refused(Arc::clone(topic), *code);
            agenda.push(Output::Report(refused));
        }
    }
}

/// Starting over with the bootstrap addresses, when the brokers that are known do not say who leads
/// what (KIP-1102).
impl Metadata {
    /// Metadata is wanted: the clock runs, unless it does already. There is nothing to start over
    /// from while no broker of the cluster is known.
    fn start_clock(&mut self, now: Instant, agenda: &mut Agenda) {
        if let Some(trigger) = self.rebootstrap
            && self.wanted_since.is_none()
            && !self.view.brokers.is_empty()
        {
            self.wanted_since = Some(now);
            agenda.set(now + trigger, Timer::Rebootstrap);
        }
    }

    /// Metadata has come, or is not wanted any more.
    fn stop_clock(&mut self, agenda: &mut Agenda) {
        let since = self.wanted_since.take();
        if let Some((since, trigger)) = since.zip(self.rebootstrap) {
            agenda.cancel(since + trigger, Timer::Rebootstrap);
        }
    }

    /// The clock has run out. Returns the view without brokers, if there were any.
    pub(super) fn handle_overdue(&mut self, agenda: &mut Agenda) -> Option<ClusterView> {
        log_warn!("no broker has answered with metadata for long");
        self.wanted_since = None;
        self.start_over(agenda)
    }

    fn start_over(&mut self, agenda: &mut Agenda) -> Option<ClusterView> {
        self.stop_clock(agenda);
        if self.view.brokers.is_empty() {
            return None;
        }
        log_warn!("starting over with the bootstrap servers");
        self.refresh.request();
        Some(self.view.without_brokers())
    }
}

/// Callers who wait for a topic.
impl Metadata {
    /// A caller waits until the topic is known, with this partition if it names one.
    pub(super) fn await_topic(
        &mut self,
        now: Instant,
        id: CommandId,
        topic: Arc<str>,
        partition: Option<i32>,
        deadline: Option<Instant>,
        agenda: &mut Agenda,
    ) {
        self.refresh.track(now, &topic);
        let wait = TopicWait {
            topic,
            partition,
            since: now,
            deadline,
            answers_before: self.answers,
        };
        if wait.is_short_of(&self.view) {
            self.refresh.request();
            self.waits.add(id, wait, agenda);
        } else {
            agenda.push(Output::Finish(id, Ok(())));
        }
    }

    /// Answers the callers whose topic has come, or will never come.
    pub(super) fn answer_waits(&mut self, agenda: &mut Agenda) {
        let known = Known {
            view: &self.view,
            answers: self.answers,
        };
        self.waits.answer(known, agenda);
    }

    pub(super) fn refuse_waits(&mut self, agenda: &mut Agenda) {
        self.waits.refuse_all(agenda);
    }

    /// A caller has waited for as long as it may. `unreachable` is why no broker can be asked, if
    /// none can.
    pub(super) fn handle_wait_timeout(
        &mut self,
        now: Instant,
        id: CommandId,
        unreachable: Option<&Error>,
        agenda: &mut Agenda,
    ) {
        let known = Known {
            view: &self.view,
            answers: self.answers,
        };
        self.waits
            .handle_timeout(now, id, known, unreachable, agenda);
    }
}
