//! What openmls stands on in a room: RustCrypto's algorithms, and a store of ours.
//!
//! After each step openmls writes all of a group's state into its store, so that a program could go on with it after its end. No
//! room outlives its program, and none is loaded but to be rid of something at once (see `resumption`): the store keeps
//! only what openmls asks for again while a group lives, which are private keys, and wipes what it lets go of. So there is no
//! second copy of what openmls deletes in memory, and a tree is not written out for each text.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use openmls_rust_crypto::{MemoryStorage, MemoryStorageError, RustCrypto};
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
    /// One that takes everything for now, so that a group that is made with it can be read back.
    pub(super) fn whole() -> Self {
        Self {
            crypto: RustCrypto::default(),
            store: Store { whole: Some(MemoryStorage::default()), ..Store::default() },
        }
    }

    /// What was taken beside the private keys.
    pub(super) fn taken(&self) -> Option<&MemoryStorage> {
        self.store.whole.as_ref()
    }

    /// From now on private keys alone are kept, and what was taken beside them is let go of.
    pub(super) fn keep_keys_alone(&mut self) {
        self.store.whole = self.store.whole.take().filter(|_| is_watched());
    }

    /// All that openmls wanted kept, by its name, in JSON.
    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn stored(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let taken = self.taken().expect("it is watched").values.read().expect("nobody panics with it");
        let taken = taken.iter().map(|(name, value)| (name.clone(), value.clone()));
        let keys = self.store.keys();
        let pairs = keys.iter().filter(|(name, _)| matches!(name, Name::Epoch(_))).map(|(_, bytes)| {
            let pairs: Vec<(Vec<u8>, Vec<u8>)> =
                postcard::from_bytes(bytes).expect("pairs of a public and a private key");
            let private: Vec<Vec<u8>> = pairs.into_iter().map(|(_, private)| private).collect();
            (b"EpochKeyPairs".to_vec(), serde_json::to_vec(&private).expect("numbers"))
        });
        taken.chain(pairs).collect()
    }

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
pub(super) enum StoreError {
    /// A private key.
    #[error("a key of the room cannot be kept: {0}")]
    Key(#[from] postcard::Error),
    /// Something of a group that is to be read back.
    #[error("the room cannot be read back: {0}")]
    Whole(#[from] MemoryStorageError),
}

/// Whether a test looks at all that openmls writes.
fn is_watched() -> bool {
    #[cfg(test)]
    return watch::IS_ON.with(std::cell::Cell::get);
    #[cfg(not(test))]
    false
}

/// Rooms that are made or entered from now on, on this thread, keep all that openmls writes, for a test to look at.
#[cfg(test)]
pub(crate) mod watch {
    use std::cell::Cell;

    thread_local! {
        pub(super) static IS_ON: Cell<bool> = const { Cell::new(false) };
    }

    pub(crate) fn begin() {
        IS_ON.with(|is_on| is_on.set(true));
    }
}

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
pub(super) struct Store {
    keys: Mutex<HashMap<Name, Zeroizing<Vec<u8>>>>,
    /// For everything else, while a group is to be read back.
    whole: Option<MemoryStorage>,
}

impl Default for Store {
    fn default() -> Self {
        Self { keys: Mutex::default(), whole: is_watched().then(MemoryStorage::default) }
    }
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

/// What is written and never asked for, and what is deleted that was not kept; but while a group is to be read back.
macro_rules! not_kept {
    ($($name:ident<$($type:ident: $bound:ident),+>($($argument:ident: $kind:ty),+);)+) => {
        $(fn $name<$($type: traits::$bound<CURRENT_VERSION>),+>(&self, $($argument: $kind),+) -> Result<(), StoreError> {
            let Some(whole) = &self.whole else { return Ok(()) };
            Ok(whole.$name::<$($type),+>($($argument),+)?)
        })+
    };
}

/// What is asked for to load a group, and to find secrets from outside, which no room has: there is none, but while a group is to
/// be read back.
macro_rules! none {
    ($($name:ident<$($type:ident: $bound:ident),+>($argument:ty) -> $answer:ty;)+) => {
        $(fn $name<$($type: traits::$bound<CURRENT_VERSION>),+>(&self, of: $argument) -> Result<$answer, StoreError> {
            let Some(whole) = &self.whole else { return Ok(<$answer>::default()) };
            Ok(whole.$name::<$($type),+>(of)?)
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
        group: &G,
    ) -> Result<Vec<(R, P)>, StoreError>
    where
        P: traits::QueuedProposal<CURRENT_VERSION>,
    {
        let Some(whole) = &self.whole else { return Ok(Vec::new()) };
        Ok(whole.queued_proposals::<G, R, P>(group)?)
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
        write_mls_join_config<G: GroupId, C: MlsGroupJoinConfig>(of: &G, value: &C);
        append_own_leaf_node<G: GroupId, L: LeafNode>(of: &G, value: &L);
        queue_proposal<G: GroupId, R: ProposalRef, P: QueuedProposal>(of: &G, value: &R, more: &P);
        write_tree<G: GroupId, T: TreeSync>(of: &G, value: &T);
        write_interim_transcript_hash<G: GroupId, H: InterimTranscriptHash>(of: &G, value: &H);
        write_context<G: GroupId, C: GroupContext>(of: &G, value: &C);
        write_confirmation_tag<G: GroupId, T: ConfirmationTag>(of: &G, value: &T);
        write_group_state<S: GroupState, G: GroupId>(of: &G, value: &S);
        write_message_secrets<G: GroupId, S: MessageSecrets>(of: &G, value: &S);
        write_resumption_psk_store<G: GroupId, S: ResumptionPskStore>(of: &G, value: &S);
        write_own_leaf_index<G: GroupId, I: LeafNodeIndex>(of: &G, value: &I);
        write_group_epoch_secrets<G: GroupId, S: GroupEpochSecrets>(of: &G, value: &S);
        write_signature_key_pair<K: SignaturePublicKey, P: SignatureKeyPair>(of: &K, value: &P);
        write_psk<I: PskId, B: PskBundle>(of: &I, value: &B);
        remove_proposal<G: GroupId, R: ProposalRef>(of: &G, value: &R);
        delete_own_leaf_nodes<G: GroupId>(of: &G);
        delete_group_config<G: GroupId>(of: &G);
        delete_tree<G: GroupId>(of: &G);
        delete_confirmation_tag<G: GroupId>(of: &G);
        delete_group_state<G: GroupId>(of: &G);
        delete_context<G: GroupId>(of: &G);
        delete_interim_transcript_hash<G: GroupId>(of: &G);
        delete_message_secrets<G: GroupId>(of: &G);
        delete_all_resumption_psk_secrets<G: GroupId>(of: &G);
        delete_own_leaf_index<G: GroupId>(of: &G);
        delete_group_epoch_secrets<G: GroupId>(of: &G);
        clear_proposal_queue<G: GroupId, R: ProposalRef>(of: &G);
        delete_signature_key_pair<K: SignaturePublicKey>(of: &K);
        delete_psk<I: PskId>(of: &I);
    }
}
