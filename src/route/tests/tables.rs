//! Which tables are outbox tables, and what is remembered of them.

use super::*;

fn serving(rule: TableRule) -> Router {
    Router::new(Config { tables: rule, ..defaults() })
}

fn regexes(patterns: &[&str]) -> Vec<fancy_regex::Regex> {
    patterns.iter().map(|pattern| java_regex(pattern, true).unwrap()).collect()
}

#[test]
fn include_and_exclude_lists_choose_the_tables() {
    assert!(serving(TableRule::default()).serves_table("any", "table"));
    let include =
        serving(TableRule { include: regexes(&["public\\.outbox", "x\\..*"]), ..TableRule::default() });
    assert!(include.serves_table("public", "outbox") && include.serves_table("PUBLIC", "Outbox"));
    assert!(include.serves_table("x", "y") && !include.serves_table("public", "outbox_p1"));
    let exclude = serving(TableRule { exclude: regexes(&[".*\\.orders"]), ..TableRule::default() });
    assert!(exclude.serves_table("public", "outbox") && !exclude.serves_table("public", "orders"));
    let schemas = TableRule { schema_include: regexes(&["a", "b"]), ..TableRule::default() };
    assert!(
        serving(schemas.clone()).serves_table("b", "outbox") && !serving(schemas).serves_table("c", "outbox")
    );
    let schemas = TableRule { schema_exclude: regexes(&["a"]), ..TableRule::default() };
    assert!(
        serving(schemas.clone()).serves_table("b", "outbox") && !serving(schemas).serves_table("a", "outbox")
    );
}

#[test]
fn a_predicate_on_the_change_topic_chooses_too() {
    let predicate = |pattern: &str, negate| {
        serving(TableRule {
            predicate: Some((java_regex(pattern, false).unwrap(), negate)),
            ..TableRule::default()
        })
    };
    let only = predicate("app\\.public\\.outbox", false);
    assert!(only.serves_table("public", "outbox") && !only.serves_table("public", "other"));
    assert!(!only.serves_table("public", "Outbox"), "a predicate minds case");
    let but = predicate("app\\.public\\.outbox", true);
    assert!(!but.serves_table("public", "outbox") && but.serves_table("public", "other"));
    assert!(predicate("app\\.my_schema\\.out__box", false).serves_table("my schema", "out𝒳box"));
}

#[test]
fn a_name_too_hard_for_a_regex_is_served_rather_than_lost() {
    let slow = || vec![java_regex(r"(?:(a+)+(?!c))+b\1", false).unwrap()];
    let name = "a".repeat(200);
    assert!(
        serving(TableRule { schema_include: slow(), ..TableRule::default() }).serves_table(&name, "outbox")
    );
    assert!(
        serving(TableRule { schema_exclude: slow(), ..TableRule::default() }).serves_table(&name, "outbox")
    );
}

#[test]
fn rows_of_other_tables_pass_no_event_whatever_they_are() {
    let config = Config {
        tables: TableRule { include: regexes(&["public\\.else"]), ..TableRule::default() },
        on_update: OnUpdate::Fatal,
        ..defaults()
    };
    let mut outbox = outbox(config, &USER_CREATED);
    let row = cells(&USER_CREATED);
    for message in [
        testing::insert(OID, &row),
        testing::update(OID, None, &row),
        testing::delete(OID, OldCells::Row(&row)),
        testing::insert(OID, &row),
    ] {
        assert!(matches!(outbox.route(&message), Routed::Skipped(Skipped::OtherTable)));
    }
}

#[test]
fn a_table_renamed_out_of_the_include_list_is_left_alone_from_then_on() {
    let rule = TableRule { include: regexes(&["public\\.outbox"]), ..TableRule::default() };
    let mut outbox = outbox(Config { tables: rule, ..defaults() }, &USER_CREATED);
    outbox.insert(&USER_CREATED, |_| ());
    let mut renamed = relation(&USER_CREATED);
    renamed.table = "archive".to_owned();
    outbox.describe(&renamed, &TableFacts::default());
    let message = testing::insert(OID, &cells(&USER_CREATED));
    assert!(matches!(outbox.route(&message), Routed::Skipped(Skipped::OtherTable)));
    outbox.describe(&relation(&USER_CREATED), &TableFacts::default());
    outbox.insert(&USER_CREATED, |event| assert_eq!(event.plan.table, "public.outbox"));
}

#[test]
fn a_plan_lives_as_long_as_its_table_looks_the_same() {
    let mut outbox = outbox(defaults(), &USER_CREATED);
    let first = outbox.insert(&USER_CREATED, |event| event.plan.generation);
    outbox.describe(&relation(&USER_CREATED), &TableFacts::default());
    assert_eq!(outbox.insert(&USER_CREATED, |event| event.plan.generation), first);
    let wider = [&[("extra", TEXT, None)], &USER_CREATED[..]].concat();
    outbox.describe(&relation(&wider), &TableFacts::default());
    outbox.insert(&wider, |event| {
        assert_ne!(event.plan.generation, first);
        assert_eq!(text(&event, &event.plan.id), ID, "columns are found by name");
    });
    let facts = facts(vec![default("payload", "'{}'::jsonb")]);
    outbox.describe(&relation(&USER_CREATED), &facts);
    assert!(
        outbox.insert(&USER_CREATED, |event| event.plan.payload.default.is_some()),
        "a new default is a new plan"
    );
}

#[test]
fn two_tables_keep_their_plans_apart() {
    let mut outbox = outbox(defaults(), &USER_CREATED);
    let other = testing::described(
        OID + 1,
        "public",
        "outbox_b",
        &[
            ("payload", JSONB, false),
            ("aggregateid", VARCHAR, false),
            ("aggregatetype", VARCHAR, false),
            ("id", UUID, true),
        ],
    );
    outbox.describe(&other, &TableFacts::default());
    for _ in 0..2 {
        outbox.insert(&USER_CREATED, |event| assert_eq!(event.plan.table, "public.outbox"));
        let message = testing::insert_text(OID + 1, &["{}", "key", "Address", ID]);
        let Routed::Event(event) = outbox.route(&message) else { panic!("not an event") };
        assert_eq!((&*event.plan.table, &**event.topic), ("public.outbox_b", "outbox.event.Address"));
    }
}

#[test]
fn a_row_of_a_table_that_was_not_learnt_is_refused_aloud() {
    let mut outbox = outbox(defaults(), &USER_CREATED);
    let mut wider = relation(&USER_CREATED);
    wider.oid += 1;
    outbox.decoder.decode(&testing::relation(&wider)).unwrap();
    let message = testing::insert(wider.oid, &cells(&USER_CREATED));
    let Routed::Rejected(rejection) = outbox.route(&message) else { panic!("not rejected") };
    assert!(rejection.detail.contains("were not looked up"), "{}", rejection.detail);
}

#[test]
fn a_row_has_the_columns_that_the_lists_leave_it() {
    let columns = |include: &[&str], exclude: &[&str]| {
        let columns = ColumnRule { include: regexes(include), exclude: regexes(exclude) };
        let tables = TableRule { columns, ..TableRule::default() };
        Config { tables, ..placing(vec![place("type", Place::Header, "type")]) }
    };
    let mut all = outbox(columns(&["PUBLIC\\.outbox\\..*"], &[]), &USER_CREATED);
    all.insert(&USER_CREATED, |event| assert_eq!(event.plan.headers.len(), 1));
    for config in [
        columns(&[], &["public\\.outbox\\.type"]),
        columns(&["public\\.outbox\\.(id|aggregate.*|payload)"], &[]),
    ] {
        let mut strict = outbox(config.clone(), &USER_CREATED);
        let rejection = strict.refuse(&USER_CREATED);
        assert_eq!(rejection.reason, Reason::ColumnMissing);
        assert!(rejection.detail.contains("column type is left out by"), "{}", rejection.detail);
        let mut lenient = outbox(Config { ignore_missing: true, ..config }, &USER_CREATED);
        lenient.insert(&USER_CREATED, |event| assert!(event.plan.headers.is_empty()));
    }
    // The key of the table's own changes has all its columns: the row's former key is told whole.
    let config = Config { id: "aggregateid".to_owned(), ..columns(&[], &[".*\\.id"]) };
    let mut outbox = outbox(config, &USER_CREATED);
    outbox.insert(&USER_CREATED, |event| assert_eq!(event.plan.old_key.len(), 1));
}

#[test]
fn a_trace_context_is_looked_for_where_it_is_asked_for_and_may_be_missing() {
    let config = Config { trace: Some("context".to_owned()), ..defaults() };
    outbox(config.clone(), &USER_CREATED).insert(&USER_CREATED, |event| assert_eq!(event.plan.trace, None));
    for (oid, is_there) in [(VARCHAR, true), (JSONB, true), (INT4, false)] {
        let columns = with(&[("context", oid, None)]);
        outbox(config.clone(), &columns)
            .insert(&columns, |event| assert_eq!(event.plan.trace.is_some(), is_there));
    }
}
