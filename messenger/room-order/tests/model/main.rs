//! The rules of docs/spec/rooms.md, explored.

mod equivocation;
mod healing;
mod limits;
mod mutants;
mod ordering;
mod progress;
mod rooms;
mod walks;
mod world;
