//! Faults as flags have them: read, put into the cluster, and told of at the start.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use linger::ErrorCode;
use linger::testing::{Api, Fault, MockCluster};

/// `produce:NOT_LEADER_OR_FOLLOWER:0.05`
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fail {
    pub(crate) api: Api,
    pub(crate) error: ErrorCode,
    pub(crate) how_often: HowOften,
}

/// `20ms`, `metadata:1s:0.1`
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delay {
    pub(crate) api: Api,
    pub(crate) time: Duration,
    pub(crate) how_often: HowOften,
}

/// `0.01`, `produce:3x`
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Close {
    pub(crate) api: Api,
    pub(crate) how_often: HowOften,
}

/// How many of all that it could happen to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum HowOften {
    Always,
    Chance(f64),
    First(u32),
}

impl HowOften {
    pub(crate) fn is_chance(self) -> bool {
        matches!(self, Self::Chance(_))
    }

    fn apply(self, fault: Fault<'_>) -> Fault<'_> {
        match self {
            Self::Always => fault.always(),
            Self::Chance(probability) => fault.always().chance(probability),
            Self::First(times) => fault.times(times),
        }
    }
}

impl Fail {
    pub(crate) fn install(&self, cluster: &MockCluster) {
        self.how_often
            .apply(cluster.on(self.api))
            .answer(self.error);
    }
}

impl Delay {
    pub(crate) fn install(&self, cluster: &MockCluster) {
        self.how_often.apply(cluster.on(self.api)).delay(self.time);
    }
}

impl Close {
    pub(crate) fn install_before(&self, cluster: &MockCluster) {
        self.how_often.apply(cluster.on(self.api)).close_before();
    }

    pub(crate) fn install_after(&self, cluster: &MockCluster) {
        self.how_often.apply(cluster.on(self.api)).close_after();
    }
}

impl FromStr for Fail {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ':');
        let (Some(name), Some(error)) = (parts.next(), parts.next()) else {
            return Err(
                "it takes an API and an error, as produce:NOT_LEADER_OR_FOLLOWER".to_owned(),
            );
        };
        let error_code = ErrorCode::from_name(&error.to_ascii_uppercase());
        let error_code = error_code.filter(|code| *code != ErrorCode::NONE);
        Ok(Self {
            api: api(name).ok_or_else(|| format!("'{name}' is none of {}", names()))?,
            error: error_code.ok_or_else(|| format!("Kafka has no error called '{error}'"))?,
            how_often: rest(parts.next())?,
        })
    }
}

impl FromStr for Delay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (api, text) = split_api(text);
        let (time, how_often) = match text.split_once(':') {
            Some((time, how_often)) => (time, Some(how_often)),
            None => (text, None),
        };
        Ok(Self {
            api,
            time: duration(time)?,
            how_often: rest(how_often)?,
        })
    }
}

impl FromStr for Close {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (api, text) = split_api(text);
        Ok(Self {
            api,
            how_often: text.parse()?,
        })
    }
}

impl FromStr for HowOften {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(times) = text.strip_suffix('x') {
            let times = times.parse().ok().filter(|times| *times > 0);
            return times.map(Self::First).ok_or_else(|| wrong_often(text));
        }
        let probability: Option<f64> = text.parse().ok();
        match probability.filter(|probability| (0.0..=1.0).contains(probability)) {
            Some(1.0) => Ok(Self::Always),
            Some(probability) => Ok(Self::Chance(probability)),
            None => Err(wrong_often(text)),
        }
    }
}

fn wrong_often(text: &str) -> String {
    format!("'{text}' is neither a probability from 0 to 1, as 0.05, nor the first few, as 3x")
}

/// How often, if it is said.
fn rest(text: Option<&str>) -> Result<HowOften, String> {
    text.map_or(Ok(HowOften::Always), str::parse)
}

/// The API in front, if there is one.
fn split_api(text: &str) -> (Api, &str) {
    let split = text.split_once(':');
    let named = split.and_then(|(name, rest)| Some((api(name)?, rest)));
    named.unwrap_or((Api::Produce, text))
}

/// The names that flags have for APIs: ours, in lower case and with dashes.
const NAMES: [(&str, Api); 9] = [
    ("produce", Api::Produce),
    ("metadata", Api::Metadata),
    ("api-versions", Api::ApiVersions),
    ("init-producer-id", Api::InitProducerId),
    ("find-coordinator", Api::FindCoordinator),
    ("add-partitions-to-txn", Api::AddPartitionsToTxn),
    ("add-offsets-to-txn", Api::AddOffsetsToTxn),
    ("txn-offset-commit", Api::TxnOffsetCommit),
    ("end-txn", Api::EndTxn),
];

/// By Kafka's name or ours: `InitProducerId` is `init-producer-id`.
fn api(name: &str) -> Option<Api> {
    let plain = |name: &str| name.replace('-', "").to_ascii_lowercase();
    let mut names = NAMES.iter();
    let found = names.find(|(ours, _)| plain(ours) == plain(name));
    found.map(|(_, api)| *api)
}

/// All names, as a sentence has them.
fn names() -> String {
    let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

/// The name of an API as flags have it.
pub(crate) fn name(api: Api) -> String {
    match api {
        Api::Other(code) => format!("api-{code}"),
        api => {
            let name = NAMES.iter().find(|(_, one)| *one == api);
            name.map_or_else(|| format!("{api:?}"), |(name, _)| (*name).to_owned())
        }
    }
}

/// Reads `20ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let number_ends = text.find(|c: char| !(c.is_ascii_digit() || c == '.'));
    let (number, unit) = text.split_at(number_ends.unwrap_or(text.len()));
    let of_one = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "" => return Err(format!("'{text}' needs a unit: us, ms, s or m")),
        _ => return Err(format!("'{text}' is no time, as 20ms or 1.5s")),
    };
    let number: Option<f64> = number.parse().ok();
    let seconds = number.map(|number| number * of_one);
    let seconds = seconds.filter(|seconds| *seconds <= LONGEST_DELAY.as_secs_f64());
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.ok_or_else(|| format!("'{text}' is no time, as 20ms or 1.5s, of up to a day"))
}

/// More than any client waits for.
const LONGEST_DELAY: Duration = Duration::from_secs(24 * 60 * 60);

impl HowOften {
    /// "all requests", "5 % of the requests", "the first 3 requests".
    fn of(self, request: &str, requests: &str) -> String {
        match self {
            Self::Always => format!("all {requests}"),
            Self::Chance(probability) => {
                // Rounded, because 0.07 times 100 is not quite 7.
                let percent = (probability * 1e6).round() / 1e4;
                format!("{percent} % of the {requests}")
            }
            Self::First(1) => format!("the first {request}"),
            Self::First(times) => format!("the first {times} {requests}"),
        }
    }

    fn of_requests(self, api: Api) -> String {
        let request = format!("{} request", name(api));
        self.of(&request, &format!("{request}s"))
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.api {
            Api::Produce if self.how_often.is_chance() => self.how_often.of("batch", "batches"),
            Api::Metadata if self.how_often.is_chance() => {
                self.how_often.of("topic", "topics in metadata")
            }
            api => self.how_often.of_requests(api),
        };
        write!(f, "answers {} to {what}", self.error.name())
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = self.how_often.of_requests(self.api);
        write!(f, "answers {:?} late to {requests}", self.time)
    }
}

impl fmt::Display for Close {
    /// Follows when the connection is closed: before or after.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.how_often.of_requests(self.api))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_errors() {
        let fail: Fail = "produce:NOT_LEADER_OR_FOLLOWER:0.05".parse().unwrap();
        assert_eq!(
            fail,
            Fail {
                api: Api::Produce,
                error: ErrorCode::NOT_LEADER_OR_FOLLOWER,
                how_often: HowOften::Chance(0.05),
            }
        );
        let fail: Fail = "InitProducerId:coordinator_load_in_progress:3x"
            .parse()
            .unwrap();
        assert_eq!(fail.api, Api::InitProducerId);
        assert_eq!(fail.error, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        assert_eq!(fail.how_often, HowOften::First(3));
        for name in ["EndTxn", "end-txn", "ENDTXN"] {
            let fail: Fail = format!("{name}:CONCURRENT_TRANSACTIONS").parse().unwrap();
            assert_eq!(fail.api, Api::EndTxn);
        }
        let always: Fail = "metadata:LEADER_NOT_AVAILABLE".parse().unwrap();
        assert_eq!(
            (always.api, always.how_often),
            (Api::Metadata, HowOften::Always)
        );
    }

    #[test]
    fn reads_delays_and_lost_connections() {
        let delay = |api, time, how_often| Delay {
            api,
            time,
            how_often,
        };
        let millis = Duration::from_millis;
        for (text, expected) in [
            ("20ms", delay(Api::Produce, millis(20), HowOften::Always)),
            (
                "1.5s:0.5",
                delay(Api::Produce, millis(1_500), HowOften::Chance(0.5)),
            ),
            (
                "metadata:1m:2x",
                delay(Api::Metadata, millis(60_000), HowOften::First(2)),
            ),
            (
                "api-versions:250us",
                delay(
                    Api::ApiVersions,
                    Duration::from_micros(250),
                    HowOften::Always,
                ),
            ),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        let close: Close = "0.01".parse().unwrap();
        assert_eq!(
            (close.api, close.how_often),
            (Api::Produce, HowOften::Chance(0.01))
        );
        let close: Close = "metadata:1".parse().unwrap();
        assert_eq!(
            (close.api, close.how_often),
            (Api::Metadata, HowOften::Always)
        );
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, why) in [
            (
                "fetch:NOT_LEADER_OR_FOLLOWER",
                "'fetch' is none of produce, metadata",
            ),
            ("produce:NO_SUCH", "Kafka has no error called 'NO_SUCH'"),
            ("produce:NONE", "Kafka has no error called 'NONE'"),
            (
                "produce:NOT_ENOUGH_REPLICAS:2",
                "'2' is neither a probability",
            ),
            ("produce:NOT_ENOUGH_REPLICAS:0x", "'0x' is neither"),
            ("produce:NOT_ENOUGH_REPLICAS:NaN", "'NaN' is neither"),
            ("produce:NOT_ENOUGH_REPLICAS:", "'' is neither"),
            ("produce:NOT_ENOUGH_REPLICAS:0.1:x", "'0.1:x' is neither"),
            ("produce", "an API and an error"),
        ] {
            let error = text.parse::<Fail>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        for (text, why) in [
            ("20", "'20' needs a unit"),
            ("20 ms", "'20 ms' is no time"),
            ("ms", "'ms' is no time"),
            ("-1s", "'-1s' is no time"),
            ("1.2.3s", "'1.2.3s' is no time"),
            ("1e9s", "'1e9s' is no time"),
            ("100000000m", "of up to a day"),
            ("fetch:20ms", "'fetch' is no time"),
            ("20ms:often", "'often' is neither"),
        ] {
            let error = text.parse::<Delay>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!("after".parse::<Close>().is_err());
    }

    #[test]
    fn tells_what_will_go_wrong() {
        let shown = |text: &str| text.parse::<Fail>().unwrap().to_string();
        assert_eq!(
            shown("produce:NOT_LEADER_OR_FOLLOWER:0.07"),
            "answers NOT_LEADER_OR_FOLLOWER to 7 % of the batches"
        );
        assert_eq!(
            shown("metadata:LEADER_NOT_AVAILABLE:3x"),
            "answers LEADER_NOT_AVAILABLE to the first 3 metadata requests"
        );
        let delay: Delay = "20ms:1x".parse().unwrap();
        assert_eq!(
            delay.to_string(),
            "answers 20ms late to the first produce request"
        );
        let close: Close = "0.125".parse().unwrap();
        assert_eq!(close.to_string(), "12.5 % of the produce requests");
        let close: Close = "metadata:1".parse().unwrap();
        assert_eq!(close.to_string(), "all metadata requests");
    }
}
