//! What a user of Linger can observe, against the mock cluster: real threads, real sockets, real
//! frames, no sleeps. One binary, one module for each subject.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers outside of test functions are tests, too"
)]

mod another_cluster;
mod backpressure;
mod bad_input;
mod batching;
mod callbacks;
mod check;
mod compression;
mod deadlines;
mod death;
mod delivery;
mod docs_links;
mod extremes;
mod fakes;
mod fates;
mod first_record;
mod futures;
mod groups;
mod hand_back;
mod idempotence;
mod interceptors;
mod logged;
mod metadata;
mod metrics;
mod observe;
mod of_one_topic;
mod panics;
mod partitioning;
mod purge;
mod question_mark;
mod records;
mod retries;
mod serializers;
mod shutdown;
mod state;
mod support;
mod throttling;
mod tidy;
mod transactions;
mod which_record;
