//! What may be given for a text, for bytes and for a header: borrowed, or owned and moved into the record.

use std::borrow::Cow;

use crate::record::Header;

/// What a record takes as a text or as bytes: borrowed (`&str`, `&String`, `b"…"`, `&vec`), or owned and
/// moved into the record (`String`, `Vec<u8>`, `[u8; 8]`, a [`Cow`]). A record that owns its topic and
/// its headers can leave the function that has made them.
pub trait IntoCow<'a, T: ToOwned + ?Sized> {
    /// The text or the bytes. What is borrowed stays borrowed.
    fn into_cow(self) -> Cow<'a, T>;
}

impl<'a, B: AsRef<str> + ?Sized> IntoCow<'a, str> for &'a B {
    #[inline]
    fn into_cow(self) -> Cow<'a, str> {
        Cow::Borrowed(self.as_ref())
    }
}

impl<'a> IntoCow<'a, str> for String {
    fn into_cow(self) -> Cow<'a, str> {
        Cow::Owned(self)
    }
}

impl<'a> IntoCow<'a, str> for Cow<'a, str> {
    fn into_cow(self) -> Self {
        self
    }
}

impl<'a, B: AsRef<[u8]> + ?Sized> IntoCow<'a, [u8]> for &'a B {
    #[inline]
    fn into_cow(self) -> Cow<'a, [u8]> {
        Cow::Borrowed(self.as_ref())
    }
}

impl<'a> IntoCow<'a, [u8]> for Vec<u8> {
    fn into_cow(self) -> Cow<'a, [u8]> {
        Cow::Owned(self)
    }
}

impl<'a> IntoCow<'a, [u8]> for String {
    fn into_cow(self) -> Cow<'a, [u8]> {
        Cow::Owned(self.into_bytes())
    }
}

impl<'a, const N: usize> IntoCow<'a, [u8]> for [u8; N] {
    fn into_cow(self) -> Cow<'a, [u8]> {
        Cow::Owned(self.to_vec())
    }
}

impl<'a> IntoCow<'a, [u8]> for Cow<'a, [u8]> {
    fn into_cow(self) -> Self {
        self
    }
}

/// A header's name, and its value if that is not null.
pub type CowHeader<'a> = (Cow<'a, str>, Option<Cow<'a, [u8]>>);

/// What a record takes as a header: a pair of a name and a value, or of a name and an `Option` of a
/// value, where `None` is null; or a [`Header`].
pub trait IntoHeader<'a> {
    /// Name and value. What is borrowed stays borrowed.
    fn into_header(self) -> CowHeader<'a>;
}

impl<'a, N: IntoCow<'a, str>, V: IntoCow<'a, [u8]>> IntoHeader<'a> for (N, V) {
    #[inline]
    fn into_header(self) -> CowHeader<'a> {
        (self.0.into_cow(), Some(self.1.into_cow()))
    }
}

impl<'a, N: IntoCow<'a, str>, V: IntoCow<'a, [u8]>> IntoHeader<'a> for (N, Option<V>) {
    #[inline]
    fn into_header(self) -> CowHeader<'a> {
        (self.0.into_cow(), self.1.map(V::into_cow))
    }
}

impl<'a> IntoHeader<'a> for Header<'a> {
    #[inline]
    fn into_header(self) -> CowHeader<'a> {
        (self.name.into_cow(), self.value.map(Cow::Borrowed))
    }
}
