//! A name server with the records that a test wants, on a port of its own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{CAA, CNAME, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::proto::serialize::binary::{BinDecodable as _, BinEncodable as _};
use tokio::net::UdpSocket;

use crate::config::Resolvers;

#[derive(Default)]
struct Zone {
    records: HashMap<String, Vec<RData>>,
    failing: Vec<String>,
    asked: Vec<String>,
}

/// Answers as long as the test's runtime runs.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    /// Held, it lets everybody wait.
    pub(crate) answers: Arc<tokio::sync::Mutex<()>>,
    zone: Arc<Mutex<Zone>>,
}

impl NameServer {
    pub(crate) async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (address, zone) = (socket.local_addr().unwrap(), Arc::<Mutex<Zone>>::default());
        let answers = Arc::default();
        tokio::spawn({
            let (zone, answers) = (Arc::clone(&zone), Arc::<tokio::sync::Mutex<()>>::clone(&answers));
            async move {
                let mut buffer = [0; 4096];
                while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                    let answer = answer(&zone, &buffer[..length]);
                    drop(answers.lock().await);
                    let _ = socket.send_to(&answer, from).await;
                }
            }
        });
        Self { address, answers, zone }
    }

    /// This one alone.
    pub(crate) fn resolvers(&self) -> Resolvers {
        Resolvers { servers: vec![self.address], agree: None }
    }

    fn add(&self, name: &str, data: RData) {
        self.zone.lock().unwrap().records.entry(name.into()).or_default().push(data);
    }

    pub(crate) fn txt(&self, name: &str, text: &str) {
        let strings = text.as_bytes().chunks(255).map(|part| String::from_utf8_lossy(part).into_owned());
        self.add(name, RData::TXT(TXT::new(strings.collect())));
    }

    pub(crate) fn caa(&self, name: &str, critical: bool, tag: &str, value: &str) {
        let mut caa = CAA::new_issue(critical, None, vec![]);
        caa.tag = tag.into();
        caa.value = value.into();
        self.add(name, RData::CAA(caa));
    }

    pub(crate) fn alias(&self, name: &str, to: &str) {
        self.add(name, RData::CNAME(CNAME(Name::from_ascii(format!("{to}.")).unwrap())));
    }

    /// Questions about this name fail (SERVFAIL).
    pub(crate) fn fail(&self, name: &str) {
        self.zone.lock().unwrap().failing.push(name.into());
    }

    /// The names asked for so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.zone.lock().unwrap().asked.clone()
    }
}

fn answer(zone: &Mutex<Zone>, question: &[u8]) -> Vec<u8> {
    let question = Message::from_bytes(question).unwrap();
    let query = question.queries[0].clone();
    let mut answer = Message::response(question.metadata.id, OpCode::Query);
    answer.add_query(query.clone());
    let mut zone = zone.lock().unwrap();
    let mut name = query.name().to_ascii().to_ascii_lowercase().trim_end_matches('.').to_owned();
    zone.asked.push(name.clone());
    if zone.failing.contains(&name) {
        answer.metadata.response_code = ResponseCode::ServFail;
        return answer.to_bytes().unwrap();
    }
    let mut owner = query.name().clone();
    loop {
        let records = zone.records.get(&name).cloned().unwrap_or_default();
        let alias = records.iter().find(|data| data.record_type() == RecordType::CNAME).cloned();
        let asked = records.into_iter().filter(|data| data.record_type() == query.query_type()).chain(alias.clone());
        answer.add_answers(asked.map(|data| Record::from_rdata(owner.clone(), 60, data)));
        let Some(RData::CNAME(to)) = alias else { break };
        owner = to.0.clone();
        name = owner.to_ascii().to_ascii_lowercase().trim_end_matches('.').to_owned();
    }
    if !zone.records.keys().any(|known| known.ends_with(&name)) {
        answer.metadata.response_code = ResponseCode::NXDomain;
    }
    answer.to_bytes().unwrap()
}
