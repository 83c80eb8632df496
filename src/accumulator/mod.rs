//! The accumulator.
