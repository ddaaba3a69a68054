//! `certtool git-verify`: who has signed these commits.

use std::io::Read as _;
use std::process::{Command, Stdio};

use clap::Args;
use identity::Identifier;
use identity::trust::Trust;
use serde::Serialize;

use super::MAX_OBJECT_BYTES;
use crate::commands::verify::judged::Times;
use crate::context::{Context, identifier};
use crate::failure::{Exit, Failure};
use crate::output::{Page, Report};

/// Check who has signed commits, for CI.
///
/// Every commit has to have a signature that holds, by a certificate that holds now or, if the signature is dated, held
/// then; with --signer, of one of these people. One that does not ends it with exit code 3, after all were looked at. A range without commits, or of a repository that
/// lacks the older ones, is refused, and so is one that replaces objects. No connection is made: whether a certificate is
/// revoked is known as of the newest list here.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    certtool git-verify\n  \
    certtool git-verify origin/main..HEAD --signer alice@example.org --signer bob@example.org")]
pub(crate) struct GitVerify {
    /// Commits, or ranges of them, as git names them
    #[arg(value_name = "COMMIT", default_value = "HEAD")]
    commits: Vec<String>,
    /// Who may have signed; may be given several times
    #[arg(long = "signer", value_name = "ID", value_parser = identifier)]
    signers: Vec<Identifier>,
}

impl GitVerify {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let trust = super::trust(context)?;
        let mut commits = Vec::new();
        // Each by itself: beside a range git leaves a commit away that the range does.
        nothing_is_replaced()?;
        for named in &self.commits {
            for id in named_by(named)? {
                commits.push(self.look(&id, &trust)?);
            }
        }
        let refused = commits.iter().any(|commit| commit.refused.is_some());
        context.output.report(&Commits { verified: !refused, commits });
        Ok(if refused { Exit::Refused } else { Exit::Ok })
    }

    fn look(&self, id: &str, trust: &Trust) -> Result<Commit, Failure> {
        let commit = git(&["cat-file", "commit", id])?;
        let found = match parted(&commit, own_header(id)) {
            None => Err("it is not signed".to_owned()),
            Some((signature, content)) => {
                super::signer(&signature, &content, id, trust).map_err(|failure| failure.what)
            }
        };
        let found = found.and_then(|judged| {
            let signer = judged.person.identifier();
            match self.signers.is_empty() || self.signers.contains(signer) {
                true => Ok(judged),
                false => Err(format!("signed by {signer}, who is none of those expected")),
            }
        });
        let mut commit = Commit { commit: id.to_owned(), ..Commit::default() };
        match found {
            Ok(judged) => {
                commit.signer = Some(judged.person.identifier().to_string());
                commit.authority = Some(judged.person.authority().to_owned());
                commit.times = Some(Times::of(&judged));
            }
            Err(refused) => commit.refused = Some(refused),
        }
        Ok(commit)
    }
}

/// What git shows in the place of an object under `refs/replace` is not what its name says, and a checkout has it too.
fn nothing_is_replaced() -> Result<(), Failure> {
    match git(&["for-each-ref", "--count=1", "refs/replace"])?.is_empty() {
        true => Ok(()),
        false => Err(Failure::failed(
            "this repository replaces objects by others (refs/replace), so a commit's name says nothing of what is there",
            "Clone it without them, or look at them: git replace --list; git replace --delete takes one away.",
        )),
    }
}

/// The commits that are named so: one, or all of a range. None is a mistake, and no proof of anything.
fn named_by(named: &str) -> Result<Vec<String>, Failure> {
    let one = format!("{named}^{{commit}}");
    let is_one = Command::new("git").args(["rev-parse", "--quiet", "--verify", &one]).stdin(Stdio::null()).output();
    let is_one = is_one.is_ok_and(|done| done.status.success());
    if !is_one && git(&["rev-parse", "--is-shallow-repository"])?.starts_with(b"true") {
        return Err(Failure::failed(
            format!("{named} is a range, and this repository has only the newest commits"),
            "Fetch the others: git fetch --unshallow.",
        ));
    }
    let walk = if is_one { "--no-walk=unsorted" } else { "--topo-order" };
    let list = git(&["rev-list", walk, "--end-of-options", named])?;
    let commits: Vec<String> = String::from_utf8_lossy(&list).lines().map(str::to_owned).collect();
    match commits.is_empty() {
        true => Err(Failure::failed(
            format!("there are no commits in {named}, so nothing was checked"),
            "Name a commit, or a range with commits in it.",
        )),
        false => Ok(commits),
    }
}

/// What git prints.
fn git(arguments: &[&str]) -> Result<Vec<u8>, Failure> {
    let failed =
        |what: String| Failure::failed(what, "Is git installed, is this a repository, and are the commits there?");
    let mut command = Command::new("git");
    command
        .arg("--no-replace-objects")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    let mut child = command.spawn().map_err(|error| failed(format!("git cannot be run: {error}")))?;
    let mut printed = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_OBJECT_BYTES + 1).read_to_end(&mut printed).map_err(Failure::system)?;
    }
    let status = child.wait().map_err(Failure::system)?;
    if printed.len() as u64 > MAX_OBJECT_BYTES {
        return Err(failed(format!("git {} printed more than {} MiB", arguments.join(" "), MAX_OBJECT_BYTES >> 20)));
    }
    if !status.success() {
        return Err(failed(format!("git {} failed", arguments.join(" "))));
    }
    Ok(printed)
}

/// Where a commit's signature stands, by the hash of which its name is: the other one is over the same commit with names of
/// the other hash.
const HEADERS: [&[u8]; 2] = [b"gpgsig ", b"gpgsig-sha256 "];

/// That of a repository, whose hash the length of its names tells.
fn own_header(id: &str) -> &'static [u8] {
    HEADERS[usize::from(id.len() == 64)]
}

/// The signature in a commit under its own header, and the commit without any: what was signed. Its further lines begin with
/// a space.
fn parted(commit: &[u8], own: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let end = commit.windows(2).position(|pair| pair == b"\n\n").map_or(commit.len(), |at| at + 1);
    let (head, body) = commit.split_at(end);
    let (mut signature, mut content, mut within) = (None, Vec::new(), Within::Other);
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        within = match line {
            [b' ', ..] => within,
            _ if line.starts_with(own) => Within::Signature,
            _ if HEADERS.iter().any(|header| line.starts_with(header)) => Within::Another,
            _ => Within::Other,
        };
        match within {
            Within::Other => content.extend_from_slice(line),
            Within::Another => {}
            Within::Signature => {
                let line = line.strip_prefix(own).or_else(|| line.strip_prefix(b" ")).unwrap_or(line);
                signature.get_or_insert_with(Vec::new).extend_from_slice(line);
            }
        }
    }
    content.extend_from_slice(body);
    signature.map(|signature| (signature, content))
}

/// In which header a line of a commit stands.
#[derive(Clone, Copy)]
enum Within {
    Signature,
    Another,
    Other,
}

#[derive(Debug, Serialize)]
struct Commits {
    verified: bool,
    commits: Vec<Commit>,
}

#[derive(Debug, Default, Serialize)]
struct Commit {
    commit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authority: Option<String>,
    #[serde(flatten)]
    times: Option<Times>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

impl Report for Commits {
    fn page(&self, page: &mut Page) {
        for Commit { commit, signer, authority, times, refused } in &self.commits {
            match (signer, authority, refused) {
                (Some(signer), Some(authority), None) => {
                    page.good(&format!("{commit}: signed by {signer}, certified by {authority}"));
                    if let Some(times) = times {
                        times.page(page);
                    }
                }
                _ => page.bad(&format!("{commit}: {}", refused.as_deref().unwrap_or_default())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_parted_from_its_signature() {
        let commit = b"tree 1\nauthor A\ngpgsig -----BEGIN\n abc\n -----END\nencoding x\n\nwords\n gpgsig not this\n";
        let sha1 = own_header(&"0".repeat(40));
        let (signature, content) = parted(commit, sha1).unwrap();
        assert_eq!(signature, b"-----BEGIN\nabc\n-----END\n");
        assert_eq!(content, b"tree 1\nauthor A\nencoding x\n\nwords\n gpgsig not this\n");
        assert!(parted(b"tree 1\n\ngpgsig in the words alone\n", sha1).is_none());
        assert!(parted(b"", sha1).is_none());
    }

    #[test]
    fn each_hash_has_a_signature_of_its_own_and_neither_was_signed() {
        let commit = b"tree 1\ngpgsig one\n more\ngpgsig-sha256 two\n more\n\nwords\n";
        for (length, signature) in [(40, "one\nmore\n"), (64, "two\nmore\n")] {
            let found = parted(commit, own_header(&"0".repeat(length)));
            assert_eq!(found, Some((signature.into(), b"tree 1\n\nwords\n".to_vec())));
        }
        assert!(parted(b"tree 1\ngpgsig one\n\nwords\n", own_header(&"0".repeat(64))).is_none());
    }
}
