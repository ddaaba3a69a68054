//! The rules of docs/spec/rooms.md, explored.

mod claims;
mod equivocation;
mod healing;
mod lies;
mod limits;
mod mutants;
mod ordering;
mod progress;
mod rooms;
mod timing;
mod walks;
mod world;
