//! `homeserver shard`: the logs that follow one another.

use std::time::Duration;

use homeserver::shards;
use identity::UnixTime;

use crate::arguments::Shard;
use crate::policy::tell_signed;
use command_line::{Failure, say};

pub(crate) fn shard(command: &Shard, json: bool) -> Result<(), Failure> {
    let done = match command {
        Shard::Prepare { begins, name, folder, root_key, passphrase } => {
            let year = begins.to_zoned(jiff::tz::TimeZone::UTC).year();
            let name = name.clone().unwrap_or_else(|| year.to_string());
            let begins = Duration::from_secs(u64::try_from(begins.as_second()).unwrap_or_default());
            let begins = UnixTime::since_unix_epoch(begins);
            shards::prepare(folder, &name, begins, UnixTime::now(), root_key.as_deref(), passphrase.clone())
                .map(|signed| tell_signed(&signed, json))
        }
        Shard::List { folder } => shards::list(folder).map(|listed| list_shards(&listed, json)),
    };
    done.map_err(Failure::from)
}

fn list_shards(listed: &[shards::Listed], json: bool) {
    if json {
        say!("{}", serde_json::json!({ "logs": listed }));
    }
    let time = |seconds: u64| {
        let time = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
        time.map_or_else(|| seconds.to_string(), |time| time.to_string())
    };
    for log in listed.iter().filter(|_| !json) {
        say!("{}", log.origin);
        if log.takes_from > 0 {
            say!("  takes certificates from {}", time(log.takes_from));
        }
        if let Some(closes) = log.closes {
            say!("  closes at {}", time(closes));
        }
        match log.retires {
            Some(retires) if log.label_key => say!("  label key destroyed at {}", time(retires)),
            _ if !log.label_key => say!("  label key destroyed"),
            _ => {}
        }
    }
}
