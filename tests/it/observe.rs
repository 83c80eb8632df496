//! What tests see of time and of this process's threads, besides what the library tells.

use std::fs;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::support::PATIENCE;

#[expect(
    clippy::disallowed_methods,
    reason = "tests measure how long calls take"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Runs `call` and tells how long it took.
pub(crate) fn timed<T>(call: impl FnOnce() -> T) -> (T, Duration) {
    let started = now();
    let result = call();
    (result, started.elapsed())
}

/// Waits for what nobody announces: looks again and again, a millisecond apart.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = now() + PATIENCE;
    let (lock, never) = (Mutex::new(()), Condvar::new());
    while !is_so() {
        assert!(now() < deadline, "{what}, in time");
        let guard = lock.lock().unwrap();
        let _waited = never.wait_timeout(guard, Duration::from_millis(1)).unwrap();
    }
}

/// The producer's I/O threads whose `client.id` begins with these five characters, which is as much
/// as Linux keeps of it; each is named by its directory in `/proc`. For a moment they may be more
/// than there are: a new helper has the name of the thread that starts it, and one that was joined
/// may still be listed.
pub(crate) fn io_threads(client_id: &str) -> Vec<String> {
    assert_eq!(client_id.len(), 5, "Linux cuts names of threads off here");
    let name = format!("linger-io {client_id}");
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| Some(task.ok()?.path().to_str()?.to_owned()))
        // A thread may end while we look.
        .filter(|task| {
            fs::read_to_string(format!("{task}/comm")).is_ok_and(|comm| comm.trim() == name)
        })
        .collect()
}

/// The producer's I/O thread.
pub(crate) fn io_thread(client_id: &str) -> String {
    eventually("the producer has one thread", || {
        io_threads(client_id).len() == 1
    });
    io_threads(client_id).remove(0)
}

/// The calling thread's directory in `/proc`.
pub(crate) fn this_thread() -> String {
    let link = fs::read_link("/proc/thread-self").unwrap();
    format!("/proc/{}", link.to_str().unwrap())
}

/// Waits until a thread sleeps.
pub(crate) fn wait_until_asleep(thread: &str) {
    eventually("the thread sleeps", || {
        let status = fs::read_to_string(format!("{thread}/status")).unwrap_or_default();
        status.contains("State:\tS")
    });
}

/// How often a thread has gone to sleep so far.
pub(crate) fn sleeps(thread: &str) -> u64 {
    let status = fs::read_to_string(format!("{thread}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

/// How long a thread has been running on a processor.
pub(crate) fn cpu_time(thread: &str) -> Duration {
    let statistics = fs::read_to_string(format!("{thread}/schedstat")).unwrap();
    let nanoseconds = statistics.split(' ').next();
    Duration::from_nanos(nanoseconds.unwrap().parse().unwrap())
}
