//! Connections that come and go, and the requests on them. An `impl` of [`Sender`]; runs on the I/O
//! thread, or in a simulation.

use std::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::foreign::logging::{log_info, log_warn};
use crate::ids::{NodeId, RequestId};
use crate::protocol::Request;
use crate::protocol::error_code::ErrorCode;
use crate::sender::Sender;
use crate::sender::event::{Output, Report};
use crate::sender::nodes::Choice;
use crate::sender::requests::Content;
use crate::sender::step::Step;
use crate::sender::timers::Timer;

impl Sender {
    /// The driver makes a connection.
    pub(super) fn connect(&mut self, now: Instant, id: NodeId) {
        if id.0 < 0 {
            self.metadata.resolving().begin(now, &mut self.agenda);
        }
        let destination = self.metadata.destination(id);
        self.nodes.connect(now, id, destination, &mut self.agenda);
    }

    /// A broker that can be asked now what any broker knows; connects to one if there is none. With
    /// `members_only`, one that certainly belongs to the cluster.
    pub(super) fn any_broker(&mut self, now: Instant, members_only: bool) -> Option<NodeId> {
        let use_bootstrap = self.metadata.uses_bootstrap();
        match self.nodes.choose_any(now, use_bootstrap, members_only) {
            Choice::Ask(node) => return Some(node),
            Choice::Connect(node) => self.connect(now, node),
            Choice::Wait(Some(until)) => self.agenda.set(until, Timer::Stagger),
            Choice::Wait(None) => {}
        }
        None
    }

    /// Connects to a broker that has something to take. Partitions that went elsewhere since, or
    /// whose batches expired, are no reason.
    pub(super) fn connect_if_needed(&mut self, now: Instant, id: NodeId) {
        let partitions = &self.partitions;
        let Some(node) = self.nodes.get_mut(id).filter(|node| node.is_down()) else {
            return;
        };
        let is_queued = |partition| {
            let partition = partitions.get(partition);
            partition.is_some_and(|partition| partition.is_queued_for(id))
        };
        node.ready_queues().retain(is_queued);
        if !node.ready_queues().is_empty() {
            self.connect(now, id);
        }
    }

    /// The connection has finished its handshake. When it is that of a broker of the cluster, those to
    /// bootstrap addresses have done their work.
    pub(super) fn handle_ready(&mut self, step: Step<'_>, id: NodeId) {
        self.metadata.resolving().handle_resolved(&mut self.agenda);
        if !self.nodes.handle_ready(step.now, id, &mut self.agenda) {
            return;
        }
        for line in self.nodes.praise(id) {
            log_info!("{line}");
        }
        self.agenda.push(Output::Report(Report::Up(id)));
        if id.0 >= 0 {
            self.metadata.handle_member();
            for bootstrap in self.nodes.quiet_bootstrap() {
                self.hang_up(step, bootstrap);
            }
        }
    }

    /// Ends a connection that nothing is wrong with.
    fn hang_up(&mut self, step: Step<'_>, id: NodeId) {
        let text = "the connection was not needed any more";
        self.hang_up_with(step, id, &Error::new(ErrorKind::Disconnected, text));
    }

    /// The same; what was sent on it fails with this error, if it is not sent again.
    pub(super) fn hang_up_with(&mut self, step: Step<'_>, id: NodeId, error: &Error) {
        self.agenda.push(Output::Disconnect(id));
        self.drop_requests(step, id, error);
        if let Some(node) = self.nodes.get_mut(id) {
            node.hang_up();
        }
        self.agenda.push(Output::Report(Report::HungUp(id)));
    }

    /// The driver lost a connection, or could not make it. Not a byte of the requests in `unwritten`
    /// had left.
    pub(super) fn handle_disconnected(
        &mut self,
        step: Step<'_>,
        id: NodeId,
        error: &Error,
        unwritten: &[RequestId],
    ) {
        for request in unwritten {
            self.requests.handle_unwritten(*request);
        }
        let resolving = self.metadata.resolving();
        match self.unresolved.take() {
            Some(unresolved) if unresolved == id => resolving.handle_unresolved(error),
            _ => resolving.handle_resolved(&mut self.agenda),
        }
        if self.nodes.handle_disconnected(id) {
            self.complain(step, id, error);
            self.lose(step, id, error);
            let use_bootstrap = self.metadata.uses_bootstrap();
            if let Some(times) = self.nodes.complain_of_all(step.now, use_bootstrap) {
                log_warn!("no broker can be reached{times}; last error: {error}");
            }
            if id.0 >= 0 && error.broker_code() == Some(ErrorCode::REBOOTSTRAP_REQUIRED) {
                self.handle_stranger(step);
            }
        }
    }

    /// Ends a connection because of what the broker did.
    pub(super) fn disconnect(&mut self, step: Step<'_>, id: NodeId, error: &Error) {
        self.agenda.push(Output::Disconnect(id));
        self.complain(step, id, error);
        self.lose(step, id, error);
    }

    /// Ends the connection to a broker that is not there any more, as metadata says.
    pub(super) fn leave(&mut self, step: Step<'_>, id: NodeId, error: &Error) {
        log_info!("{error}");
        self.agenda.push(Output::Disconnect(id));
        self.lose(step, id, error);
    }

    /// Says in the log what is wrong with a connection, as often as is of use.
    fn complain(&mut self, step: Step<'_>, id: NodeId, error: &Error) {
        if let Some(times) = self.nodes.complain(step.now, id, error) {
            log_warn!("{error}{times}");
        }
    }

    /// A connection is no more, and something is wrong with it: pauses before the next attempt, and
    /// asks who leads its partitions now.
    fn lose(&mut self, step: Step<'_>, id: NodeId, error: &Error) {
        self.nodes
            .handle_lost(step.now, id, error, &mut self.agenda);
        for partition in self.partitions.iter().filter(|one| one.is_queued_for(id)) {
            partition.queue().discount_left_batches();
        }
        self.report_lost(id, error);
        self.metadata.request_all();
        self.metadata.doubt_broker(id);
        if let Some(transaction) = &mut self.transaction {
            transaction.handle_lost(step.now, id, &mut self.agenda);
        }
        self.drop_requests(step, id, error);
    }

    fn report_lost(&mut self, id: NodeId, error: &Error) {
        let down = Report::Down(id, error.clone());
        self.agenda.push(Output::Report(down));
        if self.nodes.are_all_lost(self.metadata.uses_bootstrap()) {
            let all_down = Report::AllDown(error.clone());
            self.agenda.push(Output::Report(all_down));
        }
    }

    /// A connection may have been idle for `connections.max.idle.ms`.
    pub(super) fn handle_idle(&mut self, step: Step<'_>, id: NodeId) {
        let is_wanted = self.metadata.is_due(step.now);
        if self
            .nodes
            .poll_idle(step.now, id, is_wanted, &mut self.agenda)
        {
            self.hang_up(step, id);
        }
    }
}

/// Requests.
impl Sender {
    pub(super) fn send(
        &mut self,
        now: Instant,
        node: NodeId,
        content: Content,
        request: Request,
    ) -> RequestId {
        let id = self.requests.add(node, content);
        if let Some(node) = self.nodes.get_mut(node) {
            node.add_request(now, id);
        }
        self.counters.requests_sent.add(1);
        self.agenda.push(Output::Send(node, id, request));
        id
    }

    /// A request has ended, in whatever way.
    pub(super) fn end_request(&mut self, now: Instant, id: RequestId) -> Option<(NodeId, Content)> {
        let request = self.requests.remove(id)?;
        if let Some(node) = self.nodes.get_mut(request.node) {
            node.end_request(now, id);
        }
        if let Content::Metadata(_, until) = &request.content {
            self.agenda.cancel(*until, Timer::Slow(id));
        }
        Some((request.node, request.content))
    }

    /// The connection did not take the request: not a byte of it has left.
    pub(super) fn handle_refused(&mut self, step: Step<'_>, id: RequestId, error: &Error) {
        self.requests.handle_unwritten(id);
        self.drop_request(step, id, error);
    }

    /// Requests on a connection that is gone get no answer any more.
    fn drop_requests(&mut self, step: Step<'_>, id: NodeId, error: &Error) {
        if let Some(node) = self.nodes.get_mut(id) {
            for request in node.take_requests() {
                self.drop_request(step, request, error);
            }
        }
    }

    /// The request came to nothing: it is made again after a pause, to another broker perhaps.
    fn drop_request(&mut self, step: Step<'_>, id: RequestId, error: &Error) {
        let is_too_old = error.kind() == ErrorKind::UnsupportedVersion;
        match self.end_request(step.now, id) {
            Some((node, Content::Metadata(inquiry, _))) => {
                if let Some(one) = self.nodes.get_mut(node).filter(|_| is_too_old) {
                    one.set_error(error.clone());
                    let unusable = Report::Unusable(node, error.clone());
                    self.agenda.push(Output::Report(unusable));
                }
                self.metadata
                    .handle_failure(step.now, &inquiry, &mut self.agenda);
            }
            Some((_, Content::InitProducerId)) if is_too_old => {
                self.refuse_unidentified(step, error);
            }
            Some((_, Content::InitProducerId)) => {
                self.producer_ids.handle_failure(step.now, &mut self.agenda);
            }
            Some((_, Content::Transaction(call, has_left))) => {
                self.handle_call_lost(step, call, has_left, error);
            }
            Some((_, Content::Produce(batches))) => self.retry_unanswered(step, batches, error),
            None => {}
        }
    }
}
