//! Transactions: asks the coordinator what [`Transaction`] wants to be asked, hands it the answers, and
//! fails the batches of a transaction that will not be committed. An `impl` of [`Sender`]; runs on the I/O
//! thread, or in a simulation.

use std::collections::BTreeMap;

use crate::accumulator::PartitionId;
use crate::address::Address;
use crate::error::{Error, ErrorKind};
use crate::ids::NodeId;
use crate::protocol::error_code::ErrorCode;
use crate::protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, EndTxnRequest,
    EndTxnResponse, FindCoordinatorRequest, FindCoordinatorResponse, InitProducerIdRequest,
    InitProducerIdResponse, KeyType, TxnOffset, TxnOffsetCommitRequest, TxnOffsetCommitResponse,
    TxnOffsetTopic, TxnTopic,
};
use crate::protocol::{Request, Response};
use crate::sender::Sender;
use crate::sender::event::{CommandId, OffsetsOrder, Output};
use crate::sender::nodes::Choice;
use crate::sender::requests::Content;
use crate::sender::sequence::Identity;
use crate::sender::step::{Agenda, Step};
use crate::sender::transaction::{Call, Transaction};
use crate::sorted_map::SortedMap;
use crate::sync::Arc;

impl Sender {
    /// A caller asks for something that only a transactional producer can do.
    pub(super) fn ask_transaction(
        &mut self,
        id: CommandId,
        act: impl FnOnce(&mut Transaction, &mut Agenda),
    ) {
        let agenda = &mut self.agenda;
        match &mut self.transaction {
            Some(transaction) => act(transaction, agenda),
            None => {
                let error = Error::new(ErrorKind::Misuse, "transactional.id is not set");
                agenda.push(Output::Finish(id, Err(error)));
            }
        }
    }

    /// Whether batches that are not on their way are not sent any more.
    pub(super) fn is_transaction_over(&self) -> bool {
        let transaction = self.transaction.as_ref();
        transaction.is_some_and(Transaction::is_over)
    }

    /// Goes on with the transaction: fails what will not be sent any more, ends what has come to its end,
    /// and asks what is to be asked next.
    pub(super) fn poll_transaction(&mut self, step: Step<'_>) {
        if self.transaction.is_none() {
            return;
        }
        self.note_failures();
        self.fail_unsent(step);
        let oldest = self.partitions.oldest_incomplete();
        let is_producing = self.requests.any_produce();
        let Some(transaction) = &mut self.transaction else {
            return;
        };
        if !is_producing {
            transaction.poll_end(oldest, &mut self.agenda);
        }
        let call = transaction.next_call(step.now, oldest, is_producing);
        self.adopt_identity(step);
        if let Some(call) = call {
            self.ask(step, call);
        }
    }

    /// Fails the batches that are not on their way, if the transaction will not be committed.
    fn fail_unsent(&mut self, step: Step<'_>) {
        let why = self.transaction.as_ref().and_then(Transaction::why_unsent);
        let Some(why) = why else { return };
        for id in self.partitions.ids(|queue| queue.load() > 0) {
            // What callers have opened just now is not known yet.
            while let Some(partition) = self.partitions.get(id)
                && let Some(batch) = partition.oldest_unsent()
                && self.partitions.is_incomplete(batch)
            {
                self.fail_early(id, batch, |_, _| (why.kind(), why.to_string()));
            }
            self.update_stage(step, id);
        }
        self.note_failures();
    }

    /// Tells the transaction, if there is one, of the records that have failed.
    pub(super) fn note_failures(&mut self) {
        if let Some((records, error)) = self.partitions.take_failures()
            && let Some(transaction) = &mut self.transaction
        {
            transaction.handle_failed(records, &error, &mut self.agenda);
        }
    }

    /// Gives batches the identity that the transaction has, or lets them wait for one.
    fn adopt_identity(&mut self, step: Step<'_>) {
        let Some(transaction) = &self.transaction else {
            return;
        };
        let identity = transaction
            .identity()
            .filter(|_| !transaction.lacks_identity());
        if self.producer_ids.adopt(identity) {
            for id in self.partitions.take_unidentified() {
                self.update_stage(step, id);
            }
        }
    }

    /// Asks the coordinator, or whoever knows who that is; connects first if need be.
    fn ask(&mut self, step: Step<'_>, call: Call) {
        let Some(transaction) = &self.transaction else {
            return;
        };
        let node = match transaction.node_of(call) {
            // Whoever is not known to belong to the cluster will do: whether the coordinator that it
            // names does, its own handshake tells.
            None => self.any_broker(step.now, false),
            Some(coordinator) => match self.nodes.choose(step.now, coordinator) {
                Choice::Ask(node) => Some(node),
                Choice::Connect(node) => {
                    self.connect(step.now, node);
                    None
                }
                Choice::Wait(_) => None,
            },
        };
        let Some(node) = node else { return };
        self.with_transaction(|transaction| transaction.start(call));
        if let Some(request) = self.request_for(call) {
            self.send(step.now, node, Content::Transaction(call, true), request);
        }
    }
}

/// Requests.
impl Sender {
    fn request_for(&self, call: Call) -> Option<Request> {
        let transaction = self.transaction.as_ref()?;
        let id = &transaction.settings().id;
        let identity = transaction.identity();
        let (producer_id, producer_epoch) =
            identity.map_or((-1, -1), |identity| (identity.producer_id, identity.epoch));
        Some(match call {
            Call::FindCoordinator(key_type) => {
                let key = match key_type {
                    KeyType::GROUP => &transaction.offsets()?.group.group_id,
                    _ => id,
                };
                Request::FindCoordinator(FindCoordinatorRequest {
                    key_type,
                    keys: vec![Arc::clone(key)],
                })
            }
            Call::InitProducerId => {
                let timeout = i32::try_from(transaction.settings().timeout.as_millis());
                Request::InitProducerId(InitProducerIdRequest {
                    transactional_id: Some(Arc::clone(id)),
                    transaction_timeout_ms: timeout.unwrap_or(i32::MAX),
                    producer_id,
                    producer_epoch,
                })
            }
            Call::AddPartitions => Request::AddPartitionsToTxn(AddPartitionsToTxnRequest {
                transactional_id: Arc::clone(id),
                producer_id,
                producer_epoch,
                topics: self.topics_of(transaction.adding()),
            }),
            Call::AddOffsets => Request::AddOffsetsToTxn(AddOffsetsToTxnRequest {
                transactional_id: Arc::clone(id),
                producer_id,
                producer_epoch,
                group_id: Arc::clone(&transaction.offsets()?.group.group_id),
            }),
            Call::CommitOffsets => {
                let order = transaction.offsets()?;
                Request::TxnOffsetCommit(TxnOffsetCommitRequest {
                    transactional_id: Arc::clone(id),
                    group_id: Arc::clone(&order.group.group_id),
                    producer_id,
                    producer_epoch,
                    generation: order.group.generation,
                    member_id: Arc::from(&*order.group.member_id),
                    group_instance_id: order.group.instance_id.as_deref().map(Arc::from),
                    topics: self.offsets_of(order),
                    transactions: transaction.version(),
                })
            }
            Call::EndTxn => Request::EndTxn(EndTxnRequest {
                transactional_id: Arc::clone(id),
                producer_id,
                producer_epoch,
                committed: transaction.is_commit(),
                transactions: transaction.version(),
            }),
        })
    }

    fn topics_of(&self, partitions: impl Iterator<Item = PartitionId>) -> Vec<TxnTopic> {
        let mut topics: SortedMap<Arc<str>, Vec<i32>> = SortedMap::new();
        for partition in partitions.filter_map(|id| self.partitions.get(id)) {
            let queue = partition.queue();
            let name = Arc::clone(queue.topic());
            topics
                .get_or_insert_with(name, Vec::new)
                .push(queue.index());
        }
        let topics = topics.into_iter();
        topics
            .map(|(name, partitions)| TxnTopic { name, partitions })
            .collect()
    }

    fn offsets_of(&self, order: &OffsetsOrder) -> Vec<TxnOffsetTopic> {
        let view = self.metadata.view();
        let topics = order.offsets.iter().map(|topic| TxnOffsetTopic {
            name: Arc::clone(&topic.topic),
            id: view
                .topics
                .get(&topic.topic)
                .map(|known| known.id)
                .unwrap_or_default(),
            partitions: topic
                .partitions
                .iter()
                .map(|one| TxnOffset {
                    index: one.partition,
                    offset: one.offset,
                    leader_epoch: one.leader_epoch,
                    metadata: one.metadata.as_deref().map(Arc::from),
                })
                .collect(),
        });
        topics.collect()
    }
}

/// Answers.
impl Sender {
    /// A broker has answered to a call.
    pub(super) fn handle_called(
        &mut self,
        step: Step<'_>,
        node: NodeId,
        call: Call,
        response: &Response,
    ) {
        match response {
            Response::FindCoordinator(answer) => self.handle_coordinator(step, node, call, answer),
            Response::InitProducerId(answer) => self.handle_identity(step, node, answer),
            Response::AddPartitionsToTxn(answer) => self.handle_added(step, node, answer),
            Response::AddOffsetsToTxn(answer) if answer.error == ErrorCode::NONE => {
                self.with_transaction(Transaction::handle_group_added);
            }
            Response::AddOffsetsToTxn(answer) => self.handle_code(step, node, call, answer.error),
            Response::TxnOffsetCommit(answer) => self.handle_offsets(step, node, answer),
            Response::EndTxn(answer) => self.handle_ended(step, node, answer),
            response => debug_assert!(false, "an answer to another question: {response:?}"),
        }
        self.adopt_identity(step);
    }

    fn with_transaction(&mut self, change: impl FnOnce(&mut Transaction)) {
        if let Some(transaction) = &mut self.transaction {
            change(transaction);
        }
    }

    fn handle_code(&mut self, step: Step<'_>, node: NodeId, call: Call, code: ErrorCode) {
        let name = self.nodes.name(node);
        if let Some(transaction) = &mut self.transaction {
            transaction.handle_code(step.now, &name, call, code, &mut self.agenda);
        }
    }

    /// No answer came to a call: the request was lost, or not even sent.
    pub(super) fn handle_call_lost(
        &mut self,
        step: Step<'_>,
        call: Call,
        has_left: bool,
        error: &Error,
    ) {
        let Some(transaction) = &mut self.transaction else {
            return;
        };
        let agenda = &mut self.agenda;
        if error.kind() == ErrorKind::UnsupportedVersion {
            transaction.close_only(error.kind(), &error.to_string(), agenda);
        } else {
            transaction.handle_unanswered(step.now, call, has_left, agenda);
        }
    }

    fn handle_coordinator(
        &mut self,
        step: Step<'_>,
        node: NodeId,
        call: Call,
        response: &FindCoordinatorResponse,
    ) {
        let Call::FindCoordinator(key_type) = call else {
            return;
        };
        let Some(found) = response.coordinators.first() else {
            return self.handle_code(step, node, call, ErrorCode::COORDINATOR_NOT_AVAILABLE);
        };
        let port = u16::try_from(found.port).ok().filter(|port| *port > 0);
        match (found.error, port) {
            (ErrorCode::NONE, Some(port)) if found.node.0 >= 0 => {
                let address = Address {
                    host: found.host.as_str().into(),
                    port,
                };
                self.nodes.pin(step.now, found.node, address);
                let coordinator = found.node;
                self.with_transaction(|one| one.handle_coordinator(key_type, coordinator));
            }
            (ErrorCode::NONE, _) => {
                self.handle_code(step, node, call, ErrorCode::COORDINATOR_NOT_AVAILABLE);
            }
            (code, _) => self.handle_code(step, node, call, code),
        }
    }

    fn handle_identity(&mut self, step: Step<'_>, node: NodeId, response: &InitProducerIdResponse) {
        let (producer_id, epoch) = (response.producer_id, response.producer_epoch);
        match response.error {
            ErrorCode::NONE if producer_id >= 0 && epoch >= 0 => {
                let identity = Identity { producer_id, epoch };
                if let Some(transaction) = &mut self.transaction {
                    transaction.handle_identity(identity, &mut self.agenda);
                }
            }
            // Nonsense: perhaps it does better next time.
            ErrorCode::NONE => {
                let code = ErrorCode::COORDINATOR_NOT_AVAILABLE;
                self.handle_code(step, node, Call::InitProducerId, code);
            }
            code => self.handle_code(step, node, Call::InitProducerId, code),
        }
    }

    /// All partitions are added, or none counts as added: those that are can be added again.
    fn handle_added(
        &mut self,
        step: Step<'_>,
        node: NodeId,
        response: &AddPartitionsToTxnResponse,
    ) {
        let partitions = response.topics.iter().flat_map(|topic| {
            let partitions = topic.partitions.iter();
            partitions.map(|one| ((&*topic.name, one.index), one.error))
        });
        let answers: BTreeMap<_, _> = partitions.collect();
        let codes = answers.values().copied();
        // That one was not attempted says nothing; the reason stands with another one.
        let code = codes
            .filter(|code| *code != ErrorCode::NONE)
            .min_by_key(|code| *code == ErrorCode::OPERATION_NOT_ATTEMPTED);
        let is_left_out = |transaction: &Transaction| {
            let adding = transaction.adding();
            let mut adding = adding.filter_map(|id| self.partitions.get(id));
            adding.any(|one| !answers.contains_key(&(&**one.queue().topic(), one.queue().index())))
        };
        // An answer that leaves one out is nonsense: perhaps it does better next time.
        let is_left_out = self.transaction.as_ref().is_some_and(is_left_out);
        let nonsense = is_left_out.then_some(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        if let Some(code) = code.or(nonsense) {
            return self.handle_code(step, node, Call::AddPartitions, code);
        }
        let transaction = self.transaction.as_mut();
        let added = transaction.map(Transaction::handle_partitions_added);
        for id in added.unwrap_or_default() {
            self.update_stage(step, id);
        }
    }

    fn handle_offsets(&mut self, step: Step<'_>, node: NodeId, response: &TxnOffsetCommitResponse) {
        let mut done: Vec<(Arc<str>, i32)> = Vec::new();
        let mut refused = None;
        let view = self.metadata.view();
        for topic in &response.topics {
            let name = match topic.id.is_known() {
                false => Some(Arc::from(&*topic.name)),
                true => {
                    let mut known = view.topics.iter();
                    let known = known.find(|(_, known)| known.id == topic.id);
                    known.map(|(name, _)| Arc::clone(name))
                }
            };
            for partition in &topic.partitions {
                match (partition.error, &name) {
                    (ErrorCode::NONE, Some(name)) => done.push((Arc::clone(name), partition.index)),
                    (ErrorCode::NONE, None) => {}
                    (code, _) => refused = Some(code),
                }
            }
        }
        if let Some(transaction) = &mut self.transaction {
            let is_done = |topic: &str, index| {
                let mut done = done.iter();
                done.any(|(name, partition)| **name == *topic && *partition == index)
            };
            transaction.handle_offsets(is_done, &mut self.agenda);
        }
        // An answer about nothing is nonsense: not to be asked again at once.
        let nonsense = done
            .is_empty()
            .then_some(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        if let Some(code) = refused.or(nonsense) {
            self.handle_code(step, node, Call::CommitOffsets, code);
        }
    }

    fn handle_ended(&mut self, step: Step<'_>, node: NodeId, response: &EndTxnResponse) {
        if response.error != ErrorCode::NONE {
            return self.handle_code(step, node, Call::EndTxn, response.error);
        }
        let (producer_id, epoch) = (response.producer_id, response.producer_epoch);
        let next = Identity { producer_id, epoch };
        let next = Some(next).filter(|_| producer_id >= 0 && epoch >= 0);
        if let Some(transaction) = &mut self.transaction {
            transaction.handle_ended(next, &mut self.agenda);
        }
    }
}
