//! The testing.
