//! The whole engine among several people, with virtual time, a directory of forty lines and no socket.

mod acquaintance;
mod appearance;
mod crossing;
mod day;
mod deadlines;
mod deeds;
mod endorsement;
mod entrance;
mod external;
mod failover;
mod files;
#[cfg(target_os = "linux")]
mod forgotten;
mod forward;
mod gossip;
mod histories;
mod hostile_members;
mod hostile_resumption;
mod keeping;
mod lapse;
mod mail;
mod marks;
mod moving;
mod one_to_one;
mod own_devices;
mod renewal;
mod resumption;
mod roles;
mod room_content;
mod rooms;
mod succession;
mod together;
mod typing;
mod unanswered;
mod updates;
mod world;
