//! The embedded development provider.
