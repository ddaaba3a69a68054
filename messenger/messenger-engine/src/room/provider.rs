//! What openmls stands on in a room: RustCrypto's algorithms, and a store of ours.
//!
//! After each step openmls writes all of a group's state into its store, so that a program could go on with it after its end. No
//! room outlives its program, and nothing is ever loaded: the store keeps only what openmls asks for again while a group
//! lives, which are private keys, and wipes what it lets go of. So there is no second copy of what openmls deletes in memory, and
//! a tree is not written out for each text.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use openmls_rust_crypto::RustCrypto;
use openmls_traits::OpenMlsProvider;
use openmls_traits::storage::{CURRENT_VERSION, StorageProvider, traits};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// What every room has of its own.
#[derive(Default)]
pub(super) struct Provider {
    crypto: RustCrypto,
    store: Store,
}

impl Provider {
    /// How many private keys there are: for key packages, for leaves to come, for epochs.
    #[cfg(test)]
    pub(super) fn keys_kept(&self) -> (usize, usize, usize) {
        let keys = self.store.keys();
        let count = |is: fn(&Name) -> bool| keys.keys().filter(|name| is(name)).count();
        let key_packages = count(|name| matches!(name, Name::KeyPackage(_)));
        let leaves = count(|name| matches!(name, Name::Leaf(_)));
        (key_packages, leaves, count(|name| matches!(name, Name::Epoch(_))))
    }
}

impl OpenMlsProvider for Provider {
    type CryptoProvider = RustCrypto;
    type RandProvider = RustCrypto;
    type StorageProvider = Store;

    fn storage(&self) -> &Store {
        &self.store
    }

    fn crypto(&self) -> &RustCrypto {
        &self.crypto
    }

    fn rand(&self) -> &RustCrypto {
        &self.crypto
    }
}

/// A value could not be written, or not be read as what it is asked for as.
#[derive(Debug, thiserror::Error)]
#[error("a key of the room cannot be kept: {0}")]
pub(super) struct StoreError(#[from] postcard::Error);

/// What a value is, and what it is of.
#[derive(PartialEq, Eq, Hash)]
enum Name {
    /// A KeyPackage with its private keys, by its reference; until its welcome is opened.
    KeyPackage(Vec<u8>),
    /// A pair of keys of a leaf that is not in the tree yet, by its public key.
    Leaf(Vec<u8>),
    /// The pairs of keys of an epoch's tree that this device has, by the group, the epoch and the leaf.
    Epoch(Vec<u8>),
}

/// The private keys of a room, in memory.
#[derive(Default)]
pub(super) struct Store {
    keys: Mutex<HashMap<Name, Zeroizing<Vec<u8>>>>,
}

impl Store {
    fn keys(&self) -> MutexGuard<'_, HashMap<Name, Zeroizing<Vec<u8>>>> {
        // A value is put in or taken out whole.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, name: Name, value: &(impl Serialize + ?Sized)) -> Result<(), StoreError> {
        // As long as it will be: a buffer that grows leaves copies behind.
        let mut bytes = Zeroizing::new(vec![0; postcard::experimental::serialized_size(value)?]);
        postcard::to_slice(value, &mut bytes)?;
        self.keys().insert(name, bytes);
        Ok(())
    }

    fn find<T: DeserializeOwned>(&self, name: &Name) -> Result<Option<T>, StoreError> {
        Ok(self.keys().get(name).map(|bytes| postcard::from_bytes(bytes)).transpose()?)
    }

    fn forget(&self, name: &Name) {
        self.keys().remove(name);
    }
}

/// How a name is written.
fn bytes(name: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    Ok(postcard::to_allocvec(name)?)
}

/// What is written and never asked for, and what is deleted that was not kept.
macro_rules! not_kept {
    ($($name:ident<$($type:ident: $bound:ident),+>($($argument:ty),+);)+) => {
        $(fn $name<$($type: traits::$bound<CURRENT_VERSION>),+>(&self, $(_: $argument),+) -> Result<(), StoreError> {
            Ok(())
        })+
    };
}

/// What is asked for to load a group, and to find secrets from outside, which no room has: there is none.
macro_rules! none {
    ($($name:ident<$($type:ident: $bound:ident),+>($argument:ty) -> $answer:ty;)+) => {
        $(fn $name<$($type: traits::$bound<CURRENT_VERSION>),+>(&self, _: $argument) -> Result<$answer, StoreError> {
            Ok(<$answer>::default())
        })+
    };
}

impl StorageProvider<CURRENT_VERSION> for Store {
    type Error = StoreError;

    fn write_key_package<R: traits::HashReference<CURRENT_VERSION>, P: traits::KeyPackage<CURRENT_VERSION>>(
        &self,
        reference: &R,
        key_package: &P,
    ) -> Result<(), StoreError> {
        self.keep(Name::KeyPackage(bytes(reference)?), key_package)
    }

    fn key_package<R: traits::HashReference<CURRENT_VERSION>, P: traits::KeyPackage<CURRENT_VERSION>>(
        &self,
        reference: &R,
    ) -> Result<Option<P>, StoreError> {
        self.find(&Name::KeyPackage(bytes(reference)?))
    }

    fn delete_key_package<R: traits::HashReference<CURRENT_VERSION>>(&self, reference: &R) -> Result<(), StoreError> {
        self.forget(&Name::KeyPackage(bytes(reference)?));
        Ok(())
    }

    fn write_encryption_key_pair<K: traits::EncryptionKey<CURRENT_VERSION>, P: traits::HpkeKeyPair<CURRENT_VERSION>>(
        &self,
        public_key: &K,
        pair: &P,
    ) -> Result<(), StoreError> {
        self.keep(Name::Leaf(bytes(public_key)?), pair)
    }

    fn encryption_key_pair<P: traits::HpkeKeyPair<CURRENT_VERSION>, K: traits::EncryptionKey<CURRENT_VERSION>>(
        &self,
        public_key: &K,
    ) -> Result<Option<P>, StoreError> {
        self.find(&Name::Leaf(bytes(public_key)?))
    }

    fn delete_encryption_key_pair<K: traits::EncryptionKey<CURRENT_VERSION>>(
        &self,
        public_key: &K,
    ) -> Result<(), StoreError> {
        self.forget(&Name::Leaf(bytes(public_key)?));
        Ok(())
    }

    fn write_encryption_epoch_key_pairs<
        G: traits::GroupId<CURRENT_VERSION>,
        E: traits::EpochKey<CURRENT_VERSION>,
        P: traits::HpkeKeyPair<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
        pairs: &[P],
    ) -> Result<(), StoreError> {
        self.keep(Name::Epoch(bytes(&(group, epoch, leaf))?), pairs)
    }

    fn encryption_epoch_key_pairs<
        G: traits::GroupId<CURRENT_VERSION>,
        E: traits::EpochKey<CURRENT_VERSION>,
        P: traits::HpkeKeyPair<CURRENT_VERSION>,
    >(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
    ) -> Result<Vec<P>, StoreError> {
        Ok(self.find(&Name::Epoch(bytes(&(group, epoch, leaf))?))?.unwrap_or_default())
    }

    fn delete_encryption_epoch_key_pairs<G: traits::GroupId<CURRENT_VERSION>, E: traits::EpochKey<CURRENT_VERSION>>(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
    ) -> Result<(), StoreError> {
        self.forget(&Name::Epoch(bytes(&(group, epoch, leaf))?));
        Ok(())
    }

    fn queued_proposals<G: traits::GroupId<CURRENT_VERSION>, R: traits::ProposalRef<CURRENT_VERSION>, P>(
        &self,
        _: &G,
    ) -> Result<Vec<(R, P)>, StoreError>
    where
        P: traits::QueuedProposal<CURRENT_VERSION>,
    {
        Ok(Vec::new())
    }

    none! {
        mls_group_join_config<G: GroupId, C: MlsGroupJoinConfig>(&G) -> Option<C>;
        own_leaf_nodes<G: GroupId, L: LeafNode>(&G) -> Vec<L>;
        queued_proposal_refs<G: GroupId, R: ProposalRef>(&G) -> Vec<R>;
        tree<G: GroupId, T: TreeSync>(&G) -> Option<T>;
        group_context<G: GroupId, C: GroupContext>(&G) -> Option<C>;
        interim_transcript_hash<G: GroupId, H: InterimTranscriptHash>(&G) -> Option<H>;
        confirmation_tag<G: GroupId, T: ConfirmationTag>(&G) -> Option<T>;
        group_state<S: GroupState, G: GroupId>(&G) -> Option<S>;
        message_secrets<G: GroupId, S: MessageSecrets>(&G) -> Option<S>;
        resumption_psk_store<G: GroupId, S: ResumptionPskStore>(&G) -> Option<S>;
        own_leaf_index<G: GroupId, I: LeafNodeIndex>(&G) -> Option<I>;
        group_epoch_secrets<G: GroupId, S: GroupEpochSecrets>(&G) -> Option<S>;
        signature_key_pair<K: SignaturePublicKey, P: SignatureKeyPair>(&K) -> Option<P>;
        psk<B: PskBundle, I: PskId>(&I) -> Option<B>;
    }

    not_kept! {
        write_mls_join_config<G: GroupId, C: MlsGroupJoinConfig>(&G, &C);
        append_own_leaf_node<G: GroupId, L: LeafNode>(&G, &L);
        queue_proposal<G: GroupId, R: ProposalRef, P: QueuedProposal>(&G, &R, &P);
        write_tree<G: GroupId, T: TreeSync>(&G, &T);
        write_interim_transcript_hash<G: GroupId, H: InterimTranscriptHash>(&G, &H);
        write_context<G: GroupId, C: GroupContext>(&G, &C);
        write_confirmation_tag<G: GroupId, T: ConfirmationTag>(&G, &T);
        write_group_state<S: GroupState, G: GroupId>(&G, &S);
        write_message_secrets<G: GroupId, S: MessageSecrets>(&G, &S);
        write_resumption_psk_store<G: GroupId, S: ResumptionPskStore>(&G, &S);
        write_own_leaf_index<G: GroupId, I: LeafNodeIndex>(&G, &I);
        write_group_epoch_secrets<G: GroupId, S: GroupEpochSecrets>(&G, &S);
        write_signature_key_pair<K: SignaturePublicKey, P: SignatureKeyPair>(&K, &P);
        write_psk<I: PskId, B: PskBundle>(&I, &B);
        remove_proposal<G: GroupId, R: ProposalRef>(&G, &R);
        delete_own_leaf_nodes<G: GroupId>(&G);
        delete_group_config<G: GroupId>(&G);
        delete_tree<G: GroupId>(&G);
        delete_confirmation_tag<G: GroupId>(&G);
        delete_group_state<G: GroupId>(&G);
        delete_context<G: GroupId>(&G);
        delete_interim_transcript_hash<G: GroupId>(&G);
        delete_message_secrets<G: GroupId>(&G);
        delete_all_resumption_psk_secrets<G: GroupId>(&G);
        delete_own_leaf_index<G: GroupId>(&G);
        delete_group_epoch_secrets<G: GroupId>(&G);
        clear_proposal_queue<G: GroupId, R: ProposalRef>(&G);
        delete_signature_key_pair<K: SignaturePublicKey>(&K);
        delete_psk<I: PskId>(&I);
    }
}
