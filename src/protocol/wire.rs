//! Reads and writes the primitive types.
