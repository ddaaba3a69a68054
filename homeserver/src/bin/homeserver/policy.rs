//! `homeserver policy`: the versions of the trust policy.

use command_line::{Failure, say};
use homeserver::policies::{self, Strike};
use identity::UnixTime;

use crate::arguments::Policy;

pub(crate) fn policy(command: &Policy, json: bool) -> Result<(), Failure> {
    let done = match command {
        Policy::Draft { folder, strike_log, strike_issuer } => {
            let strike = Strike { logs: strike_log.clone(), issuers: strike_issuer.clone() };
            policies::draft(folder, &strike).map(|draft| tell_draft(&draft, json))
        }
        Policy::Sign { new, folder, root_key, passphrase } => {
            policies::sign(folder, new, root_key.as_deref(), passphrase.clone(), UnixTime::now())
                .map(|signed| tell_signed(&signed, json))
        }
    };
    done.map_err(Failure::from)
}

/// To be edited; for programs in one line.
fn tell_draft(draft: &str, json: bool) {
    if json {
        let draft: serde_json::Value = serde_json::from_str(draft).expect("a draft is JSON");
        say!("{draft}");
    } else {
        say!("{draft}");
    }
}

pub(crate) fn tell_signed(signed: &policies::Signed, json: bool) {
    if json {
        let changes: Vec<_> = signed.changes.iter().map(ToString::to_string).collect();
        let signed = serde_json::json!({
            "signed": { "number": signed.number, "fingerprint": signed.fingerprint, "changes": changes }
        });
        say!("{signed}");
        return;
    }
    say!("Signed: version {} of the trust policy, fingerprint {}", signed.number, signed.fingerprint);
    signed.changes.iter().for_each(|change| say!("  {change}"));
    say!("The server logs and serves it; people take it with: certtool trust update");
}
