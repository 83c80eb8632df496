//! Starting over with the bootstrap addresses, when the brokers that are known do not say who leads
//! what (KIP-1102), or when somebody else answers in their place (KIP-1242).

use std::time::Instant;

use super::{Metadata, News};
use crate::cluster::Update;
use crate::foreign::logging::{log_info, log_warn};
use crate::sender::step::Agenda;
use crate::sender::timers::Timer;

impl Metadata {
    /// Metadata is wanted: the clock runs, unless it does already. There is nothing to start over
    /// from while no broker of the cluster is known.
    pub(super) fn start_clock(&mut self, now: Instant, agenda: &mut Agenda) {
        if let Some(trigger) = self.rebootstrap
            && self.wanted_since.is_none()
            && !self.view.brokers.is_empty()
        {
            self.wanted_since = Some(now);
            agenda.set(now + trigger, Timer::Rebootstrap);
        }
    }

    /// Metadata has come, or is not wanted any more.
    pub(super) fn stop_clock(&mut self, agenda: &mut Agenda) {
        let since = self.wanted_since.take();
        if let Some((since, trigger)) = since.zip(self.rebootstrap) {
            agenda.cancel(since + trigger, Timer::Rebootstrap);
        }
    }

    /// The clock has run out. Returns the view without brokers, if there were any.
    pub(in crate::sender) fn handle_overdue(&mut self, agenda: &mut Agenda) -> Option<News> {
        log_warn!("no broker has answered with metadata for long");
        self.wanted_since = None;
        self.start_over(agenda)
    }

    /// Somebody else answers where a broker should be, and no other broker of the cluster is connected.
    /// Starts over whatever `metadata.recovery.strategy` says: there is no broker left to go back to.
    pub(in crate::sender) fn handle_stranger(
        &mut self,
        now: Instant,
        agenda: &mut Agenda,
    ) -> Option<News> {
        if self.strangers > 0 {
            // The bootstrap servers keep naming it.
            let until = now + agenda.pause(self.backoff, self.strangers);
            self.refresh.hold(until);
        }
        self.strangers = self.strangers.saturating_add(1);
        self.start_over(agenda)
    }

    /// A broker of the cluster is connected.
    pub(in crate::sender) fn handle_member(&mut self) {
        self.strangers = 0;
    }

    pub(super) fn start_over(&mut self, agenda: &mut Agenda) -> Option<News> {
        self.stop_clock(agenda);
        if self.view.brokers.is_empty() {
            return None;
        }
        match self.strangers {
            0 | 1 => log_warn!("starting over with the bootstrap servers"),
            _ => log_info!("starting over with the bootstrap servers"),
        }
        self.refresh.request_all();
        let Update { view, changed, .. } = self.view.without_brokers();
        Some(News {
            view,
            touched: changed.iter().cloned().collect(),
            changed,
        })
    }
}
