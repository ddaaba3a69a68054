//! The whole engine among several people, with virtual time, a directory of forty lines and no socket.

mod acquaintance;
mod appearance;
mod gossip;
mod one_to_one;
mod rooms;
mod world;
