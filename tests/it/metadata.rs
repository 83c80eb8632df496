//! How topics, leaders and brokers are found, and what happens when they change.
