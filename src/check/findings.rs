//! What is wrong with one thing, collected while it is judged.

use super::report::{Cause, Finding, Severity, Suspect};

/// The findings about one thing: a server, a broker, the cluster, a topic.
pub(super) struct Findings {
    /// Of the findings that are added from now on.
    pub(super) severity: Severity,
    /// The thing, as a reader knows it: "broker 1 at host:9092".
    pub(super) subject: String,
    pub(super) all: Vec<Finding>,
}

/// A [`Finding`] before it is known how bad it is and what it is about.
pub(super) struct Complaint {
    pub(super) cause: Cause,
    pub(super) suspect: Suspect,
    pub(super) message: String,
    pub(super) advice: String,
}

impl Findings {
    pub(super) fn new(severity: Severity, subject: String) -> Self {
        Self {
            severity,
            subject,
            all: Vec::new(),
        }
    }

    /// Adds a finding. A host with many addresses that all refuse connections makes one finding, not
    /// one for each: a complaint with the advice of the one before it only adds its sentence.
    pub(super) fn add(&mut self, complaint: Complaint) {
        let Complaint {
            cause,
            suspect,
            message,
            advice,
        } = complaint;
        let severity = self.severity;
        if let Some(last) = self.all.last_mut()
            && (last.cause, last.severity, &last.advice) == (cause, severity, &advice)
        {
            last.message += " ";
            last.message += &message;
            return;
        }
        self.all.push(Finding {
            severity,
            cause,
            suspect,
            subject: self.subject.clone(),
            message,
            advice,
        });
    }
}
