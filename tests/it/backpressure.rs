//! Memory: `buffer.memory` holds, callers wait in line, and nothing is kept when idle.
