//! A program of somebody's own that answers texts: one process for each text, which reads it on standard input and writes
//! the answer to standard output (docs/bots.md). It may be slow, crash, say too much or never end, and does no harm by it.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use messenger_engine::MAX_TEXT_BYTES;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::desk::Text;
use crate::failure::{Code, Failure};

/// How long a process may take for one text.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How much longer its output is waited for when it has ended: what it started may hold that for as long as it runs.
const GRACE: Duration = Duration::from_secs(1);
/// How much of what it writes to standard error is told.
const MAX_WORDS: u64 = 4096;

/// How many files it may offer at once.
const MAX_OFFERS: usize = 16;
/// How long their list may be (bytes).
const MAX_OFFERS_BYTES: u64 = 64 * 1024;

/// What stands in the environment of what would open the keys: the program has no use for it.
const SECRETS: [&str; 2] = ["INPERSON_PASSPHRASE_FROM", "CREDENTIALS_DIRECTORY"];

/// The program and what it is called with.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    patience: Duration,
}

/// What came of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The answer, or none; or why there is none, though there should be.
    pub(super) answer: Result<Option<String>, String>,
    /// What the program wrote to standard error, the beginning of it.
    pub(super) words: String,
    /// What it offers: paths of files and folders.
    pub(super) offers: Vec<String>,
}

impl Outcome {
    /// Nothing but a text, or none, or why not.
    pub(super) fn of(answer: Result<Option<String>, String>) -> Self {
        Self { answer, words: String::new(), offers: Vec::new() }
    }
}

impl Program {
    /// A program that can be run.
    ///
    /// # Errors
    /// It is not there, or may not be run.
    pub(crate) fn new(path: PathBuf, arguments: Vec<OsString>) -> Result<Self, Failure> {
        let places = match path.parent() {
            // A bare name is one on the PATH, as in a shell.
            Some(folder) if folder.as_os_str().is_empty() => std::env::var_os("PATH").unwrap_or_default(),
            _ => OsString::new(),
        };
        let mut found: Vec<_> = std::env::split_paths(&places).map(|place| runnable(&place.join(&path))).collect();
        if places.is_empty() {
            found.push(runnable(&path));
        }
        match found.into_iter().reduce(Result::or) {
            Some(Ok(())) => Ok(Self { path, arguments, patience: PATIENCE }),
            Some(Err((what, remedy))) => {
                Err(Failure::new(format!("{} {what}", path.display()), remedy).with(Code::Usage))
            }
            None => unreachable!("a place was looked at"),
        }
    }

    /// Has a text answered. If this is dropped before its end, the process and its children are killed.
    pub(super) async fn answer(&self, text: &Text) -> Outcome {
        // Not standard output, whose words are often those of whoever wrote: nobody else may choose a file.
        let offers = match tempfile::NamedTempFile::new() {
            Ok(offers) => offers,
            Err(error) => return Outcome::of(Err(format!("no place for its offers: {error}"))),
        };
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).env("INPERSON_FROM", text.from.as_str()).env("INPERSON_OFFERS", offers.path());
        match &text.file {
            Some(path) => command.env("INPERSON_FILE", path).env_remove("INPERSON_ID"),
            None => command.env("INPERSON_ID", text.id.to_string()).env_remove("INPERSON_FILE"),
        };
        for name in SECRETS {
            command.env_remove(name);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that its children end with it.
        let group = match command.process_group(0).kill_on_drop(true).spawn() {
            Ok(child) => Group(child),
            Err(error) => return Outcome::of(Err(format!("it cannot be run: {error}"))),
        };
        let mut words = Vec::new();
        let answer = tokio::time::timeout(self.patience, group.talk(&text.text, &mut words)).await;
        let late = |_| Err(format!("it took longer than {} s, and was ended", self.patience.as_secs()));
        let answer = answer.unwrap_or_else(late);
        let words = String::from_utf8_lossy(&words).into_owned();
        let (answer, offers) = match answer.and_then(|answer| Ok((answer, read_offers(offers.path())?))) {
            Ok((answer, offers)) => (Ok(answer), offers),
            Err(reason) => (Err(reason), Vec::new()),
        };
        Outcome { answer, words, offers }
    }
}

/// What the program offers: one absolute path in each line of the file that was named to it.
fn read_offers(file: &Path) -> Result<Vec<String>, String> {
    use std::io::Read;
    let mut text = String::new();
    let read = std::fs::File::open(file).and_then(|file| file.take(MAX_OFFERS_BYTES + 1).read_to_string(&mut text));
    read.map_err(|error| format!("what it offers cannot be read: {error}"))?;
    let offers: Vec<String> = text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if text.len() as u64 > MAX_OFFERS_BYTES || offers.len() > MAX_OFFERS {
        return Err(format!("it offers more than {MAX_OFFERS} files at once"));
    }
    match offers.iter().find(|path| !Path::new(path).is_absolute()) {
        Some(_) => Err("it offers a path that does not begin with a slash".to_owned()),
        None => Ok(offers),
    }
}

/// Whether a file can be run; else what is wrong with it, and what to try.
fn runnable(path: &Path) -> Result<(), (String, &'static str)> {
    match std::fs::metadata(path) {
        Err(error) => Err((format!("cannot be run: {error}"), "name a program that is there")),
        Ok(found) if !found.is_file() => Err(("is no program".to_owned(), "name a file that can be run")),
        Ok(found) if found.permissions().mode() & 0o111 == 0 => Err(("may not be run".to_owned(), "`chmod +x` it")),
        Ok(_) => Ok(()),
    }
}

/// A process that is killed with all of its group, unless it has ended by itself.
struct Group(Child);

impl Group {
    /// Gives it the text, and reads what it says until its end.
    async fn talk(mut self, text: &str, words: &mut Vec<u8>) -> Result<Option<String>, String> {
        let (input, output, errors) = (self.0.stdin.take(), self.0.stdout.take(), self.0.stderr.take());
        let tell = async {
            if let Some(mut input) = input {
                // Whoever does not read it all may answer nevertheless.
                let _ = input.write_all(text.as_bytes()).await;
            }
            Ok(())
        };
        let mut said = Vec::new();
        let listen = async {
            let Some(output) = output else { return Ok(()) };
            // With one byte more than a text and its line end may have.
            let read = output.take(MAX_TEXT_BYTES as u64 + 2).read_to_end(&mut said).await;
            read.map_err(|error| format!("what it said cannot be read: {error}"))?;
            // Nobody waits for the end of a flood.
            if said.len() > MAX_TEXT_BYTES + 1 { Err(too_long()) } else { Ok(()) }
        };
        let overhear = async {
            if let Some(errors) = errors {
                read_beginning(errors, words).await;
            }
            Ok(())
        };
        let ended = {
            let mut talk = pin!(async { tokio::try_join!(tell, listen, overhear).map(drop) });
            // Whoever was not waited for can be killed by his number; whoever was has ended by himself.
            tokio::select! {
                biased;
                talked = &mut talk => {
                    talked?;
                    self.0.wait().await
                }
                ended = self.0.wait() => {
                    if let Ok(talked) = tokio::time::timeout(GRACE, &mut talk).await {
                        talked?;
                    }
                    ended
                }
            }
        };
        let ended = ended.map_err(|error| format!("its end was not seen: {error}"))?;
        if !ended.success() {
            return Err(format!("it ended with {ended}"));
        }
        let said = String::from_utf8(said).map_err(|_| "it said something that is no UTF-8".to_owned())?;
        let said = said.trim_end_matches(['\r', '\n']);
        if said.len() > MAX_TEXT_BYTES {
            return Err(too_long());
        }
        Ok((!said.is_empty()).then(|| said.to_owned()))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // As long as it was not waited for, nobody else has its number.
        if let Some(group) = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

fn too_long() -> String {
    format!("it said more than the {MAX_TEXT_BYTES} bytes that a text may have")
}

/// Reads all there is, and keeps the beginning: a program that says much is not held up by it.
async fn read_beginning(mut from: impl AsyncRead + Unpin, kept: &mut Vec<u8>) {
    let _ = (&mut from).take(MAX_WORDS).read_to_end(kept).await;
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use identity::Identifier;

    fn shell(script: &str) -> Program {
        Program::new("sh".into(), vec!["-c".into(), script.into()]).unwrap()
    }

    fn text(text: &str) -> Text {
        Text { id: 7, from: Identifier::parse("alice@example.org").unwrap(), text: text.to_owned(), file: None }
    }

    async fn answer(script: &str) -> Result<Option<String>, String> {
        shell(script).answer(&text("one\ntwo")).await.answer
    }

    #[tokio::test]
    async fn what_it_writes_is_the_answer_and_nothing_is_none() {
        assert_eq!(answer("cat; echo").await, Ok(Some("one\ntwo".to_owned())));
        assert_eq!(answer("echo $INPERSON_FROM $INPERSON_ID").await, Ok(Some("alice@example.org 7".to_owned())));
        assert_eq!(answer("true").await, Ok(None));
        assert_eq!(answer("head -c 32768 /dev/zero | tr '\\0' x").await, Ok(Some("x".repeat(MAX_TEXT_BYTES))));
    }

    #[tokio::test]
    async fn it_may_leave_a_long_text_unread() {
        let outcome = shell("echo yes").answer(&text(&"x".repeat(MAX_TEXT_BYTES))).await;
        assert_eq!(outcome.answer, Ok(Some("yes".to_owned())));
    }

    #[tokio::test]
    async fn whatever_goes_wrong_is_told_and_answers_nothing() {
        for (script, told) in [
            ("echo half; exit 3", "ended with exit status: 3"),
            ("kill -9 $$", "ended with signal: 9"),
            ("printf '\\377'", "no UTF-8"),
            ("yes", "more than the 32768 bytes"),
            ("head -c 32769 /dev/zero", "more than the 32768 bytes"),
        ] {
            let problem = answer(script).await.unwrap_err();
            assert!(problem.contains(told), "{script}: {problem}");
        }
        let outcome = shell("echo oops >&2; yes no | head -c 1000000 >&2").answer(&text("")).await;
        assert_eq!(outcome.answer, Ok(None));
        assert!(outcome.words.starts_with("oops\nno\n"), "{}", outcome.words);
        assert_eq!(outcome.words.len() as u64, MAX_WORDS);
    }

    #[tokio::test]
    async fn whoever_never_ends_is_ended_with_all_children() {
        let place = tempfile::tempdir().unwrap();
        let noted = place.path().join("children");
        let script = format!("sleep 1000 & echo $! >> {0}; echo $$ >> {0}; wait", noted.display());
        let patience = Duration::from_secs(3600);
        let program = Program { patience, ..shell(&script) };
        let answering = tokio::spawn(async move { program.answer(&text("hi")).await });
        let mut children = String::new();
        while children.matches('\n').count() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            children = std::fs::read_to_string(&noted).unwrap_or_default();
        }
        // From here on nothing but time can end it.
        tokio::time::pause();
        tokio::time::advance(patience + Duration::from_secs(1)).await;
        let problem = answering.await.unwrap().answer.unwrap_err();
        tokio::time::resume();
        assert!(problem.contains("took longer"), "{problem}");
        let runs =
            |id: &str| std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z"));
        // Killed is not yet gone.
        while children.lines().any(runs) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn children_that_hold_its_output_do_not_keep_the_answer_back() {
        // They would for as long as it may take, and then there would be none.
        let outcome = shell("sleep 1000 & echo $! >&2; echo yes").answer(&text("hi")).await;
        assert_eq!(outcome.answer, Ok(Some("yes".to_owned())));
        let child = Pid::from_raw(outcome.words.trim().parse().unwrap()).unwrap();
        // What it started and did not wait for is its own affair.
        rustix::process::kill_process(child, Signal::KILL).unwrap();
    }

    #[test]
    fn what_cannot_be_run_is_told_at_the_start() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        std::fs::write(&file, "").unwrap();
        for (path, told) in [
            (place.path().join("none"), "cannot be run"),
            (place.path().to_owned(), "is no program"),
            (file, "may not be run"),
            ("in-no-folder-of-the-path".into(), "cannot be run"),
        ] {
            let failure = Program::new(path, Vec::new()).unwrap_err();
            assert!(failure.happened.contains(told) && failure.code == Code::Usage, "{failure:?}");
        }
    }
}
