//! What a door knows of each node as a keeper.

use super::restoring::Telling;
use crate::cluster::shards::ShardSet;

/// Another node, or this one, as a keeper.
#[derive(Clone)]
pub(super) struct KnownKeeper {
    /// How often its view has changed: whenever that is otherwise, it may have forgotten something.
    pub(super) epoch: u64,
    /// It has been told all of this view that is its to keep.
    pub(super) told: bool,
    /// It is being told.
    pub(super) telling: Option<Telling>,
    /// What was said to it, or it said, may be lost.
    pub(super) broken: bool,
    /// The shards of which it was told all, and nobody else since.
    pub(super) given: ShardSet,
    /// It has said that all doors have told it all: whom it is asked for, it can say how she is.
    pub(super) speaks: bool,
    /// How many names it has been asked for and has not answered.
    pub(super) asked: usize,
}

impl KnownKeeper {
    pub(super) fn new() -> Self {
        let given = ShardSet::none();
        Self { epoch: 0, told: false, telling: None, broken: true, given, speaks: false, asked: 0 }
    }

    /// Whether it can say how people are.
    pub(super) fn answers(&self) -> bool {
        self.told && self.speaks
    }

    /// It has to be told again what it lacks, from the beginning.
    pub(super) fn begins_anew(&mut self) {
        (self.told, self.telling, self.speaks) = (false, None, false);
    }
}
