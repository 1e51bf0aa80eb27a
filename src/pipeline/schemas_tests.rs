//! The road and a schema registry that answers, and one that is away.

use super::*;
use crate::encode::Framed;
use crate::pipeline::schemas::Schemas;
use crate::registry::{Answer, Question, Registered, SchemaType};

/// Knows the schemas of one topic only, and counts what it is asked.
struct Half(Arc<Mutex<Vec<String>>>);

impl Schemas for Half {
    fn ask(&mut self, question: &Question) -> Result<Answer, registry::Error> {
        self.0.lock().unwrap().push(question.subject.clone());
        match question.subject.as_str() {
            "outbox.event.User-value" => Ok(Ok(Registered {
                id: 1,
                guid: None,
                schema_type: SchemaType::Avro,
                schema: String::new(),
                references: Vec::new(),
            })),
            _ => Err(registry::Error::Away("nobody is there".to_owned())),
        }
    }
}

#[test]
fn an_event_whose_schema_nobody_tells_ends_the_session_before_its_transaction() {
    let frames = [
        begin(1100, 1),
        relation(),
        row("User", "a"),
        row("User", "b"),
        commit(1100, 1150),
        begin(1150, 2),
        row("User", "c"),
        row("Order", "d"),
        commit(1150, 1180),
        begin(1180, 3),
        row("User", "e"),
        commit(1180, 1190),
    ];
    let shutdown = Shutdown::default();
    let feed = ThenLeave { feed: Recorded::new([Bytes::from(frames.concat())]), shutdown: shutdown.clone() };
    let handover = Arc::new(Handover::default());
    let mut road = road(feed, &handover, shutdown, &position(), 100);
    let asked = Arc::new(Mutex::new(Vec::new()));
    road.schemas = Box::new(Half(Arc::clone(&asked)));
    road.encoder = Encoder::new(EncodeConfig {
        key: Converter::String,
        value: Converter::Framed(Box::new(Framed::avro())),
        header: HeaderConverter::Simple,
        context: None,
        verify: None,
        cloud: None,
        expand: None,
        messages: None,
        strict: false,
        max_record_bytes: 1 << 20,
    });
    let publisher = thread::spawn({
        let handover = Arc::clone(&handover);
        move || keep(&handover)
    });
    let result = road.run();
    handover.end_road();
    let batches = publisher.join().unwrap();
    assert!(matches!(&result, Err(Error::Registry(registry::Error::Away(_)))), "{result:?}");
    let keys: Vec<&str> = batches.iter().flat_map(|(keys, _)| keys).map(String::as_str).collect();
    assert_eq!(keys, ["a", "b"], "whole transactions before it, and no others");
    assert_eq!(batches.last().unwrap().1.end_lsn, Lsn::new(1150));
    for (_, batch) in &batches {
        let framed = |value: Option<&[u8]>| value.is_some_and(|value| value.starts_with(&[0, 0, 0, 0, 1]));
        assert!(batch.outgoing.iter().all(|record| framed(record.value)), "all are encoded");
    }
    assert_eq!(*asked.lock().unwrap(), ["outbox.event.User-value", "outbox.event.Order-value"]);
}
