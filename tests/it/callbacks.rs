//! Callbacks: exactly once, in order, and what they may and may not do.
