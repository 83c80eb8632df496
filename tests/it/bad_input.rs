//! Input that cannot be right: each is refused with a clear error, in bounded time.
