//! The partitioner.
