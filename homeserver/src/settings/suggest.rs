//! What a misspelt key may have meant.

/// At least so alike (Jaro-Winkler, 0 to 1) must a known key be to be named.
const ALIKE: f64 = 0.75;

/// The parser's words; where they refuse an unknown key, with the known one that looks most like it in place of a list of
/// all.
pub(super) fn with_suggestion(message: &str) -> String {
    let Some((known, unknown)) = message.split_once(", expected ").and_then(|(refused, known)| {
        let unknown = refused.strip_prefix("unknown field `")?.strip_suffix('`')?;
        Some((quoted(known), unknown))
    }) else {
        return message.to_owned();
    };
    let alike = known.into_iter().map(|key| (strsim::jaro_winkler(unknown, key), key));
    match alike.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((likeness, key)) if likeness >= ALIKE => format!("unknown field `{unknown}`; did you mean `{key}`?"),
        _ => message.to_owned(),
    }
}

/// What stands between back-ticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_told_what_it_may_have_been() {
        let known = "expected one of `domain`, `listen`, `crl_shards`";
        let said = |key: &str| with_suggestion(&format!("unknown field `{key}`, {known}"));
        assert_eq!(said("domian"), "unknown field `domian`; did you mean `domain`?");
        assert_eq!(said("crl_shard"), "unknown field `crl_shard`; did you mean `crl_shards`?");
        assert_eq!(said("xyz"), format!("unknown field `xyz`, {known}"));
        assert_eq!(with_suggestion("missing field `domain`"), "missing field `domain`");
        let two = "unknown field `limt`, expected `limit` or `for`";
        assert_eq!(with_suggestion(two), "unknown field `limt`; did you mean `limit`?");
    }
}
