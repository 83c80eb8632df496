//! Compares the logs at the end with what was sent and with the outcomes.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Acks;
use crate::sim::checker::Checker;
use crate::sim::promise::{I2, I3, I4, I5, I12, I17, broken_if};
use crate::sim::record::{RecordId, header_of, id_of};
use crate::testing::MockRecord;

impl Checker {
    /// Checks a partition's logs at the end, each with the cluster that it was in: the current one, and
    /// those from before the topic was created again, or the cluster was another one.
    pub(in crate::sim) fn check_logs(&self, partition: i32, logs: &[(usize, Vec<MockRecord>)]) {
        for written in logs.iter().flat_map(|(_, log)| log) {
            let id = id_of(written.value.as_deref());
            let sent = self.records.get(id as usize);
            let is_same = sent.is_some_and(|sent| {
                let headers: Vec<_> = header_of(sent)
                    .map(|(name, value)| (name.to_owned(), Some(value.to_vec())))
                    .collect();
                Some(&sent.value) == written.value.as_ref()
                    && sent.key == written.key
                    && headers == written.headers
                    && written.timestamp_ms == i64::from(id)
            });
            broken_if(I12, !is_same, || {
                format!("partition {partition} holds {written:?}: never sent so")
            });
        }
        let ids: Vec<_> = logs.iter().map(|(_, log)| Self::ids(log)).collect();
        for log in &ids {
            self.check_ids(partition, log);
        }
        let mut homes = BTreeMap::new();
        for ((cluster, _), log) in logs.iter().zip(&ids) {
            for id in log {
                let home = *homes.entry(id).or_insert(cluster);
                broken_if(I17, self.limits.idempotence && home != cluster, || {
                    format!("record {id} is in the logs of clusters {home} and {cluster}")
                });
            }
        }
        let ids: Vec<_> = ids.iter().map(Vec::as_slice).collect();
        self.check_acknowledged(partition, &ids);
    }

    /// The records of a log: which, how often, and in which order.
    pub(in crate::sim) fn check_ids(&self, partition: i32, log: &[RecordId]) {
        let mut seen = BTreeSet::new();
        let mut newest = None;
        for id in log {
            let sent = self.records.get(*id as usize);
            let sent = sent.filter(|sent| sent.partition == partition && sent.accepted.is_some());
            broken_if(I12, sent.is_none(), || {
                format!("partition {partition} holds record {id}: never sent there")
            });
            let sent = sent.expect("just seen");
            let is_first = seen.insert(id);
            broken_if(I3, self.limits.idempotence && !is_first, || {
                format!("record {id} is in partition {partition} twice")
            });
            broken_if(I5, sent.is_absent, || {
                format!(
                    "record {id} is in partition {partition}, and its error said that it is not"
                )
            });
            // With acks=0 a request may be lost unnoticed. What no broker has acknowledged may
            // come late where no epoch fences it.
            let is_acknowledged =
                self.limits.acks != Acks::None && matches!(sent.outcome, Some(Ok(_)));
            let has_place =
                is_first && self.has_memory && (is_acknowledged || self.limits.has_fences);
            broken_if(I4, has_place && newest > Some(sent.order), || {
                format!("record {id} in partition {partition} is behind one that was sent later")
            });
            newest = newest.max(Some(sent.order));
        }
    }

    /// Each acknowledged record lies at its offset, in one of the logs that the partition has had.
    pub(in crate::sim) fn check_acknowledged(&self, partition: i32, logs: &[&[RecordId]]) {
        for (id, sent) in (0..).zip(&self.records) {
            if sent.partition != partition {
                continue;
            }
            let is_anywhere = self.limits.has_transactions && matches!(sent.outcome, Some(Ok(_)));
            let is_anywhere = is_anywhere || sent.outcome == Some(Ok(None));
            if is_anywhere && self.limits.acks != Acks::None {
                broken_if(I2, !logs.iter().any(|log| log.contains(&id)), || {
                    format!("record {id} was acknowledged, and is not in partition {partition}")
                });
            }
            if let Some(Ok(Some(offset))) = sent.outcome
                && !self.limits.has_transactions
            {
                let at = usize::try_from(offset).unwrap_or(usize::MAX);
                let found: Vec<_> = logs.iter().filter_map(|log| log.get(at)).collect();
                broken_if(I2, !found.contains(&&id), || {
                    format!(
                        "record {id} was acknowledged at {partition}:{offset}, which holds {found:?}"
                    )
                });
            }
        }
    }
}
