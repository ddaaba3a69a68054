//! Virtual-time tests.
