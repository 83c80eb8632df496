//! The settings of one topic: those for all topics, unless `topic.NAME.…` says otherwise. Nothing is
//! checked here. They are looked up when a topic becomes known, not for each record.

use crate::sorted_map::SortedMap;
use std::time::Duration;

use super::Acks;
use crate::compression::Compression;

/// The settings of one topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopicSettings {
    pub(crate) acks: Acks,
    /// At least `linger.ms` + `request.timeout.ms`.
    pub(crate) delivery_timeout: Duration,
    /// `None`: not at all.
    pub(crate) compression: Option<Compression>,
}

/// The settings of every topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TopicTable {
    /// For topics without their own.
    common: TopicSettings,
    own: SortedMap<String, TopicSettings>,
}

impl Default for TopicSettings {
    fn default() -> Self {
        Self {
            acks: Acks::default(),
            delivery_timeout: Duration::from_millis(120_000),
            compression: None,
        }
    }
}

impl TopicTable {
    pub(crate) fn new(common: TopicSettings) -> Self {
        let own = SortedMap::new();
        Self { common, own }
    }

    /// Gives a topic its own settings.
    pub(crate) fn set(&mut self, topic: &str, settings: TopicSettings) {
        self.own.insert(topic.to_owned(), settings);
    }

    /// The settings of a topic.
    pub(crate) fn of(&self, topic: &str) -> TopicSettings {
        self.own.get(topic).copied().unwrap_or(self.common)
    }

    /// After this time every record of every topic has its outcome.
    pub(crate) fn longest_delivery_timeout(&self) -> Duration {
        let own = self.own.values().map(|settings| settings.delivery_timeout);
        own.fold(self.common.delivery_timeout, Duration::max)
    }

    /// The property that limits how long a record of this topic may take, for error messages.
    pub(crate) fn delivery_timeout_property(&self, topic: &str) -> String {
        let name = "delivery.timeout.ms";
        if self.of(topic).delivery_timeout == self.common.delivery_timeout {
            name.to_owned()
        } else {
            format!("topic.{topic}.{name}")
        }
    }
}
