//! A log that is submitted to over HTTP: batches, lost answers, back-pressure, refusals, dishonest answers.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use futures_util::future::join_all;
use tlog_proof::submission::{Answer, Batch};
use tlog_proof::{Entry, ObjectKind};
use tower::ServiceExt as _;

use super::{Gate, RemoteLog, router};
use crate::client::self_proving_http;
use crate::sequencer::{Submit as _, SubmitError};
use crate::system_clock;
use crate::testing::MemoryLog;

const ORIGIN: &str = "log.example/2026";

fn entry(number: u32) -> Vec<u8> {
    let mut label = [0; 32];
    label[..4].copy_from_slice(&number.to_be_bytes());
    Entry::Certificate { label, commitment: [7; 32] }.encode()
}

async fn log() -> MemoryLog {
    MemoryLog::open(ORIGIN, system_clock()).await
}

fn everybody() -> Gate {
    Arc::new(|_, _| Ok(()))
}

fn room(entries: u32) -> NonZeroU32 {
    NonZeroU32::new(entries).unwrap()
}

/// Serves on a free port of the loopback for as long as the test's runtime lives; gives the prefix.
async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let prefix = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    prefix
}

fn remote(prefix: &str, log: &MemoryLog) -> RemoteLog {
    RemoteLog::new(self_proving_http(), prefix, ORIGIN, log.policy.clone())
}

#[tokio::test]
async fn what_waits_goes_in_few_requests_and_every_answer_is_proven() {
    let log = log().await;
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let gate: Gate = Arc::new(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    let prefix = serve(router(log.sequencer.clone(), gate, room(1000))).await;
    let remote = remote(&prefix, &log);
    let answers = join_all((0..300).map(|number| remote.submit(entry(number)))).await;
    let mut indexes: Vec<u64> = answers.into_iter().map(|answer| answer.unwrap().index).collect();
    indexes.sort_unstable();
    assert_eq!(indexes, (0..300).collect::<Vec<u64>>());
    assert!(requests.load(Ordering::SeqCst) < 100, "{requests:?} requests for 300 entries");

    let object = remote.put_object(ObjectKind::TrustPolicy, b"a policy".to_vec()).await.unwrap();
    assert_eq!(object.index, 300);
    let again = remote.put_object(ObjectKind::TrustPolicy, b"a policy".to_vec()).await.unwrap();
    assert_eq!(again.index, 300, "the identical object is the identical entry");
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_gives_the_old_index() {
    let log = log().await;
    let lost = Arc::new(AtomicUsize::new(0));
    let losing = {
        let lost = Arc::clone(&lost);
        from_fn(move |request: Request, next: Next| {
            let lost = Arc::clone(&lost);
            async move {
                let response: Response = next.run(request).await;
                if lost.fetch_add(1, Ordering::SeqCst) == 0 {
                    assert_eq!(response.status(), StatusCode::OK, "it is logged");
                    return Response::builder().status(StatusCode::BAD_GATEWAY).body(Body::empty()).unwrap();
                }
                response
            }
        })
    };
    let prefix = serve(router(log.sequencer.clone(), everybody(), room(10)).layer(losing)).await;
    let remote = remote(&prefix, &log);
    let answer = remote.submit(entry(1)).await.unwrap();
    assert_eq!((answer.index, lost.load(Ordering::SeqCst)), (0, 2));
    assert_eq!(remote.submit(entry(2)).await.unwrap().index, 1, "nothing was logged twice");
}

/// The log takes two entries, and nobody hears of it; then it refuses who submits. That is no "not logged".
#[tokio::test]
async fn a_refusal_after_a_lost_answer_leaves_it_open_whether_it_is_logged() {
    let log = log().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let withdrawn: Gate = {
        let asked = Arc::clone(&asked);
        Arc::new(move |_, _| match asked.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(()),
            _ => Err("no longer".to_owned()),
        })
    };
    let losing = from_fn(|request: Request, next: Next| async move {
        let response: Response = next.run(request).await;
        match response.status() {
            StatusCode::OK => Response::builder().status(StatusCode::BAD_GATEWAY).body(Body::empty()).unwrap(),
            _ => response,
        }
    });
    let prefix = serve(router(log.sequencer.clone(), withdrawn, room(10)).layer(losing)).await;
    let remote = remote(&prefix, &log);
    // Together in one request, then each by itself.
    for answer in join_all([remote.submit(entry(1)), remote.submit(entry(2))]).await {
        let Err(SubmitError::Delayed { reason }) = &answer else { panic!("{answer:?}") };
        assert!(reason.contains("no longer"), "{reason}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 4);
    assert_eq!(log.sequencer.submit(entry(3)).await.unwrap().index, 2, "both are logged");
    let refused = remote.submit(entry(4)).await;
    assert!(matches!(refused, Err(SubmitError::Refused { status: 403, .. })), "{refused:?}");
}

async fn post(router: &Router, path: &str, body: Vec<u8>) -> Response {
    let request = Request::post(path).body(Body::from(body)).unwrap();
    router.clone().oneshot(request).await.unwrap()
}

#[tokio::test]
async fn beyond_its_room_the_log_says_when_to_come_again_and_takes_nothing() {
    let log = log().await;
    let router = router(log.sequencer.clone(), everybody(), room(2));
    let three = post(&router, "/entries", Batch((0..3).map(entry).collect()).encode()).await;
    assert_eq!(three.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(three.headers()[header::RETRY_AFTER], "1");
    let two = post(&router, "/entries", Batch((0..2).map(entry).collect()).encode()).await;
    assert_eq!(two.status(), StatusCode::OK);
    let body = axum::body::to_bytes(two.into_body(), 1 << 20).await.unwrap();
    let indexes: Vec<u64> = Answer::decode(&body, 2).unwrap().0.iter().map(|logged| logged.index).collect();
    assert_eq!(indexes, [0, 1], "the three before were not taken");

    log.sequencer.clone().stop().await;
    let stopped = post(&router, "/entries", Batch(vec![entry(9)]).encode()).await;
    assert_eq!(stopped.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(stopped.headers()[header::RETRY_AFTER], "30");
}

#[tokio::test]
async fn garbage_is_refused_with_the_reason() {
    let log = log().await;
    let router = router(log.sequencer.clone(), everybody(), room(10));
    let object = Entry::Object { kind: ObjectKind::Crl, hash: [1; 32] }.encode();
    for (path, body, status) in [
        ("/entries", vec![], StatusCode::BAD_REQUEST),
        ("/entries", vec![0, 1, 9], StatusCode::BAD_REQUEST),
        ("/entries", Batch(vec![entry(1), vec![2; 66]]).encode(), StatusCode::BAD_REQUEST),
        ("/entries", Batch(vec![object]).encode(), StatusCode::BAD_REQUEST),
        ("/entries", vec![0; 40_000], StatusCode::PAYLOAD_TOO_LARGE),
        ("/object/14", vec![1], StatusCode::NOT_FOUND),
        ("/object/10", vec![0; (4 << 20) + 1], StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        assert_eq!(post(&router, path, body).await.status(), status, "{path}");
    }
    assert_eq!(log.sequencer.submit(entry(1)).await.unwrap().index, 0, "nothing of it was logged");
}

#[tokio::test]
async fn duplicates_and_other_orders_get_the_old_places() {
    let log = log().await;
    let router = router(log.sequencer.clone(), everybody(), room(10));
    let indexes = async |numbers: &[u32]| {
        let batch = Batch(numbers.iter().map(|number| entry(*number)).collect());
        let answer = post(&router, "/entries", batch.encode()).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        let answer = Answer::decode(&body, numbers.len()).unwrap();
        answer.0.iter().map(|logged| logged.index).collect::<Vec<_>>()
    };
    assert_eq!(indexes(&[3, 1, 3]).await, [0, 1, 0]);
    assert_eq!(indexes(&[2, 1, 3, 2]).await, [2, 1, 0, 2]);
    assert_eq!(log.sequencer.submit(entry(9)).await.unwrap().index, 3, "nothing twice");
}

#[tokio::test]
async fn other_paths_and_methods_lead_nowhere() {
    let log = log().await;
    let router = router(log.sequencer.clone(), everybody(), room(10));
    for path in ["/", "/entries/", "/object", "/object/1", "/object/10/", "/object/../entries", "/checkpoint"] {
        assert_eq!(post(&router, path, vec![]).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    for method in ["GET", "PUT", "DELETE"] {
        let request = Request::builder().method(method).uri("/entries").body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
}

#[tokio::test]
async fn one_that_is_refused_does_not_take_others_along() {
    let log = log().await;
    let forbidden = entry(13);
    let label = Entry::decode(&forbidden).unwrap();
    let gate: Gate = Arc::new(move |_, entries| match entries.contains(&label) {
        true => Err("not this one".to_owned()),
        false => Ok(()),
    });
    let prefix = serve(router(log.sequencer.clone(), gate, room(100))).await;
    let remote = remote(&prefix, &log);
    let answers = join_all((10..20).map(|number| remote.submit(entry(number)))).await;
    for (number, answer) in (10..20).zip(answers) {
        match answer {
            Err(SubmitError::Refused { status: 403, reason }) if number == 13 => assert_eq!(reason, "not this one"),
            answer => assert!(answer.is_ok() && number != 13, "{number}: {answer:?}"),
        }
    }
}

#[tokio::test]
async fn an_answer_that_proves_something_else_is_no_answer() {
    let log = log().await;
    let other = log.sequencer.submit(entry(99)).await.unwrap();
    let dishonest = Router::new().route(
        "/entries",
        axum::routing::post(move || {
            let answer = Answer(vec![other.proof.clone()]).encode();
            async move { answer }
        }),
    );
    let prefix = serve(dishonest).await;
    let answer = remote(&prefix, &log).submit(entry(1)).await;
    assert!(matches!(answer, Err(SubmitError::Proof(_))), "{answer:?}");
}

#[tokio::test]
async fn a_log_that_does_not_answer_is_given_up_in_time_and_nothing_is_lost() {
    let log = log().await;
    // The port is this test's, and nobody listens yet.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let remote = remote(&format!("http://{address}"), &log);
    // Two seconds stand for thirty: the log comes back within the submitter's patience.
    let waiting = tokio::spawn({
        let remote = remote.clone();
        async move { remote.submit(entry(1)).await }
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(!waiting.is_finished(), "it goes on asking");
    let listener = socket.listen(16).unwrap();
    let router = router(log.sequencer.clone(), everybody(), room(10));
    tokio::spawn(async move { axum::serve(listener, router).await });
    assert_eq!(waiting.await.unwrap().unwrap().index, 0);
}
