//! Two people behind every kind of router: the real programs in networks made of Linux network namespaces.
//!
//! What it does:
//! * [`world`] leaves the machine's network for one of its own, which ends with the process whatever happens to it;
//! * [`namespace`], [`mod@line`] and [`rules`] are what networks are made of: hosts and routers, lines with a delay and losses,
//!   and what a router does to packets (NAT and firewalls, as RFC 4787 and RFC 6092 name them);
//! * [`opener`] is what opens ports in some of the routers;
//! * [`topology`] builds the networks of two households, a home server and the internet between them;
//! * [`probe`] finds out from the outside what a router really does, so that no figure rests on what a rule was meant to do;
//! * [`pinholes`] has routers asked for ports, and looks at what they open;
//! * [`doctor`] compares what the messenger's doctor says of routers with what they are;
//! * [`people`] are enrolled once, and call each other in every [`scenario`]; [`run`] plays them; [`abroad`] is for those of two
//!   directories;
//! * [`rooms`] has four people in a room, between whom the network fails, or whose programs stand still, or whose certificates end;
//! * [`page`] writes the outcome into docs/connectivity.md, and compares it with what stands there.
//!
//! What it never does: it touches no network of the machine it runs on, it replaces no part of the programs by one of its
//! own, and it asserts no time.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod abroad;
pub mod check;
pub mod doctor;
pub mod figures;
pub mod line;
pub mod namespace;
pub mod opener;
pub mod page;
pub mod people;
pub mod pinholes;
pub mod plan;
pub mod probe;
pub mod rooms;
pub mod rules;
pub mod run;
pub mod scenario;
pub mod topology;
pub mod world;
