//! The lowest layers of the library, compiled once more by themselves, with the tests that compare
//! them with another codec or feed them random input. Those stand beside what they test, in
//! `src/protocol/tests`, `src/record/tests`, `src/compression/tests.rs`; the crates that they need are
//! dependencies of this package only, so that nobody who builds the library or an example waits for
//! them.
#![cfg(all(test, not(shuttle)))]
#![allow(
    dead_code,
    unused_imports,
    missing_docs,
    unreachable_pub,
    unnameable_types,
    reason = "the layers above, which use and publish these, are not here"
)]

#[path = "../../src/compression/mod.rs"]
mod compression;
#[path = "../../src/ids.rs"]
mod ids;
#[path = "../../src/protocol/mod.rs"]
mod protocol;
#[path = "../../src/record/mod.rs"]
mod record;
#[path = "../../src/sync/mod.rs"]
mod sync;

use protocol::error_code::ErrorCode;
