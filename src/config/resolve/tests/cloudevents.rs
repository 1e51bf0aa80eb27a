//! CloudEvents: attributes and their columns.

use super::*;
use crate::encode::cloudevents::Mode;

const BINARY: &str = "walpost.cloudevents.mode=binary\n";

fn attributes(lines: &str) -> Vec<(&'static str, String)> {
    config(&format!("{BINARY}{lines}")).route.attributes.unwrap()
}

#[test]
fn attributes_are_the_events_own_columns_unless_others_are_named() {
    let of = |attributes: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        attributes.iter().map(|(name, column)| (*name, (*column).to_owned())).collect()
    };
    assert_eq!(attributes(""), of(&[("id", "id"), ("type", "type"), ("subject", "aggregateid")]));
    let lines = "transforms.outbox.table.field.event.timestamp=at\ntransforms.outbox.table.field.event.key=k";
    assert_eq!(attributes(lines), of(&[("id", "id"), ("type", "type"), ("subject", "k"), ("time", "at")]));
    let lines = "walpost.event.type.column=kind\nwalpost.cloudevents.subject=s\nwalpost.cloudevents.time=t\n\
                 walpost.cloudevents.partitionkey=p\nwalpost.cloudevents.sequence=q";
    let expected = [
        ("id", "id"),
        ("type", "kind"),
        ("subject", "s"),
        ("time", "t"),
        ("partitionkey", "p"),
        ("sequence", "q"),
    ];
    assert_eq!(attributes(lines), of(&expected));
    assert!(config(lines).route.attributes.is_none());
}

#[test]
fn the_rest_is_told_to_the_encoder() {
    assert!(config("").encode.cloud.is_none());
    let cloud = config(BINARY).encode.cloud.unwrap();
    assert_eq!((cloud.mode, cloud.source.as_str()), (Mode::Binary, "/shop/${table}"));
    let lines = "walpost.cloudevents.mode=structured\nwalpost.cloudevents.source=urn:x:${prefix}\ntopic.prefix=a.b\n\
                 walpost.cloudevents.type.prefix=com.acme.\nwalpost.cloudevents.datacontenttype=text/csv; header=absent\n\
                 walpost.cloudevents.dataschema=https://x/${type}";
    let cloud = config(lines).encode.cloud.unwrap();
    assert_eq!((cloud.mode, cloud.source.as_str()), (Mode::Structured, "urn:x:a.b"));
    assert_eq!(
        (cloud.type_prefix.as_str(), cloud.content_type.as_deref()),
        ("com.acme.", Some("text/csv; header=absent"))
    );
    assert_eq!(cloud.data_schema.as_deref(), Some("https://x/${type}"));
}

#[test]
fn what_is_no_uri_and_no_media_type_is_refused() {
    for (lines, what) in [
        ("walpost.cloudevents.source=/a b", "it is no URI reference"),
        ("walpost.cloudevents.source=/%zz", "it is no URI reference"),
        ("walpost.cloudevents.source=/a#b#c", "it is no URI reference"),
        ("walpost.cloudevents.source=1a:b", "it is no URI reference"),
        ("walpost.cloudevents.source=/${nothing}", "it is no URI reference"),
        ("walpost.cloudevents.datacontenttype=json", "it is no media type"),
        ("walpost.cloudevents.datacontenttype=a b/c", "it is no media type"),
        ("walpost.cloudevents.datacontenttype=application/cloudevents+json", "for an envelope"),
        ("walpost.cloudevents.dataschema=/schemas/1", "it is no URI"),
        ("walpost.cloudevents.dataschema=http://x/${id}", "writes no schema's id"),
    ] {
        let problem = problem(&format!("{BINARY}{lines}"));
        assert!(problem.contains(what), "{lines}: {problem}");
    }
    for source in [
        "/a/${table}",
        "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
        "https://h:1/p?q#f",
        "orders",
        "a%20b",
    ] {
        config(&format!("{BINARY}walpost.cloudevents.source={source}"));
    }
}

#[test]
fn extensions_are_placed_by_names_that_attributes_may_have() {
    let place = |items: &str| format!("{BINARY}transforms.outbox.table.fields.additional.placement={items}");
    let placements = config(&place("tenant_id:ce:tenant, region:ce")).route.placements;
    let placed: Vec<_> = placements.iter().map(|placed| (placed.place, placed.alias.as_str())).collect();
    assert_eq!(placed, [(Place::Attribute, "tenant"), (Place::Attribute, "region")]);
    for (items, what) in [
        ("tenant_id:ce", "has the name tenant_id"),
        ("a:ce:Tenant", "has the name Tenant"),
        ("a:ce:subject", "is the attribute subject, which is no extension"),
        ("a:ce:data", "is the attribute data"),
        ("a:ce:x,b:ce:x", "would be a second attribute x"),
        ("a:header:ce_type", "would be a header ce_type"),
        ("a:header:Content-Type", "would be a header Content-Type"),
    ] {
        let problem = problem(&place(items));
        assert!(problem.contains(what), "{items}: {problem}");
    }
    let twice = format!("{}\nwalpost.cloudevents.partitionkey=p", place("a:ce:partitionkey"));
    assert!(problem(&twice).contains("second attribute partitionkey"));
    let traced = format!("{}\ntransforms.outbox.tracing.span.context.field=c", place("a:ce:traceparent"));
    assert!(problem(&traced).contains("second attribute traceparent"));
}

#[test]
fn what_is_written_for_nothing_is_told() {
    let notices = notices("walpost.cloudevents.subject=s");
    let of = |notice: &&String| notice.starts_with("walpost.cloudevents.subject: ");
    assert!(notices.iter().find(of).is_some_and(|notice| notice.contains("mode is none")), "{notices:?}");
    let placed = problem("transforms.outbox.table.fields.additional.placement=a:ce");
    assert!(
        placed.contains("events are none") && placed.contains("walpost.cloudevents.mode=binary"),
        "{placed}"
    );
    let header = "walpost.cloudevents.mode=structured\nvalue.converter=io.confluent.connect.avro.AvroConverter\n\
        value.converter.schema.registry.url=http://x\nvalue.converter.value.schema.id.serializer=io.confluent.kafka.serializers.schema.id.HeaderSchemaIdSerializer";
    assert!(problem(header).contains("here that is an envelope"));
}
