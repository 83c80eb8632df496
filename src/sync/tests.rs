//! That a mistake in the order of locks is noticed, whatever the schedule.

use super::*;

/// What the panic of `mistake` says.
fn panic_of(mistake: impl FnOnce() + Send) -> String {
    let panic = thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, mistake);
        thread.unwrap().join().unwrap_err()
    });
    panic.downcast_ref::<String>().unwrap().clone()
}

#[test]
fn a_lock_against_the_order_panics_and_names_both() {
    let topics = Mutex::ranked(Rank::Topics, ());
    let partition = Mutex::ranked(Rank::Partition, ());
    {
        let _topics = topics.lock();
        let _partition = partition.lock();
    }
    let text = panic_of(|| {
        let _partition = partition.lock();
        let _topics = topics.lock();
    });
    assert!(
        text.contains("Topics is locked while Partition is held"),
        "{text}"
    );
}

#[test]
fn two_locks_of_one_rank_panic() {
    let partitions = [(); 2].map(|()| Mutex::ranked(Rank::Partition, ()));
    let text = panic_of(|| {
        let _first = partitions[0].lock();
        let _second = partitions[1].lock();
    });
    assert!(
        text.contains("Partition is locked while Partition"),
        "{text}"
    );
}

#[test]
fn user_code_under_a_lock_panics() {
    let mailbox = Mutex::ranked(Rank::Mailbox, ());
    let text = panic_of(|| {
        let _mailbox = mailbox.lock();
        assert_unlocked();
    });
    assert!(text.contains("[Mailbox]"), "{text}");
}

#[test]
fn a_wait_under_another_lock_panics() {
    let partition = Mutex::ranked(Rank::Partition, ());
    let line = Mutex::ranked(Rank::MemoryQueue, ());
    let text = panic_of(|| {
        let _partition = partition.lock();
        Condvar::new().wait(&mut line.lock());
    });
    assert!(text.contains("[Partition, MemoryQueue]"), "{text}");
}

#[test]
fn locks_may_be_given_back_in_any_order() {
    let topics = Mutex::ranked(Rank::Topics, ());
    let partition = Mutex::ranked(Rank::Partition, ());
    let held = (topics.lock(), partition.lock());
    drop(held.0);
    drop(held.1);
    assert_unlocked();
    drop(topics.lock());
}
