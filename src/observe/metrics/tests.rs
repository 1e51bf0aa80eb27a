//! What the page promises to dashboards and alerts.

use super::families::TOPICS_MOST;
use super::*;

const GOLDEN: &str = "tests/golden/metrics.txt";
const NOON: i64 = 1_700_000_000_000_000;
const SECOND: i64 = 1_000_000;

fn batch<'a>(topics: &'a TopicTally, end_lsn: u64) -> BatchStats<'a> {
    BatchStats {
        events: 3,
        bytes: 900,
        transactions: 2,
        topics,
        dead_letters: Tally::default(),
        skipped: Tally::default(),
        end_lsn: Lsn::new(end_lsn),
        oldest_commit_us: NOON - SECOND,
        newest_commit_us: NOON - SECOND / 2,
        commit_duration: Duration::from_millis(4),
    }
}

fn tally(topics: &[&str]) -> TopicTally {
    let mut tally = TopicTally::default();
    for topic in topics {
        tally.add(&Arc::from(*topic));
    }
    tally
}

/// The page with the samples of each family sorted: a family's order is that of a hash map.
fn sorted(page: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut samples: Vec<&str> = Vec::new();
    for line in page.lines() {
        if line.starts_with('#') {
            samples.sort_by_key(|sample| sample.split('{').next().map(|name| !name.ends_with("_bucket")));
            if !samples.iter().any(|sample| sample.contains("le=")) {
                samples.sort_unstable();
            }
            out.extend(samples.drain(..).map(str::to_owned));
            out.push(line.to_owned());
        } else {
            samples.push(line);
        }
    }
    out.join("\n") + "\n"
}

fn sample(page: &str, series: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{page}")).parse().unwrap()
}

#[test]
fn names_types_and_help_are_those_dashboards_were_made_for() {
    let metrics = Metrics::new("app");
    metrics.state(&["starting", "streaming"], "streaming");
    metrics.up(Component::Postgres, true);
    metrics.reconnect(Component::Kafka);
    metrics.received(Lsn::new(4000));
    metrics.batch_taken(900, NOON - SECOND);
    metrics.batch_published_at(&batch(&tally(&["outbox.event.order"]), 1000), NOON);
    metrics.batch_failed();
    metrics.memory_most(128 << 20);
    metrics.filtered("other_table", 5);
    metrics.rejected("too_large");
    metrics.produce_error("MessageTimedOut");
    let slot = SlotSample {
        active: true,
        wal_status: Some("reserved".into()),
        retained_bytes: Some(4096),
        safe_wal_bytes: None,
        confirmed_flush_lsn: Some(Lsn::new(900)),
        server_lsn: Lsn::new(5000),
    };
    metrics.slot_at(&slot, NOON);
    metrics.snapshot(&SnapshotStats {
        is_running: true,
        rows: 250_000,
        rows_estimated: Some(1_000_000),
        per_second: 125_000.0,
        tables: 3,
        tables_left: 2,
        seconds: 2,
    });
    let page = sorted(&metrics.page_at(NOON + 2 * SECOND));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(GOLDEN, &page).unwrap();
    }
    assert_eq!(page, std::fs::read_to_string(GOLDEN).unwrap(), "UPDATE_GOLDEN=1 writes {GOLDEN} anew");
}

#[test]
fn lag_is_the_age_of_what_waits_and_zero_when_nothing_does() {
    let metrics = Metrics::new("app");
    let page = |now| metrics.page_at(now);
    assert_eq!(sample(&page(NOON), "walpost_lag_seconds"), 0.0);
    metrics.batch_taken(900, NOON);
    assert_eq!(sample(&page(NOON + 3 * SECOND), "walpost_lag_seconds"), 3.0);
    assert_eq!(sample(&page(NOON), "walpost_inflight_bytes"), 900.0);
    metrics.batch_published_at(&batch(&tally(&[]), 200), NOON + 3 * SECOND);
    assert_eq!(sample(&page(NOON + 9 * SECOND), "walpost_lag_seconds"), 0.0);
    assert_eq!(sample(&page(NOON), "walpost_inflight_bytes"), 0.0);
}

#[test]
fn dead_letters_that_wait_are_counted_and_the_oldest_grows_older() {
    let metrics = Metrics::new("app");
    let page = |now| metrics.page_at(now);
    let age = |now| sample(&page(now), "walpost_dead_letters_oldest_age_seconds");
    assert_eq!((sample(&page(NOON), "walpost_dead_letters_waiting"), age(NOON)), (0.0, 0.0));
    metrics.letters_waiting(2, NOON - 5 * SECOND);
    assert_eq!((sample(&page(NOON), "walpost_dead_letters_waiting"), age(NOON)), (2.0, 5.0));
    assert_eq!(age(NOON + SECOND), 6.0);
    metrics.letters_waiting(0, 0);
    assert_eq!(age(NOON), 0.0);
}

#[test]
fn a_batch_that_is_read_again_keeps_its_age() {
    let metrics = Metrics::new("app");
    metrics.batch_taken(900, NOON);
    metrics.batch_failed();
    metrics.batch_taken(900, NOON + SECOND);
    assert_eq!(sample(&metrics.page_at(NOON + 5 * SECOND), "walpost_lag_seconds"), 5.0);
}

#[test]
fn an_idle_position_has_no_age() {
    let metrics = Metrics::new("app");
    metrics.batch_taken(0, 0);
    assert_eq!(sample(&metrics.page_at(NOON), "walpost_lag_seconds"), 0.0);
}

#[test]
fn more_topics_than_series_are_counted_together() {
    let metrics = Metrics::new("app");
    let names: Vec<String> = (0..TOPICS_MOST + 40).map(|i| format!("topic-{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for _ in 0..2 {
        metrics.batch_published_at(&batch(&tally(&names), 1), NOON);
    }
    let page = metrics.page_at(NOON);
    let series: Vec<&str> =
        page.lines().filter(|line| line.starts_with("walpost_published_records_total{")).collect();
    assert_eq!(series.len(), TOPICS_MOST + 1);
    assert_eq!(sample(&page, "walpost_published_records_total{topic=\"other\"}"), 80.0);
}

#[test]
fn a_topic_is_counted_whether_its_name_is_shared_or_not() {
    let (shared, mut topics) = (Arc::<str>::from("a"), tally(&["a", "b", "a"]));
    topics.add(&shared);
    topics.add(&shared);
    let metrics = Metrics::new("app");
    metrics.batch_published_at(&batch(&topics, 1), NOON);
    let page = metrics.page_at(NOON);
    assert_eq!(sample(&page, "walpost_published_records_total{topic=\"a\"}"), 4.0);
    assert_eq!(sample(&page, "walpost_published_records_total{topic=\"b\"}"), 1.0);
}

#[test]
fn counters_add_up_to_what_debezium_calls_seen() {
    let metrics = Metrics::new("app");
    let (mut dead_letters, mut skipped) = (Tally::default(), Tally::default());
    dead_letters.add(Reason::TooLarge);
    skipped.add(Reason::TopicIllegal);
    skipped.add(Reason::TooLarge);
    let topics = tally(&[]);
    let batch = |skipped| BatchStats { dead_letters, skipped, ..batch(&topics, 1) };
    metrics.batch_published_at(&batch(Tally::default()), NOON);
    // One without a record counts what was passed over as well.
    let nothing = BatchStats { events: 0, dead_letters: Tally::default(), ..batch(skipped) };
    metrics.batch_published_at(&nothing, NOON);
    metrics.filtered("delete", 2);
    metrics.rejected("too_large");
    let page = metrics.page_at(NOON);
    let of = |result| sample(&page, &format!("walpost_events_total{{result=\"{result}\"}}"));
    let results = ["published", "filtered", "rejected", "dead_letter", "skipped"].map(of);
    assert_eq!(results, [2.0, 2.0, 1.0, 1.0, 2.0]);
    let events: f64 = results.into_iter().sum();
    for (family, reason, count) in [
        ("dead_letters", "too_large", 1.0),
        ("dead_letters", "topic_illegal", 0.0),
        ("events_skipped", "too_large", 1.0),
        ("events_skipped", "topic_illegal", 1.0),
    ] {
        assert_eq!(sample(&page, &format!("walpost_{family}_total{{reason=\"{reason}\"}}")), count);
    }
    let seen =
        "debezium_metrics_TotalNumberOfEventsSeen{plugin=\"postgres\",name=\"app\",context=\"streaming\"}";
    assert_eq!(events, 8.0);
    assert_eq!(sample(&page, seen), events);
}

#[test]
fn an_idle_slot_grows_older_and_an_active_one_does_not() {
    let metrics = Metrics::new("app");
    let inactive = |now| sample(&metrics.page_at(now), "walpost_slot_inactive_seconds");
    metrics.slot_at(&SlotSample { active: true, ..SlotSample::default() }, NOON);
    assert_eq!(inactive(NOON + SECOND), 0.0);
    metrics.slot_at(&SlotSample::default(), NOON + 2 * SECOND);
    metrics.slot_at(&SlotSample::default(), NOON + 4 * SECOND);
    assert_eq!(inactive(NOON + 5 * SECOND), 3.0);
}
