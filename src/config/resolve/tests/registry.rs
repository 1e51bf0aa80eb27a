//! The schema registry: how it is reached, and the converters that ask it.

use super::*;
use crate::encode::{DecimalFormat, Ids, Inferring, UnknownFields};
use crate::registry::{Pem, SchemaType, Strategy};

const AVRO: &str = "value.converter=io.confluent.connect.avro.AvroConverter\n";
const URL: &str = "value.converter.schema.registry.url=http://one:8081/, https://two/apis/ccompat/v7\n";

fn avro(lines: &str) -> crate::encode::Framed {
    framed(&format!("{AVRO}{lines}"))
}

fn framed(lines: &str) -> crate::encode::Framed {
    match config(&format!("{URL}{lines}")).encode.value {
        Converter::Framed(framed) => *framed,
        other => panic!("{other:?}"),
    }
}

fn endpoints(lines: &str) -> Vec<(String, Option<String>)> {
    let registry = config(&format!("{AVRO}{lines}")).registry.unwrap();
    let shown = |endpoint: crate::registry::Endpoint| {
        (endpoint.url, endpoint.authorization.map(|secret| secret.reveal().to_owned()))
    };
    registry.endpoints.into_iter().map(shown).collect()
}

#[test]
fn urls_are_asked_in_their_order_and_without_a_slash_at_the_end() {
    assert_eq!(
        endpoints(URL),
        [("http://one:8081".to_owned(), None), ("https://two/apis/ccompat/v7".to_owned(), None)]
    );
    assert!(config("").registry.is_none());
}

#[test]
fn credentials_come_from_the_url_from_a_property_or_from_kafka() {
    let url = "value.converter.schema.registry.url=http://u%40x:p@one:8081\n";
    let basic = |text: &str| Some(format!("Basic {text}"));
    assert_eq!(endpoints(url), [("http://one:8081".to_owned(), basic("dUB4OnA="))]);
    let source = "value.converter.basic.auth.credentials.source";
    let given = format!("{url}{source}=USER_INFO\nvalue.converter.basic.auth.user.info=a:b");
    assert_eq!(endpoints(&given)[0].1, basic("YTpi"));
    let sasl = "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=\"a\" password=\"b\";";
    assert_eq!(endpoints(&format!("{url}{source}=SASL_INHERIT\n{sasl}"))[0].1, basic("YTpi"));
    let bearer = format!("{url}value.converter.bearer.auth.token=xyz");
    assert_eq!(endpoints(&bearer)[0].1, Some("Bearer xyz".to_owned()));
    assert!(
        problem(&format!("{AVRO}{url}{source}=USER_INFO")).contains("basic.auth.user.info: it is missing")
    );
    assert!(
        problem(&format!("{AVRO}{url}{source}=SASL_INHERIT")).contains("no user and password to inherit")
    );
    let shown = format!("{:?}", config(&format!("{AVRO}{given}")).registry);
    assert!(!shown.contains("YTpi") && shown.contains("********"), "{shown}");
}

#[test]
fn certificates_headers_and_timeouts_are_taken() {
    let lines = "value.converter.schema.registry.ssl.truststore.certificates=-----BEGIN\n\
                 value.converter.request.header.X-Tenant=acme\nvalue.converter.http.read.timeout.ms=7";
    let registry = config(&format!("{AVRO}{URL}{lines}")).registry.unwrap();
    assert!(matches!(registry.tls.roots, Some(Pem::Text(_))));
    assert_eq!(registry.headers[0].0, "X-Tenant");
    assert_eq!(registry.read_timeout, Duration::from_millis(7));
    assert_eq!(registry.connect_timeout, Duration::from_secs(60));
}

#[test]
fn options_of_the_converter_mean_what_they_mean_in_connect() {
    let plain = avro("");
    assert_eq!((plain.subject, plain.ids, plain.meta), (Strategy::Topic, Ids::Register, true));
    assert!(plain.registered.is_none() && !plain.in_header && !plain.normalize);
    assert_eq!(plain.latest_ttl_ms, Some(60_000));
    let off = "value.converter.auto.register.schemas=false\n";
    assert_eq!(avro(off).ids, Ids::Find);
    assert_eq!(avro(&format!("{off}value.converter.use.latest.version=true")).ids, Ids::Latest);
    assert_eq!(avro(&format!("{off}value.converter.use.schema.id=7")).ids, Ids::Given(7));
    assert_eq!(avro("value.converter.use.latest.version=true").ids, Ids::Register);
    assert_eq!(avro("value.converter.latest.cache.ttl.sec=-1").latest_ttl_ms, None);
    let strategy = "value.converter.value.subject.name.strategy=io.confluent.kafka.serializers.subject.";
    assert_eq!(avro(&format!("{strategy}TopicRecordNameStrategy")).subject, Strategy::TopicRecord);
    assert_eq!(avro(&format!("{strategy}RecordNameStrategy")).subject, Strategy::Record);
    assert!(avro("value.converter.value.schema.id.serializer=HeaderSchemaIdSerializer").in_header);
    assert!(!avro("value.converter.connect.meta.data=false").meta);
}

#[test]
fn payloads_by_registered_schemas_need_avro_and_no_envelope() {
    let lines = "walpost.value.schema=registered\nwalpost.value.schema.name=acme.${type}\nwalpost.value.schema.unknown.fields=drop";
    let by = avro(lines).registered.unwrap();
    assert_eq!((by.name.as_str(), by.unknown), ("acme.${type}", UnknownFields::Drop));
    let route = config(&format!("{AVRO}{URL}{lines}\nwalpost.event.type.column=kind")).route;
    assert_eq!(route.event_type.as_deref(), Some("kind"));
    assert_eq!(config("").route.event_type, None);
    assert!(problem("walpost.value.schema=registered").contains("writes by no schema"));
    let envelope = "transforms.outbox.table.fields.additional.placement=type:envelope";
    assert!(problem(&format!("{AVRO}{URL}{lines}\n{envelope}")).contains("envelope"));
}

#[test]
fn framed_bytes_are_made_sure_of_where_a_registry_is_named() {
    let binary = "value.converter=io.debezium.converters.BinaryDataConverter\nwalpost.value.verify=subject\n";
    let config = config(&format!("{binary}{URL}"));
    assert!(config.encode.verify.unwrap().own && config.registry.is_some());
    assert!(problem(binary).contains("value.converter.schema.registry.url: it is missing"));
    assert!(problem("walpost.value.verify=id\nvalue.converter=String").contains("no framed bytes"));
}

#[test]
fn what_cannot_be_a_registry_is_said() {
    assert!(problem(AVRO).contains("value.converter.schema.registry.url: it is missing"));
    let wrong = problem(&format!("{AVRO}value.converter.schema.registry.url=one:8081"));
    assert!(wrong.contains("one of them is no URL"), "{wrong}");
    let two = "key.converter=Avro\nkey.converter.schema.registry.url=http://other\n";
    assert!(problem(&format!("{AVRO}{URL}{two}")).contains("registries of their own"));
}

#[test]
fn json_schema_and_protobuf_are_taken_with_registered_and_with_inferred_schemas() {
    let json = "value.converter=io.confluent.connect.json.JsonSchemaConverter\n";
    let protobuf = "value.converter=io.confluent.connect.protobuf.ProtobufConverter\n";
    let registered = "walpost.value.schema=registered\n";
    for (class, language) in [(json, SchemaType::Json), (protobuf, SchemaType::Protobuf)] {
        let of = framed(&format!("{class}{registered}"));
        assert_eq!((of.language, of.registered.is_some()), (language, true));
        assert_eq!((framed(class).language, framed(class).registered), (language, None));
        let key = class.replace("value.", "key.") + &URL.replace("value.", "key.");
        let Converter::Framed(of) = config(&key).encode.key else { panic!("no key with a registry") };
        assert_eq!(of.language, language);
    }
    let drop = "walpost.value.schema.unknown.fields=drop";
    assert!(problem(&format!("{json}{URL}{registered}{drop}")).contains("additionalProperties"));
    let dropping = framed(&format!("{protobuf}{registered}{drop}")).registered.unwrap();
    assert_eq!(dropping.unknown, UnknownFields::Drop);
}

#[test]
fn what_decides_an_inferred_schema_is_taken_by_the_converter_that_knows_it() {
    let json = "value.converter=io.confluent.connect.json.JsonSchemaConverter\n";
    let protobuf = "value.converter=io.confluent.connect.protobuf.ProtobufConverter\n";
    let option = |name: &str, value: &str| format!("value.converter.{name}={value}\n");
    assert_eq!(framed(json).inferring, Inferring::default());
    let closed = option("object.additional.properties", "false") + &option("decimal.format", "numeric");
    let expected = Inferring { decimals: DecimalFormat::Numeric, additional: false, ..Inferring::default() };
    assert_eq!(framed(&format!("{json}{closed}")).inferring, expected);
    let told = option("optional.for.nullables", "true") + &option("wrapper.for.nullables", "true");
    let expected = Inferring { optional: true, wrapper: true, ..Inferring::default() };
    assert_eq!(framed(&format!("{protobuf}{told}")).inferring, expected);
    let indented = problem(&format!("{json}{URL}{}", option("json.indent.output", "true")));
    assert!(indented.contains("without blanks"), "{indented}");
    let format = problem(&format!("{protobuf}{URL}{}", option("schema.format", "ignore_extensions")));
    assert!(format.contains("leave it out"), "{format}");
}

/// What AbstractKafkaSchemaSerDeConfig, SchemaRegistryClientConfig, AvroDataConfig, JsonSchemaDataConfig, ProtobufDataConfig and
/// the configurations of the converters' serializers and deserializers define in Confluent's schema registry 8.4.
const CONFLUENT: &str = "schema.registry.url schema.registry.url.randomize max.schemas.per.subject normalize.schemas \
    auto.register.schemas propagate.schema.tags use.schema.id use.schema.guid id.compatibility.strict use.latest.version \
    use.latest.with.metadata latest.compatibility.strict latest.cache.size latest.cache.ttl.sec schema.format \
    execution.environment rule.executors rule.actions rule.service.loader.enable rule.metrics.enable \
    validation.rules.executor.class validation.rules.fail.fast validation.rules.execution context.name.strategy \
    key.subject.name.strategy key.schema.id.serializer key.schema.id.deserializer value.subject.name.strategy \
    value.schema.id.serializer value.schema.id.deserializer schema.reflection request.header.X \
    subject.name.strategy.fallback.type subject.name.strategy.kafka.cluster.id \
    basic.auth.credentials.source basic.auth.user.info schema.registry.basic.auth.user.info http.connect.timeout.ms \
    http.read.timeout.ms max.retries retries.wait.ms retries.max.wait.ms bearer.auth.credentials.source bearer.auth.token \
    proxy.host proxy.port missing.cache.size missing.id.cache.ttl.sec missing.version.cache.ttl.sec \
    missing.schema.cache.ttl.sec use.apache.http.client bearer.auth.issuer.endpoint.url bearer.auth.client.id \
    bearer.auth.client.secret bearer.auth.scope bearer.auth.scope.claim.name bearer.auth.sub.claim.name \
    bearer.auth.logical.cluster bearer.auth.identity.pool.id bearer.auth.cache.expiry.buffer.seconds \
    bearer.auth.custom.provider.class bearer.auth.uami.endpoint.url bearer.auth.uami.endpoint.query \
    generalized.sum.type.support ignore.default.for.nullables schemas.cache.config enhanced.avro.schema.support \
    scrub.invalid.names connect.meta.data allow.optional.map.keys flatten.singleton.unions discard.type.doc.default \
    object.additional.properties use.optional.for.nonrequired ignore.modern.dialects decimal.format \
    preserve.additional.properties enhanced.protobuf.schema.support int.for.enums optional.for.nullables optional.for.proto2 \
    wrapper.for.nullables wrapper.for.raw.primitives generate.struct.for.nulls generate.index.for.unions flatten.unions \
    specific.avro.reader specific.avro.key.type specific.avro.value.type avro.reflection.allow.null \
    avro.use.logical.type.converters avro.fail.on.trailing.data avro.remove.java.properties json.fail.unknown.properties \
    json.fail.invalid.schema json.validate.before.domain.rules json.key.type json.value.type type.property \
    json.type.allowed.packages json.write.dates.iso8601 json.schema.spec.version json.schema.scan.packages \
    json.envelope.detection json.oneof.for.nullables json.default.property.inclusion json.indent.output \
    specific.protobuf.key.type specific.protobuf.value.type derive.type reference.lookup.only skip.known.types \
    reference.subject.name.strategy schema.backup.enabled converter.type";

#[test]
fn every_option_of_confluents_converters_is_known() {
    for name in CONFLUENT.split_ascii_whitespace() {
        assert!(catalog::find(&format!("value.converter.{name}")).is_some(), "{name}");
    }
}

#[test]
fn what_confluents_converters_would_do_otherwise_is_refused_by_name() {
    let protobuf = "value.converter=io.confluent.connect.protobuf.ProtobufConverter\n";
    for (line, what) in [
        ("skip.known.types=false", "every reader has them; leave it out"),
        ("validation.rules.execution=AFTER_DOMAIN_RULES", "rules of the registry are not carried out"),
        ("execution.environment=CLIENT", "rules of the registry are not carried out"),
        ("subject.name.strategy.fallback.type=RECORD", "write io.confluent.kafka.serializers.subject."),
        ("schema.registry.basic.auth.user.info=hush", "leave schema.registry out of its name"),
        ("schema.registry.bearer.auth.token=hush", "leave schema.registry out of its name"),
    ] {
        let problem = problem(&format!("{protobuf}{URL}value.converter.{line}"));
        assert!(problem.contains(what) && !problem.contains("hush"), "{line}: {problem}");
    }
    let taken =
        "value.converter.skip.known.types=true\nvalue.converter.validation.rules.execution=disabled\n";
    assert_eq!(framed(&format!("{protobuf}{taken}")).language, SchemaType::Protobuf);
    let told = notices(&format!("{AVRO}{URL}{taken}"));
    assert!(
        told.iter().any(|told| told.contains("skip.known.types") && told.contains("no such option")),
        "{told:?}"
    );
}
