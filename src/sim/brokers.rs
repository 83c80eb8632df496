//! The simulated brokers: each is a machine around the mock's state machine. It handles one request of
//! a connection at a time, as Kafka does, takes time for it, crashes, stalls, and treats single
//! requests badly.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use crate::ErrorCode;
use crate::ids::NodeId;
use crate::protocol::ApiKey;
use crate::protocol::broker::encode_response;
use crate::protocol::decode_response;
use crate::protocol::frame::{FrameReader, LENGTH_BYTES};
use crate::sim::checker::Checker;
use crate::sim::dice::Dice;
use crate::sim::event::{Event, LinkId};
use crate::sim::lies::{self, may_spoil};
use crate::sim::network::Network;
use crate::sim::options::{FIRST_PORT, LONGEST_THROTTLE_MS, Options, TOPIC};
use crate::sim::stage::{Stage, Weather};
use crate::testing::Api;
use crate::testing::simulated::{Blow, Leaders};
use crate::testing::state::{Action, ClusterState};

/// The cluster, and the state of each machine.
#[derive(Debug)]
pub(super) struct Brokers {
    pub(super) state: ClusterState,
    machines: BTreeMap<NodeId, Machine>,
    lanes: BTreeMap<LinkId, Lane>,
    /// The faults of a scenario; those of one API happen in this order.
    script: VecDeque<(Api, Blow)>,
    /// The leaders in the metadata of a broker that lags behind.
    old_leaders: Leaders,
    /// How many clusters there have been.
    pub(super) clusters: usize,
}

#[derive(Debug, Default)]
struct Machine {
    is_down: bool,
    /// Until then it does nothing, while its kernel still accepts connections and bytes.
    stalled_until: Option<Instant>,
}

/// A connection, as its broker sees it.
#[derive(Debug)]
struct Lane {
    broker: NodeId,
    reader: FrameReader,
    requests: VecDeque<Vec<u8>>,
    /// Whether a request is being handled; the result is in `answer` until it is sent.
    is_busy: bool,
    answer: Option<Action>,
}

impl Brokers {
    pub(super) fn new(options: &Options) -> Self {
        let mut state = ClusterState::simulated(
            options.brokers,
            FIRST_PORT,
            TOPIC,
            options.partitions,
            options.versions.clone(),
            options.topic_ids,
        );
        state.limit_messages(options.max_message_bytes);
        state.set_first_epoch(options.first_epoch);
        let ids = (1..=i32::from(options.brokers)).map(NodeId);
        Self {
            old_leaders: state.leaders(TOPIC),
            state,
            machines: ids.map(|id| (id, Machine::default())).collect(),
            lanes: BTreeMap::new(),
            script: VecDeque::new(),
            clusters: 1,
        }
    }

    pub(super) fn ids(&self) -> Vec<NodeId> {
        self.machines.keys().copied().collect()
    }

    pub(super) fn listens(&self, broker: NodeId) -> bool {
        self.machines.get(&broker).is_some_and(|one| !one.is_down)
    }

    /// Whether no request is waiting or being handled.
    pub(super) fn are_quiet(&self) -> bool {
        let mut lanes = self.lanes.values();
        lanes.all(|lane| lane.requests.is_empty() && !lane.is_busy && lane.reader.is_empty())
    }

    /// The end of the machine's stall, if it is stalled.
    fn stalled_until(&self, stage: &Stage, broker: NodeId) -> Option<Instant> {
        let machine = self.machines.get(&broker)?;
        machine.stalled_until.filter(|until| *until > stage.now)
    }

    pub(super) fn on_next(&mut self, api: Api, blow: Blow) {
        self.script.push_back((api, blow));
    }

    /// A connection was made.
    pub(super) fn accept(&mut self, id: LinkId, broker: NodeId) {
        let lane = Lane {
            broker,
            reader: FrameReader::new(1 << 20),
            requests: VecDeque::new(),
            is_busy: false,
            answer: None,
        };
        self.lanes.insert(id, lane);
    }

    pub(super) fn on_arrive(&mut self, stage: &mut Stage, network: &mut Network, id: LinkId) {
        let Some(lane) = self.lanes.get(&id) else {
            network.forget(id);
            return;
        };
        if let Some(until) = self.stalled_until(stage, lane.broker) {
            stage.at(until, Event::Arrive(id));
            return;
        }
        let bytes = network.receive(stage, id);
        let is_over = network.is_over(stage.now, id);
        let lane = self.lanes.get_mut(&id).expect("just seen");
        lane.reader.push(&bytes);
        while let Some(body) = lane.reader.pop().expect("the client sends good frames") {
            lane.requests.push_back(body.to_vec());
        }
        if is_over && (bytes.is_empty() || lane.requests.is_empty()) && !lane.is_busy {
            self.lanes.remove(&id);
            network.forget(id);
            return;
        }
        self.serve_next(stage, id);
    }

    fn serve_next(&mut self, stage: &mut Stage, id: LinkId) {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return;
        };
        if !lane.is_busy && !lane.requests.is_empty() {
            lane.is_busy = true;
            let time = stage.latency() / 4;
            stage.after(time, Event::Serve(id));
        }
    }

    pub(super) fn on_serve(
        &mut self,
        stage: &mut Stage,
        network: &Network,
        checker: &mut Checker,
        id: LinkId,
    ) {
        let Some(lane) = self.lanes.get(&id) else {
            return;
        };
        let broker = lane.broker;
        if let Some(until) = self.stalled_until(stage, broker) {
            stage.at(until, Event::Serve(id));
            return;
        }
        let lane = self.lanes.get_mut(&id).expect("just seen");
        let Some(body) = lane.requests.pop_front() else {
            return;
        };
        let api = api(&body);
        if network.has_lost_client(id) {
            stage.trace.mark("late request");
        }
        checker.on_request(stage.now, &body, broker);
        if let Some(blow) = self.blow(stage, api) {
            stage.note("BLOW", [id.0 as i64, broker.0.into(), 0], || {
                format!("{api:?} at broker {broker} meets {blow:?}")
            });
            self.state.strike(api, TOPIC, blow);
        }
        let stale = stage.weather.mix.stale_metadata;
        let is_stale = api == Api::Metadata && stage.weather.strikes("stale metadata", stale);
        if is_stale {
            self.state.swap_leaders(TOPIC, &mut self.old_leaders);
        }
        let wall_clock_ms = 1_700_000_000_000 + stage.elapsed().as_millis() as i64;
        let reaction = self.state.handle(wall_clock_ms, broker, &body);
        if is_stale {
            self.state.swap_leaders(TOPIC, &mut self.old_leaders);
        }
        self.state.spare();
        checker.on_handled(api, self.state.last_refusal(), self.state.first_violation());
        let size = body.len() as i64;
        stage.note("serve", [id.0 as i64, broker.0.into(), size], || {
            let stale = if is_stale { ", as of before" } else { "" };
            let action = describe(&reaction.action);
            format!(
                "broker {broker} {api:?} of {size} bytes{stale} on link {}: {action}",
                id.0
            )
        });
        let action = spoil(stage, &body, reaction.action);
        let lane = self.lanes.get_mut(&id).expect("just seen");
        lane.answer = Some(action);
        stage.after(reaction.after, Event::Answer(id));
    }

    pub(super) fn on_answer(&mut self, stage: &mut Stage, network: &mut Network, id: LinkId) {
        let Some(lane) = self.lanes.get_mut(&id) else {
            return;
        };
        let stalled = self.machines[&lane.broker].stalled_until;
        if let Some(until) = stalled.filter(|until| *until > stage.now) {
            stage.at(until, Event::Answer(id));
            return;
        }
        match lane.answer.take() {
            Some(Action::Send(bytes)) => {
                network.answer(stage, id, &bytes);
                let repeat = stage.weather.mix.repeat_answer;
                if stage.weather.strikes("repeated answer", repeat) {
                    network.answer(stage, id, &bytes);
                }
            }
            Some(Action::Continue) => {}
            // The connection stays busy for ever: nothing else is answered on it.
            Some(Action::Silence) | None => return,
            Some(Action::Close) => {
                self.lanes.remove(&id);
                network.close_by_broker(stage, id);
                return;
            }
        }
        lane.is_busy = false;
        self.serve_next(stage, id);
        if network.is_over(stage.now, id) {
            stage.at(stage.now, Event::Arrive(id));
        }
    }

    /// What goes wrong with this request: by the script if it says so, else by chance.
    fn blow(&mut self, stage: &mut Stage, api: Api) -> Option<Blow> {
        if let Some(index) = self.script.iter().position(|(wanted, _)| *wanted == api) {
            return self.script.remove(index).map(|(_, blow)| blow);
        }
        let weather = &mut stage.weather;
        let mix = weather.mix.clone();
        if api == Api::Metadata && weather.strikes("refused metadata", mix.refuse_metadata) {
            return Some(Blow::Refuse {
                partition: None,
                code: weather.dice.pick(&METADATA_CODES),
                applied: false,
            });
        }
        if api == Api::Produce {
            let partitions = i32::try_from(self.old_leaders.len()).expect("few partitions");
            let some = |dice: &mut Dice| {
                let one = dice.index(partitions as usize) as i32;
                dice.chance(500).then_some(one)
            };
            if weather.strikes("refusal", mix.refuse) {
                let code = weather.dice.pick(&PASSING_CODES);
                return Some(refuse(some(&mut weather.dice), code, false));
            }
            if weather.strikes("refusal after append", mix.apply_and_refuse) {
                let code = weather.dice.pick(&CODES_AFTER_APPEND);
                return Some(refuse(some(&mut weather.dice), code, true));
            }
            if weather.strikes("too large", mix.too_large) {
                let code = ErrorCode::MESSAGE_TOO_LARGE;
                return Some(refuse(some(&mut weather.dice), code, false));
            }
            if weather.strikes("refusal for good", mix.refuse_for_good) {
                let code = weather.dice.pick(&FINAL_CODES);
                return Some(refuse(some(&mut weather.dice), code, false));
            }
        }
        if let Some(blow) = refuse_transaction(weather, api) {
            return Some(blow);
        }
        if weather.strikes("throttle", mix.throttle) {
            return Some(Blow::Throttle(weather.dice.millis(1, LONGEST_THROTTLE_MS)));
        }
        if weather.strikes("delay", mix.delay_answer) {
            return Some(Blow::Delay(weather.dice.millis(1, 1_000)));
        }
        if weather.strikes("close", mix.close) {
            return Some(weather.dice.pick(&[0, 1]) == 0).map(|before| match before {
                true => Blow::CloseBefore,
                false => Blow::CloseAfter,
            });
        }
        if weather.strikes("broker silence", mix.broker_silence) {
            return Some(weather.dice.chance(500)).map(|before| match before {
                true => Blow::SilenceBefore,
                false => Blow::SilenceAfter,
            });
        }
        if weather.strikes("garbage", mix.garbage) {
            let garbage: [&[u8]; 4] = [
                b"HTTP/1.1 400 Bad Request\r\n\r\n",
                &[0, 0, 0, 4, 0, 0, 0, 0],
                &[0x7f, 0xff, 0xff, 0xff, 1, 2, 3],
                &[0, 0, 0, 2, 9, 9],
            ];
            return Some(Blow::Garbage(weather.dice.pick(&garbage).to_vec()));
        }
        None
    }

    /// The machine is gone. Its clients may notice (a reset) or not (silence).
    pub(super) fn crash(
        &mut self,
        stage: &mut Stage,
        network: &mut Network,
        broker: NodeId,
        is_silent: bool,
    ) {
        if let Some(machine) = self.machines.get_mut(&broker) {
            machine.is_down = true;
            machine.stalled_until = None;
        }
        self.state.set_running(broker, false);
        let lanes = self.lanes.iter();
        let ended: Vec<_> = lanes
            .filter(|(_, lane)| lane.broker == broker)
            .map(|(id, _)| *id)
            .collect();
        for id in ended {
            self.lanes.remove(&id);
            network.lose_broker(stage, id, is_silent);
        }
    }

    /// Another cluster takes the place of this one, whose machines are gone.
    pub(super) fn replace(&mut self) {
        self.state = self.state.replaced(self.clusters, TOPIC);
        self.clusters += 1;
        self.remember_leaders();
    }

    pub(super) fn restart(&mut self, broker: NodeId) {
        if let Some(machine) = self.machines.get_mut(&broker) {
            machine.is_down = false;
        }
        self.state.set_running(broker, true);
    }

    pub(super) fn fail_over(&mut self, broker: NodeId) {
        if !self.listens(broker) {
            self.remember_leaders();
            self.state.depose(broker);
        }
    }

    pub(super) fn stall(&mut self, broker: NodeId, until: Instant) {
        if let Some(machine) = self.machines.get_mut(&broker) {
            machine.stalled_until = machine.stalled_until.max(Some(until));
        }
    }

    pub(super) fn lead(&mut self, partition: i32, leader: Option<NodeId>) {
        self.remember_leaders();
        self.state.lead(TOPIC, partition, leader);
    }

    /// Makes a running broker the leader of a partition that has none.
    pub(super) fn elect(&mut self, partition: i32) {
        let leaders = self.state.leaders(TOPIC);
        let index = usize::try_from(partition).expect("partitions count from 0");
        let has_leader = leaders[index].0.is_some_and(|leader| self.listens(leader));
        let alive = self.ids().into_iter().find(|id| self.listens(*id));
        if !has_leader && alive.is_some() {
            self.lead(partition, alive);
        }
    }

    /// Ends all faults: every broker runs, and every partition has a leader.
    pub(super) fn heal(&mut self) {
        self.script.clear();
        for machine in self.machines.values_mut() {
            machine.stalled_until = None;
        }
        for id in self.ids() {
            self.restart(id);
        }
        for partition in (0..).take(self.old_leaders.len()) {
            self.elect(partition);
        }
    }

    /// From now on, brokers that lag behind answer with the leaders of this moment.
    pub(super) fn remember_leaders(&mut self) {
        self.old_leaders = self.state.leaders(TOPIC);
    }
}

/// What goes wrong with a request for an id, or of a transaction.
fn refuse_transaction(weather: &mut Weather, api: Api) -> Option<Blow> {
    let mix = &weather.mix;
    let (refuse_identity, refuse_transaction) = (mix.refuse_identity, mix.refuse_transaction);
    if api == Api::InitProducerId && weather.strikes("refused id", refuse_identity) {
        return Some(refuse(None, weather.dice.pick(&IDENTITY_CODES), false));
    }
    if TRANSACTIONAL.contains(&api) && weather.strikes("refused transaction", refuse_transaction) {
        return Some(refuse(None, weather.dice.pick(&COORDINATOR_CODES), false));
    }
    None
}

/// Codes that a broker answers before it has written anything, and that pass.
pub(super) const PASSING_CODES: [ErrorCode; 6] = [
    ErrorCode::NOT_LEADER_OR_FOLLOWER,
    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode::NOT_ENOUGH_REPLICAS,
    ErrorCode::KAFKA_STORAGE_ERROR,
    ErrorCode::CORRUPT_MESSAGE,
    ErrorCode::LEADER_NOT_AVAILABLE,
];

/// Codes that a broker may answer although the records are in its log.
pub(super) const CODES_AFTER_APPEND: [ErrorCode; 5] = [
    ErrorCode::REQUEST_TIMED_OUT,
    ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    ErrorCode::NOT_LEADER_OR_FOLLOWER,
    ErrorCode::KAFKA_STORAGE_ERROR,
    ErrorCode::UNKNOWN_SERVER_ERROR,
];

pub(super) const FINAL_CODES: [ErrorCode; 4] = [
    ErrorCode::MESSAGE_TOO_LARGE,
    ErrorCode::TOPIC_AUTHORIZATION_FAILED,
    ErrorCode::INVALID_RECORD,
    ErrorCode::POLICY_VIOLATION,
];

pub(super) const METADATA_CODES: [ErrorCode; 4] = [
    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode::LEADER_NOT_AVAILABLE,
    ErrorCode::TOPIC_AUTHORIZATION_FAILED,
    ErrorCode::UNKNOWN_SERVER_ERROR,
];

const TRANSACTIONAL: [Api; 3] = [Api::FindCoordinator, Api::AddPartitionsToTxn, Api::EndTxn];
const COORDINATOR_CODES: [ErrorCode; 4] = [
    ErrorCode::COORDINATOR_NOT_AVAILABLE,
    ErrorCode::NOT_COORDINATOR,
    ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode::CONCURRENT_TRANSACTIONS,
];
const IDENTITY_CODES: [ErrorCode; 4] = [
    ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode::COORDINATOR_NOT_AVAILABLE,
    ErrorCode::NOT_COORDINATOR,
    ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
];

fn refuse(partition: Option<i32>, code: ErrorCode, applied: bool) -> Blow {
    Blow::Refuse {
        partition,
        code,
        applied,
    }
}

/// The API that a request's header names.
fn api(body: &[u8]) -> Api {
    let code = body
        .first_chunk()
        .map_or(-1, |bytes| i16::from_be_bytes(*bytes));
    Api::from_code(code)
}

/// Spoils an answer, perhaps: with a lie that is well formed, or by cutting it short.
fn spoil(stage: &mut Stage, request: &[u8], action: Action) -> Action {
    let weather = &mut stage.weather;
    let Action::Send(mut bytes) = action else {
        return action;
    };
    let (Some(api), Some(version)) = (field(request, 0), field(request, 2)) else {
        return Action::Send(bytes);
    };
    let api = ApiKey::from_code(i16::from_be_bytes(api));
    let version = i16::from_be_bytes(version);
    if may_spoil(weather)
        && let Some(api) = api.filter(|api| lies::concern(*api))
        && let Ok((id, mut response)) = decode_response(api, version, &bytes[LENGTH_BYTES..])
    {
        lies::spoil(weather, &mut response);
        bytes = encode_response(&response, version, id).to_vec();
    }
    let truncate = weather.mix.garbage;
    if bytes.len() > LENGTH_BYTES && weather.strikes("truncated answer", truncate) {
        let body = weather.dice.index(bytes.len() - LENGTH_BYTES);
        bytes.truncate(LENGTH_BYTES + body);
        bytes[..LENGTH_BYTES].copy_from_slice(&(body as u32).to_be_bytes());
    }
    Action::Send(bytes)
}

fn field(bytes: &[u8], at: usize) -> Option<[u8; 2]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn describe(action: &Action) -> String {
    match action {
        Action::Send(bytes) => format!("answers {} bytes", bytes.len()),
        Action::Continue => "continues".to_owned(),
        Action::Silence => "falls silent".to_owned(),
        Action::Close => "closes".to_owned(),
    }
}
