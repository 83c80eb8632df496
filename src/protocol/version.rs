//! Version ranges, and which version of an API to use with a broker. Pure; used for every request.

use std::fmt;

use crate::protocol::ApiKey;
use crate::protocol::messages::ApiVersionRange;

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

/// The versions that one broker speaks, of the APIs that this crate knows. Empty by default: nothing is
/// known yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ApiVersions(Vec<(ApiKey, VersionRange)>);

impl ApiVersions {
    /// From a broker's answer; leaves out APIs that this crate does not know.
    pub(crate) fn new(answered: &[ApiVersionRange]) -> Self {
        let known = answered.iter().filter_map(|row| {
            let api = ApiKey::from_code(row.api_key)?;
            Some((api, VersionRange::new(row.min, row.max)))
        });
        Self(known.collect())
    }

    /// The broker's versions of `api`; `None` if it does not have it.
    pub(crate) fn range(&self, api: ApiKey) -> Option<VersionRange> {
        let row = self.0.iter().find(|(key, _)| *key == api);
        row.map(|(_, range)| *range)
    }

    /// The newest version of `api` that is in `ours` and that the broker speaks too.
    pub(crate) fn pick(&self, api: ApiKey, ours: VersionRange) -> Option<i16> {
        self.range(api)?.newest_common(ours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
