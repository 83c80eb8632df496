//! What brokers do with requests, and what goes wrong between them and the client: the other half of
//! the message-level simulation. Nothing here knows what the sender thinks.

use std::time::{Duration, Instant};

use crate::ids::{RequestId, TopicId};
use crate::protocol::Response;
use crate::protocol::messages::{
    InitProducerIdResponse, MetadataResponse, ProducePartitionResponse, ProduceResponse,
    ProduceTopicResponse,
};
use crate::sim::brokers::{CODES_AFTER_APPEND, FINAL_CODES, METADATA_CODES, PASSING_CODES};
use crate::sim::lies::spoil;
use crate::sim::options::{LONGEST_CALAMITY_MS, LONGEST_THROTTLE_MS};
use crate::sim::schedules::cluster::{Batch, Index, Message, endpoint, node};
use crate::sim::schedules::links::Link;
use crate::sim::schedules::world::{Event, World};
use crate::{Acks, ErrorCode};

/// How a batch fares at its broker.
enum Luck {
    Good,
    /// This code, and nothing appended.
    Refused(ErrorCode),
    /// This code, whatever was appended.
    Denied(ErrorCode),
}

impl World {
    /// The broker handles the request at the head of a connection's line.
    pub(super) fn serve(&mut self, link: usize) {
        let one = &self.links[link];
        let stalled = self.cluster.brokers[one.broker].stalled_until;
        let until = one.busy_until.max(stalled.unwrap_or(one.busy_until));
        if until > self.stage.now {
            return self.stage.at(until, Event::Serve(link));
        }
        let (broker, is_gone) = (one.broker, one.is_gone);
        let one = &mut self.links[link];
        let Some((id, message)) = one.inbox.pop_front().filter(|_| !one.is_dead) else {
            return;
        };
        if is_gone {
            self.stage.trace.mark("late request");
        }
        let (close, mute) = (
            self.stage.weather.mix.close,
            self.stage.weather.mix.broker_silence,
        );
        if self.stage.weather.strikes("close", close) {
            // Before it is applied, or after.
            if self.stage.weather.dice.chance(500) {
                self.apply(link, broker, message);
            }
            return self.close_by_broker(link);
        }
        if self.stage.weather.strikes("broker silence", mute) {
            if self.stage.weather.dice.chance(500) {
                self.apply(link, broker, message);
            }
            self.links[link].is_dead = true;
            return;
        }
        let delay = self.stage.weather.mix.delay_answer;
        let pause = match self.stage.weather.strikes("delay", delay) {
            true => self.stage.weather.dice.millis(1, 1_000),
            false => Duration::ZERO,
        };
        if let Some(mut response) = self.apply(link, broker, message) {
            spoil(&mut self.stage.weather, &mut response);
            self.answer(link, id, pause, response);
        }
    }

    /// What a request comes to; `None` if there is nothing to say.
    fn apply(&mut self, link: usize, broker: Index, message: Message) -> Option<Response> {
        self.stage
            .note("serve", [link as i64, broker as i64, 0], || {
                format!("broker {} has {message:?} on link {link}", node(broker))
            });
        match message {
            Message::Metadata => Some(Response::Metadata(self.describe())),
            Message::Identity => Some(Response::InitProducerId(self.identify())),
            Message::Produce(batches) => self.produce(link, broker, &batches),
        }
    }

    fn answer(&mut self, link: usize, id: RequestId, pause: Duration, response: Response) {
        let (lose, cut) = (
            self.stage.weather.mix.lose_answers,
            self.stage.weather.mix.cut_answer,
        );
        let trip = self.stage.latency();
        let one = &mut self.links[link];
        one.busy_until = self.stage.now + pause;
        one.is_deaf |= self.stage.weather.strikes("lost answers", lose);
        if one.is_gone || one.is_deaf {
            return;
        }
        if self.stage.weather.strikes("cut answer", cut) {
            return self.cut(link);
        }
        let one = &mut self.links[link];
        one.returns = one.returns.max(self.stage.now + pause + trip);
        let returns = one.returns;
        self.stage
            .at(returns, Event::Answer(link, id, Box::new(response)));
    }

    fn throttle(&mut self) -> i32 {
        let throttle = self.stage.weather.mix.throttle;
        match self.stage.weather.strikes("throttle", throttle) {
            true => self.stage.weather.dice.between(1, LONGEST_THROTTLE_MS) as i32,
            false => 0,
        }
    }

    fn describe(&mut self) -> MetadataResponse {
        let mix = &self.stage.weather.mix;
        let (stale, refuse) = (mix.stale_metadata, mix.refuse_metadata);
        let is_stale = self.stage.weather.strikes("stale metadata", stale);
        let leaders = match is_stale {
            true => self.cluster.old.clone(),
            false => (self.cluster.topic_id(), self.cluster.leaders()),
        };
        let mut response = self.cluster.metadata(&leaders);
        response.throttle_time_ms = self.throttle();
        if self.stage.weather.strikes("refused metadata", refuse) {
            let topic = &mut response.topics[0];
            topic.error = self.stage.weather.dice.pick(&METADATA_CODES);
            topic.partitions.clear();
        }
        response
    }

    fn identify(&mut self) -> InitProducerIdResponse {
        let refuse = self.stage.weather.mix.refuse;
        let error = match self.stage.weather.strikes("no producer id", refuse) {
            true => self.stage.weather.dice.pick(&[
                ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
                ErrorCode::NOT_COORDINATOR,
                ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
            ]),
            false => ErrorCode::NONE,
        };
        InitProducerIdResponse {
            throttle_time_ms: self.throttle(),
            error,
            producer_id: self.cluster.identity(),
            producer_epoch: self.options.first_epoch,
        }
    }

    fn produce(&mut self, link: usize, broker: Index, batches: &[Batch]) -> Option<Response> {
        let mut answers = Vec::new();
        let mut has_failed = false;
        for batch in batches {
            let result = match self.luck() {
                Luck::Refused(code) => Err(code),
                Luck::Denied(code) => self.cluster.append(broker, batch).and(Err(code)),
                Luck::Good => self.cluster.append(broker, batch),
            };
            has_failed |= result.is_err();
            let answer = self.cluster.answer(batch, result);
            if let Err(code) = result {
                self.stage.note(
                    "refusal",
                    [batch.partition.into(), code.code().into(), 0],
                    || format!("of {batch:?}: {code}"),
                );
            }
            answers.push((batch.topic, answer));
        }
        if self.options.topic().acks == Acks::None {
            if has_failed {
                self.close_by_broker(link);
            }
            return None;
        }
        let hints = answers
            .iter()
            .filter_map(|(_, one)| one.current_leader.as_ref());
        let node_endpoints = hints
            .filter_map(|hint| usize::try_from(hint.leader.0 - 1).ok())
            .filter(|index| *index < self.cluster.brokers.len())
            .map(endpoint)
            .collect();
        Some(Response::Produce(ProduceResponse {
            throttle_time_ms: self.throttle(),
            node_endpoints,
            topics: topics(answers),
        }))
    }

    fn luck(&mut self) -> Luck {
        let mix = &self.stage.weather.mix;
        let (refuse, deny, fail) = (mix.refuse, mix.apply_and_refuse, mix.refuse_for_good);
        if self.stage.weather.strikes("refusal", refuse) {
            return Luck::Refused(self.stage.weather.dice.pick(&PASSING_CODES));
        }
        if self.stage.weather.strikes("refusal after append", deny) {
            return Luck::Denied(self.stage.weather.dice.pick(&CODES_AFTER_APPEND));
        }
        if self
            .stage
            .weather
            .strikes("too large", self.stage.weather.mix.too_large)
        {
            return Luck::Refused(ErrorCode::MESSAGE_TOO_LARGE);
        }
        if self.stage.weather.strikes("refusal for good", fail) {
            return Luck::Refused(self.stage.weather.dice.pick(&FINAL_CODES));
        }
        Luck::Good
    }

    /// The connection is reset: each side learns of it after a while.
    pub(super) fn cut(&mut self, link: usize) {
        let late = self.stage.weather.mix.late;
        let is_late = self.stage.weather.strikes("late", late);
        let trip = self.stage.latency();
        let one = &mut self.links[link];
        if one.is_gone {
            return;
        }
        // What has been sent is lost at some point of it, unless the broker reads it all.
        if !is_late {
            let through = self.stage.weather.dice.index(one.inbox.len() + 1);
            one.inbox.truncate(through);
        }
        one.is_mute = true;
        one.is_deaf = true;
        self.stage
            .note("CUT", [link as i64, is_late.into(), 0], || {
                format!("link {link}")
            });
        self.stage.after(trip, Event::Lost(link));
    }

    fn close_by_broker(&mut self, link: usize) {
        let trip = self.stage.latency();
        let one = &mut self.links[link];
        one.is_dead = true;
        one.inbox.clear();
        if !one.is_deaf {
            let end = one.returns.max(self.stage.now + trip);
            self.stage.at(end, Event::Lost(link));
        }
    }

    pub(super) fn restart(&mut self, broker: Index) {
        let one = &mut self.cluster.brokers[broker];
        one.is_down = false;
        one.is_fenced = false;
    }

    pub(super) fn fail_over(&mut self, broker: Index) {
        if self.cluster.listens(broker) {
            return;
        }
        self.cluster.brokers[broker].is_fenced = true;
        let next = self.cluster.first_alive();
        for partition in 0..self.cluster.partitions.len() {
            if self.cluster.partitions[partition].leader == Some(broker) {
                self.cluster.lead(partition, next);
            }
        }
    }

    pub(super) fn elect(&mut self, partition: usize) {
        let leader = self.cluster.partitions[partition].leader;
        let has_leader = leader.is_some_and(|leader| self.cluster.listens(leader));
        let next = self.cluster.first_alive();
        if !has_leader && next.is_some() {
            self.cluster.lead(partition, next);
        }
    }

    /// Good weather follows bad, and the other way round.
    pub(super) fn on_weather(&mut self) {
        if self.stage.elapsed() < self.options.heal_after {
            self.stage.weather.is_bad = !self.stage.weather.is_bad;
            let most = self.options.faults.weather_ms;
            let until = self.stage.weather.dice.millis(1, most);
            self.stage.after(until, Event::Weather);
        }
    }

    pub(super) fn on_calamity(&mut self) {
        if self.stage.elapsed() >= self.options.heal_after {
            return;
        }
        let mix = self.options.faults.clone();
        let pause = self.stage.weather.dice.millis(1, mix.calamity_ms * 2);
        self.stage.after(pause, Event::Calamity);
        let broker = self.stage.weather.dice.index(self.cluster.brokers.len());
        let partition = self.stage.weather.dice.index(self.cluster.partitions.len());
        let lasts = self.stage.weather.dice.millis(1, LONGEST_CALAMITY_MS);
        if self.stage.weather.strikes("crash", mix.crash) {
            self.crash(broker, lasts);
        }
        if self.stage.weather.strikes("stall", mix.stall) {
            self.stage.note("STALL", [broker as i64, 0, 0], || {
                format!("broker {} for {lasts:?}", node(broker))
            });
            let until = self.stage.now + lasts;
            let one = &mut self.cluster.brokers[broker];
            one.stalled_until = one.stalled_until.max(Some(until));
        }
        if self.stage.weather.strikes("leader moves", mix.move_leader)
            && self.cluster.listens(broker)
        {
            self.stage
                .note("MOVE", [partition as i64, broker as i64, 0], || {
                    format!("partition {partition} to broker {}", node(broker))
                });
            self.cluster.lead(partition, Some(broker));
        }
        if self.stage.weather.strikes("no leader", mix.no_leader) {
            self.stage.note("LEADERLESS", [partition as i64, 0, 0], || {
                format!("partition {partition}")
            });
            self.cluster.lead(partition, None);
            self.stage.after(lasts, Event::Elect(partition));
        }
        if self.stage.weather.strikes("client pause", mix.client_pause) {
            self.pause_client(lasts);
        }
        if self.stage.weather.strikes("cut", mix.cut_request) && !self.links.is_empty() {
            let link = self.stage.weather.dice.index(self.links.len());
            self.cut(link);
        }
        self.on_rare_calamity(partition);
    }

    /// What happens to a topic, not to a machine.
    fn on_rare_calamity(&mut self, partition: usize) {
        let mix = &self.stage.weather.mix;
        let (forget, wind, recreate, grow) = (mix.forget, mix.wind, mix.recreate, mix.grow);
        // Brokers forget a producer that has been silent for days: nothing of its is under way.
        let is_quiet = !self.flights.are_aloft()
            && { &self.links }.iter().all(Link::is_quiet)
            && !self.checker.has_open(partition as i32);
        if is_quiet && self.stage.weather.strikes("sequences wound on", wind) {
            let next = i32::MAX - self.stage.weather.dice.between(0, 5) as i32;
            if self.sender.wind_sequences(partition as i32, next) {
                self.stage
                    .note("WIND", [partition as i64, next.into(), 0], || {
                        format!("partition {partition} to sequence {next}")
                    });
                self.cluster.wind_sequences(partition, next);
                self.flights.on_wound(partition as i32, next);
            }
        } else if is_quiet
            && self
                .checker
                .may_be_forgotten(self.stage.now, partition as i32)
            && self.stage.weather.strikes("producers forgotten", forget)
        {
            self.stage.note("FORGET", [partition as i64, 0, 0], || {
                format!("partition {partition}")
            });
            self.cluster.forget_producers(partition);
        }
        // Without ids nobody can tell the new topic, whose epochs begin anew, from the old one.
        if self.cluster.has_topic_ids && self.stage.weather.strikes("topic made again", recreate) {
            self.stage.note("RECREATE", [0; 3], String::new);
            self.cluster.recreate();
            self.checker.on_recreated();
        }
        if self.cluster.partitions.len() < MOST_PARTITIONS
            && self.stage.weather.strikes("more partitions", grow)
        {
            self.stage.note("GROW", [0; 3], String::new);
            self.cluster.grow(self.cluster.partitions.len() + 1);
        }
    }

    fn crash(&mut self, broker: Index, lasts: Duration) {
        let is_silent = self.stage.weather.dice.chance(300);
        self.stage
            .note("CRASH", [broker as i64, is_silent.into(), 0], || {
                format!("broker {} for {lasts:?}, silent: {is_silent}", node(broker))
            });
        let one = &mut self.cluster.brokers[broker];
        one.is_down = true;
        one.stalled_until = None::<Instant>;
        for link in 0..self.links.len() {
            if self.links[link].broker == broker && !self.links[link].is_dead {
                self.links[link].is_deaf |= is_silent;
                self.close_by_broker(link);
            }
        }
        self.stage.after(lasts, Event::Restart(broker));
        self.stage.after(lasts / 2, Event::FailOver(broker));
        for partition in 0..self.cluster.partitions.len() {
            self.stage.after(lasts, Event::Elect(partition));
        }
    }
}

const MOST_PARTITIONS: usize = 6;

/// One entry for each topic, as brokers answer.
fn topics(answers: Vec<(TopicId, ProducePartitionResponse)>) -> Vec<ProduceTopicResponse> {
    let mut topics: Vec<ProduceTopicResponse> = Vec::new();
    for (id, partition) in answers {
        match topics.iter_mut().find(|topic| topic.id == id) {
            Some(topic) => topic.partitions.push(partition),
            None => topics.push(ProduceTopicResponse {
                name: match id == TopicId::default() {
                    true => crate::sim::options::TOPIC.to_owned(),
                    false => String::new(),
                },
                id,
                partitions: vec![partition],
            }),
        }
    }
    topics
}
