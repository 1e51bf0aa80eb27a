//! Debezium's CloudEventsConverter: what is taken of it, and what is refused by name.

use super::*;
use crate::encode::Ids;
use crate::encode::cloudevents::Mode;
use crate::registry::SchemaType;

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
    over(AS_DOCUMENTED, line)
}

/// These lines, and of the others those with other keys.
fn over(others: &str, lines: &str) -> String {
    let key = |line: &str| line.trim().split('=').next().unwrap_or_default().to_owned();
    let written: Vec<String> = lines.lines().map(key).filter(|key| !key.is_empty()).collect();
    let rest = others.lines().filter(|line| !written.contains(&key(line)));
    format!("{}\n{lines}", rest.collect::<Vec<_>>().join("\n"))
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
            "called as Debezium calls it",
        ),
        (
            "value.converter.serializer.type=avro",
            "value.converter.serializer.type",
            "write value.converter.data.serializer.type=avro as well",
        ),
        (
            "value.converter.data.serializer.type=avro",
            "value.converter.avro.schema.registry.url",
            "it is missing",
        ),
        ("provide.transaction.metadata=true", "provide.transaction.metadata", "their values are null"),
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

const AVRO: &str = "
    value.converter.data.serializer.type=avro
    value.converter.avro.schema.registry.url=http://a:8081/,http://b
    value.converter.avro.auto.register.schemas=false
";

fn avro(lines: &str) -> String {
    over(&over(&with_line("value.converter.json.schemas.enable="), AVRO), lines)
}

#[test]
fn its_data_is_in_avro_by_options_of_its_own_avro_converter() {
    let Config { encode, registry, .. } = config(&avro(""));
    let Converter::Framed(framed) = &encode.value else { panic!("{:?}", encode.value) };
    assert_eq!((framed.language, framed.ids), (SchemaType::Avro, Ids::Find));
    let urls: Vec<String> = registry.unwrap().endpoints.into_iter().map(|endpoint| endpoint.url).collect();
    assert_eq!(urls, ["http://a:8081", "http://b"]);
    let cloud = encode.cloud.unwrap();
    // As Debezium joins them.
    assert_eq!(cloud.data_schema.as_deref(), Some("http://a:8081/,http://b/schemas/ids/${id}"));
    assert_eq!(cloud.record, None);
    let told =
        notices(&avro("value.converter.json.decimal.format=NUMERIC\nvalue.converter.converter.type=value"));
    for (key, what) in [
        ("value.converter.json.decimal.format: ", "the data is in Avro"),
        ("value.converter.schema.cloudevents.name: ", "no schema of its own"),
    ] {
        assert!(told.iter().any(|notice| notice.starts_with(key) && notice.contains(what)), "{key} {told:?}");
    }
    assert!(!told.iter().any(|notice| notice.starts_with("value.converter.avro")), "{told:?}");
    let of_json = notices(&with_line("value.converter.avro.schema.registry.url=http://x"));
    assert!(of_json.iter().any(|notice| notice.contains("the data is in JSON")), "{of_json:?}");
}

#[test]
fn the_event_in_avro_is_called_as_debezium_calls_it() {
    let record = |lines: &str| {
        config(&avro(&format!("value.converter.serializer.type=avro\n{lines}")))
            .encode
            .cloud
            .unwrap()
            .record
            .unwrap()
    };
    assert_eq!(record(""), "acme.Event");
    let none = "value.converter.schema.cloudevents.name=\n";
    assert_eq!(record(none), "shop.shop.CloudEvents.Envelope");
    assert_eq!(record(&format!("{none}topic.prefix=1-shop")), "_1_shop.shop.CloudEvents.Envelope");
    let kept = "value.converter.schema.name.adjustment.mode=none\n";
    assert_eq!(record(&format!("{none}{kept}topic.prefix=my-shop")), "my-shop.shop.CloudEvents.Envelope");
    // What SchemaNameAdjuster.AVRO of Debezium 3.6.3 has made of them.
    for (name, adjusted) in [
        ("-x.1y.é.$a", "_x.1y._._a"),
        ("a b", "a_b"),
        (".x", "_x"),
        ("ü€", "__"),
        ("9-", "_9_"),
        ("a..b", "a..b"),
    ] {
        let line = format!("value.converter.schema.cloudevents.name={name}");
        assert_eq!(record(&line), adjusted);
    }
    let line =
        format!("value.converter.serializer.type=avro\n{kept}value.converter.schema.cloudevents.name=a.b-c");
    let problem = problem(&avro(&line));
    assert!(
        problem.starts_with("value.converter.schema.cloudevents.name") && problem.contains("does not allow")
    );
}

#[test]
fn what_data_in_avro_cannot_have_is_refused_by_name() {
    for (line, key, what) in [
        (
            "value.converter.avro.schema.registry.url=http://me:hush@a",
            "value.converter.avro.schema.registry.url",
            "user and password with it",
        ),
        (
            "value.converter.avro.apicurio.registry.url=http://a",
            "value.converter.avro.apicurio.registry.url",
            "no such option",
        ),
        (
            "value.converter.avro.value.schema.id.serializer=HeaderSchemaIdSerializer",
            "value.converter.avro.value.schema.id.serializer",
            "told by its id",
        ),
        ("walpost.value.schema=registered", "walpost.value.schema", "inferred of it"),
        (
            "value.converter.schema.name.adjustment.mode=avro_unicode",
            "value.converter.schema.name.adjustment.mode",
            "not written as their numbers",
        ),
    ] {
        let problem = problem(&avro(line));
        assert!(problem.starts_with(key) && problem.contains(what), "{line}: {problem}");
        assert!(!problem.contains("hush"), "{problem}");
    }
}
