//! Child processes that cannot be left behind: [`crate::guard`] has the kernel kill them when their parent ends, and on
//! top of that [`Running`] kills its child when it is dropped, so also when a test panics.

mod collecting;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

pub use self::collecting::{Collecting, Finished, collect, run, run_program};
use crate::{Context, Failure};

/// How often something that cannot be awaited is looked at again.
const GLANCE: Duration = Duration::from_millis(5);

/// The children that have not been waited for, so that an interrupted story can end them all.
static LIVING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// The child that has the terminal, which it leaves as it found it if it is asked to end.
static ON_TERMINAL: Mutex<Option<u32>> = Mutex::new(None);

/// How long that one may take for it.
const TIDYING: Duration = Duration::from_secs(2);

/// Ends every child that still runs, from any thread: SIGTERM and some time for the one that has the terminal, then SIGKILL
/// to all. Whoever holds their [`Running`] will find them ended.
pub fn end_all() {
    let on_terminal = || *ON_TERMINAL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(id) = on_terminal() {
        let _ = send(id, Signal::TERM);
        let until = Instant::now() + TIDYING;
        while on_terminal().is_some() && Instant::now() < until {
            thread::sleep(GLANCE);
        }
    }
    for &id in LIVING.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        // One that has just ended by itself is as good.
        let _ = send(id, Signal::KILL);
    }
}

fn send(id: u32, signal: Signal) -> Result<(), Failure> {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw).context("no process has this id")?;
    rustix::process::kill_process(pid, signal).context(format!("sending {signal:?} to process {id}"))
}

/// A child process that is killed when this value is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    name: String,
}

impl Running {
    /// Starts `command` in a process group of its own, so that Ctrl-C reaches the story first and it decides in which
    /// order everything ends; `name` is what messages call it.
    ///
    /// # Errors
    /// The kernel refuses to start it.
    pub fn start(name: impl Into<String>, mut command: Command) -> Result<Self, Failure> {
        let name = name.into();
        let child = command.process_group(0).spawn().context(format!("starting {name}"))?;
        LIVING.lock().unwrap_or_else(PoisonError::into_inner).insert(child.id());
        Ok(Self { child, name })
    }

    /// Takes over a child that was started already.
    #[must_use]
    pub fn adopt(name: impl Into<String>, child: Child) -> Self {
        LIVING.lock().unwrap_or_else(PoisonError::into_inner).insert(child.id());
        Self { child, name: name.into() }
    }

    /// Starts `command` on the terminal that the story has, and waits until it ends.
    ///
    /// # Errors
    /// The kernel refuses to start it, or to say how it ended.
    pub fn on_terminal(name: impl Into<String>, mut command: Command) -> Result<ExitStatus, Failure> {
        let name = name.into();
        let child = command.spawn().context(format!("starting {name}"))?;
        *ON_TERMINAL.lock().unwrap_or_else(PoisonError::into_inner) = Some(child.id());
        let mut running = Self::adopt(name, child);
        let ended = running.child.wait().context(format!("waiting for {}", running.name));
        *ON_TERMINAL.lock().unwrap_or_else(PoisonError::into_inner) = None;
        running.forget();
        ended
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input, once.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Its standard output, once.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// The first line of its standard output; empty if it ends without one. The rest is read and dropped, so that the
    /// program never blocks on a full pipe.
    ///
    /// # Errors
    /// Nothing comes in time, or the output is not in our hands.
    pub fn first_line(&mut self, patience: Duration) -> Result<String, Failure> {
        let stdout = self.take_stdout().context(format!("the output of {} is not in our hands", self.name))?;
        let (send, receive) = mpsc::channel();
        thread::spawn(move || {
            let mut lines = BufReader::new(stdout);
            let mut line = String::new();
            let _ = lines.read_line(&mut line);
            let _ = send.send(line);
            let _ = std::io::copy(&mut lines, &mut std::io::sink());
        });
        receive.recv_timeout(patience).context(format!("waiting {patience:?} for the first line of {}", self.name))
    }

    /// Whether it has ended, and how.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, Failure> {
        let ended = self.child.try_wait().context(format!("asking after {}", self.name))?;
        if ended.is_some() {
            self.forget();
        }
        Ok(ended)
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// It has been waited for already, or the kernel refuses.
    pub fn signal(&self, signal: Signal) -> Result<(), Failure> {
        send(self.child.id(), signal).context(&self.name)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It still runs at the deadline.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus, Failure> {
        let until = Instant::now() + deadline;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if Instant::now() > until {
                return Err(Failure::new(format!(
                    "expected {} to end within {deadline:?}, but it still runs",
                    self.name
                )));
            }
            thread::sleep(GLANCE);
        }
    }

    /// SIGKILL, and waits until the kernel has taken it away.
    pub fn kill(&mut self) {
        // Both fail only if it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.forget();
    }

    /// Once it has been waited for, its id may belong to somebody else.
    fn forget(&self) {
        LIVING.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.child.id());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Looks again and again until `look` sees something.
///
/// # Errors
/// It sees nothing until the deadline; the message says what was `awaited`.
pub fn await_sight<T>(awaited: &str, deadline: Duration, mut look: impl FnMut() -> Option<T>) -> Result<T, Failure> {
    let until = Instant::now() + deadline;
    loop {
        if let Some(sight) = look() {
            return Ok(sight);
        }
        if Instant::now() > until {
            return Err(Failure::new(format!("expected {awaited} within {deadline:?}, saw none")));
        }
        thread::sleep(GLANCE);
    }
}

/// SIGKILL to the child process `id` after `delay`, from a thread of its own. Nothing is awaited here on purpose: a
/// power failure does not wait for a good moment.
pub fn kill_after(delay: Duration, id: u32) -> JoinHandle<()> {
    thread::spawn(move || {
        thread::sleep(delay);
        let _ = send(id, Signal::KILL);
    })
}

/// A file that a child's standard error goes to.
///
/// # Errors
/// It cannot be made.
pub fn sink(path: &Path) -> Result<Stdio, Failure> {
    let file = File::options().create(true).append(true).open(path).context(path.display())?;
    Ok(Stdio::from(file))
}
