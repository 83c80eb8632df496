//! Asking a broker who this producer is. An `impl` of [`Sender`]; runs on the I/O thread, or in a
//! simulation.

use std::time::Instant;

use crate::accumulator::Accumulator;
use crate::error::{Error, ErrorKind};
use crate::ids::NodeId;
use crate::protocol::Request;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{InitProducerIdRequest, InitProducerIdResponse};
use crate::sender::Sender;
use crate::sender::nodes::Choice;
use crate::sender::requests::Content;
use crate::sender::sequence::{Identity, Producer};
use crate::sender::timers::Timer;

/// Whether a producer id is being asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Inquiry {
    /// Nobody needs one.
    NotNeeded,
    /// As soon as somebody can be asked, but not before then.
    Wanted(Option<Instant>),
    InFlight,
}

impl Sender {
    /// A batch is there, and the producer may have no id yet.
    pub(super) fn want_identity(&mut self) {
        if self.producer == Producer::Unidentified && self.inquiry == Inquiry::NotNeeded {
            self.inquiry = Inquiry::Wanted(None);
        }
    }

    /// Asks for a producer id if one is wanted and somebody can be asked; else connects to somebody.
    pub(super) fn ask_for_identity(&mut self, now: Instant) {
        match self.inquiry {
            Inquiry::Wanted(None) => {}
            Inquiry::Wanted(Some(not_before)) if not_before <= now => {}
            Inquiry::Wanted(Some(_)) | Inquiry::NotNeeded | Inquiry::InFlight => return,
        }
        match self.any_broker(now) {
            Choice::Ask(node) => {
                self.inquiry = Inquiry::InFlight;
                let request = InitProducerIdRequest {
                    transactional_id: None,
                    transaction_timeout_ms: i32::MAX,
                    producer_id: -1,
                    producer_epoch: -1,
                };
                self.send(
                    now,
                    node,
                    Content::InitProducerId,
                    Request::InitProducerId(request),
                );
            }
            Choice::Connect(node) => self.connect(now, node),
            Choice::Wait(Some(until)) => self.timers.set(until, Timer::Stagger),
            Choice::Wait(None) => {}
        }
    }

    pub(super) fn on_identity(
        &mut self,
        now: Instant,
        node: NodeId,
        response: &InitProducerIdResponse,
        accumulator: &Accumulator,
    ) {
        let code = response.error;
        let (producer_id, epoch) = (response.producer_id, response.producer_epoch);
        if code == ErrorCode::NONE && (producer_id < 0 || epoch < 0) {
            log::warn!("broker {node} gives {producer_id}, epoch {epoch}, for a producer id");
            self.on_identity_failure(now);
        } else if code == ErrorCode::NONE {
            self.inquiry = Inquiry::NotNeeded;
            self.inquiry_failures = 0;
            self.producer = Producer::Identified(Identity { producer_id, epoch });
            for id in std::mem::take(&mut self.unidentified) {
                self.evaluate(now, id, accumulator);
            }
        } else if code.is_retriable() {
            log::info!("broker {node} has no producer id at the moment: {code}");
            self.on_identity_failure(now);
        } else {
            let words = code.message();
            let text =
                format!("broker {node} gives no producer id (enable.idempotence): {code}: {words}");
            self.refuse_unidentified(now, &Error::new(ErrorKind::Broker(code), text), accumulator);
        }
    }

    /// No answer came: somebody is asked again after a pause.
    pub(super) fn on_identity_failure(&mut self, now: Instant) {
        let pause = self
            .settings
            .retry_backoff
            .pause(self.inquiry_failures, &mut self.rng);
        self.inquiry_failures = self.inquiry_failures.saturating_add(1);
        self.inquiry = Inquiry::Wanted(Some(now + pause));
        self.timers.set(now + pause, Timer::Stagger);
    }

    /// There will be no id: what waits for it fails. Later records try again.
    pub(super) fn refuse_unidentified(
        &mut self,
        now: Instant,
        error: &Error,
        accumulator: &Accumulator,
    ) {
        self.inquiry = Inquiry::NotNeeded;
        for id in std::mem::take(&mut self.unidentified) {
            // What callers have opened just now is not known yet, and asks again.
            while let Some(batch) = self
                .first_unresolved(id)
                .filter(|batch| self.incomplete.contains(batch))
            {
                self.resolve_early(id, batch, |_, _| (error.kind(), error.to_string()));
            }
            self.go_on(now, id, accumulator);
        }
    }
}
