//! Proofs out of a verified tree, for those who have to convince somebody else.

use std::collections::HashMap;

use tlog_proof::{Hash, HashReader, prove_consistency, prove_inclusion};

use super::{ClientError, Source, VerifiedTree};

/// The hashes fetched so far; what is missing is asked for by the error.
struct Fetched<'a>(&'a HashMap<(u8, u64), Hash>);

impl HashReader for Fetched<'_> {
    type Error = (u8, u64);

    fn read(&mut self, level: u8, index: u64) -> Result<Hash, (u8, u64)> {
        self.0.get(&(level, index)).copied().ok_or((level, index))
    }
}

impl<S: Source + ?Sized + 'static> VerifiedTree<S> {
    /// The inclusion path of the entry at `index`; empty where there is no such entry.
    ///
    /// # Errors
    /// When tiles cannot be fetched or verified.
    pub async fn prove_inclusion(&self, index: u64) -> Result<Vec<Hash>, ClientError> {
        let size = self.checkpoint().size;
        self.proven(|reader| prove_inclusion(reader, index, size)).await
    }

    /// The consistency proof from the tree of `old` entries to this one; empty where nothing is to be proven.
    ///
    /// # Errors
    /// When tiles cannot be fetched or verified.
    pub async fn prove_consistency(&self, old: u64) -> Result<Vec<Hash>, ClientError> {
        let size = self.checkpoint().size;
        self.proven(|reader| prove_consistency(reader, old, size)).await
    }

    /// Runs a prover until it has every hash it wants.
    async fn proven(
        &self,
        prove: impl Fn(&mut Fetched<'_>) -> Result<Vec<Hash>, (u8, u64)>,
    ) -> Result<Vec<Hash>, ClientError> {
        let mut fetched = HashMap::new();
        loop {
            match prove(&mut Fetched(&fetched)) {
                Ok(proof) => return Ok(proof),
                Err((level, index)) => {
                    fetched.insert((level, index), self.subtree(level, index).await?);
                }
            }
        }
    }
}
