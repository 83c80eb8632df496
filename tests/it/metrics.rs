//! What the counters count.
