//! Each kind of change, and on which side it falls.

use super::*;

fn table(oid: u32, name: &str, entry: &str) -> Table {
    Table {
        oid,
        schema: "public".into(),
        table: name.into(),
        persistence: "p".into(),
        through: vec![entry.into()],
        ..Table::default()
    }
}

fn fingerprint(tables: Vec<Table>) -> Fingerprint {
    Fingerprint {
        oid: 50,
        all_tables: false,
        insert: true,
        via_root: true,
        seen_lsn: Lsn::new(0x100),
        tables,
    }
}

fn observed(tables: Vec<Table>, others: Vec<Table>) -> Observed {
    let entries = tables.iter().chain(&others).flat_map(|table| table.through.clone()).collect();
    Observed { fingerprint: fingerprint(tables), entries, others }
}

fn outbox() -> Table {
    table(1, "outbox", "table:9")
}

/// What is said of a change from the plain outbox to `now`.
fn told(now: &Observed) -> (String, String) {
    let changes = compare(&fingerprint(vec![outbox()]), now);
    (changes.lossy.join("; "), changes.harmless.join("; "))
}

fn lossy(now: &Observed, words: &[&str]) {
    let (lossy, harmless) = told(now);
    assert!(words.iter().all(|words| lossy.contains(words)), "{lossy}");
    assert!(harmless.is_empty(), "{harmless}");
}

fn harmless(now: &Observed, words: &str) {
    let (lossy, harmless) = told(now);
    assert!(lossy.is_empty(), "{lossy}");
    assert!(harmless.contains(words) && harmless.is_empty() == words.is_empty(), "{harmless}");
}

#[test]
fn nothing_changed() {
    harmless(&observed(vec![outbox()], vec![]), "");
    assert!(compare(&fingerprint(vec![outbox()]), &observed(vec![outbox()], vec![])).is_empty());
}

#[test]
fn another_publication_of_the_same_name_is_lossy_and_told_once() {
    let mut now = observed(vec![table(1, "outbox", "table:10")], vec![]);
    now.fingerprint.oid = 51;
    lossy(&now, &["dropped and created again (OID 50 before, 51 now)"]);
    assert!(!told(&now).0.contains("; "), "{:?}", told(&now));
}

#[test]
fn a_publication_that_sends_no_inserts_any_more_is_lossy_and_one_that_begins_to_is_not() {
    let mut now = observed(vec![outbox()], vec![]);
    now.fingerprint.insert = false;
    lossy(&now, &["published inserts and does not now"]);
    let before = now.fingerprint;
    let changes = compare(&before, &observed(vec![outbox()], vec![]));
    assert_eq!((changes.lossy.len(), changes.harmless.len()), (0, 1));
}

#[test]
fn partitions_that_come_under_other_names_are_lossy() {
    let mut now = observed(vec![outbox()], vec![]);
    now.fingerprint.via_root = false;
    lossy(&now, &["publish_via_partition_root was true and is false now"]);
}

#[test]
fn a_table_that_was_taken_out_is_lossy_put_back_or_not() {
    let out = Table { through: vec![], ..outbox() };
    lossy(&observed(vec![], vec![out]), &["public.outbox was in the publication and is not now"]);
    let back = table(1, "outbox", "table:10");
    lossy(
        &observed(vec![back], vec![]),
        &["taken out of the publication and put back (table:9 before, table:10 now)"],
    );
    // It was in by two entries; one stayed.
    let before = Table { through: vec!["table:9".into(), "schema:7".into()], ..outbox() };
    let changes = compare(&fingerprint(vec![before]), &observed(vec![outbox()], vec![]));
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
fn a_table_that_was_made_anew_is_lossy_unless_its_entry_has_every_table() {
    let now = observed(vec![table(2, "outbox", "table:10")], vec![]);
    lossy(&now, &["public.outbox was dropped and created again (OID 1 before, 2 now)"]);
    let now = observed(vec![], vec![Table { through: vec![], ..table(2, "outbox", "") }]);
    lossy(&now, &["(OID 1 before, 2 now) and is not in the publication now"]);
    lossy(&observed(vec![], vec![]), &["public.outbox was dropped (OID 1 before)"]);

    for entry in ["all", "schema:7"] {
        let before = fingerprint(vec![table(1, "outbox", entry)]);
        let mut now = observed(vec![table(2, "outbox", entry)], vec![]);
        let changes = compare(&before, &now);
        assert_eq!((changes.lossy.len(), changes.harmless.len()), (0, 1), "{changes:?}");
        now.fingerprint.tables[0].persistence = "u".into();
        assert_eq!(compare(&before, &now).lossy.len(), 1, "an UNLOGGED one is not the same");
        now.fingerprint.tables.clear();
        assert_eq!(compare(&before, &now).lossy.len(), 0, "when it comes back, it is in");
        now.fingerprint.oid = 51;
        assert_eq!(compare(&before, &now).lossy.len(), 2, "unless the publication is another one");
    }
}

#[test]
fn a_row_filter_or_a_column_list_is_lossy_told_before_and_now_and_not_as_put_back() {
    let mut filtered = table(1, "outbox", "table:10");
    filtered.row_filter = Some("(shard = 1)".into());
    let now = observed(vec![filtered], vec![]);
    lossy(&now, &["row filter of public.outbox was none and is (shard = 1) now"]);
    assert!(!told(&now).0.contains("put back"));
    let mut narrow = table(1, "outbox", "table:10");
    narrow.columns = Some(vec!["id".into(), "type".into()]);
    lossy(&observed(vec![narrow], vec![]), &["columns of public.outbox were all and are (id, type) now"]);
}

#[test]
fn an_unlogged_table_is_lossy() {
    let unlogged = Table { persistence: "u".into(), ..outbox() };
    lossy(&observed(vec![unlogged], vec![]), &["public.outbox, or a partition of it, was made UNLOGGED"]);
}

#[test]
fn a_table_of_another_name_is_lossy_only_where_the_include_lists_lack_it() {
    let renamed = Table { table: "outbox_old".into(), ..outbox() };
    harmless(&observed(vec![renamed.clone()], vec![]), "public.outbox is called public.outbox_old now");
    lossy(
        &observed(vec![], vec![renamed]),
        &["called public.outbox_old now, which the include lists do not have"],
    );
    // The name is the same: it is the lists that changed, and that is somebody's decision.
    harmless(&observed(vec![], vec![outbox()]), "no outbox table any more, by the configuration");
}

#[test]
fn a_new_table_is_harmless() {
    let now = observed(vec![outbox(), table(2, "events", "table:10")], vec![]);
    harmless(&now, "public.events is new in it");
    let changes = compare(&fingerprint(vec![]), &now);
    assert_eq!((changes.lossy.len(), changes.harmless.len()), (0, 2));
}

#[test]
fn a_refusal_names_the_change_both_ends_of_the_gap_and_the_command() {
    let now = observed(vec![], vec![]);
    let changes = compare(&fingerprint(vec![outbox()]), &now);
    let failure = changed("walpost", "orders", &changes, Lsn::new(0x100), Lsn::new(0x200));
    assert_eq!(failure.exit, Exit::Publication);
    for words in ["public.outbox was dropped", "0/100", "0/200"] {
        assert!(failure.detail.contains(words), "{failure}");
    }
    assert!(failure.hint.contains("walpost publication accept --confirm orders"), "{failure}");
    let failure = missing("walpost", Some(&fingerprint(vec![outbox()])), Lsn::new(0x200));
    for words in ["OID 50 and sent rows of public.outbox", "0/100", "0/200"] {
        assert!(failure.detail.contains(words), "{failure}");
    }
}
