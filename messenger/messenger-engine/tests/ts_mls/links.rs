//! Connections of a device without an engine: frames in, frames out.

use identity::certificate::Certificate;
use messenger_engine::room::DeviceKey;
use messenger_engine::wire::{self, Channel, RoomFrame, TalkFrame, capability};
use quinn::{Connection, RecvStream, SendStream};
use room_order::Leaf;
use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc::UnboundedSender;

/// A frame, and over which connection it came.
pub(crate) enum Heard {
    Talk(usize, TalkFrame),
    Room(usize, RoomFrame),
}

/// One connection.
struct Link {
    /// Whose it is.
    device: DeviceKey,
    talk: SendStream,
    rooms: SendStream,
    /// How many texts went over it.
    texts: u64,
    /// Kept, or it closes.
    _connection: Connection,
}

/// All of them, in the order in which they came to stand.
pub(crate) struct Links {
    links: Vec<Link>,
    heard: UnboundedSender<Heard>,
}

impl Links {
    pub(crate) fn new(heard: UnboundedSender<Heard>) -> Self {
        Self { links: Vec::new(), heard }
    }

    /// Says hello over a connection, and hears what comes over it.
    pub(crate) async fn add(&mut self, connection: Connection) {
        let mut talk = begin(&connection, Channel::Talk).await;
        let rooms = begin(&connection, Channel::Rooms).await;
        let capabilities = capability::TEXT | capability::ROOMS;
        let hello =
            TalkFrame::Hello { version: 1, run: rand::random(), capabilities, resume: None, endorsements: None };
        write(&mut talk, &hello, Channel::Talk).await;
        let (index, heard, incoming) = (self.links.len(), self.heard.clone(), connection.clone());
        tokio::spawn(async move {
            while let Ok(stream) = incoming.accept_uni().await {
                tokio::spawn(hear(index, stream, heard.clone()));
            }
        });
        let device = device(&connection);
        self.links.push(Link { device, talk, rooms, texts: 0, _connection: connection });
    }

    /// To everybody.
    pub(crate) async fn room_frame_to_all(&mut self, frame: &RoomFrame) {
        for link in &mut self.links {
            write(&mut link.rooms, frame, Channel::Rooms).await;
        }
    }

    pub(crate) async fn room_frame(&mut self, to: usize, frame: &RoomFrame) {
        write(&mut self.links[to].rooms, frame, Channel::Rooms).await;
    }

    pub(crate) async fn talk(&mut self, to: usize, frame: &TalkFrame) {
        write(&mut self.links[to].talk, frame, Channel::Talk).await;
    }

    /// A text to everybody, one to one.
    pub(crate) async fn greet(&mut self) {
        for link in &mut self.links {
            link.texts += 1;
            let frame = TalkFrame::Text { number: link.texts, id: 1, text: "hello".into(), reply: None };
            write(&mut link.talk, &frame, Channel::Talk).await;
        }
    }

    /// A sealed text to these devices.
    pub(crate) async fn text(&mut self, to: &[(Leaf, DeviceKey)], room: [u8; 16], message: &[u8]) {
        let theirs = |link: &&mut Link| to.iter().any(|(_, device)| *device == link.device);
        for link in self.links.iter_mut().filter(theirs) {
            link.texts += 1;
            let frame = TalkFrame::RoomText { number: link.texts, room, message: message.to_vec() };
            write(&mut link.talk, &frame, Channel::Talk).await;
        }
    }
}

/// The device at the other end, whose certificate was verified in the handshake.
fn device(connection: &Connection) -> DeviceKey {
    let chain = connection.peer_identity().unwrap().downcast::<Vec<CertificateDer<'static>>>().unwrap();
    DeviceKey(Certificate::parse(&chain[0]).unwrap().device_key().unwrap())
}

async fn begin(connection: &Connection, channel: Channel) -> SendStream {
    let mut stream = connection.open_uni().await.unwrap();
    stream.write_all(&[channel.byte()]).await.unwrap();
    stream
}

/// Who has closed the connection meanwhile hears no more.
async fn write<T: minicbor::Encode<()>>(stream: &mut SendStream, frame: &T, channel: Channel) {
    let _ = stream.write_all(&wire::encode(frame, channel).unwrap()).await;
}

async fn hear(index: usize, mut stream: RecvStream, heard: UnboundedSender<Heard>) {
    let mut byte = [0];
    if stream.read_exact(&mut byte).await.is_err() {
        return;
    }
    let channel = Channel::from_byte(byte[0]).unwrap();
    let mut prefix = [0; 4];
    while stream.read_exact(&mut prefix).await.is_ok() {
        let mut body = vec![0; wire::body_length(prefix, channel).unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        let frame = match channel {
            Channel::Talk => wire::decode(&body).unwrap().map(|frame| Heard::Talk(index, frame)),
            Channel::Rooms => wire::decode(&body).unwrap().map(|frame| Heard::Room(index, frame)),
            Channel::Files => None,
        };
        if let Some(frame) = frame {
            let _ = heard.send(frame);
        }
    }
}
