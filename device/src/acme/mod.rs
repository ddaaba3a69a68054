//! An ACME client (RFC 8555) for people: identifier `email`, challenge `email-code-00`.
