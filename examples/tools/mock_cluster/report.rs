//! What is printed of what comes, and what is counted for the summary. A line is made of words and
//! `name=value` pairs, so that people can read it, and scripts can look for what they need.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::Duration;

use linger::ErrorCode;
use linger::testing::{
    Api, MockAnswer, MockArrival, MockCluster, MockEvent, MockHandled, MockRecord,
    MockRequestContent,
};

use crate::args::Print;
use crate::faults;

/// What was refused, and whose answers were lost.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    refused: BTreeMap<ErrorCode, u64>,
    closed: u64,
}

impl Tally {
    pub(crate) fn count(&mut self, event: &MockEvent) {
        let error = match event {
            MockEvent::Batch(batch) => batch.error,
            MockEvent::Request(handled) => {
                let is_closed = matches!(handled.answer, MockAnswer::Closed { .. });
                self.closed += u64::from(is_closed);
                handled.error
            }
            _ => ErrorCode::NONE,
        };
        if error != ErrorCode::NONE {
            *self.refused.entry(error).or_default() += 1;
        }
    }
}

/// Colours, for those who see them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) is_coloured: bool,
}

impl Style {
    fn paint(self, code: &str, text: impl fmt::Display) -> String {
        match self.is_coloured {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_string(),
        }
    }
}

const DIM: &str = "2";
const RED: &str = "1;31";
const YELLOW: &str = "33";
const CYAN: &str = "1;36";

/// The lines for an event, each with its end; none if there is nothing to say.
pub(crate) fn lines(event: &MockEvent, elapsed: Duration, print: Print, style: Style) -> String {
    let time = style.paint(DIM, format_args!("{:>9.3}", elapsed.as_secs_f64()));
    let mut lines = String::new();
    match event {
        MockEvent::Batch(arrival) => {
            lines = format!("{time} {}\n", batch(arrival, style));
            let is_new = arrival.error == ErrorCode::NONE && !arrival.is_repeated;
            if print == Print::Records && is_new {
                for one in arrival.records() {
                    let text = record(&one);
                    lines.push_str(&format!("{:>9} {text}\n", ""));
                }
            }
        }
        MockEvent::Request(handled) => {
            // The batches of a request have told of it already.
            let is_told = handled.request.api == Api::Produce
                && matches!(handled.answer, MockAnswer::Sent | MockAnswer::None)
                && !matches!(handled.request.content, MockRequestContent::Refused(_));
            if !is_told {
                lines = format!("{time} {}\n", request(handled, style));
            }
        }
        _ => {}
    }
    lines
}

/// `orders-2 offset=100 records=25 bytes=2123 codec=zstd producer=7 epoch=0 sequence=100 acks=all`
fn batch(arrival: &MockArrival, style: Style) -> String {
    let batch = &arrival.batch;
    let topic = match arrival.topic.as_str() {
        "" => "?",
        name => name,
    };
    let place = format!("{topic}-{}", arrival.partition);
    let mut line = style.paint(CYAN, shown(&place));
    if arrival.error == ErrorCode::NONE {
        let offset = batch.base_offset;
        line += &format!(" offset={offset}");
    } else {
        let error = format!("error={}", arrival.error.name());
        line += &format!(" {}", style.paint(RED, error));
    }
    let (records, bytes, codec) = (batch.records, batch.bytes, batch.compression);
    line += &format!(" records={records} bytes={bytes} codec={codec}");
    if batch.producer_id >= 0 {
        let (id, epoch, sequence) = (batch.producer_id, batch.producer_epoch, batch.base_sequence);
        line += &format!(" producer={id} epoch={epoch} sequence={sequence}");
    } else {
        line += " producer=none";
    }
    line += match arrival.acks {
        -1 => " acks=all",
        0 => " acks=0",
        1 => " acks=1",
        _ => " acks=?",
    };
    if arrival.is_repeated {
        line += &format!(" {}", style.paint(YELLOW, "repeated"));
    }
    line
}

/// `metadata version=13 broker=1 client=app topics=orders`
fn request(handled: &MockHandled, style: Style) -> String {
    let request = &handled.request;
    let mut line = faults::name(request.api);
    let (version, node) = (request.version, request.node);
    // What writes to a string does not fail.
    write!(line, " version={version} broker={node}").ok();
    if let Some(client) = &request.client_id {
        write!(line, " client={}", shown(client)).ok();
    }
    match &request.content {
        MockRequestContent::ApiVersions {
            software_name,
            software_version,
            ..
        } if !software_name.is_empty() => {
            let (name, version) = (shown(software_name), shown(software_version));
            write!(line, " software={name}/{version}").ok();
        }
        MockRequestContent::Metadata { topics, .. } => {
            let names = topics.as_ref().map(|names| names.join(","));
            let names = names.map_or_else(|| "all".to_owned(), |names| shown(&names));
            write!(line, " topics={names}").ok();
        }
        MockRequestContent::InitProducerId {
            transactional_id: Some(id),
            ..
        } => {
            write!(line, " transactional.id={}", shown(id)).ok();
        }
        MockRequestContent::Produce { partitions, .. } => {
            write!(line, " batches={}", partitions.len()).ok();
        }
        other => line += &of_transaction(other),
    }
    let mut line = style.paint(DIM, line);
    if let MockRequestContent::Refused(why) = &request.content {
        line += &format!(
            " {}",
            style.paint(RED, format_args!("refused: {}", shown(why)))
        );
    }
    if handled.error != ErrorCode::NONE {
        let error = format!("error={}", handled.error.name());
        line += &format!(" {}", style.paint(RED, error));
    }
    let ending = match handled.answer {
        MockAnswer::Closed { applied: true } => "connection closed after it was done",
        MockAnswer::Closed { applied: false } => "connection closed",
        _ => return line,
    };
    line + " " + &style.paint(RED, ending)
}

/// ` transactional.id=copier epoch=3 commit`: what a request says of a transaction.
fn of_transaction(content: &MockRequestContent) -> String {
    let producer = |id: &str, epoch: i16| format!(" transactional.id={} epoch={epoch}", shown(id));
    match content {
        MockRequestContent::FindCoordinator { keys, .. } => {
            format!(" keys={}", shown(&keys.join(",")))
        }
        MockRequestContent::AddPartitionsToTxn {
            transactional_id,
            producer_epoch,
            partitions,
            ..
        } => {
            let producer = producer(transactional_id, *producer_epoch);
            format!("{producer} partitions={}", partitions.len())
        }
        MockRequestContent::AddOffsetsToTxn {
            transactional_id,
            producer_epoch,
            group_id,
            ..
        } => {
            let producer = producer(transactional_id, *producer_epoch);
            format!("{producer} group={}", shown(group_id))
        }
        MockRequestContent::TxnOffsetCommit {
            transactional_id,
            producer_epoch,
            group_id,
            offsets,
            ..
        } => {
            let producer = producer(transactional_id, *producer_epoch);
            let group = shown(group_id);
            format!("{producer} group={group} offsets={}", offsets.len())
        }
        MockRequestContent::EndTxn {
            transactional_id,
            producer_epoch,
            committed,
            ..
        } => {
            let producer = producer(transactional_id, *producer_epoch);
            let end = if *committed { "commit" } else { "abort" };
            format!("{producer} {end}")
        }
        _ => String::new(),
    }
}

/// `@100 key=user123 value=order_placed headers=trace:4bf9`
fn record(record: &MockRecord) -> String {
    let mut line = format!("@{}", record.offset);
    if let Some(key) = &record.key {
        write!(line, " key={}", text(key)).ok();
    }
    match &record.value {
        Some(value) => write!(line, " value={}", text(value)).ok(),
        None => line.write_str(" value is null").ok(),
    };
    for (name, value) in &record.headers {
        let value = value
            .as_ref()
            .map_or_else(|| "null".to_owned(), |value| text(value));
        write!(line, " header:{}={value}", shown(name)).ok();
    }
    line
}

/// Bytes as text, as far as they are.
fn text(bytes: &[u8]) -> String {
    // More than is shown of it, whatever it is.
    let beginning = bytes.get(..4 * MOST_SHOWN).unwrap_or(bytes);
    shown(&String::from_utf8_lossy(beginning))
}

/// What a client has sent, without anything that a terminal would obey, and not too much of it.
fn shown(text: &str) -> String {
    let mut shown: String = text.escape_debug().take(MOST_SHOWN).collect();
    if shown.len() < text.len() && text.escape_debug().count() > MOST_SHOWN {
        shown.push('…');
    }
    shown
}

/// Characters that are shown of a text.
const MOST_SHOWN: usize = 200;

/// All that came, after the end.
pub(crate) fn summary(cluster: &MockCluster, tally: &Tally) -> String {
    let mut text = String::new();
    cluster.view(|view| {
        for topic in view.topics() {
            let (partitions, records) = (view.partition_count(topic), view.record_count(topic));
            // What writes to a string does not fail.
            writeln!(
                text,
                "topic {topic}: partitions={partitions} records={records}"
            )
            .ok();
        }
    });
    let count = cluster.counters();
    let (records, batches, bytes) = (count.records, count.batches, count.batch_bytes);
    let repeated = count.repeated_batches;
    writeln!(
        text,
        "written: records={records} batches={batches} bytes={bytes} repeated={repeated}"
    )
    .ok();
    if !tally.refused.is_empty() {
        text.push_str("refused:");
        for (error, times) in &tally.refused {
            write!(text, " {}={times}", error.name()).ok();
        }
        text.push('\n');
    }
    let (requests, produce) = (count.requests, count.produce_requests);
    let (connections, closed) = (count.connections_accepted, tally.closed);
    writeln!(
        text,
        "asked: requests={requests} produce={produce} connections={connections} closed={closed}"
    )
    .ok();
    let violations = cluster.violations();
    if !violations.is_empty() {
        text.push_str("no correct producer sends:\n");
    }
    for violation in violations {
        writeln!(text, "  {}", shown(&violation)).ok();
    }
    text
}
