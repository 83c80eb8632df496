//! The crate's locks, condition variables and atomics, in one place, so that a model checker can
//! take their place. Holds no logic. Used by every thread.

pub(crate) use std::sync::Arc;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

pub(crate) use parking_lot::{Condvar, Mutex, RwLock};
