//! The producer's counters as the table that Kafka's tool prints, by the names that Kafka has for
//! them. Counters that have no such name are left out.

use std::fmt;

/// A table of metrics of one client.
pub(crate) struct Table<'a> {
    pub(crate) client_id: &'a str,
    /// Names and values, in the order of the names.
    pub(crate) rows: &'a [(&'a str, u64)],
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self
            .rows
            .iter()
            .map(|(name, _)| format!("producer-metrics:{name}:{{client-id={}}}", self.client_id))
            .collect();
        let width = names.iter().map(String::len).max().unwrap_or(0);
        write!(f, "\n{:<width$}   Value", "Metric Name")?;
        for (name, (_, value)) in names.iter().zip(self.rows) {
            write!(f, "\n{name:<width$} : {value}.000")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_the_table_as_kafka_does() {
        let table = Table {
            client_id: "perf-producer-client",
            rows: &[
                ("buffer-available-bytes", 33_554_432),
                ("record-send-total", 5),
                ("successful-authentication-no-reauth-total", 0),
            ],
        };
        let recorded: Vec<_> = include_str!("kafka-output.txt")
            .lines()
            .skip_while(|line| !line.starts_with("Metric Name"))
            .take_while(|line| !line.starts_with("--"))
            .collect();
        assert_eq!(table.to_string(), format!("\n{}", recorded.join("\n")));
    }
}
