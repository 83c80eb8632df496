//! What goes wrong that is no request's fault: machines, leaders, the topic, the whole client. An
//! `impl` of [`World`].

use std::time::Duration;

use crate::ids::NodeId;
use crate::sim::event::Event;
use crate::sim::options::{LONGEST_CALAMITY_MS, TOPIC};
use crate::sim::world::{Grave, World};

/// A topic grows no further.
const MOST_PARTITIONS: i32 = 9;

impl World {
    pub(in crate::sim) fn resume(&mut self) {
        if self.paused_until.take().is_some() {
            self.wake = true;
            self.stage.note("RESUMED", [0; 3], String::new);
        }
    }

    /// Good weather follows bad, and the other way round: constant chaos hides deep states.
    pub(in crate::sim) fn on_weather(&mut self) {
        if self.stage.elapsed() >= self.options.heal_after {
            return;
        }
        self.stage.weather.is_bad = !self.stage.weather.is_bad;
        let most = self.options.faults.weather_ms;
        let until = self.stage.weather.dice.millis(1, most);
        self.stage.after(until, Event::Weather);
    }

    pub(in crate::sim) fn on_calamity(&mut self) {
        if self.stage.elapsed() >= self.options.heal_after {
            return;
        }
        let mix = self.options.faults.clone();
        let pause = self.stage.weather.dice.millis(1, mix.calamity_ms * 2);
        self.stage.after(pause, Event::Calamity);
        let brokers = self.brokers.ids();
        let broker = self.stage.weather.dice.pick(&brokers);
        let partitions = self.partitions();
        let partition = self.stage.weather.dice.index(partitions as usize) as i32;
        let lasts = self.stage.weather.dice.millis(1, LONGEST_CALAMITY_MS);
        if self.stage.weather.strikes("crash", mix.crash) {
            self.crash(broker, lasts);
        }
        if self.stage.weather.strikes("stall", mix.stall) {
            self.stall(broker, lasts);
        }
        if self.stage.weather.strikes("leader moves", mix.move_leader) {
            self.move_leader(partition, broker);
        }
        if self.stage.weather.strikes("no leader", mix.no_leader) {
            self.stage.note("LEADERLESS", [partition.into(), 0, 0], || {
                format!("partition {partition} for {lasts:?}")
            });
            self.brokers.lead(partition, None);
            self.stage.after(lasts, Event::Elect(partition));
        }
        if self.stage.weather.strikes("client pause", mix.client_pause) {
            self.pause_client(lasts);
        }
        self.on_rare_calamity(partition);
        self.on_transactional_calamity();
    }

    pub(in crate::sim) fn crash(&mut self, broker: NodeId, lasts: Duration) {
        let is_silent = self.stage.weather.dice.chance(300);
        let numbers = [broker.0.into(), is_silent.into(), 0];
        self.stage.note("CRASH", numbers, || {
            let silent = if is_silent { ", without a word" } else { "" };
            format!("broker {broker} for {lasts:?}{silent}")
        });
        self.brokers
            .crash(&mut self.stage, &mut self.network, broker, is_silent);
        self.stage.after(lasts, Event::Restart(broker));
        self.stage.after(lasts / 2, Event::FailOver(broker));
        for partition in 0..self.partitions() {
            self.stage.after(lasts, Event::Elect(partition));
        }
    }

    pub(in crate::sim) fn stall(&mut self, broker: NodeId, lasts: Duration) {
        self.stage.note("STALL", [broker.0.into(), 0, 0], || {
            format!("broker {broker} for {lasts:?}")
        });
        self.brokers.stall(broker, self.stage.now + lasts);
    }

    pub(in crate::sim) fn move_leader(&mut self, partition: i32, broker: NodeId) {
        if self.brokers.listens(broker) {
            self.stage
                .note("MOVE", [partition.into(), broker.0.into(), 0], || {
                    format!("partition {partition} to broker {broker}")
                });
            self.brokers.lead(partition, Some(broker));
        }
    }

    pub(in crate::sim) fn pause_client(&mut self, lasts: Duration) {
        if self.paused_until.is_some() {
            return;
        }
        let until = self.stage.now + lasts;
        self.stage
            .note("PAUSE", [0; 3], || format!("the client, for {lasts:?}"));
        self.paused_until = Some(until);
        self.checker.on_pause(self.stage.now, until);
        self.stage.at(until, Event::Resume);
    }

    /// What happens to a topic, not to a machine.
    fn on_rare_calamity(&mut self, partition: i32) {
        let mix = &self.stage.weather.mix;
        let (forget, wind, recreate, grow) = (mix.forget, mix.wind, mix.recreate, mix.grow);
        // Brokers forget a producer that has been silent for days: nothing of its is under way.
        let is_quiet = !self.flights.are_aloft()
            && self.network.is_quiet()
            && self.brokers.are_quiet()
            && !self.checker.has_open(partition);
        let may_forget = is_quiet && self.checker.may_be_forgotten(self.stage.now, partition);
        let weather = &mut self.stage.weather;
        if is_quiet && weather.strikes("sequences wound on", wind) {
            let next = i32::MAX - weather.dice.between(0, 5) as i32;
            self.wind_sequences(partition, next);
        } else if may_forget && weather.strikes("producers forgotten", forget) {
            self.forget_producers(partition);
        }
        // Without topic ids, the new topic, whose epochs begin again, looks like the old one.
        let has_ids = self.options.versions.is_empty() && self.options.topic_ids;
        if has_ids && self.stage.weather.strikes("topic made again", recreate) {
            self.recreate_topic();
        }
        let replace_cluster = self.stage.weather.mix.replace_cluster;
        if self
            .stage
            .weather
            .strikes("another cluster", replace_cluster)
        {
            let lasts = self.stage.weather.dice.millis(0, LONGEST_CALAMITY_MS);
            self.replace_cluster(lasts);
        }
        if self.partitions() < MOST_PARTITIONS
            && self.stage.weather.strikes("more partitions", grow)
        {
            self.add_partition();
        }
    }

    pub(in crate::sim) fn forget_producers(&mut self, partition: i32) {
        self.stage.note("FORGET", [partition.into(), 0, 0], || {
            format!("partition {partition}")
        });
        self.brokers.state.forget(TOPIC, partition);
    }

    /// As if so much had been sent to a partition that this sequence comes next. Nothing happens to
    /// one that has something under way, or that has sent nothing.
    pub(in crate::sim) fn wind_sequences(&mut self, partition: i32, next: i32) {
        if self.sender.wind_sequences(partition, next) {
            self.stage
                .note("WIND", [partition.into(), next.into(), 0], || {
                    format!("partition {partition} to sequence {next}")
                });
            self.brokers.state.wind_sequences(TOPIC, partition, next);
            self.flights.on_wound(partition, next);
        }
    }

    /// The topic is deleted, and another one of its name made.
    pub(in crate::sim) fn recreate_topic(&mut self) {
        self.stage.note("RECREATE", [0; 3], String::new);
        self.bury_logs();
        self.brokers.state.recreate(TOPIC);
        self.brokers.remember_leaders();
        self.checker.on_recreated();
    }

    /// The whole cluster is gone, and another one comes up at its addresses.
    pub(in crate::sim) fn replace_cluster(&mut self, lasts: Duration) {
        self.stage.note("ANOTHER CLUSTER", [0; 3], || {
            format!("comes up within {lasts:?}")
        });
        self.bury_logs();
        for broker in self.brokers.ids() {
            let weather = &mut self.stage.weather;
            let is_silent = weather.is_bad && weather.dice.chance(300);
            let (stage, network) = (&mut self.stage, &mut self.network);
            self.brokers.crash(stage, network, broker, is_silent);
            let lasts = lasts / self.stage.weather.dice.between(1, 100);
            self.stage.after(lasts, Event::Restart(broker));
        }
        self.brokers.replace();
        for partition in 0..self.partitions() {
            self.stage.after(lasts, Event::Elect(partition));
        }
    }

    fn bury_logs(&mut self) {
        for partition in 0..self.partitions() {
            self.graves.push(Grave {
                cluster: self.brokers.clusters,
                partition,
                log: self.brokers.state.written(TOPIC, partition),
            });
        }
    }

    pub(in crate::sim) fn add_partition(&mut self) {
        self.stage.note("GROW", [0; 3], String::new);
        self.brokers.state.grow(TOPIC);
    }
}
