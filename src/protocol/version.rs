//! Version ranges, and which version of an API to use with a broker. Pure; used for every request.

use std::fmt;

use crate::protocol::ApiKey;
use crate::protocol::messages::{ApiVersionRange, ApiVersionsResponse};

/// Versions of one API, both ends included. Empty if `min` is above `max`, as a broker may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VersionRange {
    pub(crate) min: i16,
    pub(crate) max: i16,
}

impl VersionRange {
    pub(crate) const fn new(min: i16, max: i16) -> Self {
        Self { min, max }
    }

    pub(crate) fn contains(self, version: i16) -> bool {
        (self.min..=self.max).contains(&version)
    }

    /// Without those older than `first`.
    pub(crate) fn since(self, first: i16) -> Self {
        Self::new(self.min.max(first), self.max)
    }

    /// Without those newer than `last`.
    pub(crate) fn until(self, last: i16) -> Self {
        Self::new(self.min, self.max.min(last))
    }

    /// The newest version that both sides speak.
    pub(crate) fn newest_common(self, other: Self) -> Option<i16> {
        let newest = self.max.min(other.max);
        (self.contains(newest) && other.contains(newest)).then_some(newest)
    }

    /// Every version, from the oldest to the newest.
    #[cfg(all(test, feature = "oracle"))]
    pub(crate) fn iter(self) -> impl Iterator<Item = i16> {
        self.min..=self.max
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.min, self.max)
    }
}

/// The two protocols by which a transaction can be spoken (KIP-890). A cluster says which one it wants
/// by the feature `transaction.version`, whichever versions of requests its brokers know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TransactionVersion {
    /// The producer adds partitions and groups to a transaction before it uses them.
    #[default]
    V1,
    /// The brokers do that when they are used, and every transaction has an epoch of its own.
    V2,
}

impl TransactionVersion {
    /// Which one a request of this version speaks, if those of version 2 begin with `first`.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn of(version: i16, first: i16) -> Self {
        if version < first { Self::V1 } else { Self::V2 }
    }

    /// Those of a request's versions that speak this one, if those of version 2 begin with `first`.
    pub(crate) fn limit(self, all: VersionRange, first: i16) -> VersionRange {
        match self {
            Self::V1 => all.until(first - 1),
            Self::V2 => all.since(first),
        }
    }
}

/// What a cluster has switched on for all its brokers, as far as a producer asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FinalizedFeatures {
    /// Grows with every change. Of what two brokers say, that of the larger epoch holds.
    pub(crate) epoch: i64,
    pub(crate) transactions: TransactionVersion,
}

/// The versions that one broker speaks, of the APIs that this crate knows, and what it says about its
/// cluster. Empty by default: nothing is known yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ApiVersions {
    ranges: Vec<(ApiKey, VersionRange)>,
    features: Option<FinalizedFeatures>,
}

impl ApiVersions {
    /// From the versions in a broker's answer; leaves out APIs that this crate does not know.
    pub(crate) fn new(answered: &[ApiVersionRange]) -> Self {
        let known = answered.iter().filter_map(|row| {
            let api = ApiKey::from_code(row.api_key)?;
            Some((api, VersionRange::new(row.min, row.max)))
        });
        Self {
            ranges: known.collect(),
            features: None,
        }
    }

    /// From a broker's whole answer.
    pub(crate) fn of(answer: &ApiVersionsResponse) -> Self {
        let levels = answer.finalized_features.iter();
        let mut levels = levels.filter(|feature| feature.name == TRANSACTION_VERSION);
        let level = levels.next().map_or(0, |feature| feature.max_level);
        let transactions = match level {
            2.. => TransactionVersion::V2,
            _ => TransactionVersion::V1,
        };
        let epoch = answer.finalized_features_epoch;
        Self {
            features: (epoch >= 0).then_some(FinalizedFeatures {
                epoch,
                transactions,
            }),
            ..Self::new(&answer.apis)
        }
    }

    /// What the cluster has switched on; `None` if the broker does not know, or is older than 2.7.
    pub(crate) fn features(&self) -> Option<FinalizedFeatures> {
        self.features
    }

    /// The broker's versions of `api`; `None` if it does not have it.
    pub(crate) fn range(&self, api: ApiKey) -> Option<VersionRange> {
        let row = self.ranges.iter().find(|(key, _)| *key == api);
        row.map(|(_, range)| *range)
    }

    /// The newest version of `api` that is in `ours` and that the broker speaks too.
    pub(crate) fn pick(&self, api: ApiKey, ours: VersionRange) -> Option<i16> {
        self.range(api)?.newest_common(ours)
    }
}

/// The feature's name.
pub(crate) const TRANSACTION_VERSION: &str = "transaction.version";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::error_code::ErrorCode;
    use crate::protocol::messages::FinalizedFeature;

    #[test]
    fn only_the_finalized_feature_switches_version_2_of_transactions_on() {
        let features = |epoch, levels: &[(&str, i16)]| {
            let feature = |&(name, level): &(&str, i16)| FinalizedFeature {
                name: name.to_owned(),
                max_level: level,
                min_level: level,
            };
            let answer = ApiVersionsResponse {
                error: ErrorCode::NONE,
                apis: vec![ApiVersionRange {
                    api_key: 26,
                    min: 0,
                    max: 5,
                }],
                throttle_time_ms: 0,
                finalized_features_epoch: epoch,
                finalized_features: levels.iter().map(feature).collect(),
            };
            let said = ApiVersions::of(&answer).features();
            said.map(|said| (said.epoch, said.transactions))
        };
        let (v1, v2) = (TransactionVersion::V1, TransactionVersion::V2);
        let name = TRANSACTION_VERSION;
        assert_eq!(
            features(7, &[("kraft.version", 1), (name, 2)]),
            Some((7, v2))
        );
        assert_eq!(features(0, &[(name, 3)]), Some((0, v2)));
        assert_eq!(features(7, &[(name, 1)]), Some((7, v1)));
        assert_eq!(features(7, &[("metadata.version", 29)]), Some((7, v1)));
        assert_eq!(features(-1, &[(name, 2)]), None, "an epoch that is none");
    }

    #[test]
    fn a_version_of_transactions_has_its_own_versions_of_a_request() {
        let all = VersionRange::new(3, 13);
        let (v1, v2) = (TransactionVersion::V1, TransactionVersion::V2);
        assert_eq!(v1.limit(all, 12), VersionRange::new(3, 11));
        assert_eq!(v2.limit(all, 12), VersionRange::new(12, 13));
        assert_eq!(
            (v1, v2),
            (
                TransactionVersion::of(11, 12),
                TransactionVersion::of(12, 12)
            )
        );
    }

    #[test]
    fn picks_the_newest_version_that_both_speak() {
        let broker = ApiVersions::new(&[
            ApiVersionRange {
                api_key: 0,
                min: 0,
                max: 7,
            },
            ApiVersionRange {
                api_key: 3,
                min: 9,
                max: 4,
            },
            ApiVersionRange {
                api_key: 999,
                min: 0,
                max: 1,
            },
        ]);
        for (ours, picked) in [
            (VersionRange::new(3, 13), Some(7)),
            (VersionRange::new(0, 5), Some(5)),
            (VersionRange::new(7, 7), Some(7)),
            (VersionRange::new(8, 13), None),
        ] {
            assert_eq!(broker.pick(ApiKey::Produce, ours), picked);
        }
        let all = VersionRange::new(0, i16::MAX);
        assert_eq!(broker.pick(ApiKey::Metadata, all), None, "an empty range");
        assert_eq!(
            broker.pick(ApiKey::ApiVersions, all),
            None,
            "not in the answer"
        );
    }
}
