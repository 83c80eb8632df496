//! Who this producer is for the brokers: its id and epoch, and the inquiry that asks for them. Decides
//! when to ask and what an answer means; whom to ask is the sender's. Reads no clock.
//!
//! A transactional producer asks nobody here: it [adopts](ProducerIds::adopt) what the coordinator gives.

use std::fmt;
use std::time::Instant;

use crate::backoff::Backoff;
use crate::error::{Error, ErrorKind};
use crate::foreign::logging::log_warn;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{InitProducerIdRequest, InitProducerIdResponse};
use crate::sender::Settings;
use crate::sender::complaint::Complaint;
use crate::sender::sequence::Identity;
use crate::sender::step::Agenda;
use crate::sender::timers::Timer;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct ProducerIds {
    state: ProducerIdState,
    inquiry: Inquiry,
    /// Inquiries in a row that brought no id.
    failures: u32,
    backoff: Backoff,
    /// Answers without an id.
    refusals: Complaint,
    /// Why there is no id yet.
    last_error: Option<String>,
    /// Whether the identity comes from a transaction's coordinator, so that nobody else is asked.
    is_transactional: bool,
}

/// The identity that new batches get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProducerIdState {
    /// `enable.idempotence=false`: batches have none.
    Anonymous,
    /// Not known yet. Batches wait for it.
    Unidentified,
    Identified(Identity),
}

/// Whether a producer id is being asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Inquiry {
    /// No batch needs one.
    NotNeeded,
    /// As soon as a broker can be asked, but not before then.
    Wanted(Option<Instant>),
    InFlight,
}

/// What an answer to the inquiry comes to.
#[derive(Debug)]
pub(super) enum Answer {
    /// There is an id.
    Identified,
    /// There is none at the moment: asks again after a pause.
    Later,
    /// There will be none.
    Refused(Error),
}

impl ProducerIds {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            state: match settings.idempotence {
                true => ProducerIdState::Unidentified,
                false => ProducerIdState::Anonymous,
            },
            inquiry: Inquiry::NotNeeded,
            failures: 0,
            backoff: settings.retry_backoff,
            refusals: Complaint::default(),
            last_error: None,
            is_transactional: settings.transactional.is_some(),
        }
    }

    /// The identity that a transaction's coordinator has given, or will give. Returns whether there is a
    /// new one.
    pub(super) fn adopt(&mut self, identity: Option<Identity>) -> bool {
        let state = identity.map_or(ProducerIdState::Unidentified, ProducerIdState::Identified);
        std::mem::replace(&mut self.state, state) != state && identity.is_some()
    }

    pub(super) fn state(&self) -> ProducerIdState {
        self.state
    }

    /// A batch is there, and the producer may have no id yet.
    pub(super) fn want(&mut self) {
        let is_wanted = self.state == ProducerIdState::Unidentified && !self.is_transactional;
        if is_wanted && self.inquiry == Inquiry::NotNeeded {
            self.inquiry = Inquiry::Wanted(None);
        }
    }

    /// Whether a broker is to be asked now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        match self.inquiry {
            Inquiry::Wanted(not_before) => not_before.is_none_or(|not_before| not_before <= now),
            Inquiry::NotNeeded | Inquiry::InFlight => false,
        }
    }

    /// The request, which is on its way from now on.
    pub(super) fn start_request(&mut self) -> InitProducerIdRequest {
        self.inquiry = Inquiry::InFlight;
        InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: i32::MAX,
            producer_id: -1,
            producer_epoch: -1,
        }
    }

    /// A passing error asks again: to refuse what waits would fail records at each start of a broker
    /// (KAFKA-14417).
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        node: impl fmt::Display,
        response: &InitProducerIdResponse,
        agenda: &mut Agenda,
    ) -> Answer {
        let code = response.error;
        let (producer_id, epoch) = (response.producer_id, response.producer_epoch);
        if code == ErrorCode::NONE && (producer_id < 0 || epoch < 0) {
            let text = format!("{node} gives {producer_id}, epoch {epoch}, for a producer id");
            return self.try_later(now, text, agenda);
        }
        if code == ErrorCode::NONE {
            self.refusals.end();
            self.last_error = None;
            self.inquiry = Inquiry::NotNeeded;
            self.failures = 0;
            self.state = ProducerIdState::Identified(Identity { producer_id, epoch });
            return Answer::Identified;
        }
        if code.is_retriable() {
            let text = format!("{node} has no producer id at the moment: {code}");
            return self.try_later(now, text, agenda);
        }
        let words = code.message();
        let text = format!("{node} gives no producer id (enable.idempotence): {code}: {words}");
        Answer::Refused(Error::new(ErrorKind::Broker(code), text))
    }

    fn try_later(&mut self, now: Instant, text: String, agenda: &mut Agenda) -> Answer {
        if let Some(times) = self.refusals.raise(now, &text) {
            log_warn!("{text}{times}");
        }
        self.last_error = Some(text);
        self.handle_failure(now, agenda);
        Answer::Later
    }

    /// Why batches that wait for an id have none yet; `None` if there is one, or nobody has said.
    pub(super) fn why_unidentified(&self) -> Option<&str> {
        let is_missing = self.state == ProducerIdState::Unidentified;
        self.last_error.as_deref().filter(|_| is_missing)
    }

    /// The inquiry came to nothing: a broker is asked again after a pause. To forget that would leave
    /// the inquiry in flight for ever (KAFKA-8248).
    pub(super) fn handle_failure(&mut self, now: Instant, agenda: &mut Agenda) {
        let until = now + agenda.pause(self.backoff, self.failures);
        self.failures = self.failures.saturating_add(1);
        self.inquiry = Inquiry::Wanted(Some(until));
        agenda.set(until, Timer::Identity);
    }

    /// There will be no id. What waits for it fails, and later records ask again.
    pub(super) fn give_up(&mut self) {
        self.inquiry = Inquiry::NotNeeded;
    }

    /// The cluster that gave the id has gone, and another one may have given the same to somebody else.
    /// No inquiry is on its way any more.
    pub(super) fn forget(&mut self) {
        if self.state != ProducerIdState::Anonymous {
            self.state = ProducerIdState::Unidentified;
            self.give_up();
            self.failures = 0;
        }
    }

    /// A batch sent under `identity` left a gap in its partition's sequences: nothing new is sent
    /// under it any more, but under the next epoch (KIP-360), or under a new id when the epochs of
    /// this one are used up. If that has been so for a while already, nothing changes: the same gap
    /// may be reported by several partitions.
    pub(super) fn bump(&mut self, identity: Identity) {
        if self.state == ProducerIdState::Identified(identity) {
            self.state = identity
                .bumped()
                .map_or(ProducerIdState::Unidentified, ProducerIdState::Identified);
        }
        self.want();
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;
    use std::time::Duration;

    const FIRST: Identity = Identity {
        producer_id: 7,
        epoch: 0,
    };
    const PAUSE: Duration = Duration::from_millis(100);

    #[expect(clippy::disallowed_methods, reason = "an Instant has no other source")]
    fn now() -> Instant {
        Instant::now()
    }

    fn ids(state: ProducerIdState) -> ProducerIds {
        ProducerIds {
            state,
            inquiry: Inquiry::NotNeeded,
            failures: 0,
            refusals: Complaint::default(),
            last_error: None,
            is_transactional: false,
            backoff: Backoff {
                initial: PAUSE,
                max: PAUSE,
            },
        }
    }

    fn response(error: ErrorCode, producer_id: i64) -> InitProducerIdResponse {
        InitProducerIdResponse {
            throttle_time_ms: 0,
            error,
            producer_id,
            producer_epoch: 0,
        }
    }

    #[test]
    fn a_bump_counts_once_and_the_last_epoch_asks_for_a_new_id() {
        let mut ids = ids(ProducerIdState::Identified(FIRST));
        ids.bump(FIRST);
        let second = ProducerIdState::Identified(FIRST.bumped().unwrap());
        assert_eq!(ids.state(), second);
        ids.bump(FIRST);
        assert_eq!(
            ids.state(),
            second,
            "the same gap, reported by another partition"
        );
        assert!(!ids.is_due(now()));
        let last = Identity {
            epoch: i16::MAX,
            ..FIRST
        };
        ids.state = ProducerIdState::Identified(last);
        ids.bump(last);
        assert_eq!(ids.state(), ProducerIdState::Unidentified);
        assert!(ids.is_due(now()));
    }

    #[test]
    fn asks_once_and_again_after_a_pause_when_no_answer_came() {
        let (start, agenda) = (now(), &mut Agenda::new(1));
        let mut ids = ids(ProducerIdState::Unidentified);
        assert!(!ids.is_due(start), "no batch needs an id");
        ids.want();
        assert!(ids.is_due(start));
        ids.start_request();
        ids.want();
        assert!(!ids.is_due(start), "one request at a time");
        ids.handle_failure(start, agenda);
        assert!(!ids.is_due(start));
        assert!(ids.is_due(start + PAUSE));
        assert_eq!(agenda.next_timer(), Some(start + PAUSE));
    }

    #[test]
    fn an_answer_is_an_id_a_pause_or_the_end() {
        let (start, agenda) = (now(), &mut Agenda::new(1));
        let mut ids = ids(ProducerIdState::Unidentified);
        let mut answer = |error, id| {
            ids.start_request();
            let response = response(error, id);
            let answer = ids.handle_response(start, "broker 1", &response, agenda);
            (answer, ids.state())
        };
        let unidentified = ProducerIdState::Unidentified;
        let passing = answer(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, -1);
        assert!(matches!(passing, (Answer::Later, state) if state == unidentified));
        let nonsense = answer(ErrorCode::NONE, -1);
        assert!(matches!(nonsense, (Answer::Later, state) if state == unidentified));
        let refused = answer(ErrorCode::CLUSTER_AUTHORIZATION_FAILED, -1);
        assert!(matches!(refused, (Answer::Refused(_), state) if state == unidentified));
        let (good, state) = answer(ErrorCode::NONE, FIRST.producer_id);
        assert!(matches!(good, Answer::Identified));
        assert_eq!(state, ProducerIdState::Identified(FIRST));
    }

    #[test]
    fn a_producer_without_idempotence_never_asks() {
        let mut ids = ids(ProducerIdState::Anonymous);
        ids.want();
        assert!(!ids.is_due(now()));
    }
}
