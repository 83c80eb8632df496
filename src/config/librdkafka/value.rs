//! Values from librdkafka's units into Kafka's.

/// How a value is translated into Kafka's unit. The caller puts the property's name and value in front
/// of a complaint. Whether the result is in Kafka's range is checked later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Value {
    AsIs,
    /// Brokers whose port may be missing.
    Servers,
    /// KiB into bytes.
    Kibibytes,
    /// Milliseconds with a fraction, into whole ones.
    MillisRoundedUp,
    /// 0 is for ever.
    MillisZeroForNever,
    /// 0 and less is never.
    MillisOrNever,
    /// 0 leaves it to the system, which is −1 in Kafka.
    ZeroForTheSystems,
}

impl Value {
    pub(super) fn translate(self, text: &str) -> Result<String, String> {
        let out = match self {
            Self::Servers => with_ports(text),
            Self::Kibibytes => match text.parse::<i64>() {
                Ok(kibibytes @ 1..=0x7fff_ffff) => (kibibytes * 1024).to_string(),
                _ => return Err("it takes 1 to 2147483647 (KiB)".to_owned()),
            },
            Self::MillisRoundedUp => match text.parse::<f64>() {
                Ok(millis) if (0.0..=900_000.0).contains(&millis) => {
                    format!("{:.0}", millis.ceil())
                }
                _ => return Err("it takes 0 to 900000 (ms), with a fraction if need be".to_owned()),
            },
            Self::MillisZeroForNever if text == "0" => LONGEST_INT.to_owned(),
            Self::MillisOrNever if text.parse::<i64>().is_ok_and(|millis| millis <= 0) => {
                LONGEST_LONG.to_owned()
            }
            Self::ZeroForTheSystems if text == "0" => "-1".to_owned(),
            Self::AsIs
            | Self::MillisZeroForNever
            | Self::MillisOrNever
            | Self::ZeroForTheSystems => text.to_owned(),
        };
        Ok(out)
    }

    /// What is done to the value, for the documentation.
    #[cfg(test)]
    pub(in super::super) fn describe(self) -> &'static str {
        match self {
            Self::AsIs => "",
            Self::Servers => "without a port: 9092",
            Self::Kibibytes => "KiB: times 1024",
            Self::MillisRoundedUp => "a fraction is rounded up",
            Self::MillisZeroForNever => "0, for ever, is 2147483647",
            Self::MillisOrNever => "0 and -1, never, are 9223372036854775807",
            Self::ZeroForTheSystems => "0, the system's, is -1",
        }
    }
}

/// Kafka's levels for librdkafka's one, which is that of whatever codec is used. What is too high
/// for a codec counts as its highest, and −1 is the codec's default.
pub(super) fn levels(text: &str) -> Result<[(&'static str, String); 3], String> {
    let Ok(level @ -1..=12) = text.parse::<i64>() else {
        return Err("it takes -1 to 12".to_owned());
    };
    let gzip = if level < 0 { -1 } else { level.clamp(1, 9) };
    // Kafka's 9 is the fast compressor.
    let lz4 = match level {
        ..3 => 9,
        9 => 10,
        _ => level,
    };
    let zstd = if level < 1 { 3 } else { level };
    Ok([
        ("compression.gzip.level", gzip.to_string()),
        ("compression.lz4.level", lz4.to_string()),
        ("compression.zstd.level", zstd.to_string()),
    ])
}

fn with_ports(servers: &str) -> String {
    let with_port = |server: &str| {
        let server = server.trim();
        let host = server.rsplit_once("://").map_or(server, |(_, host)| host);
        let has_port = match host.strip_prefix('[') {
            Some(bracketed) => bracketed.contains("]:"),
            None => host.contains(':'),
        };
        match has_port || server.is_empty() {
            true => server.to_owned(),
            false => format!("{server}:9092"),
        }
    };
    let servers: Vec<_> = servers.split(',').map(with_port).collect();
    servers.join(",")
}

const LONGEST_INT: &str = "2147483647";
const LONGEST_LONG: &str = "9223372036854775807";
