//! In Person's messenger: the engine with a face (terminal UI), without one (`headless`), or with a program's (`bot`).
//!
//! It promises: *delivered* is shown only after the other person's device said so; what was not delivered stays in
//! front of the person, with the reason, until she sends it again or drops it; whatever other people's devices send is
//! [made harmless](text) before the terminal sees it; the terminal is put back in order however the program ends.
//!
//! It never writes anything about a conversation to disk, neither texts nor when there was one, but for two cases: if it ends
//! otherwise than its person wanted, texts of hers that are nowhere else lie sealed until the next start ([`drafts`]); and
//! where she asked for a history, it is kept, encrypted ([`keeping`]). It
//! keeps seven things: the contact list ([`contacts`]), in which stands only what the person added herself; how she appears
//! and whom she blocks ([`appearance`]); how the program is to behave ([`settings`]) and what opens its [lock]; by which authority each person she knows was certified at first sight
//! ([`acquaintance`]); the certificates for mail that others' devices told ([`mail`]); and which other devices are her own ([`own_devices`]), to which the rest can go.
//!
//! The way through it: [`cli`] reads the options, [`setup`] makes what is missing at a first start, [`start`] turns the person's folder into a running engine, then
//! [`run`] (the terminal: [`keys`] → [`app`] → [`view`]), [`headless`], [`bot`], [`send`] or [`certificate`] talks with it; [`doctor`] looks at
//! the network without one.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod acquaintance;
mod amount;
mod app;
mod appearance;
mod bidi;
mod bot;
mod certificate;
mod cli;
mod clock;
mod contacts;
mod doctor;
mod drafts;
mod failure;
mod gossip;
mod headless;
mod keeping;
mod kept;
mod keys;
mod lines;
mod lock;
mod mail;
mod own_devices;
mod picture;
mod places;
mod renewal;
mod run;
mod send;
mod settings;
mod setup;
mod start;
mod text;
mod view;
mod watch;
mod whereabouts;

/// What was said, and the keys of rooms, which openmls copies and wipes nowhere: what is given back is wiped.
#[global_allocator]
static MEMORY: zeroizing_alloc::ZeroAlloc<std::alloc::System> = zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() -> std::process::ExitCode {
    cli::main()
}
