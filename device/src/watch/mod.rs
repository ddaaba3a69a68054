//! The owner's watch.
