//! Answers that say too little, too much, in another order, or what is not so: what a broker, or
//! something between it and the client, may do. Serves the byte level and the message level. Lies
//! are about Produce and Metadata, whose answers change what a producer does next; an API whose
//! answers can mislead as well gets a row in [`spoil`] and in [`concern`].

use crate::ids::NodeId;
use crate::protocol::messages::{CurrentLeader, MetadataResponse, ProduceResponse};
use crate::protocol::{ApiKey, Response};
use crate::sim::stage::Weather;

/// Draws what is wrong with an answer, if anything.
pub(super) fn spoil(weather: &mut Weather, response: &mut Response) {
    match response {
        Response::Produce(response) => {
            mislead(weather, response);
            shuffle(weather, response);
            mangle(weather, response);
        }
        Response::Metadata(response) => omit(weather, response),
        _ => {}
    }
}

/// Whether [`spoil`] can do anything to an answer of this API.
pub(super) fn concern(api: ApiKey) -> bool {
    matches!(api, ApiKey::Produce | ApiKey::Metadata)
}

/// Whether [`spoil`] could do anything at the moment.
pub(super) fn may_spoil(weather: &Weather) -> bool {
    let mix = &weather.mix;
    weather.is_bad && mix.hint + mix.far_hint + mix.shuffle + mix.mangle + mix.omit > 0
}

/// The broker names another leader than there is: as of an epoch that has been, or of one that is yet to
/// come.
fn mislead(weather: &mut Weather, response: &mut ProduceResponse) {
    let partitions = response.topics.iter_mut();
    let partitions = partitions.flat_map(|topic| &mut topic.partitions);
    for hint in partitions.filter_map(|one| one.current_leader.as_mut()) {
        if weather.strikes("far hint", weather.mix.far_hint) {
            // Each time a later one, so that each is news.
            weather.far_epochs += 1;
            *hint = CurrentLeader {
                leader: NodeId(weather.dice.between(1, 3) as i32),
                leader_epoch: hint.leader_epoch + weather.far_epochs,
            };
            continue;
        }
        if weather.strikes("wrong hint", weather.mix.hint) {
            *hint = CurrentLeader {
                leader: NodeId(weather.dice.between(0, 6) as i32),
                leader_epoch: weather.dice.between(0, hint.leader_epoch as u32) as i32,
            };
        }
    }
}

/// The answer has its partitions in another order than the request: no lie, as each says which it is.
fn shuffle(weather: &mut Weather, response: &mut ProduceResponse) {
    let topics = response.topics.iter_mut();
    for topic in topics.filter(|topic| topic.partitions.len() > 1) {
        if weather.strikes("answer in another order", weather.mix.shuffle) {
            for last in (1..topic.partitions.len()).rev() {
                topic.partitions.swap(last, weather.dice.index(last + 1));
            }
        }
    }
}

/// The answer says nothing of a partition or of all, something of one that nobody asked for, or
/// something twice.
fn mangle(weather: &mut Weather, response: &mut ProduceResponse) {
    if response.topics.is_empty() || !weather.strikes("mangled answer", weather.mix.mangle) {
        return;
    }
    let topic = weather.dice.index(response.topics.len());
    let partitions = &mut response.topics[topic].partitions;
    let index = weather.dice.index(partitions.len());
    let mut extra = partitions[index].clone();
    match weather.dice.index(4) {
        0 => drop(partitions.remove(index)),
        1 => drop(response.topics.remove(topic)),
        2 => partitions.push(extra),
        _ => {
            extra.index += 100;
            partitions.insert(index, extra);
        }
    }
}

/// Metadata leaves out the topic, brokers or a partition.
fn omit(weather: &mut Weather, response: &mut MetadataResponse) {
    if !weather.strikes("omission", weather.mix.omit) {
        return;
    }
    let topics = &mut response.topics;
    match (weather.dice.index(3), topics.first_mut()) {
        (0, _) => topics.clear(),
        (1, Some(topic)) if !topic.partitions.is_empty() => {
            let gone = weather.dice.index(topic.partitions.len());
            topic.partitions.remove(gone);
        }
        _ => response.brokers.truncate(1),
    }
}
