//! Secrets by which another group could be shown to go on from this one (RFC 9420 section 8.6). Rooms use none, and keep none.
//!
//! openmls 0.9.2 keeps the last 32 epochs' all the same in a group that was made here, and in one that was entered by an external
//! commit, whatever its configuration says (`ResumptionPskStore::new(32)`). So such a group is read back without them at once.

use openmls::prelude::{GroupId, MlsGroup, OpenMlsProvider as _};

use super::error::GroupError;
use super::provider::Provider;

/// How the name of what openmls keeps of them begins.
const NAME: &[u8] = b"ResumptionPsk";
/// As openmls writes that there are none, and never will be.
const NONE: &[u8] = br#"{"max_number_of_secrets":0,"resumption_psk":[],"cursor":0}"#;

/// The same group without those secrets. The provider has this group alone, and has taken all of it until now.
pub(super) fn without(provider: &mut Provider, group_id: &GroupId) -> Result<MlsGroup, GroupError> {
    if let Some(mut values) = provider.taken().and_then(|taken| taken.values.write().ok()) {
        values.iter_mut().filter(|(name, _)| name.starts_with(NAME)).for_each(|(_, value)| *value = NONE.to_vec());
    }
    let group = MlsGroup::load(provider.storage(), group_id).map_err(GroupError::mls)?;
    provider.keep_keys_alone();
    group.ok_or_else(|| GroupError::rule("the group that was made", "none in its store"))
}
