use std::time::Duration;

use super::super::testing::connected;
use super::*;
use crate::wire::{RoomFrame, TalkFrame, encode};

const WINDOW: u32 = 1_200_000;
const CONNECTION: ConnectionId = 7;

fn text(number: u64) -> TalkFrame {
    TalkFrame::Text { number, id: number, text: "at seven".repeat(usize::try_from(number % 100).unwrap()), reply: None }
}

/// What is read up to the end of the connection: the numbers of texts, and what went wrong.
async fn told(accepted: Connection) -> Vec<Result<u64, String>> {
    let mut reader = Reader::default();
    reader.add(accepted, CONNECTION);
    let happenings = stream::unfold(reader, |mut reader| async move { Some((reader.next().await?, reader)) });
    let told = happenings.map(|happening| match happening {
        Happening::Talk { connection: CONNECTION, frame: TalkFrame::Text { number, id, text: found, reply: None } } => {
            let same = text(number) == TalkFrame::Text { number, id, text: found, reply: None };
            if same { Ok(number) } else { Err(format!("another text {number}")) }
        }
        Happening::Misbehaved { connection: CONNECTION, reason }
        | Happening::Lost { connection: CONNECTION, reason, .. } => Err(reason),
        _ => Err("something else".into()),
    });
    tokio::time::timeout(Duration::from_secs(30), told.collect()).await.unwrap()
}

#[tokio::test]
async fn frames_in_pieces_and_frames_in_heaps_are_read_whole_and_the_end_comes_last() {
    const FRAMES: u64 = 300;
    let (_dialling, dialled, _accepting, accepted) = connected(WINDOW).await;
    let mut bytes = vec![Channel::Talk.byte()];
    for number in 1..=FRAMES {
        bytes.extend(encode(&text(number), Channel::Talk).unwrap());
    }
    let writing = tokio::spawn(async move {
        let mut stream = dialled.open_uni().await.unwrap();
        let (pieces, heap) = bytes.split_at(3000);
        for piece in pieces.chunks(7) {
            stream.write_all(piece).await.unwrap();
            // Every piece leaves before the next is written.
            tokio::task::yield_now().await;
        }
        stream.write_all(heap).await.unwrap();
        stream.finish().unwrap();
        stream.stopped().await.unwrap();
        dialled.close(Close::DONE.0.into(), b"");
    });
    let mut expected: Vec<_> = (1..=FRAMES).map(Ok).collect();
    expected.push(Err("the other device closed it".to_owned()));
    assert_eq!(told(accepted).await, expected);
    writing.await.unwrap();
}

/// What comes, by its channel.
async fn channels(accepted: Connection) -> Vec<&'static str> {
    let mut reader = Reader::default();
    reader.add(accepted, CONNECTION);
    let happenings = stream::unfold(reader, |mut reader| async move { Some((reader.next().await?, reader)) });
    let channels = happenings.map(|happening| match happening {
        Happening::Talk { .. } => "talk",
        Happening::Rooms { .. } => "rooms",
        Happening::Lost { .. } => "lost",
        _ => "something else",
    });
    tokio::time::timeout(Duration::from_secs(30), channels.collect()).await.unwrap()
}

#[tokio::test]
async fn room_frames_wait_for_the_first_talk_frame_however_many_they_are() {
    const FRAMES: usize = 300;
    let (_dialling, dialled, _accepting, accepted) = connected(WINDOW).await;
    let reading = tokio::spawn(channels(accepted));
    let mut rooms = dialled.open_uni().await.unwrap();
    rooms.write_all(&[Channel::Rooms.byte()]).await.unwrap();
    let leave = encode(&RoomFrame::Leave { room: [7; 16] }, Channel::Rooms).unwrap();
    for _ in 0..FRAMES {
        rooms.write_all(&leave).await.unwrap();
    }
    rooms.finish().unwrap();
    let mut talk = dialled.open_uni().await.unwrap();
    talk.write_all(&[Channel::Talk.byte()]).await.unwrap();
    talk.write_all(&encode(&text(1), Channel::Talk).unwrap()).await.unwrap();
    talk.finish().unwrap();
    rooms.stopped().await.unwrap();
    talk.stopped().await.unwrap();
    dialled.close(Close::DONE.0.into(), b"");
    let told = reading.await.unwrap();
    assert_eq!((told.first(), told.last(), told.len()), (Some(&"talk"), Some(&"lost"), FRAMES + 2));
}

#[tokio::test]
async fn a_connection_that_ends_without_a_greeting_is_told_as_lost() {
    let (_dialling, dialled, _accepting, accepted) = connected(WINDOW).await;
    let reading = tokio::spawn(channels(accepted));
    let mut rooms = dialled.open_uni().await.unwrap();
    rooms.write_all(&[Channel::Rooms.byte()]).await.unwrap();
    rooms.finish().unwrap();
    rooms.stopped().await.unwrap();
    dialled.close(Close::DONE.0.into(), b"");
    assert_eq!(reading.await.unwrap(), ["lost"]);
}

#[tokio::test]
async fn a_stream_of_an_unknown_channel_is_stopped_and_the_others_are_read_on() {
    let (_dialling, dialled, _accepting, accepted) = connected(WINDOW).await;
    let reading = tokio::spawn(told(accepted));
    let mut unknown = dialled.open_uni().await.unwrap();
    unknown.write_all(&[99, 1, 2, 3]).await.unwrap();
    assert_eq!(unknown.stopped().await.unwrap(), Some(Close::UNKNOWN_CHANNEL.0.into()));
    let mut stream = dialled.open_uni().await.unwrap();
    stream.write_all(&[Channel::Talk.byte()]).await.unwrap();
    stream.write_all(&encode(&text(1), Channel::Talk).unwrap()).await.unwrap();
    stream.finish().unwrap();
    stream.stopped().await.unwrap();
    dialled.close(Close::DONE.0.into(), b"");
    assert_eq!(reading.await.unwrap(), [Ok(1), Err("the other device closed it".to_owned())]);
}

#[tokio::test]
async fn what_is_no_frame_ends_its_stream_with_the_reason() {
    let (_dialling, dialled, _accepting, accepted) = connected(WINDOW).await;
    let reading = tokio::spawn(told(accepted));
    let mut stream = dialled.open_uni().await.unwrap();
    // Frames that came with it count, and those behind it do not.
    let frame = |number| encode(&text(number), Channel::Talk).unwrap();
    let bytes = [vec![Channel::Talk.byte()], frame(1), frame(2), vec![0, 1, 0, 1], frame(3)].concat();
    stream.write_all(&bytes).await.unwrap();
    // What follows is read no more.
    let _ = stream.stopped().await;
    dialled.close(Close::DONE.0.into(), b"");
    let told = reading.await.unwrap();
    let refused = "expected a body of at most 65536 bytes, found 65537".to_owned();
    assert_eq!((&told[..3], told.len()), (&[Ok(1), Ok(2), Err(refused)][..], 4));
}
