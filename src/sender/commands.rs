//! Callers that wait for records to be done: flush and close. Pure.

use std::time::Instant;

use crate::accumulator::BatchId;
use crate::sender::event::{CommandId, Output};
use crate::sender::step::Agenda;
use crate::sender::timers::Timer;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Commands {
    flushes: Vec<Flush>,
    closing: Option<Closing>,
}

/// A caller that waits for all batches opened before one.
#[derive(Debug)]
struct Flush {
    id: CommandId,
    before: BatchId,
}

/// The producer closes.
#[derive(Debug, Default)]
struct Closing {
    /// The callers that wait for it.
    commands: Vec<CommandId>,
    deadline: Option<Instant>,
    /// Whether the time is over: nothing is sent again.
    is_over: bool,
}

impl Commands {
    pub(super) fn flush(&mut self, id: CommandId, before: BatchId) {
        self.flushes.push(Flush { id, before });
    }

    /// Of several callers the least patient one decides how long closing may take.
    pub(super) fn close(&mut self, id: CommandId, deadline: Option<Instant>, agenda: &mut Agenda) {
        let closing = self.closing.get_or_insert_default();
        closing.commands.push(id);
        let earlier = deadline.filter(|new| closing.deadline.is_none_or(|old| *new < old));
        if let Some(deadline) = earlier {
            closing.deadline = Some(deadline);
            agenda.set(deadline, Timer::Close);
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// The time for closing is over.
    pub(super) fn handle_close_timeout(&mut self) {
        if let Some(closing) = &mut self.closing {
            closing.is_over = true;
        }
    }

    /// Whether the time for closing is over: nothing is sent again.
    pub(super) fn is_close_over(&self) -> bool {
        self.closing.as_ref().is_some_and(|closing| closing.is_over)
    }

    /// Whether a batch does not linger, because a caller waits for it.
    pub(super) fn hurry(&self, batch: BatchId) -> bool {
        self.is_closing() || self.flushes.iter().any(|flush| batch < flush.before)
    }

    /// Answers the flushes whose batches are done. `oldest` is the oldest batch without an outcome,
    /// wherever it is: queued, on its way, or between two attempts, as a part of one that was split
    /// (KAFKA-9312).
    pub(super) fn finish_flushes(&mut self, oldest: Option<BatchId>, agenda: &mut Agenda) {
        self.flushes.retain(|flush| {
            let waits = oldest.is_some_and(|oldest| oldest < flush.before);
            if !waits {
                agenda.push(Output::Finish(flush.id, Ok(())));
            }
            waits
        });
    }

    /// Every batch has its outcome: if the producer closes, it stops.
    pub(super) fn finish_close(&mut self, agenda: &mut Agenda) {
        if let Some(closing) = &mut self.closing {
            for id in closing.commands.drain(..) {
                agenda.push(Output::Finish(id, Ok(())));
            }
            agenda.push(Output::Stop);
        }
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    /// What was answered, and `true` in the end if the producer stops.
    fn finished(commands: &mut Commands, oldest: Option<u64>) -> (Vec<u64>, bool) {
        let mut agenda = Agenda::new(1);
        commands.finish_flushes(oldest.map(BatchId::new), &mut agenda);
        if oldest.is_none() {
            commands.finish_close(&mut agenda);
        }
        let (mut answered, mut stops) = (Vec::new(), false);
        for output in agenda.into_outputs() {
            match output {
                Output::Finish(id, Ok(())) => answered.push(id.0),
                Output::Stop => stops = true,
                other => panic!("{other:?}"),
            }
        }
        (answered, stops)
    }

    #[test]
    fn a_flush_waits_for_what_was_opened_before_it() {
        let mut commands = Commands::default();
        commands.flush(CommandId(0), BatchId::new(3));
        commands.flush(CommandId(1), BatchId::new(5));
        assert!(commands.hurry(BatchId::new(4)) && !commands.hurry(BatchId::new(5)));
        assert_eq!(finished(&mut commands, Some(2)), (vec![], false));
        assert_eq!(finished(&mut commands, Some(3)), (vec![0], false));
        assert_eq!(finished(&mut commands, None), (vec![1], false));
    }

    #[test]
    fn a_close_hurries_everything_and_stops_when_nothing_is_left() {
        let mut commands = Commands::default();
        commands.close(CommandId(7), None, &mut Agenda::new(1));
        assert!(commands.is_closing() && !commands.is_close_over());
        assert!(commands.hurry(BatchId::new(9)));
        assert_eq!(finished(&mut commands, Some(0)), (vec![], false));
        assert_eq!(finished(&mut commands, None), (vec![7], true));
    }
}
