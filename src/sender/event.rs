//! What goes into the sender and what comes out. Inputs are past, commands and outputs imperative.

use std::time::{Duration, Instant};

use crate::accumulator::{BatchId, Outcome, UndeliveredRecord};
use crate::address::{Address, Destination};
use crate::cluster::ClusterView;
use crate::error::{Error, Result};
use crate::ids::{NodeId, RequestId};
use crate::protocol::error_code::ErrorCode;
use crate::protocol::version::FinalizedFeatures;
use crate::protocol::{Request, Response};
use crate::sync::Arc;

/// A caller's [`Command`], for as long as it waits for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CommandId(pub(crate) u64);

/// A caller's [`PurgeOrder`], for as long as it waits for the answer. A type of its own, since the
/// answer has another type than that of a command: neither can be given for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PurgeId(pub(crate) u64);

/// What happened.
#[derive(Debug)]
pub(crate) enum Input {
    /// A broker has said what the cluster has switched on; [`Input::Ready`] follows.
    Features(FinalizedFeatures),
    /// The connection has finished its handshake.
    Ready(NodeId),
    /// The node's name leads to no address; [`Input::Disconnected`] follows.
    Unresolved(NodeId),
    /// The connection was lost, or could not be made. Requests on it get no answer any more; of
    /// those named here not a byte had left.
    Disconnected(NodeId, Error, Vec<RequestId>),
    /// A request was answered.
    Response(RequestId, Response),
    /// A request that gets no answer (`acks=0`) has been written to the socket.
    Sent(RequestId),
    /// A request could not be sent at all: the broker speaks none of our versions of it.
    Refused(RequestId, Error),
    /// A caller asks for something; [`Output::Finish`] answers.
    Command(CommandId, Command),
    /// A caller purges; [`Output::Purged`] answers, in the same turn.
    Purge(PurgeId, PurgeOrder),
}

/// What a caller asks for. The answer is that it is done, or why it is not.
#[derive(Debug)]
pub(crate) enum Command {
    /// Answer when the topic is known, and the partition if one is named, or at the deadline.
    AwaitTopic {
        topic: Arc<str>,
        partition: Option<i32>,
        deadline: Option<Instant>,
    },
    /// Ask for metadata of a topic of which not enough is known yet; answered at once.
    Track(Arc<str>),
    /// Answer when all batches opened before this one have their outcome.
    Flush(BatchId),
    /// Send what is queued, then answer and stop; at the deadline, fail what is left. A transaction that
    /// is open is aborted.
    Close(Option<Instant>),
    /// Answer when this producer is the only one with its transactional id: older ones are fenced, and
    /// what they left open is aborted.
    InitTransactions,
    /// Answer when these offsets belong to the open transaction.
    SendOffsets(Box<OffsetsOrder>),
    /// End the open transaction; answer when that is certain.
    EndTransaction {
        commit: bool,
        /// Batches opened before this one belong to it.
        before: BatchId,
    },
}

/// Offsets of a consumer group, to be committed with the transaction.
#[derive(Clone, Debug)]
pub(crate) struct OffsetsOrder {
    pub(crate) group: GroupMember,
    pub(crate) offsets: Vec<TopicOffsets>,
}

/// The group, and the member of it that has read so far (KIP-447).
#[derive(Clone, Debug)]
pub(crate) struct GroupMember {
    pub(crate) group_id: Arc<str>,
    /// Generation of the classic protocol, or member epoch of the new one; -1 for none.
    pub(crate) generation: i32,
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
}

/// What was read of one topic.
#[derive(Clone, Debug)]
pub(crate) struct TopicOffsets {
    pub(crate) topic: Arc<str>,
    pub(crate) partitions: Vec<PartitionOffset>,
}

/// The offset of the next record that the group has not read.
#[derive(Clone, Debug)]
pub(crate) struct PartitionOffset {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// Of the leader, as the consumer knows it; -1 for none.
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: Option<String>,
}

/// Fail what is queued and was never taken to be sent. The answer is what that came to.
#[derive(Clone, Debug)]
pub(crate) struct PurgeOrder {
    /// Of this topic only, if it names one.
    pub(crate) topic: Option<Arc<str>>,
    /// Batches opened before this one.
    pub(crate) before: BatchId,
    /// Whether the records are handed back.
    pub(crate) returns: bool,
}

/// What a purge has come to.
#[derive(Debug, Default)]
pub(crate) struct Purged {
    /// Records that have failed, or will as soon as those before them have their outcome.
    pub(crate) records: u64,
    /// Records left alone: their batches had been taken to be sent.
    pub(crate) left: u64,
    /// Copies of those that have failed, if they were asked for.
    pub(crate) returned: Vec<UndeliveredRecord>,
}

/// What the driver must do.
#[derive(Debug)]
pub(crate) enum Output {
    /// Connect; [`Input::Ready`] or [`Input::Disconnected`] follows.
    Connect {
        node: NodeId,
        address: Address,
        /// How long the whole setup may take: name resolution, connection and handshake.
        setup_timeout: Duration,
        /// Which of the host's addresses to try first, counted modulo their number.
        first_address: u32,
        /// Whom the connection is meant to reach; `None`: whoever answers. If somebody else does, it
        /// is lost with `REBOOTSTRAP_REQUIRED`.
        destination: Option<Destination>,
    },
    /// Drop the connection or the attempt to make one; nothing follows.
    Disconnect(NodeId),
    Send(NodeId, RequestId, Request),
    /// Make the view known to callers: these topics in it are not as they were.
    Publish {
        view: Arc<ClusterView>,
        changed: Vec<Arc<str>>,
    },
    /// Run the callbacks.
    Deliver(Outcome),
    /// Answer a command.
    Finish(CommandId, Result<()>),
    /// Answer a purge.
    Purged(PurgeId, Purged),
    /// The open transaction can only be aborted, or the producer can only be closed: as the error says
    /// ([`is_abortable`](Error::is_abortable), [`is_fatal`](Error::is_fatal)). Records are refused with it
    /// from now on.
    Doom(Error),
    /// Nothing to do, but something to know.
    Report(Report),
    /// Nothing to do before this time or the next input. Ends a series of polls.
    Wait(Option<Instant>),
    /// More batches are to be compressed, but others should not wait for that: read and write what can
    /// be read and written, then poll again. Ends a series of polls.
    Yield,
    /// Closed: nothing will ever be to do.
    Stop,
}

/// What has happened to a broker or a topic, for programs that watch the producer. Nothing follows from it.
#[derive(Debug)]
pub(crate) enum Report {
    /// A connection has finished its handshake.
    Up(NodeId),
    /// A connection was lost, or could not be made.
    Down(NodeId, Error),
    /// The same, and that was the last hope: no broker can be reached.
    AllDown(Error),
    /// A connection was ended, and nothing was wrong with it.
    HungUp(NodeId),
    /// A broker is connected, and cannot be asked for metadata.
    Unusable(NodeId, Error),
    /// A broker that was not pausing asks for a pause.
    Throttled(NodeId, Duration),
    /// The brokers refuse a topic, or say something else of it than before.
    Refused(Arc<str>, ErrorCode),
}
