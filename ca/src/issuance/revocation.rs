//! Revocation lists: the only thing beside a logged certificate that an issuing key signs.

use identity::plan::{CrlPlan, PlanError, assemble_crl, crl};
use thiserror::Error;

use super::signer::{Signer, SignerError, SigningInput};

/// Why there is no signed list.
#[derive(Debug, Error)]
pub enum CrlSignError {
    /// It cannot be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The key did not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// Plans and signs a revocation list. The plan is data about an issuer and serial numbers: no certificate can hide in
/// it.
pub fn sign_crl(plan: &CrlPlan<'_>, signer: &dyn Signer) -> Result<Vec<u8>, CrlSignError> {
    let tbs = crl(plan)?;
    let signature = signer.sign(SigningInput::revocation_list(tbs.clone()))?;
    Ok(assemble_crl(&tbs, signer.algorithm(), &signature))
}
