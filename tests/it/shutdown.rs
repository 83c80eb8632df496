//! Flush, close and drop: what is accepted gets its outcome.
