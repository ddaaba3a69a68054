//! People with whole engines and a directory on loopback, all in this process, and what they are told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use identity::{Identifier, UnixTime, testing::Authority};
use messenger_engine::{Command, DirectoryAddress, Engine, Event, RoomId, RoomSuite};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::super::message::{TEXT, engine_config, person, serve_directory};

/// Nothing takes this long, unless a machine is so busy that figures mean nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of waiting, or what was waited for in vain.
pub(super) type Waited<T> = Result<T, String>;

/// Somebody was told something.
pub(super) struct Told {
    pub(super) who: usize,
    pub(super) at: Instant,
    pub(super) event: Event,
}

/// Everybody, by number, and the room that they are in.
pub(super) struct Town {
    pub(super) authority: Authority,
    directory: DirectoryAddress,
    people: BTreeMap<usize, (Identifier, Engine)>,
    next: usize,
    room: RoomId,
    tell: mpsc::UnboundedSender<Told>,
    told: mpsc::UnboundedReceiver<Told>,
    _stop: DropGuard,
}

/// How long after her word somebody was in the room, the last of the others knew it, and all had her first text, for which
/// each needs a connection to her.
pub(super) struct Entry {
    pub(super) inside: Duration,
    pub(super) known: Duration,
    pub(super) heard: Duration,
}

impl Town {
    /// Somebody opens a room; her engine runs there.
    pub(super) async fn new(suite: RoomSuite, runtime: &Handle) -> Waited<Self> {
        let now = UnixTime::now();
        let authority = Authority::new(9, now);
        let stop = CancellationToken::new();
        let directory = serve_directory(&authority, now, stop.clone());
        let (tell, told) = mpsc::unbounded_channel();
        let (people, room, _stop) = (BTreeMap::new(), RoomId([0; 16]), stop.drop_guard());
        let mut town = Self { authority, directory, people, next: 0, room, tell, told, _stop };
        let host = town.come(runtime).await?;
        town.command(host, Command::RoomCreate { name: "tea".to_owned(), suite }).await;
        town.room = town
            .until("a room", |told| match told.event {
                Event::Room { room, .. } => Some(room),
                _ => None,
            })
            .await?;
        Ok(town)
    }

    /// So many people are in the room, each with a connection to each.
    pub(super) async fn grow(&mut self, members: usize, runtime: &Handle) -> Waited<()> {
        while self.people.len() < members {
            let guest = self.come(runtime).await?;
            self.enter(guest).await?;
        }
        Ok(())
    }

    /// Somebody starts her program, and is online.
    pub(super) async fn come(&mut self, runtime: &Handle) -> Waited<usize> {
        let number = self.next;
        self.next += 1;
        let who = person(&format!("person{number}@example.org"));
        // Whom the host asks in knows her.
        let contacts = self.people.values().next().map(|(host, _)| host.clone()).into_iter().collect();
        let config = engine_config(&self.authority, &self.directory, &who, contacts);
        let (engine, mut events) = {
            let _there = runtime.enter();
            Engine::start(config).expect("loopback has free ports")
        };
        let tell = self.tell.clone();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if tell.send(Told { who: number, at: Instant::now(), event }).is_err() {
                    return;
                }
            }
        });
        self.people.insert(number, (who, engine));
        let online = |told: &Told| (told.who == number && matches!(told.event, Event::Online { .. })).then_some(());
        self.until("the directory", online).await?;
        Ok(number)
    }

    /// Somebody is asked in, and enters.
    pub(super) async fn enter(&mut self, guest: usize) -> Waited<Entry> {
        let (host, who) = (self.host(), self.who(guest).to_string());
        self.command(host, Command::RoomInvite { room: self.room, who }).await;
        let asked = |told: &Told| matches!(told.event, Event::RoomInvitation { .. }).then_some(());
        self.until("an invitation", asked).await?;
        let (members, began) = (self.people.len(), Instant::now());
        self.command(guest, Command::RoomAccept { room: self.room }).await;
        // Others may know of it before she does.
        let (mut known, mut inside, mut here, mut heard) = (began, began, BTreeSet::new(), None);
        while here.len() < members || heard.is_none() {
            let Told { who, at, event } = self.next().await?;
            match event {
                Event::Room { members: found, .. } if found.len() == members && here.insert(who) => {
                    if who == guest {
                        inside = at;
                        self.say(guest).await;
                    }
                    known = at;
                }
                Event::RoomMessageState { delivered, missing, .. }
                    if delivered.len() + missing.len() == members - 1 =>
                {
                    match missing.is_empty() {
                        true => heard = Some(at),
                        // On a busy machine a connection may come later than texts wait for it.
                        false => self.say(guest).await,
                    }
                }
                _ => {}
            }
        }
        let heard = heard.unwrap_or(known);
        Ok(Entry { inside: inside - began, known: known - began, heard: heard - began })
    }

    /// The host, as long as none is lost: whoever opened the room.
    pub(super) fn host(&self) -> usize {
        *self.people.keys().next().expect("somebody is here")
    }

    /// Somebody leaves the room and ends her program.
    pub(super) async fn leave(&mut self, guest: usize) -> Waited<()> {
        self.command(guest, Command::RoomLeave { room: self.room }).await;
        self.command(guest, Command::Quit).await;
        self.forget(guest);
        self.agree().await.map(drop)
    }

    /// She is not counted on any more.
    pub(super) fn forget(&mut self, who: usize) {
        self.people.remove(&who);
    }

    /// When the last of them is in an epoch with exactly the others who are there, and who its host is.
    pub(super) async fn agree(&mut self) -> Waited<(Instant, usize)> {
        let mut left: BTreeSet<usize> = self.people.keys().copied().collect();
        let members = left.len();
        let agreed = self.until("a room of those who are left", |told| {
            let Event::Room { host, .. } = &told.event else { return None };
            let at = in_room_of(told, members)?;
            left.remove(&told.who);
            left.is_empty().then(|| (at, host.clone()))
        });
        let (at, host) = agreed.await?;
        let found = self.people.iter().find(|(_, (who, _))| *who == host);
        Ok((at, *found.ok_or("a host who is there, in vain")?.0))
    }

    pub(super) fn everybody(&self) -> Vec<usize> {
        self.people.keys().copied().collect()
    }

    pub(super) fn who(&self, number: usize) -> &Identifier {
        &self.people[&number].0
    }

    /// Somebody says a text to all.
    pub(super) async fn say(&self, who: usize) {
        self.command(who, Command::RoomSend { room: self.room, text: TEXT.to_owned(), id: None, reply_to: None }).await;
    }

    pub(super) async fn command(&self, who: usize, command: Command) {
        assert!(self.people[&who].1.send(command).await, "the engine runs");
    }

    /// What is told next.
    pub(super) async fn next(&mut self) -> Waited<Told> {
        let told = tokio::time::timeout(PATIENCE, self.told.recv()).await;
        Ok(told.map_err(|_| "waited for a word of anybody in vain")?.expect("this town tells"))
    }

    /// Waits for an answer to the question; what is told meanwhile is passed over.
    pub(super) async fn until<T>(&mut self, what: &str, mut question: impl FnMut(&Told) -> Option<T>) -> Waited<T> {
        let search = async {
            loop {
                let told = self.told.recv().await.expect("this town tells");
                if let Some(answer) = question(&told) {
                    return answer;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.map_err(|_| format!("waited for {what} in vain"))
    }
}

/// When somebody was told of a room of so many.
fn in_room_of(told: &Told, count: usize) -> Option<Instant> {
    match &told.event {
        Event::Room { members, .. } if members.len() == count => Some(told.at),
        _ => None,
    }
}
