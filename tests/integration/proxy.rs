//! The proxy that the tests put before a server, by itself: each of its faults happens, once, where it says, and
//! nothing else does.
//!
//! Against a server of a few lines that keeps what it was sent; and against the real ones, that it understands them.

use crate::support::{Broker, BrokerOptions, Database, Fate, Fault, KafkaApi, PATIENCE, Proxy, wait_until};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_postgres::NoTls;
use walpost::kafka::producer::{Producer, Record};

/// Answers each of Kafka's frames with its correlation id and 100 bytes; the answer to an EndTxn has an error code.
struct Server {
    proxy: Proxy,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
}

const ANSWER: usize = 108;
const CODE: i16 = 0x0707;

impl Server {
    fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let proxy = Proxy::start(listener.local_addr().expect("its address"));
        let received = Arc::<Mutex<Vec<_>>>::default();
        let kept = Arc::clone(&received);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (mut client, kept) = (client.expect("a connection"), Arc::clone(&kept));
                std::thread::spawn(move || {
                    while let Ok(frame) = read_frame(&mut client) {
                        let mut answer = (ANSWER as u32 - 4).to_be_bytes().to_vec();
                        answer.extend(&frame[8..12]);
                        answer.resize(ANSWER, 7);
                        kept.lock().expect("no panic while held").push(frame);
                        if client.write_all(&answer).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Server { proxy, received }
    }

    fn client(&self) -> TcpStream {
        let client = TcpStream::connect(self.proxy.address()).expect("a connection");
        client.set_read_timeout(Some(Duration::from_millis(300))).expect("a time-out");
        client
    }

    /// Requests that reached it, by their correlation ids.
    fn received(&self) -> Vec<i32> {
        let received = self.received.lock().expect("no panic while held");
        received.iter().map(|frame| i32::from_be_bytes(frame[8..12].try_into().expect("four"))).collect()
    }

    fn wait_fired(&self, n: u64) {
        wait_until("the fault happens", PATIENCE, || (self.proxy.fired() >= n).then_some(()));
        assert_eq!(self.proxy.fired(), n);
    }
}

fn read_frame(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    stream.read_exact(&mut frame)?;
    let length = u32::from_be_bytes(frame[..4].try_into().expect("four"));
    frame.resize(4 + length as usize, 0);
    stream.read_exact(&mut frame[4..])?;
    Ok(frame)
}

fn request(key: i16, correlation: i32, body: &[u8]) -> Vec<u8> {
    let mut frame = (11 + body.len() as u32).to_be_bytes().to_vec();
    frame.extend([key.to_be_bytes(), 1_i16.to_be_bytes()].concat());
    frame.extend(correlation.to_be_bytes());
    frame.extend(b"\0\x01c");
    frame.extend(body);
    frame
}

fn end_txn(correlation: i32, commit: bool) -> Vec<u8> {
    let body = [b"\0\x02id", &5_i64.to_be_bytes()[..], &3_i16.to_be_bytes(), &[u8::from(commit)]].concat();
    request(26, correlation, &body)
}

/// Sends a request and reads its answer.
fn ask(client: &mut TcpStream, frame: &[u8]) -> std::io::Result<Vec<u8>> {
    client.write_all(frame)?;
    read_frame(client)
}

fn produce(client: &mut TcpStream, correlation: i32) -> std::io::Result<Vec<u8>> {
    ask(client, &request(0, correlation, b"records"))
}

/// Whether this is how a reset looks, and not an end or silence.
fn is_reset<T: std::fmt::Debug>(result: std::io::Result<T>) {
    let kind = result.expect_err("a reset").kind();
    assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind}");
}

fn is_silence<T: std::fmt::Debug>(result: std::io::Result<T>) {
    let kind = result.expect_err("silence").kind();
    assert!(matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{kind}");
}

#[test]
fn without_a_fault_every_byte_passes_both_ways_and_is_counted() {
    let server = Server::start();
    let mut client = server.client();
    let large = request(0, 1, &vec![b'x'; 3_000_000]);
    assert_eq!(ask(&mut client, &large).expect("an answer").len(), ANSWER);
    assert!(server.received.lock().expect("no panic while held")[0] == large);
    let passed = (large.len() + ANSWER) as u64;
    wait_until("the last byte is counted", PATIENCE, || (server.proxy.bytes() == passed).then_some(()));
    assert_eq!((server.proxy.connections(), server.proxy.fired()), (1, 0));
    assert_eq!((server.proxy.seen(KafkaApi::Produce), server.proxy.seen(KafkaApi::EndTxn)), (1, 0));
    drop(client);
    wait_until("the connection is gone", PATIENCE, || (server.proxy.connections() == 0).then_some(()));
}

#[test]
fn a_cut_resets_what_is_open_and_nothing_later() {
    let server = Server::start();
    let mut clients = [server.client(), server.client()];
    for client in &mut clients {
        produce(client, 1).expect("an answer");
    }
    server.proxy.inject(Fault::Cut);
    for client in &mut clients {
        is_reset(client.read(&mut [0]));
    }
    produce(&mut server.client(), 2).expect("an answer");
    server.wait_fired(1);
}

#[test]
fn a_cut_without_a_connection_has_not_happened() {
    let server = Server::start();
    server.proxy.inject(Fault::Cut);
    produce(&mut server.client(), 1).expect("an answer");
    assert_eq!(server.proxy.fired(), 0);
}

#[test]
fn new_connections_are_refused_until_it_heals_and_old_ones_stay() {
    let server = Server::start();
    let mut old = server.client();
    produce(&mut old, 1).expect("an answer");
    server.proxy.inject(Fault::RefuseNew);
    for _ in 0..2 {
        is_reset(produce(&mut server.client(), 2));
    }
    produce(&mut old, 3).expect("an answer");
    server.proxy.heal();
    produce(&mut server.client(), 4).expect("an answer");
    assert_eq!(server.received(), [1, 3, 4]);
    server.wait_fired(1);
}

#[test]
fn a_half_open_connection_swallows_everything_and_is_reset_when_it_heals() {
    let server = Server::start();
    let (mut used, mut unused) = (server.client(), server.client());
    for client in [&mut used, &mut unused] {
        produce(client, 1).expect("an answer");
    }
    server.proxy.inject(Fault::HalfOpen);
    assert_eq!(server.proxy.fired(), 0);
    is_silence(produce(&mut used, 2));
    is_silence(produce(&mut used, 3));
    server.wait_fired(1);
    server.proxy.heal();
    is_reset(used.read(&mut [0]));
    produce(&mut unused, 4).expect("nothing of it was swallowed");
    assert_eq!(server.received(), [1, 1, 4]);
}

#[test]
fn a_slow_connection_takes_as_long_as_its_bytes_do_and_a_heal_lets_the_rest_through() {
    let server = Server::start();
    let mut client = server.client();
    client.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let frame = request(0, 1, b"records");
    server.proxy.inject(Fault::Slow { bytes_per_second: 400 });
    let began = Instant::now();
    ask(&mut client, &frame).expect("an answer");
    let least = Duration::from_secs_f64((frame.len() + ANSWER) as f64 / 400.0 * 0.8);
    assert!(began.elapsed() >= least, "{:?}", began.elapsed());
    server.proxy.heal();
    server.proxy.inject(Fault::Slow { bytes_per_second: 1 });
    client.write_all(&request(0, 2, b"records")).expect("written");
    server.wait_fired(2);
    server.proxy.heal();
    read_frame(&mut client).expect("an answer, in less than a minute");
}

#[test]
fn a_delay_is_had_in_each_direction() {
    let server = Server::start();
    let mut client = server.client();
    server.proxy.inject(Fault::Delay(Duration::from_millis(100)));
    let began = Instant::now();
    produce(&mut client, 1).expect("an answer");
    assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
    server.wait_fired(1);
}

#[test]
fn an_answer_is_torn_in_its_middle_whichever_comes_or_that_to_a_kind_of_request() {
    let server = Server::start();
    for (fault, spared) in [(Fault::ResetMidFrame, 0), (Fault::ResetMidAnswer { api: KafkaApi::EndTxn }, 1)] {
        server.proxy.inject(fault);
        let mut client = server.client();
        for correlation in 0..spared {
            produce(&mut client, correlation).expect("an answer");
        }
        client.write_all(&end_txn(9, true)).expect("written");
        let mut half = [0; ANSWER / 2];
        client.read_exact(&mut half).expect("a half");
        is_reset(client.read(&mut [0]));
    }
    server.wait_fired(2);
    assert_eq!(server.received(), [9, 0, 9]);
    assert_eq!(server.proxy.requests()[1].fate, Fate::AnswerLost);
}

#[test]
fn a_swallowed_answer_is_to_a_request_that_arrived_and_a_swallowed_request_did_not() {
    let server = Server::start();
    server.proxy.inject(Fault::SwallowAnswer { api: Some(KafkaApi::EndTxnCommit) });
    server.proxy.inject(Fault::SwallowRequest { api: Some(KafkaApi::EndTxnAbort) });
    let mut client = server.client();
    produce(&mut client, 1).expect("another kind of request");
    is_reset(ask(&mut client, &end_txn(2, true)));
    server.wait_fired(1);
    let mut client = server.client();
    ask(&mut client, &end_txn(3, true)).expect("it happens once");
    is_reset(ask(&mut client, &end_txn(4, false)));
    server.wait_fired(2);
    ask(&mut server.client(), &end_txn(5, false)).expect("it happens once");
    assert_eq!(server.received(), [1, 2, 3, 5]);

    let requests = server.proxy.requests();
    let known: Vec<_> = requests
        .iter()
        .map(|request| {
            let of = request.transaction.as_ref().expect("an EndTxn");
            assert_eq!((of.id.as_str(), of.producer_id, of.epoch), ("id", 5, 3));
            (request.correlation, of.commits, request.fate)
        })
        .collect();
    let expected = [
        (2, Some(true), Fate::AnswerLost),
        (3, Some(true), Fate::Answered),
        (4, Some(false), Fate::Lost),
        (5, Some(false), Fate::Answered),
    ];
    assert_eq!(known, expected);
    let seen = |api| server.proxy.seen(api);
    assert_eq!(
        (seen(KafkaApi::EndTxnCommit), seen(KafkaApi::EndTxnAbort), seen(KafkaApi::EndTxn)),
        (2, 2, 4)
    );
}

#[test]
fn any_request_fits_a_fault_that_names_none() {
    let server = Server::start();
    server.proxy.inject(Fault::SwallowAnswer { api: None });
    is_reset(produce(&mut server.client(), 1));
    server.proxy.inject(Fault::SwallowRequest { api: None });
    is_reset(produce(&mut server.client(), 2));
    assert_eq!(server.received(), [1]);
    server.wait_fired(2);
}

#[test]
fn a_late_request_arrives_later_byte_for_byte_even_when_the_proxy_has_healed() {
    let server = Server::start();
    let after = Duration::from_millis(200);
    server.proxy.inject(Fault::LateRequest { api: KafkaApi::EndTxn, after });
    let began = Instant::now();
    is_reset(ask(&mut server.client(), &end_txn(1, true)));
    server.proxy.heal();
    server.wait_fired(1);
    assert!(began.elapsed() >= after);
    assert_eq!(server.received(), [1]);
    assert!(server.received.lock().expect("no panic while held")[0] == end_txn(1, true));
    assert_eq!(server.proxy.requests()[0].fate, Fate::Late { code: Some(CODE) });

    let whenever = Duration::from_secs(3_600);
    server.proxy.inject(Fault::LateRequest { api: KafkaApi::EndTxn, after: whenever });
    is_reset(ask(&mut server.client(), &end_txn(2, true)));
    server.proxy.heal();
    ask(&mut server.client(), &end_txn(3, true)).expect("an answer");
    assert_eq!(server.proxy.fired(), 1);
    server.proxy.release();
    server.wait_fired(2);
    assert_eq!(server.received(), [1, 3, 2]);
}

#[test]
fn what_it_does_not_understand_passes_and_can_be_torn_too() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let proxy = Proxy::start(listener.local_addr().expect("its address"));
    let mut client = TcpStream::connect(proxy.address()).expect("a connection");
    let (mut server, _) = listener.accept().expect("a connection");
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"; // TLS
    client.write_all(hello).expect("written");
    let mut heard = [0; 11];
    server.read_exact(&mut heard).expect("it passes");
    assert_eq!(&heard, hello);
    proxy.inject(Fault::SwallowRequest { api: None });
    client.write_all(hello).expect("written");
    server.read_exact(&mut heard).expect("it is no request");
    proxy.inject(Fault::ResetMidFrame);
    server.write_all(hello).expect("written");
    client.read_exact(&mut heard[..5]).expect("a half");
    is_reset(client.read(&mut heard));
    assert_eq!(proxy.fired(), 1);
}

#[test]
fn a_brokers_clients_stay_with_the_proxy_and_its_records_are_of_real_transactions() {
    let proxy = Proxy::reserve();
    let kafka = Broker::with(BrokerOptions::new().advertise_proxy(proxy.port()));
    proxy.forward_to(kafka.proxied());
    kafka.create_topic("t", 1, &[]);
    let settings = BTreeMap::from([("bootstrap.servers".to_owned(), proxy.bootstrap())]);
    let mut producer = Producer::fenced(&settings, "an id", PATIENCE).expect("a fence");
    for ends in [Producer::commit, Producer::abort] {
        producer.begin().expect("begin");
        let value = Some(b"v".as_slice());
        let record = Record { topic: "t", partition: None, timestamp_ms: None, key: None, value };
        producer.send(record, std::iter::empty()).expect("send");
        producer.settle().expect("settle");
        ends(&mut producer).expect("an end");
    }
    assert_eq!(kafka.wait_records(&["t"], 1, PATIENCE).len(), 1);
    let requests = proxy.requests();
    assert!(requests.iter().all(|request| request.fate == Fate::Answered), "{requests:?}");
    let of: Vec<_> = requests.iter().filter_map(|request| request.transaction.as_ref()).collect();
    assert!(of.iter().all(|of| (of.id.as_str(), of.epoch) == ("an id", 0) && of.producer_id >= 0), "{of:?}");
    let mut ends: Vec<_> = of.iter().map(|of| of.commits).collect();
    ends.dedup(); // a partition may have to be added again, while the last transaction's end is written
    assert_eq!(ends, [None, Some(true), None, Some(false)], "a partition is added, and the transaction ends");
    // A coordinator that is only just starting may have to be asked again.
    assert!(proxy.seen(KafkaApi::InitProducerId) >= 1);

    // Nobody who goes directly is told of the proxy, and the other way round.
    for (bootstrap, port) in [(kafka.bootstrap(), None), (proxy.bootstrap(), Some(proxy.port()))] {
        let client: BaseConsumer =
            kafka.client().set("bootstrap.servers", bootstrap).create().expect("a client");
        let metadata = client.fetch_metadata(None, PATIENCE).expect("metadata");
        let told = metadata.brokers()[0].port() as u16;
        assert_eq!(told == proxy.port(), port.is_some(), "{told}");
    }
}

#[tokio::test]
async fn a_databases_queries_lose_their_answers_after_they_were_applied() {
    let db = Database::shared().fresh_database();
    let proxy = Proxy::start(([127, 0, 0, 1], db.server().port()).into());
    let connect = async || {
        for mode in ["prefer", "disable"] {
            let url = format!(
                "host=127.0.0.1 port={} user=postgres dbname={} sslmode={mode}",
                proxy.port(),
                db.name()
            );
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("a connection");
            tokio::spawn(connection);
            client.simple_query("select 1").await.expect("an answer");
            if mode == "disable" {
                return client;
            }
        }
        unreachable!("the last mode returns")
    };
    let client = connect().await;
    client.batch_execute("create table t (n int)").await.expect("an answer");
    proxy.inject(Fault::SwallowAnswer { api: None });
    client.batch_execute("insert into t values (1)").await.expect_err("an answer that is lost");
    assert_eq!((proxy.fired(), db.query_one_text("select n from t").as_str()), (1, "1"));

    let client = connect().await;
    proxy.inject(Fault::SwallowRequest { api: None });
    client.batch_execute("insert into t values (2)").await.expect_err("a request that is lost");
    assert_eq!((proxy.fired(), db.query_one_text("select count(*) from t").as_str()), (2, "1"));
}

#[test]
fn a_databases_copy_is_torn_in_the_middle_of_a_row() {
    let server = Database::shared();
    let proxy = Proxy::start(([127, 0, 0, 1], server.port()).into());
    let mut client = TcpStream::connect(proxy.address()).expect("a connection");
    proxy.inject(Fault::ResetMidFrame);
    let hello = b"\0\x03\0\0user\0postgres\0database\0postgres\0\0";
    let query = b"copy (select 'not this row' from generate_series(1, 3)) to stdout\0";
    for (kind, message) in [(&b""[..], &hello[..]), (b"Q", query)] {
        let length = 4 + message.len() as u32;
        client.write_all(&[kind, &length.to_be_bytes(), message].concat()).expect("written");
    }
    let mut heard = Vec::new();
    is_reset(client.read_to_end(&mut heard));
    // Half of a CopyData of 13 bytes after its type and length.
    assert!(heard.ends_with(b"d\0\0\0\x11not "), "{}", String::from_utf8_lossy(&heard));
    assert_eq!(proxy.fired(), 1);
}
