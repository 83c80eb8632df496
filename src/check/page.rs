//! A report as text for people: each thing that was looked at on a line of its own, which begins with
//! `ok`, `warning` or `problem`; below it what is wrong and what to do.

use std::fmt;

use super::report::{
    CheckReport, CheckedBroker, CheckedCluster, CheckedServer, CheckedTopic, Finding, Severity,
    worst,
};
use super::wording::clean;

/// Lines are broken before they get longer.
const WIDTH: usize = 100;
/// The column in which texts begin, behind the word for the severity.
const INDENT: usize = 11;

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "bootstrap servers")?;
        for server in &self.servers {
            let place = place(server);
            head(f, &server.findings, &place)?;
            details(f, server)?;
            tell(f, &server.findings)?;
        }
        if let Some(cluster) = &self.cluster {
            self.cluster(f, cluster)?;
        }
        if !self.topics.is_empty() {
            writeln!(f, "topics")?;
        }
        for topic in &self.topics {
            head(f, &topic.findings, &title(topic))?;
            tell(f, &topic.findings)?;
        }
        self.sum(f)
    }
}

impl CheckReport {
    fn cluster(&self, f: &mut fmt::Formatter<'_>, cluster: &CheckedCluster) -> fmt::Result {
        write!(f, "cluster")?;
        if let Some(id) = &cluster.id {
            write!(f, " {id}")?;
        }
        write!(f, ": {}", counted(self.brokers.len(), "broker"))?;
        if let Some(controller) = cluster.controller {
            write!(f, ", controller {controller}")?;
        }
        writeln!(f, " (according to {})", cluster.told_by)?;
        if !cluster.findings.is_empty() {
            head(f, &cluster.findings, "as a whole")?;
            tell(f, &cluster.findings)?;
        }
        for broker in &self.brokers {
            let CheckedBroker { id, rack, server } = broker;
            let mut title = format!("broker {id} at {}", place(server));
            if let Some(rack) = rack {
                title += &format!(", rack {rack}");
            }
            head(f, &server.findings, &title)?;
            details(f, server)?;
            tell(f, &server.findings)?;
        }
        Ok(())
    }

    fn sum(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |severity| {
            let of = |finding: &&Finding| finding.severity == severity;
            self.findings().filter(of).count()
        };
        let (problems, warnings) = (count(Severity::Problem), count(Severity::Warning));
        let took = self.took.as_millis();
        write!(
            f,
            "{}, {} ({took} ms)",
            counted(problems, "problem"),
            counted(warnings, "warning")
        )
    }
}

fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

fn place(server: &CheckedServer) -> String {
    let CheckedServer { host, port, .. } = server;
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// The line of one thing: its severity and its name.
fn head(f: &mut fmt::Formatter<'_>, findings: &[Finding], title: &str) -> fmt::Result {
    writeln!(f, "  {:7}  {title}", worst(findings).name())
}

/// The addresses that answered.
fn details(f: &mut fmt::Formatter<'_>, server: &CheckedServer) -> fmt::Result {
    for address in &server.addresses {
        let Some(took) = address.answered_after else {
            continue;
        };
        let used = address.apis.iter().filter_map(|api| {
            let version = api.used?;
            Some(format!("{} {version}", api.name))
        });
        let used: Vec<String> = used.collect();
        let text = format!(
            "{} answered after {} ms; {}",
            address.address,
            took.as_millis(),
            used.join(", ")
        );
        paragraph(f, "", text.trim_end_matches([';', ' ']))?;
    }
    Ok(())
}

fn title(topic: &CheckedTopic) -> String {
    let mut title = clean(&topic.name);
    if topic.partitions > 0 {
        title += &format!(": {}", counted(topic.partitions, "partition"));
        title += match topic.may_write {
            Some(true) => ", may be written",
            Some(false) => ", may not be written",
            None => ", write permission unknown",
        };
    }
    title
}

fn tell(f: &mut fmt::Formatter<'_>, findings: &[Finding]) -> fmt::Result {
    for finding in findings {
        paragraph(f, "", &finding.message)?;
        paragraph(f, "-> ", &finding.advice)?;
    }
    Ok(())
}

/// A text, wrapped and indented. The mark stands in front of its first line.
fn paragraph(f: &mut fmt::Formatter<'_>, mark: &str, text: &str) -> fmt::Result {
    let mut indent = " ".repeat(INDENT) + mark;
    let mut line = String::new();
    for word in text.split_whitespace() {
        let width = indent.len() + line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && width > WIDTH {
            writeln!(f, "{indent}{line}")?;
            indent = " ".repeat(indent.len());
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    if line.is_empty() {
        return Ok(());
    }
    writeln!(f, "{indent}{line}")
}
