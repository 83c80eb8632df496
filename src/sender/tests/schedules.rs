//! Random schedules against brokers that check sequences: what holds whatever happens.

use super::idempotence::{OUT_OF_ORDER, REFUSED, idempotent};
use super::*;
use crate::record::batch::ProducerStamp;

/// A partition's log as its brokers keep it: they check sequences, and know the last five batches.
#[derive(Default)]
struct Log {
    values: Vec<String>,
    producers: BTreeMap<i64, Known>,
}

#[derive(Default)]
struct Known {
    epoch: Option<i16>,
    last: Vec<(i32, i32)>,
}

/// A batch as a broker gets it: partition, stamp and values.
type Got = (i32, ProducerStamp, Vec<String>);

impl Log {
    fn append(&mut self, stamp: ProducerStamp, values: &[String]) -> ErrorCode {
        let (epoch, first) = (stamp.epoch, stamp.base_sequence);
        let next = first + i32::try_from(values.len()).unwrap();
        let known = self.producers.entry(stamp.producer_id).or_default();
        if known.epoch.is_some_and(|newest| epoch < newest) {
            return ErrorCode::INVALID_PRODUCER_EPOCH;
        }
        if known.epoch == Some(epoch) && known.last.contains(&(first, next)) {
            return ErrorCode::NONE;
        }
        let expected = match known.last.last() {
            Some((_, next)) if known.epoch == Some(epoch) => Some(*next),
            Some(_) => Some(0),
            None => None,
        };
        if expected.is_some_and(|expected| first != expected) {
            return OUT_OF_ORDER;
        }
        if known.epoch != Some(epoch) {
            known.last.clear();
        }
        known.epoch = Some(epoch);
        known.last.push((first, next));
        if known.last.len() > 5 {
            known.last.remove(0);
        }
        self.values.extend_from_slice(values);
        ErrorCode::NONE
    }
}

/// What an unanswered request would write, by partition.
fn content(request: &Request) -> Vec<Got> {
    let Request::Produce(request) = request else {
        return Vec::new();
    };
    let all = request.topics.iter().flat_map(|topic| &topic.partitions);
    all.map(|one| {
        let (header, records) = decode(one.records.as_slice()).unwrap();
        let text = |bytes: Option<Vec<u8>>| String::from_utf8(bytes.unwrap()).unwrap();
        let values = records.into_iter().map(|record| text(record.value));
        (one.index, header.producer, values.collect())
    })
    .collect()
}

/// Random schedules: requests are answered, refused and lost, connections end with bytes that a
/// broker reads late, batches expire and are too large.
#[test]
fn whatever_happens_each_record_has_one_true_outcome_and_is_in_the_log_at_most_once() {
    for seed in 0..30 {
        run(seed);
    }
}

#[expect(
    clippy::too_many_lines,
    reason = "one arm for each thing that can happen"
)]
fn run(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let mut world = World::ready(Settings {
        delivery_timeout: ms(400 + u64::from(rng.below(1_600))),
        ..idempotent()
    });
    let mut logs: [Log; 3] = Default::default();
    let mut late: VecDeque<Vec<Got>> = VecDeque::new();
    let mut count = 0;
    let calm = 150;
    for step in 0..400 {
        let dice = if step < calm {
            rng.below(100)
        } else {
            60 + rng.below(40)
        };
        world.accept();
        match dice {
            0..30 => {
                let partition = i32::try_from(rng.below(3)).unwrap();
                if step < calm {
                    world.append(partition, &format!("{count:04}"));
                    count += 1;
                }
            }
            30..36 => {
                // The bytes of this connection may be read later, in order.
                let node = if rng.below(2) == 0 { ONE } else { TWO };
                for (to, request) in world.sent.values() {
                    if *to == node && rng.below(2) == 0 {
                        late.push_back(content(request));
                    }
                }
                world.lose(node);
            }
            36..42 if !late.is_empty() => {
                for (index, stamp, values) in late.pop_front().unwrap() {
                    logs[usize::try_from(index).unwrap()].append(stamp, &values);
                }
            }
            42..44 => {
                let leader = 1 + i32::try_from(rng.below(2)).unwrap();
                world.move_leader(usize::try_from(rng.below(3)).unwrap(), leader);
            }
            44..60 => world.advance(ms(u64::from(rng.below(150)))),
            _ => {
                world.advance(ms(if step < calm { 5 } else { 60 }));
                if !world.asked().is_empty() {
                    world.answer_metadata();
                }
                if !world.inquiries().is_empty() {
                    let epoch = i16::MAX - i16::try_from(rng.below(3)).unwrap();
                    let code = match rng.below(6) {
                        0 => ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
                        1 => ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
                        _ => ErrorCode::NONE,
                    };
                    world.answer_inquiry(code, epoch);
                }
                let node = if rng.below(2) == 0 { ONE } else { TWO };
                let first = world.sent.iter().find(|(_, (to, request))| {
                    *to == node && matches!(request, Request::Produce(_))
                });
                let Some((id, content)) = first.map(|(id, (_, it))| (*id, content(it))) else {
                    continue;
                };
                let mut answers = Vec::new();
                for (index, stamp, values) in content {
                    let log = &mut logs[usize::try_from(index).unwrap()];
                    let refusal = if step < calm { rng.below(12) } else { 99 };
                    let leader = world.leaders[usize::try_from(index).unwrap()];
                    let code = match refusal {
                        _ if NodeId(leader) != node => ErrorCode::NOT_LEADER_OR_FOLLOWER,
                        0 => REFUSED,
                        1 => ErrorCode::MESSAGE_TOO_LARGE,
                        2 => ErrorCode::INVALID_RECORD,
                        3 => {
                            log.append(stamp, &values);
                            ErrorCode::REQUEST_TIMED_OUT
                        }
                        _ => log.append(stamp, &values),
                    };
                    answers.push((index, code));
                }
                world.answer_each(id, &answers);
            }
        }
    }
    world.assert_idle();
    for (index, stamp, values) in late.into_iter().flatten() {
        logs[usize::try_from(index).unwrap()].append(stamp, &values);
    }
    let told = world.told();
    assert_eq!(told.len(), count, "seed {seed}");
    let mut doubtful = BTreeSet::new();
    for (value, result) in told {
        let written = logs.iter().flat_map(|log| &log.values);
        let written = written.filter(|one| **one == value).count();
        if result.is_err() {
            doubtful.insert(value.clone());
        }
        let is_true = match result {
            Ok(_) => written == 1,
            Err(error) if error.fate() == crate::Fate::NotWritten => written == 0,
            Err(_) => written <= 1,
        };
        assert!(is_true, "seed {seed}: {value} is there {written} times");
    }
    // What may be written may come late: a producer with a new id fences nobody.
    for mut log in logs {
        log.values.retain(|value| !doubtful.contains(value));
        assert!(log.values.is_sorted(), "seed {seed}: {:?}", log.values);
    }
}
