//! The clock of a check.

use std::time::Instant;

#[expect(
    clippy::disallowed_methods,
    reason = "a check divides its time, and tells how long it took"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}
