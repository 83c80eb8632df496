//! How the brokers are, as far as is known: what the sender has reported, kept for callers who ask, and
//! what of it is an event. The I/O thread writes, any thread reads; no decision of the sender's hangs on
//! it.

use std::time::{Duration, Instant};

use crate::address::Address;
use crate::cluster::ClusterView;
use crate::error::Error;
use crate::event::{Broker, ProducerEvent};
use crate::ids::NodeId;
use crate::sender::Report;
use crate::sorted_map::SortedMap;

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    brokers: SortedMap<NodeId, BrokerHealth>,
    last_error: Option<Error>,
    /// Why, if no broker can be reached at all.
    all_down: Option<Error>,
}

/// One broker, or one bootstrap address.
#[derive(Clone, Debug)]
pub(crate) struct BrokerHealth {
    pub(crate) broker: Broker,
    pub(crate) is_connected: bool,
    /// Why it could not be reached or asked the last time; `None` once it could.
    pub(crate) error: Option<Error>,
    pub(crate) throttled_until: Option<Instant>,
    /// The last event about it was that it is up.
    was_up: bool,
}

impl BrokerHealth {
    fn new(id: NodeId, address: &Address) -> Self {
        Self {
            broker: Broker {
                id: Some(id.0).filter(|id| *id >= 0),
                host: address.host.clone(),
                port: address.port,
            },
            is_connected: false,
            error: None,
            throttled_until: None,
            was_up: false,
        }
    }
}

impl Health {
    /// Nothing is known but the bootstrap addresses, whose ids count down from −1.
    pub(super) fn new(bootstrap: &[Address]) -> Self {
        let ids = (i32::MIN..0).rev().map(NodeId);
        let unknown = |(id, address)| (id, BrokerHealth::new(id, address));
        Self {
            brokers: ids.zip(bootstrap).map(unknown).collect(),
            ..Self::default()
        }
    }

    /// The brokers of the cluster are these now.
    pub(super) fn follow(&mut self, view: &ClusterView) {
        self.brokers
            .retain(|id, _| id.0 < 0 || view.brokers.contains_key(id));
        for (id, address) in view.brokers.iter() {
            let one = self
                .brokers
                .get_or_insert_with(*id, || BrokerHealth::new(*id, address));
            let broker = &mut one.broker;
            if broker.host != address.host || broker.port != address.port {
                *broker = BrokerHealth::new(*id, address).broker;
            }
        }
    }

    /// Notes what has happened; returns the event that it is, if it is one.
    pub(super) fn note(&mut self, now: Instant, report: Report) -> Option<ProducerEvent> {
        match report {
            Report::Up(id) => {
                self.all_down = None;
                let one = self.brokers.get_mut(&id)?;
                one.is_connected = true;
                one.error = None;
                let was_up = std::mem::replace(&mut one.was_up, true);
                let broker = (!was_up).then(|| one.broker.clone())?;
                Some(ProducerEvent::BrokerUp { broker })
            }
            Report::Down(id, error) => {
                self.last_error = Some(error.clone());
                let one = self.brokers.get_mut(&id)?;
                one.is_connected = false;
                one.throttled_until = None;
                // Without an error before, it was up or was never tried.
                let is_news = one.error.replace(error.clone()).is_none();
                one.was_up = false;
                let broker = is_news.then(|| one.broker.clone())?;
                Some(ProducerEvent::BrokerDown { broker, error })
            }
            Report::AllDown(error) => {
                let was_known = self.all_down.replace(error.clone()).is_some();
                (!was_known).then_some(ProducerEvent::AllBrokersDown { error })
            }
            Report::HungUp(id) => {
                self.brokers.get_mut(&id)?.is_connected = false;
                None
            }
            Report::Unusable(id, error) => {
                self.last_error = Some(error.clone());
                self.brokers.get_mut(&id)?.error = Some(error);
                None
            }
            Report::Throttled(id, pause) => {
                let one = self.brokers.get_mut(&id)?;
                one.throttled_until = now.checked_add(pause);
                let broker = one.broker.clone();
                Some(ProducerEvent::Throttled { broker, pause })
            }
            Report::Refused(topic, code) => {
                let topic = topic.to_string();
                Some(ProducerEvent::TopicRefused { topic, code })
            }
        }
    }

    /// Why no broker can be asked, as the sender sees it: `None` while one can, or if none has failed.
    pub(crate) fn unreachable(&self) -> Option<&Error> {
        let can_be_asked = |one: &BrokerHealth| one.is_connected && one.error.is_none();
        if self.brokers.values().any(can_be_asked) {
            return None;
        }
        self.brokers
            .values()
            .rev()
            .find_map(|one| one.error.as_ref())
    }

    /// The brokers of the cluster in the order of their ids, then the bootstrap addresses in theirs.
    pub(crate) fn brokers(&self) -> impl Iterator<Item = &BrokerHealth> {
        let bootstrap = self.brokers.iter().rev().skip_while(|(id, _)| id.0 >= 0);
        let cluster = self.brokers.iter().skip_while(|(id, _)| id.0 < 0);
        cluster.chain(bootstrap).map(|(_, one)| one)
    }

    pub(crate) fn last_error(&self) -> Option<&Error> {
        self.last_error.as_ref()
    }

    pub(crate) fn all_down(&self) -> Option<&Error> {
        self.all_down.as_ref()
    }
}

impl BrokerHealth {
    /// How much longer it gets nothing, because it has asked for a pause.
    pub(crate) fn throttled_for(&self, now: Instant) -> Option<Duration> {
        let left = self.throttled_until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const BOOTSTRAP: NodeId = NodeId(-1);

    fn error(text: &str) -> Error {
        Error::new(ErrorKind::Connect, text)
    }

    /// One bootstrap address and broker 7.
    fn health() -> Health {
        let address = |port| Address {
            host: "localhost".to_owned(),
            port,
        };
        let mut health = Health::new(&[address(9092)]);
        health.follow(&ClusterView {
            brokers: SortedMap::from_iter([(NodeId(7), address(9099))]),
            ..ClusterView::default()
        });
        health
    }

    fn events(health: &mut Health, reports: impl IntoIterator<Item = Report>) -> Vec<String> {
        let note = |report| health.note(super::super::now(), report);
        let events = reports.into_iter().filter_map(note);
        events.map(|event| event.to_string()).collect()
    }

    #[test]
    fn a_broker_that_goes_on_failing_is_one_event() {
        let down = |text| Report::Down(NodeId(7), error(text));
        let mut health = health();
        let reports = [down("refused"), down("again"), Report::Up(NodeId(7))];
        let expected = [
            "broker 7 (localhost:9099) is down: refused",
            "broker 7 (localhost:9099) is up",
        ];
        assert_eq!(events(&mut health, reports), expected);
        let expected = ["broker 7 (localhost:9099) is down: cut"];
        assert_eq!(events(&mut health, [down("cut")]), expected);
        assert_eq!(health.last_error().unwrap().to_string(), "cut");
    }

    #[test]
    fn an_idle_connection_that_comes_back_is_no_event() {
        let mut health = health();
        events(&mut health, [Report::Up(NodeId(7))]);
        let reports = [Report::HungUp(NodeId(7)), Report::Up(NodeId(7))];
        assert_eq!(events(&mut health, reports), [""; 0]);
    }

    #[test]
    fn that_no_broker_can_be_reached_is_told_once_until_one_is() {
        let all_down = || Report::AllDown(error("refused"));
        let mut health = health();
        assert_eq!(events(&mut health, [all_down(), all_down()]).len(), 1);
        assert!(health.all_down().is_some());
        events(&mut health, [Report::Up(BOOTSTRAP)]);
        assert!(health.all_down().is_none());
        assert_eq!(events(&mut health, [all_down()]).len(), 1);
    }

    #[test]
    fn nobody_can_be_asked_when_one_has_failed_and_none_is_connected() {
        let mut health = health();
        assert!(health.unreachable().is_none(), "nothing was tried");
        events(&mut health, [Report::Down(BOOTSTRAP, error("refused"))]);
        assert!(health.unreachable().is_some());
        events(&mut health, [Report::Up(NodeId(7))]);
        assert!(health.unreachable().is_none());
        let too_old = Error::new(ErrorKind::UnsupportedVersion, "too old");
        events(&mut health, [Report::Unusable(NodeId(7), too_old)]);
        let kind = health.unreachable().map(Error::kind);
        assert_eq!(kind, Some(ErrorKind::UnsupportedVersion));
    }

    #[test]
    fn a_broker_that_has_left_is_forgotten() {
        let mut health = health();
        events(&mut health, [Report::Down(NodeId(7), error("refused"))]);
        health.follow(&ClusterView::default());
        let hosts: Vec<_> = health.brokers().map(|one| one.broker.id).collect();
        assert_eq!(hosts, [None]);
    }
}
