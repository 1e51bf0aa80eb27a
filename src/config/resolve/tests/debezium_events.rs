//! Debezium's CloudEventsConverter: what is taken of it, and what is refused by name.

use super::*;
use crate::encode::cloudevents::Mode;

/// As Debezium's documentation has it for the event router.
const AS_DOCUMENTED: &str = "
    transforms=meta,outbox
    transforms.meta.type=org.apache.kafka.connect.transforms.HeaderFrom$Value
    transforms.meta.fields=source,op,transaction
    transforms.meta.headers=source,op,transaction
    transforms.meta.operation=copy
    transforms.meta.predicate=isHeartbeat
    transforms.meta.negate=true
    predicates=isHeartbeat
    predicates.isHeartbeat.type=org.apache.kafka.connect.transforms.predicates.TopicNameMatches
    predicates.isHeartbeat.pattern=__debezium-heartbeat.*
    transforms.outbox.table.expand.json.payload=true
    transforms.outbox.table.fields.additional.placement=kind:header:type
    header.converter=org.apache.kafka.connect.json.JsonConverter
    header.converter.schemas.enable=true
    value.converter=io.debezium.converters.CloudEventsConverter
    value.converter.metadata.source=header
    value.converter.json.schemas.enable=false
    value.converter.schema.cloudevents.name=acme.Event
    value.converter.extension.attributes.enable=false
";

fn with_line(line: &str) -> String {
    let key = line.split('=').next().unwrap();
    let rest = AS_DOCUMENTED.lines().filter(|known| !known.trim().starts_with(&format!("{key}=")));
    format!("{}\n{line}", rest.collect::<Vec<_>>().join("\n"))
}

#[test]
fn debeziums_own_configuration_of_an_outbox_is_taken() {
    let Config { encode, route, .. } = config(AS_DOCUMENTED);
    let cloud = encode.cloud.unwrap();
    assert_eq!((cloud.mode, cloud.source.as_str()), (Mode::Debezium, "/debezium/postgresql/shop"));
    assert_eq!(route.attributes, Some(vec![("id", "id".to_owned()), ("type", "kind".to_owned())]));
    let plain =
        Converter::Json { schemas: false, decimal: DecimalFormat::Base64, replace_null_with_default: true };
    assert_eq!(encode.value, plain);
    let with_schemas = config(&with_line("value.converter.json.schemas.enable=true")).encode.value;
    assert!(matches!(with_schemas, Converter::Json { schemas: true, .. }));
    let told = notices(AS_DOCUMENTED);
    let of = |key: &str| told.iter().find(|notice| notice.starts_with(key)).expect(key);
    assert!(of("transforms.meta.type: ").contains("these headers are not published"), "{told:?}");
    assert!(of("value.converter.schema.cloudevents.name: ").contains("ignored"));
}

#[test]
fn what_it_would_do_otherwise_than_here_is_refused_by_name() {
    for (line, key, what) in [
        (
            "value.converter.metadata.source=value,id:generate",
            "value.converter.metadata.source",
            "is no change event",
        ),
        (
            "value.converter.metadata.source=header,id:generate",
            "value.converter.metadata.source",
            "is no change event",
        ),
        ("value.converter.metadata.source=", "value.converter.metadata.source", "is no change event"),
        (
            "value.converter.extension.attributes.enable=true",
            "value.converter.extension.attributes.enable",
            "is no attribute here",
        ),
        (
            "value.converter.extension.attributes.enable=",
            "value.converter.extension.attributes.enable",
            "write value.converter.extension.attributes.enable=false",
        ),
        (
            "value.converter.opentelemetry.tracing.attributes.enable=true",
            "value.converter.opentelemetry",
            "traceparent",
        ),
        (
            "value.converter.schema.data.name.source.header.enable=true",
            "value.converter.schema.data",
            "no place for the name",
        ),
        (
            "value.converter.serializer.type=avro",
            "value.converter.serializer.type",
            "walpost.cloudevents.mode with",
        ),
        (
            "value.converter.data.serializer.type=avro",
            "value.converter.data.serializer.type",
            "walpost.cloudevents.mode with",
        ),
        (
            "value.converter.avro.schema.registry.url=http://x",
            "value.converter.avro.schema.registry.url",
            "CloudEvents are JSON here",
        ),
        (
            "transforms.outbox.table.fields.additional.placement=kind:header",
            "transforms.outbox.table.fields",
            "finds no header type",
        ),
        ("transforms.meta.operation=move", "transforms.meta.type", "HeaderFrom"),
        ("transforms.meta.fields=source,after", "transforms.meta.type", "HeaderFrom"),
        ("heartbeat.interval.ms=1000", "heartbeat.interval.ms", "their values are null"),
        ("debezium.compat=strict", "debezium.compat", "are not published"),
        ("key.converter=io.debezium.converters.CloudEventsConverter", "key.converter", "it is for values"),
        ("walpost.cloudevents.mode=binary", "walpost.cloudevents.mode", "makes CloudEvents already"),
    ] {
        let problem = problem(&with_line(line));
        assert!(problem.starts_with(key) && problem.contains(what), "{line}: {problem}");
    }
    // Without it, the transform is what it was.
    assert!(
        problems("transforms=meta,outbox\ntransforms.meta.type=HeaderFrom$Value")[0].contains("HeaderFrom")
    );
}
