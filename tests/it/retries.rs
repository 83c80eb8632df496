//! Errors and lost connections: retried, in order, until the time is over.
