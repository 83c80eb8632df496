//! The serializer.
