//! Scripted faults: which request goes wrong, how often, and how. Decides and counts; the state
//! machine and the sockets carry it out. No socket, no clock.

use std::time::Duration;

use crate::ErrorCode;
use crate::ids::NodeId;
use crate::sync::Arc;
use crate::testing::chance::{Chance, Lot};
use crate::testing::{Api, MockCluster};

/// A fault that a test describes; [`MockCluster::on`] starts it. Narrow it down, say how often, and end
/// with what shall happen: without that last call nothing does.
///
/// Faults are tried in the order in which they were added: the first one that refuses a partition,
/// or takes the connection away, wins; later ones wait, uncounted, until it is used up. So two faults
/// on the same partition happen one after the other, like a script. Delays and throttling come on top
/// of other faults.
///
/// Without [`times`](Self::times) or [`always`](Self::always) a fault happens once.
#[derive(Debug)]
#[must_use = "a fault happens only when its last call says what"]
pub struct Fault<'a> {
    cluster: &'a MockCluster,
    rule: Rule,
    message: Option<String>,
    record_errors: Vec<(i32, String)>,
}

impl<'a> Fault<'a> {
    pub(super) fn new(cluster: &'a MockCluster, api: Api) -> Self {
        Self {
            cluster,
            rule: Rule::new(api),
            message: None,
            record_errors: Vec::new(),
        }
    }

    /// Only requests to this broker.
    pub fn node(mut self, node: i32) -> Self {
        self.rule.node = Some(NodeId(node));
        self
    }

    /// Only requests with this topic; in a request, only this topic is refused.
    pub fn topic(mut self, topic: &str) -> Self {
        self.rule.topic = Some(topic.into());
        self
    }

    /// Only requests with this partition; in a request, only this partition is refused.
    pub fn partition(mut self, topic: &str, partition: i32) -> Self {
        self.rule.topic = Some(topic.into());
        self.rule.partition = Some(partition);
        self
    }

    /// Lets that many matching requests through first.
    pub fn skip(mut self, requests: u32) -> Self {
        self.rule.skip = requests;
        self
    }

    /// Happens to that many matching requests. Default: 1.
    pub fn times(mut self, requests: u32) -> Self {
        self.rule.left = Some(requests);
        self
    }

    /// Happens to a matching request with this probability, from 0 to 1, and only then counts as
    /// having happened. [`answer`](Self::answer) and [`apply_and_answer`](Self::apply_and_answer)
    /// draw for each partition (of Metadata: for each topic) of a request on its own, all others for
    /// the request as a whole. [`MockClusterBuilder::seed`](crate::testing::MockClusterBuilder::seed)
    /// says where the draws begin.
    ///
    /// # Panics
    ///
    /// If it is no probability.
    pub fn chance(mut self, probability: f64) -> Self {
        let is_one = (0.0..=1.0).contains(&probability);
        assert!(is_one, "{probability} is not between 0 and 1");
        self.rule.chance = Some(Chance::new(probability));
        self
    }

    /// Happens until [`MockCluster::clear_faults`].
    pub fn always(mut self) -> Self {
        self.rule.left = None;
        self
    }

    /// The text that goes with the error code of [`answer`](Self::answer); Produce from version 8.
    pub fn message(mut self, text: &str) -> Self {
        self.message = Some(text.to_owned());
        self
    }

    /// Blames the record at this index of the batch, beside the error code of
    /// [`answer`](Self::answer); Produce from version 8. May be called again for another record.
    pub fn record_error(mut self, batch_index: i32, text: &str) -> Self {
        self.record_errors.push((batch_index, text.to_owned()));
        self
    }

    /// Refuses with this code; nothing is applied.
    ///
    /// Produce, `AddPartitionsToTxn` and `TxnOffsetCommit`: for the matching partitions of the request;
    /// of `AddPartitionsToTxn`, the others are not added either then. Metadata: for the matching topics,
    /// or partitions. All others: for the request as a whole.
    pub fn answer(self, code: ErrorCode) {
        self.refuse(code, false);
    }

    /// Does what is asked for and yet answers this code. Of Produce, the records are appended, and the
    /// code is `REQUEST_TIMED_OUT` or `NOT_ENOUGH_REPLICAS_AFTER_APPEND`; a transaction of `EndTxn` has
    /// ended. Metadata, `ApiVersions` and `FindCoordinator` have nothing to do.
    pub fn apply_and_answer(self, code: ErrorCode) {
        self.refuse(code, true);
    }

    /// Applies the request at once and answers so much later. Requests behind it on the same
    /// connection wait, as at a real broker.
    pub fn delay(self, delay: Duration) {
        self.add(Effect::Delay(delay));
    }

    /// Answers with this `throttle_time_ms`.
    pub fn throttle(self, throttle: Duration) {
        self.add(Effect::Throttle(throttle));
    }

    /// Applies nothing and answers nothing, neither this request nor any later one on its
    /// connection, which stays open.
    pub fn silence(self) {
        self.add(Effect::Connection(ConnectionEffect::SilenceBefore));
    }

    /// Applies the request, but answers neither it nor any later one on its connection, which
    /// stays open.
    pub fn silence_after(self) {
        self.add(Effect::Connection(ConnectionEffect::SilenceAfter));
    }

    /// Closes the connection; nothing is applied.
    pub fn close_before(self) {
        self.add(Effect::Connection(ConnectionEffect::CloseBefore));
    }

    /// Applies the request, then closes the connection: the answer is lost.
    pub fn close_after(self) {
        self.add(Effect::Connection(ConnectionEffect::CloseAfter));
    }

    /// Applies nothing and sends these bytes, just as they are, in place of a frame.
    pub fn garbage(self, bytes: impl Into<Vec<u8>>) {
        self.add(Effect::Connection(ConnectionEffect::Garbage(bytes.into())));
    }

    fn refuse(mut self, code: ErrorCode, applied: bool) {
        let refusal = Refusal {
            code,
            message: self.message.take(),
            record_errors: std::mem::take(&mut self.record_errors),
            applied,
        };
        self.add(Effect::Refuse(refusal));
    }

    fn add(self, effect: Effect) {
        let Self { cluster, rule, .. } = self;
        cluster.add_fault(Rule { effect, ..rule });
    }
}

/// A finished fault, and how often it will still happen.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(super) api: Api,
    pub(super) node: Option<NodeId>,
    pub(super) topic: Option<Arc<str>>,
    pub(super) partition: Option<i32>,
    pub(super) skip: u32,
    /// `None`: for ever.
    pub(super) left: Option<u32>,
    /// `None`: to every request that matches.
    pub(super) chance: Option<Chance>,
    pub(super) effect: Effect,
}

#[derive(Clone, Debug)]
pub(super) enum Effect {
    Delay(Duration),
    Throttle(Duration),
    Refuse(Refusal),
    Connection(ConnectionEffect),
}

/// What happens to the connection in place of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ConnectionEffect {
    SilenceBefore,
    SilenceAfter,
    CloseBefore,
    CloseAfter,
    Garbage(Vec<u8>),
}

/// An error code to be answered for a partition, a topic or a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: ErrorCode,
    pub(super) message: Option<String>,
    pub(super) record_errors: Vec<(i32, String)>,
    /// Whether the records are appended all the same.
    pub(super) applied: bool,
}

/// A topic in a request, and the partition if the request names partitions.
pub(super) type Subject = (Arc<str>, Option<i32>);

impl Rule {
    pub(super) fn new(api: Api) -> Self {
        Self {
            api,
            node: None,
            topic: None,
            partition: None,
            skip: 0,
            left: Some(1),
            chance: None,
            effect: Effect::Delay(Duration::ZERO),
        }
    }

    fn concerns(&self, api: Api, node: NodeId, subjects: &[Subject]) -> bool {
        self.api == api
            && self.node.is_none_or(|wanted| wanted == node)
            && (self.topic.is_none()
                || subjects
                    .iter()
                    .any(|(topic, partition)| self.scope().covers(topic, *partition)))
    }

    fn scope(&self) -> Scope {
        Scope {
            topic: self.topic.clone(),
            partition: self.partition,
        }
    }

    /// The parts of a request to which it happens: none if chance says so.
    fn draw(&mut self, node: NodeId, subjects: &[Subject], plan: &Plan) -> Vec<Scope> {
        let whole = self.scope();
        let Some(chance) = &mut self.chance else {
            return vec![whole];
        };
        if subjects.is_empty() || !matches!(self.effect, Effect::Refuse(_)) {
            let hit = chance.hits(&Lot::Request(node));
            return hit.then_some(whole).into_iter().collect();
        }
        let mut scopes = Vec::new();
        for (topic, partition) in subjects {
            let is_free = || {
                plan.find(|earlier| earlier.covers(topic, *partition))
                    .is_none()
            };
            if !whole.covers(topic, *partition) || !is_free() {
                continue;
            }
            if chance.hits(&Lot::Subject(Arc::clone(topic), *partition)) {
                scopes.push(Scope {
                    topic: Some(Arc::clone(topic)),
                    partition: partition.or(whole.partition),
                });
            }
        }
        scopes
    }
}

/// The part of a request that a refusal is for.
#[derive(Clone, Debug)]
struct Scope {
    topic: Option<Arc<str>>,
    partition: Option<i32>,
}

impl Scope {
    /// If either side names no partition, the topic alone decides.
    fn covers(&self, topic: &str, partition: Option<i32>) -> bool {
        self.topic.as_deref().is_none_or(|wanted| wanted == topic)
            && (self.partition.is_none() || partition.is_none() || self.partition == partition)
    }
}

/// What the faults mean for one request.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) delay: Duration,
    pub(super) throttle: Duration,
    pub(super) connection: Option<ConnectionEffect>,
    refusals: Vec<(Scope, Refusal)>,
}

impl Plan {
    /// The answer scripted for one partition.
    pub(super) fn partition(&self, topic: &str, partition: i32) -> Option<&Refusal> {
        self.find(|scope| scope.covers(topic, Some(partition)))
    }

    /// The answer scripted for a topic as a whole.
    pub(super) fn topic(&self, topic: &str) -> Option<&Refusal> {
        self.find(|scope| scope.partition.is_none() && scope.covers(topic, None))
    }

    /// The answer scripted for the request as a whole.
    pub(super) fn request(&self) -> Option<&Refusal> {
        self.find(|scope| scope.topic.is_none())
    }

    pub(super) fn throttle_time_ms(&self) -> i32 {
        i32::try_from(self.throttle.as_millis()).unwrap_or(i32::MAX)
    }

    fn find(&self, wanted: impl Fn(&Scope) -> bool) -> Option<&Refusal> {
        let (_, refusal) = self.refusals.iter().find(|(scope, _)| wanted(scope))?;
        Some(refusal)
    }

    /// Whether a refusal in this scope would change the answer for any of the subjects.
    fn leaves_room_for(&self, scope: &Scope, subjects: &[Subject]) -> bool {
        if subjects.is_empty() {
            return self.refusals.is_empty();
        }
        subjects.iter().any(|(topic, partition)| {
            scope.covers(topic, *partition)
                && self
                    .find(|earlier| earlier.covers(topic, *partition))
                    .is_none()
        })
    }
}

/// All faults that are not used up, in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct Faults {
    rules: Vec<Rule>,
    /// Where draws begin.
    seed: u64,
    /// How many faults were ever added.
    added: u64,
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, mut rule: Rule) {
        self.added += 1;
        if let Some(chance) = &mut rule.chance {
            chance.begin(self.seed, self.added);
        }
        self.rules.push(rule);
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// How many faults wait for their request; those that happen always do not count.
    pub(super) fn pending(&self) -> usize {
        self.rules.iter().filter(|rule| rule.left.is_some()).count()
    }

    /// Finds what goes wrong with a request, and counts it.
    pub(super) fn take(&mut self, api: Api, node: NodeId, subjects: &[Subject]) -> Plan {
        let mut plan = Plan::default();
        for rule in &mut self.rules {
            let wanted = rule.concerns(api, node, subjects)
                && match &rule.effect {
                    Effect::Delay(_) | Effect::Throttle(_) => true,
                    Effect::Connection(_) => plan.connection.is_none() && plan.refusals.is_empty(),
                    Effect::Refuse(_) => {
                        plan.connection.is_none() && plan.leaves_room_for(&rule.scope(), subjects)
                    }
                };
            if !wanted || rule.left == Some(0) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            let scopes = rule.draw(node, subjects, &plan);
            if scopes.is_empty() {
                continue;
            }
            rule.left = rule.left.map(|left| left - 1);
            match &rule.effect {
                Effect::Delay(delay) => plan.delay += *delay,
                Effect::Throttle(throttle) => plan.throttle += *throttle,
                Effect::Refuse(refusal) => {
                    let refusals = scopes.into_iter().map(|scope| (scope, refusal.clone()));
                    plan.refusals.extend(refusals);
                }
                Effect::Connection(effect) => plan.connection = Some(effect.clone()),
            }
        }
        self.rules.retain(|rule| rule.left != Some(0));
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse(rule: Rule, code: i16) -> Rule {
        let refusal = Refusal {
            code: ErrorCode::from(code),
            message: None,
            record_errors: Vec::new(),
            applied: false,
        };
        let effect = Effect::Refuse(refusal);
        Rule { effect, ..rule }
    }

    fn on(topic: &str, partition: i32, code: i16) -> Rule {
        let rule = Rule {
            topic: Some(topic.into()),
            partition: Some(partition),
            ..Rule::new(Api::Produce)
        };
        refuse(rule, code)
    }

    fn code(plan: &Plan, topic: &str, partition: i32) -> i16 {
        plan.partition(topic, partition)
            .map_or(0, |refusal| refusal.code.code())
    }

    #[test]
    fn faults_on_one_partition_happen_one_after_the_other() {
        let mut faults = Faults::default();
        faults.add(Rule {
            left: Some(2),
            ..on("t", 0, 6)
        });
        faults.add(on("t", 0, 7));
        let subjects = [("t".into(), Some(0)), ("t".into(), Some(1))];
        let mut codes = Vec::new();
        for _ in 0..4 {
            let plan = faults.take(Api::Produce, NodeId(1), &subjects);
            assert_eq!(code(&plan, "t", 1), 0);
            codes.push(code(&plan, "t", 0));
        }
        assert_eq!(codes, [6, 6, 7, 0]);
        assert!(faults.is_empty());
    }

    #[test]
    fn one_request_meets_the_faults_of_all_its_partitions() {
        let mut faults = Faults::default();
        faults.add(on("t", 0, 6));
        faults.add(on("t", 1, 7));
        faults.add(on("u", 0, 8));
        let subjects = [("t".into(), Some(0)), ("t".into(), Some(1))];
        let plan = faults.take(Api::Produce, NodeId(1), &subjects);
        assert_eq!((code(&plan, "t", 0), code(&plan, "t", 1)), (6, 7));
        assert_eq!(faults.pending(), 1);
    }

    #[test]
    fn skips_other_requests_and_as_many_of_its_own_as_asked() {
        let mut faults = Faults::default();
        faults.add(Rule {
            node: Some(NodeId(2)),
            skip: 1,
            ..refuse(Rule::new(Api::Produce), 6)
        });
        let subjects = [("t".into(), Some(0))];
        let mut take = |api, node| code(&faults.take(api, NodeId(node), &subjects), "t", 0);
        assert_eq!(take(Api::Produce, 1), 0);
        assert_eq!(take(Api::Metadata, 2), 0);
        assert_eq!(take(Api::Produce, 2), 0);
        assert_eq!(take(Api::Produce, 2), 6);
        assert_eq!(take(Api::Produce, 2), 0);
    }

    #[test]
    fn delays_come_on_top_and_always_stays() {
        let mut faults = Faults::default();
        faults.add(Rule {
            left: None,
            effect: Effect::Delay(Duration::from_millis(5)),
            ..Rule::new(Api::Metadata)
        });
        faults.add(Rule {
            effect: Effect::Connection(ConnectionEffect::CloseAfter),
            ..Rule::new(Api::Metadata)
        });
        let plan = faults.take(Api::Metadata, NodeId(1), &[]);
        assert_eq!(plan.delay, Duration::from_millis(5));
        assert_eq!(plan.connection, Some(ConnectionEffect::CloseAfter));
        let plan = faults.take(Api::Metadata, NodeId(1), &[]);
        assert_eq!(plan.delay, Duration::from_millis(5));
        assert_eq!(plan.connection, None);
        assert_eq!(faults.pending(), 0);
        assert!(!faults.is_empty());
    }
}
