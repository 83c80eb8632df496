//! What was measured, and the lines that tell it: character for character those of Kafka 4.3.1,
//! because programs read them. Reads no clock; times are milliseconds since the program started.

use std::fmt;

/// More latencies than this are sampled, not kept one by one.
const KEPT_LATENCIES: u64 = 500_000;

/// The measurements of a whole run: all records, and apart from them those after the warm-up.
pub(crate) struct Report {
    all: Stats,
    steady: Option<Stats>,
}

impl Report {
    /// A report of `records` records that tells its progress every `interval_ms`.
    pub(crate) fn new(records: u64, interval_ms: u64, now_ms: u64) -> Self {
        Self {
            all: Stats::new(records, interval_ms, now_ms),
            steady: None,
        }
    }

    /// The warm-up is over: the last `records` records are on their way. From here on the windows
    /// tell of them alone.
    pub(crate) fn end_warmup(&mut self, records: u64, now_ms: u64) {
        self.steady = Some(Stats::new(records, self.all.interval_ms, now_ms));
    }

    /// Counts an acknowledged record; returns the lines that are due, if any.
    pub(crate) fn record(&mut self, now_ms: u64, sample: Sample) -> Vec<String> {
        let mut lines = Vec::new();
        let window = self.all.record(now_ms, sample);
        let Some(steady) = &mut self.steady else {
            lines.extend(window.map(|window| window.to_string()));
            return lines;
        };
        if sample.after_warmup
            && let Some(window) = steady.record(now_ms, sample)
        {
            if window.tally.records == steady.total.records {
                lines.push("In steady state.".to_owned());
            }
            lines.push(window.to_string());
        }
        lines
    }

    /// Records counted so far.
    pub(crate) fn records(&self) -> u64 {
        self.all.total.records
    }

    /// The closing lines: one, or two after a warm-up.
    pub(crate) fn summary(&mut self, now_ms: u64) -> Vec<String> {
        let mut lines = vec![self.all.summary(now_ms, "").to_string()];
        if let Some(steady) = &mut self.steady {
            lines.push(steady.summary(now_ms, " steady state").to_string());
        }
        lines
    }
}

/// One acknowledged record.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) latency_ms: u64,
    pub(crate) bytes: u64,
    /// Whether it was sent after the warm-up.
    pub(crate) after_warmup: bool,
}

/// Sums since some moment.
#[derive(Clone, Copy, Default)]
struct Tally {
    start_ms: u64,
    records: u64,
    bytes: u64,
    total_latency_ms: u64,
    max_latency_ms: u64,
}

impl Tally {
    fn since(start_ms: u64) -> Self {
        Self {
            start_ms,
            ..Self::default()
        }
    }

    fn add(&mut self, sample: Sample) {
        self.records += 1;
        self.bytes += sample.bytes;
        self.total_latency_ms += sample.latency_ms;
        self.max_latency_ms = self.max_latency_ms.max(sample.latency_ms);
    }

    fn records_per_second(&self, now_ms: u64) -> Real {
        Real(1000.0 * real(self.records) / real(now_ms - self.start_ms))
    }

    fn megabytes_per_second(&self, now_ms: u64) -> Real {
        Real(1000.0 * real(self.bytes) / real(now_ms - self.start_ms) / (1024.0 * 1024.0))
    }

    fn average_latency_ms(&self) -> Real {
        Real(real(self.total_latency_ms) / real(self.records))
    }
}

/// All records, or those after the warm-up.
struct Stats {
    total: Tally,
    window: Tally,
    interval_ms: u64,
    latencies_ms: Vec<u64>,
    /// Every how many records a latency is kept.
    sampling: u64,
}

impl Stats {
    fn new(records: u64, interval_ms: u64, now_ms: u64) -> Self {
        let sampling = records / records.clamp(1, KEPT_LATENCIES);
        let kept = records.checked_div(sampling).unwrap_or(0) + 1;
        Self {
            total: Tally::since(now_ms),
            window: Tally::since(now_ms),
            interval_ms,
            latencies_ms: Vec::with_capacity(usize::try_from(kept).unwrap_or(0)),
            sampling: sampling.max(1),
        }
    }

    /// Counts a record; returns the window that ends with it, if one does.
    fn record(&mut self, now_ms: u64, sample: Sample) -> Option<WindowLine> {
        if self.total.records.is_multiple_of(self.sampling) {
            self.latencies_ms.push(sample.latency_ms);
        }
        self.total.add(sample);
        self.window.add(sample);
        if now_ms - self.window.start_ms < self.interval_ms {
            return None;
        }
        let tally = std::mem::replace(&mut self.window, Tally::since(now_ms));
        Some(WindowLine { tally, now_ms })
    }

    fn summary(&mut self, now_ms: u64, label: &'static str) -> SummaryLine {
        self.latencies_ms.sort_unstable();
        // In thousandths, so that no rounding picks a neighbour.
        let percentiles_ms = [500, 950, 990, 999].map(|rank| {
            let index = self.latencies_ms.len() * rank / 1000;
            self.latencies_ms.get(index).copied().unwrap_or(0)
        });
        SummaryLine {
            tally: self.total,
            now_ms,
            label,
            percentiles_ms,
        }
    }
}

/// A line of progress.
struct WindowLine {
    tally: Tally,
    now_ms: u64,
}

impl fmt::Display for WindowLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} records sent, {:.1} records/sec ({:.2} MB/sec), {:.1} ms avg latency, \
             {:.1} ms max latency.",
            self.tally.records,
            self.tally.records_per_second(self.now_ms),
            self.tally.megabytes_per_second(self.now_ms),
            self.tally.average_latency_ms(),
            Real(real(self.tally.max_latency_ms)),
        )
    }
}

/// A line at the end.
struct SummaryLine {
    tally: Tally,
    now_ms: u64,
    label: &'static str,
    percentiles_ms: [u64; 4],
}

impl fmt::Display for SummaryLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, most, nearly_all, all_but_one] = self.percentiles_ms;
        write!(
            f,
            "{}{} records sent, {:.6} records/sec ({:.2} MB/sec), {:.2} ms avg latency, \
             {:.2} ms max latency, {half} ms 50th, {most} ms 95th, {nearly_all} ms 99th, \
             {all_but_one} ms 99.9th.",
            self.tally.records,
            self.label,
            self.tally.records_per_second(self.now_ms),
            self.tally.megabytes_per_second(self.now_ms),
            self.tally.average_latency_ms(),
            Real(real(self.tally.max_latency_ms)),
        )
    }
}

/// A number that prints as Java's: `Infinity` instead of `inf`.
struct Real(f64);

impl fmt::Display for Real {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_infinite() {
            return f.write_str("Infinity");
        }
        self.0.fmt(f)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "for printing, 53 bits are plenty"
)]
fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines that Kafka's own tool printed.
    const RECORDED: &str = include_str!("kafka-output.txt");

    fn sample(latency_ms: u64) -> Sample {
        Sample {
            latency_ms,
            bytes: 100,
            after_warmup: false,
        }
    }

    fn steady(latency_ms: u64) -> Sample {
        Sample {
            after_warmup: true,
            ..sample(latency_ms)
        }
    }

    fn assert_recorded(line: &str) {
        assert!(
            RECORDED.lines().any(|recorded| recorded == line),
            "Kafka never printed {line:?}"
        );
    }

    #[test]
    fn prints_a_window_as_kafka_does() {
        let tally = Tally {
            start_ms: 10,
            records: 960,
            bytes: 96_000,
            total_latency_ms: 171_264,
            max_latency_ms: 759,
        };
        assert_recorded(
            &WindowLine {
                tally,
                now_ms: 1014,
            }
            .to_string(),
        );
    }

    #[test]
    fn prints_the_summaries_as_kafka_does() {
        let tally = |start_ms, records, total_latency_ms, max_latency_ms| Tally {
            start_ms,
            records,
            bytes: records * 100,
            total_latency_ms,
            max_latency_ms,
        };
        let all = SummaryLine {
            tally: tally(0, 3000, 196_770, 759),
            now_ms: 3026,
            label: "",
            percentiles_ms: [14, 253, 260, 260],
        };
        assert_recorded(&all.to_string());
        let steady = SummaryLine {
            tally: tally(0, 3000, 18_720, 33),
            now_ms: 3036,
            label: " steady state",
            percentiles_ms: [6, 11, 20, 33],
        };
        assert_recorded(&steady.to_string());
        assert_recorded(&Report::new(2, 5000, 0).summary(400)[0]);
    }

    #[test]
    fn a_run_shorter_than_the_clock_can_tell_is_infinitely_fast() {
        let mut report = Report::new(1, 5000, 7);
        report.record(7, sample(0));
        let line = report.summary(7).remove(0);
        assert!(
            line.starts_with("1 records sent, Infinity records/sec (Infinity MB/sec)"),
            "{line}"
        );
    }

    #[test]
    fn a_window_ends_with_the_record_that_reaches_the_interval() {
        let mut report = Report::new(10, 1000, 0);
        assert!(report.record(500, sample(4)).is_empty());
        assert!(report.record(999, sample(8)).is_empty());
        let lines = report.record(1500, sample(0));
        assert_eq!(
            lines,
            [
                "3 records sent, 2.0 records/sec (0.00 MB/sec), 4.0 ms avg latency, 8.0 ms max latency."
            ]
        );
        assert!(
            report.record(2499, sample(1)).is_empty(),
            "the next window starts at 1500"
        );
        assert!(report.record(2500, sample(1))[0].starts_with("2 records sent, 2.0 records/sec"));
        assert_eq!(report.records(), 5);
    }

    #[test]
    fn percentiles_are_latencies_that_were_measured() {
        let mut report = Report::new(1000, 5000, 0);
        for latency in (0..1000).rev() {
            report.record(1, sample(latency));
        }
        let line = report.summary(1000).remove(0);
        assert!(
            line.ends_with("500 ms 50th, 950 ms 95th, 990 ms 99th, 999 ms 99.9th."),
            "{line}"
        );
    }

    #[test]
    fn keeps_a_bounded_number_of_latencies() {
        let mut stats = Stats::new(1_200_000, 5000, 0);
        for latency in 0..1_200_000 {
            stats.record(0, sample(latency));
        }
        assert_eq!(stats.latencies_ms.len(), 600_000);
        let summary = stats.summary(1, "");
        assert_eq!(
            summary.percentiles_ms,
            [600_000, 1_140_000, 1_188_000, 1_198_800]
        );
    }

    #[test]
    fn after_the_warmup_the_windows_tell_of_the_steady_state_only() {
        let mut report = Report::new(6, 1000, 0);
        assert_eq!(report.record(1000, sample(50)).len(), 1);
        report.end_warmup(4, 1100);
        assert!(
            report.record(2000, sample(50)).is_empty(),
            "a late record of the warm-up"
        );
        report.record(2000, steady(2));
        let lines = report.record(2100, steady(4));
        assert_eq!(lines[0], "In steady state.");
        assert!(
            lines[1].starts_with("2 records sent, 2.0 records/sec"),
            "{}",
            lines[1]
        );
        report.record(2200, steady(2));
        let lines = report.record(3100, steady(2));
        assert_eq!(
            lines.len(),
            1,
            "the steady state is announced once: {lines:?}"
        );
        let lines = report.summary(3100);
        assert!(lines[0].starts_with("6 records sent, "), "{}", lines[0]);
        assert!(
            lines[1].starts_with("4 steady state records sent, 2.000000 records"),
            "{}",
            lines[1]
        );
        assert_recorded("In steady state.");
    }
}
