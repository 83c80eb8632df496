//! What is known of the cluster, when to ask for more, and the callers who wait for a topic. Decides
//! what to ask and what an answer means; whom to ask, and what follows for brokers and partitions, is
//! the sender's ([`cluster_changes`](crate::sender::cluster_changes)). Reads no clock.

mod hints;
mod resolving;
mod starting_over;
mod waits;

use std::cell::LazyCell;
use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use crate::accumulator::PartitionQueue;
use crate::address::Destination;
use crate::backoff::Backoff;
use crate::cluster::{ClusterView, Due, Inquiry, NameMap, Reading, Refresh, Update};
use crate::error::{Error, ErrorKind};
use crate::foreign::logging::{log_info, log_warn};
use crate::ids::NodeId;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{MetadataRequest, MetadataResponse};
use crate::sender::Settings;
use crate::sender::complaint::Complaint;
use crate::sender::event::{CommandId, Output, Report};
use crate::sender::step::Agenda;
use crate::sync::Arc;
use hints::Hints;
pub(super) use hints::LeaderHint;
use resolving::Resolving;
use waits::{TopicWait, TopicWaits};

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
    /// How long an answer may take before another broker is asked beside: longer each time.
    patience: Backoff,
    /// How often in a row that was too short.
    overdue: u32,
    hints: Hints,
    resolving: Resolving,
    /// Topics that the brokers refuse or do not know.
    missing: NameMap<Complaint>,
    /// Answers that name no broker.
    useless: Complaint,
    /// Whether brokers are told whom a connection is meant to reach (KIP-1242).
    names_destination: bool,
    /// How often in a row somebody else has answered where a broker should be.
    strangers: u32,
}

/// A view that follows from an answer.
#[derive(Debug)]
pub(super) struct News {
    pub(super) view: ClusterView,
    /// Topics of which something else is known than before.
    pub(super) changed: Vec<Arc<str>>,
    /// These, and those that were asked about: whose partitions have to be looked at.
    pub(super) touched: BTreeSet<Arc<str>>,
}

/// How long the first answer may take before another broker is asked beside. Long enough for a broker
/// that makes a topic, short beside the time that a caller waits.
const PATIENCE: Duration = Duration::from_secs(1);

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
            patience: Backoff {
                initial: PATIENCE.min(settings.request_timeout),
                max: settings.request_timeout,
            },
            overdue: 0,
            hints: Hints::default(),
            resolving: Resolving::new(settings.resolve_timeout),
            missing: NameMap::default(),
            useless: Complaint::default(),
            // Without a way to start over, a refusal would help nobody.
            names_destination: settings.checks_cluster && settings.rebootstrap.is_some(),
            strangers: 0,
        }
    }

    pub(super) fn view(&self) -> &ClusterView {
        &self.view
    }

    /// Whom a connection to this node is meant to reach, if anybody in particular.
    pub(super) fn destination(&self, node: NodeId) -> Option<Destination> {
        let cluster_id = self.view.cluster_id.as_ref().filter(|_| node.0 >= 0)?;
        Some(Destination {
            cluster_id: Arc::clone(cluster_id),
            node,
            is_named: self.names_destination,
        })
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
        self.refresh.request(topic);
    }

    /// What is known of a topic is out of date: asks for it as soon as the backoff allows.
    pub(super) fn request(&mut self, topic: &Arc<str>) {
        self.refresh.request(topic);
    }

    /// The same for all topics.
    pub(super) fn request_all(&mut self) {
        self.refresh.request_all();
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
        if !self.refresh.is_due(now) || self.resolving.failure().is_some() {
            return false;
        }
        // Looked at only if some topic has been idle for long.
        let waits = &self.waits;
        let waited_for = LazyCell::new(|| waits.topics().collect::<BTreeSet<_>>());
        let is_needed = |topic: &str| waited_for.contains(topic) || is_queued(topic);
        for topic in self.refresh.forget_idle(now, is_needed) {
            self.missing.remove(&topic);
            if self.view.refused.contains_key(&topic) {
                Arc::make_mut(&mut self.view).refused.remove(&topic);
            }
        }
        let is_due = self.refresh.is_due(now);
        if is_due {
            self.start_clock(now, agenda);
        } else {
            self.stop_clock(agenda);
        }
        is_due
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.refresh.is_due(now) && self.resolving.failure().is_none()
    }

    /// When a request is due next. `None` also if it has been for a while: some broker has to become
    /// reachable first, and that has its own timer.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        match self.refresh.due() {
            Some(Due::At(at)) if at > now => Some(at),
            _ => None,
        }
    }

    /// The request, which is on its way from now on, and what it asks for.
    pub(super) fn start_request(&mut self, now: Instant) -> (Inquiry, MetadataRequest) {
        let inquiry = self.refresh.start(now);
        let request = MetadataRequest {
            topics: Some(inquiry.topics.clone()),
            allow_auto_topic_creation: true,
            include_topic_operations: false,
        };
        (inquiry, request)
    }

    /// How long the answer may take before another broker is asked as well.
    pub(super) fn patience(&self) -> Duration {
        self.patience.doubled(self.overdue)
    }

    /// It has taken so long. Returns whether another broker is to be asked: not if one has been already.
    pub(super) fn handle_slow(&mut self, inquiry: &Inquiry) -> bool {
        let is_overdue = self.refresh.handle_overdue(inquiry);
        self.overdue = self.overdue.saturating_add(is_overdue.into());
        is_overdue
    }

    /// Whether bootstrap addresses may be asked as well as the brokers that are known.
    pub(super) fn uses_bootstrap(&self) -> bool {
        self.rebootstrap.is_some() || self.view.brokers.is_empty()
    }

    /// No answer came: asks again after a pause.
    pub(super) fn handle_failure(&mut self, now: Instant, inquiry: &Inquiry, agenda: &mut Agenda) {
        let backoff = self.backoff;
        self.refresh
            .handle_failure(now, inquiry, |attempts| agenda.pause(backoff, attempts));
    }

    /// Whether an answer comes from another cluster than the one that is known.
    pub(super) fn is_of_another_cluster(&self, response: &MetadataResponse) -> bool {
        is_usable(response) && self.view.is_of_another(response)
    }

    /// The cluster is another one: what is known of the old one says nothing about it, and all of its
    /// topics have to be asked for. Returns what follows.
    pub(super) fn forget_cluster(&mut self) -> News {
        self.hints = Hints::default();
        self.refresh.request_all();
        let changed: Vec<_> = self.view.topics.keys().cloned().collect();
        News {
            view: ClusterView::default(),
            touched: changed.iter().cloned().collect(),
            changed,
        }
    }

    /// An answer came. Returns what follows from it, if anything does.
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        node: impl fmt::Display,
        inquiry: &Inquiry,
        response: &MetadataResponse,
        agenda: &mut Agenda,
    ) -> Option<News> {
        if !is_usable(response) {
            let text = "answered with metadata that names no broker";
            if let Some(times) = self.useless.raise(now, text) {
                log_warn!("{node} {text}{times}");
            }
            self.handle_failure(now, inquiry, agenda);
            let start_over = response.error == ErrorCode::REBOOTSTRAP_REQUIRED;
            return (start_over && self.rebootstrap.is_some())
                .then(|| self.start_over(agenda))
                .flatten();
        }
        self.useless.end();
        self.stop_clock(agenda);
        self.answers += 1;
        if self.refresh.is_current(inquiry) {
            self.overdue = 0;
        }
        let (refresh, hints) = (&self.refresh, &self.hints);
        let reading = Reading {
            answer: self.answers,
            is_wanted: |topic: &str| refresh.is_tracked(topic),
            is_doubted: |topic: &str, partition| hints.is_doubted(topic, partition),
        };
        let Update {
            view,
            changed,
            told,
        } = self.view.merged(response, &reading);
        self.hints.settle(&view, response);
        self.complain(now, node, &view, &told);
        let mut touched: BTreeSet<_> = changed.iter().cloned().collect();
        touched.extend(inquiry.topics.iter().cloned());
        let lacking = self.lacking(&view, inquiry, &told, &touched);
        let backoff = self.backoff;
        self.refresh
            .handle_answer(now, inquiry, &lacking, |attempts| {
                agenda.pause(backoff, attempts)
            });
        Some(News {
            view,
            changed,
            touched,
        })
    }

    /// What has to be asked for again: topics that lack something, that the answer leaves out, or that
    /// have fewer partitions than a caller waits for.
    fn lacking(
        &self,
        view: &ClusterView,
        inquiry: &Inquiry,
        told: &BTreeSet<Arc<str>>,
        touched: &BTreeSet<Arc<str>>,
    ) -> Vec<Arc<str>> {
        let is_asked = |topic: &Arc<str>| inquiry.topics.binary_search(topic).is_ok();
        let short: BTreeSet<_> = self.waits.short_of(view).collect();
        let is_lacking = |topic: &&Arc<str>| {
            view.is_lacking(topic)
                || is_asked(topic) && (!told.contains(*topic) || short.contains(&***topic))
        };
        touched.iter().filter(is_lacking).cloned().collect()
    }

    /// Says in the log which topics the brokers refuse or do not know, as often as is of use.
    fn complain(
        &mut self,
        now: Instant,
        node: impl fmt::Display,
        view: &ClusterView,
        told: &BTreeSet<Arc<str>>,
    ) {
        for topic in told {
            let Some(refusal) = view.refused.get(topic) else {
                if self.missing.get_mut(topic).is_some_and(Complaint::end) {
                    log_info!("{node} knows topic \"{topic}\" now");
                }
                continue;
            };
            if !self.missing.contains_key(topic) {
                self.missing.insert(Arc::clone(topic), Complaint::default());
            }
            let code = refusal.code.to_string();
            let missing = self.missing.get_mut(topic);
            if let Some(times) = missing.and_then(|missing| missing.raise(now, &code)) {
                log_warn!("{node} has no metadata for topic \"{topic}\": {code}{times}");
            }
        }
    }

    /// From now on this is what is known, to callers as well.
    pub(super) fn set_view(
        &mut self,
        view: ClusterView,
        changed: Vec<Arc<str>>,
        touched: &BTreeSet<Arc<str>>,
        agenda: &mut Agenda,
    ) {
        let before = std::mem::replace(&mut self.view, Arc::new(view));
        let view = Arc::clone(&self.view);
        agenda.push(Output::Publish { view, changed });
        for topic in touched {
            let code = |view: &ClusterView| view.refused.get(topic).map(|refusal| refusal.code);
            if let Some(new) = code(&self.view)
                && code(&before) != Some(new)
            {
                let refused = Report::Refused(Arc::clone(topic), new);
                agenda.push(Output::Report(refused));
            }
        }
    }
}

fn is_usable(response: &MetadataResponse) -> bool {
    response.error == ErrorCode::NONE && !response.brokers.is_empty()
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
        if !wait.is_short_of(&self.view) {
            agenda.push(Output::Finish(id, Ok(())));
        } else if let Some(error) = self.resolving.failure() {
            agenda.push(Output::Finish(id, Err(error.clone())));
        } else {
            // An answer on its way may be all it takes.
            if !self.refresh.is_asking_for(&wait.topic) {
                self.refresh.request(&wait.topic);
            }
            self.waits.add(id, wait, agenda);
        }
    }

    /// Answers the callers whose topic has come, or will never come.
    pub(super) fn answer_waits(&mut self, agenda: &mut Agenda) {
        self.waits.answer(&self.view, agenda);
    }

    pub(super) fn refuse_waits(&mut self, agenda: &mut Agenda) {
        let text = "the producer was closed while send waited";
        let error = Error::new(ErrorKind::Closed, text);
        self.waits.refuse_all(&error, agenda);
    }

    pub(super) fn resolving(&mut self) -> &mut Resolving {
        &mut self.resolving
    }

    /// `bootstrap.resolve.timeout.ms` is over: nobody who waits for a topic will ever get one.
    pub(super) fn handle_resolve_timeout(&mut self, agenda: &mut Agenda) {
        self.resolving.handle_timeout();
        if let Some(error) = self.resolving.failure() {
            self.waits.refuse_all(error, agenda);
        }
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
        self.waits
            .handle_timeout(now, id, &self.view, unreachable, agenda);
    }
}
