//! `homeserver policy`: the versions of the trust policy.

use std::process::ExitCode;

use homeserver::policies::{self, Strike};
use identity::UnixTime;
use key_store::say;

use crate::arguments::Policy;
use crate::ended;

pub(crate) fn policy(command: &Policy) -> ExitCode {
    ended(match command {
        Policy::Draft { folder, strike_log, strike_issuer } => {
            let strike = Strike { logs: strike_log.clone(), issuers: strike_issuer.clone() };
            policies::draft(folder, &strike).map(|draft| say!("{draft}"))
        }
        Policy::Sign { new, folder, root_key, passphrase } => {
            policies::sign(folder, new, root_key.as_deref(), passphrase.clone(), UnixTime::now())
                .map(|signed| tell_signed(&signed))
        }
    })
}

pub(crate) fn tell_signed(signed: &policies::Signed) {
    say!("Signed: version {} of the trust policy, fingerprint {}", signed.number, signed.fingerprint);
    signed.changes.iter().for_each(|change| say!("  {change}"));
    say!("The server logs and serves it; people take it with: certtool trust update");
}
