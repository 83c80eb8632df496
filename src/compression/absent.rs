//! Stands for every codec that is not compiled in. Never called: no [`Compression`](super::Compression)
//! is made of such a codec, and [`decompress`](super::decompress) refuses its streams.

use crate::compression::Damaged;

#[derive(Default)]
pub(super) struct Context;

impl Context {
    pub(super) fn compress(&mut self, _: i32, _: &[u8], _: &mut [u8]) -> Option<usize> {
        unreachable!("a Compression is of a codec that is built in")
    }
}

pub(super) fn decompress(_: &[u8], _: usize) -> Result<Vec<u8>, Damaged> {
    unreachable!("is_built_in() is asked before")
}
