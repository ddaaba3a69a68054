//! What the authority needs of its log.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tlog_proof::ObjectKind;
use transparency_log::submission::RemoteLog;
use transparency_log::{BatchFigures, Logged, Sequencer, Submit, SubmitError};

/// The authority's log: a [`Sequencer`] in this process, or a [`RemoteLog`].
///
/// **Trust.** Whoever runs the log can refuse entries. She learns no address, and cannot make the authority sign: every
/// proof is verified under the configured policy first.
pub trait Log: Send + Sync + 'static {
    /// Logs an entry; see [`Submit::submit`] for what an error means and why the identical entry may be submitted
    /// again.
    fn submit(&self, entry: Vec<u8>) -> BoxFuture<'_, Result<Logged, SubmitError>>;
    /// Stores an object where the log serves it, and logs its hash.
    fn put_object(&self, kind: ObjectKind, bytes: Vec<u8>) -> BoxFuture<'_, Result<Logged, SubmitError>>;
    /// What its batches were like; none of a log elsewhere.
    fn figures(&self) -> Option<BatchFigures> {
        None
    }
}

impl Log for Sequencer {
    fn submit(&self, entry: Vec<u8>) -> BoxFuture<'_, Result<Logged, SubmitError>> {
        Submit::submit(self, entry)
    }

    fn put_object(&self, kind: ObjectKind, bytes: Vec<u8>) -> BoxFuture<'_, Result<Logged, SubmitError>> {
        Self::put_object(self, kind, bytes).boxed()
    }

    fn figures(&self) -> Option<BatchFigures> {
        Some(Self::figures(self))
    }
}

impl Log for RemoteLog {
    fn submit(&self, entry: Vec<u8>) -> BoxFuture<'_, Result<Logged, SubmitError>> {
        Submit::submit(self, entry)
    }

    fn put_object(&self, kind: ObjectKind, bytes: Vec<u8>) -> BoxFuture<'_, Result<Logged, SubmitError>> {
        Self::put_object(self, kind, bytes).boxed()
    }
}
