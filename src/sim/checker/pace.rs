//! How often the producer may ask, connect and send: more is work without end, which a busy loop or a
//! lost pause would cause.

use std::time::{Duration, Instant};

use crate::protocol::messages::MetadataRequest;
use crate::sim::options::Options;
use crate::sim::promise::{I8, broken_if};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Pace {
    requests: u64,
    connects: u64,
    /// When metadata was asked for last.
    asked: Option<Instant>,
    /// When it was last asked about a topic.
    asked_of_topics: Option<Instant>,
    metadata_pause: Duration,
    /// How many parts of the producer may want something at the same time.
    parties: u64,
    /// The shortest time after which each of them sends again.
    request_pause: Duration,
    /// The shortest time after which each of them connects again.
    connect_pause: Duration,
}

impl Pace {
    pub(super) fn new(options: &Options) -> Self {
        let sender = &options.sender;
        Self {
            requests: 0,
            connects: 0,
            asked: None,
            asked_of_topics: None,
            metadata_pause: sender.retry_backoff.initial * 8 / 10,
            parties: 2 * (u64::from(options.brokers) + 10),
            request_pause: (sender.retry_backoff.initial * 8 / 10).max(options.latency.0 * 2),
            connect_pause: (sender.reconnect_backoff.initial * 8 / 10).max(options.latency.0 * 2),
        }
    }

    /// A request is sent, after `accepted` records. Most often there is one request per record, and
    /// one per pause for each party that has to try again.
    pub(super) fn on_sent(&mut self, elapsed: Duration, accepted: usize) {
        self.requests += 1;
        let paced = self.parties * (elapsed.as_nanos() / self.request_pause.as_nanos()) as u64;
        let most = 200 + 20 * accepted as u64 + paced;
        let requests = self.requests;
        broken_if(I8, requests > most, || {
            format!("{requests} requests in {elapsed:?}, more than {most}")
        });
    }

    /// A connection is begun.
    pub(super) fn on_connecting(&mut self, elapsed: Duration) {
        self.connects += 1;
        let paced = self.parties * (elapsed.as_nanos() / self.connect_pause.as_nanos()) as u64;
        let (connects, most) = (self.connects, 50 + paced);
        broken_if(I8, connects > most, || {
            format!("{connects} connections in {elapsed:?}, more than {most}")
        });
    }

    /// Metadata is asked for. About a topic at once if the last request named none: every topic was
    /// forgotten then, and this one is new again.
    pub(super) fn on_asked(&mut self, now: Instant, request: &MetadataRequest) {
        let names_topics = request.topics.as_ref().is_none_or(|all| !all.is_empty());
        let before = self.asked.replace(now);
        let before = match names_topics {
            true => self.asked_of_topics.replace(now),
            false => before,
        };
        let pause = before.map(|before| now - before);
        broken_if(
            I8,
            pause.is_some_and(|pause| pause < self.metadata_pause),
            || format!("metadata was asked for again after {pause:?}"),
        );
    }
}
