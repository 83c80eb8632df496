//! Commands and their answers under schedules that a model checker chooses.

use std::time::Duration;

use super::mailbox::{End, Mailbox, Posted};
use crate::accumulator::BatchId;
use crate::error::ErrorKind;
use crate::sender::Command;
use crate::sync::model::{check, pass, start};
use crate::sync::{Arc, thread};

fn command() -> Command {
    Command::Flush(BatchId::new(0))
}

fn answer(posted: Posted) {
    let Posted::Command(_, _, answer) = posted else {
        panic!("no purge was posted");
    };
    answer.give(Ok(()));
}

/// Read and answered, read and dropped, or never read: the caller hears of it, and only a caller
/// with a deadline gives up.
#[test]
fn every_command_is_answered_or_refused() {
    check(30_000, || {
        let mailbox = Arc::new(Mailbox::default());
        let callers = [(); 2].map(|()| {
            let mailbox = Arc::clone(&mailbox);
            thread::spawn(move || match mailbox.post(command()) {
                Ok(ticket) => ticket.wait(None).expect("a wait without a deadline"),
                Err(end) => Err(end.error()),
            })
        });
        let mut answered = 0;
        for posted in mailbox.take() {
            if answered == 0 {
                answer(posted);
                answered += 1;
            }
        }
        mailbox.end(End::Closed);
        let results = callers.map(|caller| caller.join().unwrap());
        let ok = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(ok, answered);
        for error in results.into_iter().filter_map(Result::err) {
            let kinds = [ErrorKind::Closed, ErrorKind::Internal];
            assert!(kinds.contains(&error.kind()), "{error}");
        }
        assert!(mailbox.take().is_empty());
    });
}

/// Nobody who gives up takes an answer away, and nobody waits beyond the deadline.
#[test]
fn a_caller_gives_up_at_the_deadline_or_has_the_answer() {
    check(30_000, || {
        let mailbox = Arc::new(Mailbox::default());
        let deadline = start() + Duration::from_secs(1);
        let callers = [(); 2].map(|()| {
            let mailbox = Arc::clone(&mailbox);
            let ticket = mailbox.post(command()).unwrap();
            thread::spawn(move || {
                let first = ticket.wait(Some(deadline)).is_some();
                (first, ticket.wait(Some(deadline)).is_some())
            })
        });
        let mut posted = mailbox.take();
        let unanswered = posted.pop();
        let clock = thread::spawn(move || pass(deadline));
        for posted in posted {
            answer(posted);
        }
        let [one, other] = callers.map(|caller| caller.join().unwrap());
        clock.join().unwrap();
        assert!(!one.0 || one.1, "an answer stays");
        assert_eq!(other, (false, false));
        drop(unanswered);
    });
}
