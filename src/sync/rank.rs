//! The order in which locks may be taken. Two threads that take two locks in different orders can
//! deadlock, but only if they meet at the wrong moment, which a test may never see. Here every lock
//! has a rank, and with debug assertions each `lock` checks the ranks that its thread already holds:
//! so one thread alone shows the mistake, on any schedule. Builds without debug assertions pay
//! nothing.
//!
//! | a thread that holds | may take |
//! |---|---|
//! | nothing | any lock |
//! | `Topics` | `Partition` |
//! | `Partition` | `Notices`, `MemoryQueue` or `Recycler` |
//! | `MemoryQueue`, also in `Partition` | `MemoryAnswer` |
//! | any other | nothing |
//!
//! A thread never holds two locks of the same rank. A thread that waits on a condition variable holds
//! only that variable's lock. The user's code (callbacks, serializers, partitioners, interceptors) runs
//! with no lock held: it may call the producer, which takes locks of its own.

#[cfg(not(debug_assertions))]
use super::Mutex;

/// What a lock protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// Held while the table of topics is replaced. Readers take no lock.
    Topics,
    /// One partition's queue of batches.
    Partition,
    /// Batches that the sender does not know of yet.
    Notices,
    /// The callers that wait for memory, in order.
    MemoryQueue,
    /// The answer to one of these callers.
    MemoryAnswer,
    /// Compressors that are not in use.
    Compressors,
    /// Buffers of finished batches, kept to be used again.
    Recycler,
    /// Which partition gets the next batch of keyless records.
    Turns,
    /// Commands for the I/O thread.
    Mailbox,
    /// An answer that a caller waits for.
    Answer,
    /// The published view of the cluster.
    View,
    /// How the brokers are.
    Health,
    /// What failed, kept for the caller that closes the producer.
    Losses,
    /// What a group of records has gathered.
    Group,
    /// The handle by which the I/O thread is joined.
    Thread,
    /// Why the open transaction can only be aborted.
    Doom,
    /// What a transactional producer that is shared is doing.
    Transactions,
    /// The state of the mock cluster, or of a mock producer.
    #[cfg(feature = "testing")]
    MockCluster,
    /// A lock of a test's own.
    #[cfg(test)]
    Test,
}

/// Makes a lock of a rank, in every build.
pub(crate) trait Ranked<T> {
    fn ranked(rank: Rank, value: T) -> Self;
}

#[cfg(not(debug_assertions))]
impl<T> Ranked<T> for Mutex<T> {
    fn ranked(_: Rank, value: T) -> Self {
        Self::new(value)
    }
}

/// Called before the user's code runs, which may call any method of the producer: with debug
/// assertions, panics if this thread holds a lock of the crate.
#[inline]
#[track_caller]
pub(crate) fn assert_unlocked() {
    #[cfg(debug_assertions)]
    assert_only(None);
}

#[cfg(debug_assertions)]
pub(super) use held::{Held, assert_only};

#[cfg(debug_assertions)]
mod held {
    use std::cell::Cell;

    use super::Rank;

    #[cfg(all(test, shuttle))]
    use shuttle::thread_local;

    thread_local! {
        /// One bit for each rank that this thread holds. Needs no destructor, so that it works until
        /// the end of the thread.
        static HELD: Cell<u32> = const { Cell::new(0) };
    }

    const ALL: &[Rank] = &[
        Rank::Topics,
        Rank::Partition,
        Rank::Notices,
        Rank::MemoryQueue,
        Rank::MemoryAnswer,
        Rank::Compressors,
        Rank::Recycler,
        Rank::Turns,
        Rank::Mailbox,
        Rank::Answer,
        Rank::View,
        Rank::Health,
        Rank::Losses,
        Rank::Group,
        Rank::Thread,
        Rank::Doom,
        Rank::Transactions,
        #[cfg(feature = "testing")]
        Rank::MockCluster,
        #[cfg(test)]
        Rank::Test,
    ];

    /// A lock of this rank is held by this thread until this is dropped.
    #[derive(Debug)]
    pub(in super::super) struct Held(Rank);

    impl Held {
        /// Call it before the lock is taken, so that a wrong order panics instead of hanging.
        #[track_caller]
        pub(in super::super) fn begin(rank: Rank) -> Self {
            let before = HELD.with(Cell::get);
            for held in ranks(before) {
                assert!(
                    rank.may_be_taken_under(held),
                    "{rank:?} is locked while {held:?} is held, against the order in sync/rank.rs"
                );
            }
            HELD.with(|held| held.set(before | bit(rank)));
            Self(rank)
        }

        pub(in super::super) fn rank(&self) -> Rank {
            self.0
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            HELD.with(|held| held.set(held.get() & !bit(self.0)));
        }
    }

    impl Rank {
        fn may_be_taken_under(self, held: Self) -> bool {
            matches!(
                (held, self),
                (Self::Topics, Self::Partition)
                    | (
                        Self::Partition,
                        Self::Notices | Self::MemoryQueue | Self::MemoryAnswer | Self::Recycler
                    )
                    | (Self::MemoryQueue, Self::MemoryAnswer)
            )
        }
    }

    /// Panics if this thread holds any lock but `allowed`.
    #[track_caller]
    pub(in super::super) fn assert_only(allowed: Option<Rank>) {
        let held = HELD.with(Cell::get);
        if held & !allowed.map_or(0, bit) == 0 {
            return;
        }
        let held: Vec<_> = ranks(held).collect();
        match allowed {
            None => panic!("the user's code would run while {held:?} is held"),
            Some(own) => panic!("a wait for {own:?} would go on while all of {held:?} are held"),
        }
    }

    fn bit(rank: Rank) -> u32 {
        1 << rank as u32
    }

    fn ranks(held: u32) -> impl Iterator<Item = Rank> {
        ALL.iter()
            .copied()
            .filter(move |rank| held & bit(*rank) != 0)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_list_has_every_rank_in_its_place() {
            for (place, rank) in ALL.iter().enumerate() {
                assert_eq!(*rank as usize, place, "{rank:?}");
            }
        }

        #[test]
        fn the_order_has_no_circle() {
            for held in ALL {
                for rank in ALL.iter().filter(|rank| rank.may_be_taken_under(*held)) {
                    assert!(held < rank, "{held:?} before {rank:?}");
                }
            }
        }
    }
}
