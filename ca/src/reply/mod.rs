//! Replies to challenges by mail (RFC 8823, `email-reply-00`): a mail server beside us hands them over by LMTP; what they
//! say is believed only if the writer's domain has signed it.
//!
//! From the outside in: [`lmtp`] is the protocol, without I/O; [`message`] reads a mail, believing nothing; `dkim` verifies
//! its signature; `judge` holds it against what was asked; `listener` does the I/O and sets the limits. Mails are held in
//! memory as long as it takes to judge them, and kept nowhere.

pub(crate) mod dkim;
pub mod fields;
mod judge;
pub(crate) mod listener;
pub mod lmtp;
pub mod message;

#[cfg(test)]
mod tests;
