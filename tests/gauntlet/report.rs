//! What a gauntlet came to: as text for people, as JSON for machines, and as a picture of each world along its time.

mod picture;

use crate::checker::{Outcome, PROPERTIES};
use crate::workload::Summary;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;

/// What became of the faults of one class.
#[derive(Clone, Debug, Default)]
pub struct FaultClass {
    pub class: String,
    pub injected: u64,
    pub fired: u64,
    /// From each fault to the first event after it; where there is none, as the checker saw it.
    pub recovery_ms: Vec<u64>,
}

/// Collects what there is to tell.
pub struct Report {
    seed: String,
    worlds: Vec<World>,
}

/// One run, from start to drain.
struct World {
    name: String,
    summary: Summary,
    faults: Vec<FaultClass>,
    outcome: Outcome,
}

impl Report {
    /// `seed` as `Random::seed` gives it.
    pub fn new(seed: String) -> Report {
        Report { seed, worlds: Vec::new() }
    }

    pub fn world(&mut self, name: &str, summary: Summary, mut faults: Vec<FaultClass>, outcome: Outcome) {
        for fault in faults.iter_mut().filter(|fault| fault.recovery_ms.is_empty()) {
            fault.recovery_ms = outcome.timeline.recoveries.get(&fault.class).cloned().unwrap_or_default();
        }
        self.worlds.push(World { name: name.to_owned(), summary, faults, outcome });
    }

    /// Writes gauntlet.txt, gauntlet.json and gauntlet.svg.
    pub fn write(&self, directory: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(directory)?;
        std::fs::write(directory.join("gauntlet.txt"), self.text())?;
        std::fs::write(directory.join("gauntlet.json"), format!("{}\n", self.json()))?;
        std::fs::write(directory.join("gauntlet.svg"), self.picture())
    }

    pub fn text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.verdict(), self.machine(), self.seed);
        for world in &self.worlds {
            world.tell(&mut text);
        }
        text
    }

    fn picture(&self) -> String {
        let worlds: Vec<_> =
            self.worlds.iter().map(|world| (world.headline(), &world.outcome.timeline)).collect();
        picture::draw(&format!("{} — {}", self.verdict(), self.machine()), &worlds)
    }

    fn verdict(&self) -> String {
        let sum = |count: fn(&World) -> u64| self.worlds.iter().map(count).sum::<u64>();
        let fired = sum(|world| world.faults.iter().map(|fault| fault.fired).sum());
        let events = sum(|world| world.outcome.delivered);
        let violations = sum(|world| world.outcome.violations.len() as u64);
        format!("{events} events, {fired} faults, {violations} violations")
    }

    fn machine(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let version = |of: fn(&Outcome) -> &str| self.worlds.first().map_or("", |world| of(&world.outcome));
        let (postgres, kafka) = (version(|outcome| &outcome.postgres), version(|outcome| &outcome.kafka));
        let (_, librdkafka) = rdkafka::util::get_rdkafka_version();
        let memory = memory_gib();
        format!("{cores} cores, {memory} GiB, Postgres {postgres}, Kafka {kafka}, librdkafka {librdkafka}")
    }

    fn json(&self) -> Value {
        let (_, librdkafka) = rdkafka::util::get_rdkafka_version();
        json!({
            "seed": self.seed,
            "machine": {
                "cores": std::thread::available_parallelism().map_or(0, usize::from),
                "memory_gib": memory_gib(),
                "librdkafka": librdkafka,
            },
            "worlds": self.worlds.iter().map(World::json).collect::<Vec<_>>(),
        })
    }
}

impl World {
    fn headline(&self) -> String {
        let Outcome { delivered, transactions, violations, .. } = &self.outcome;
        let fired: u64 = self.faults.iter().map(|fault| fault.fired).sum();
        let violations = violations.len();
        let name = &self.name;
        format!(
            "{name}: {delivered} events of {transactions} transactions, {fired} faults, {violations} violations"
        )
    }

    fn tell(&self, text: &mut String) {
        let Outcome { timeline, positions, pieces, uncommitted, drain_ms, .. } = &self.outcome;
        let seconds = (timeline.to_ms - timeline.from_ms) / 1000;
        let drain = drain_ms.map_or("drain without end".to_owned(), |ms| format!("drain {ms} ms"));
        let _ = writeln!(text, "\n{}", self.headline());
        let _ = writeln!(
            text,
            "  {seconds} s, {positions} positions, {pieces} of them inside a split transaction, {uncommitted} \
             records never committed, {drain}"
        );
        for counts in [&self.summary.kinds, &self.summary.happened] {
            let counts: Vec<_> = counts.iter().map(|(what, times)| format!("{what} {times}")).collect();
            let _ = writeln!(text, "  {}", counts.join(", "));
        }
        let _ = writeln!(text, "\n  {:<44}{:>9}{:>9}{:>14}", "fault", "injected", "fired", "recovery, ms");
        for FaultClass { class, injected, fired, recovery_ms } in &self.faults {
            let median = median(recovery_ms).map_or("-".to_owned(), |ms| ms.to_string());
            let _ = writeln!(text, "  {class:<44}{injected:>9}{fired:>9}{median:>14}");
        }
        let _ = writeln!(text, "\n  {:<44}{:>9}{:>12}", "property", "items", "violations");
        for (at, name) in PROPERTIES.iter().enumerate() {
            let violations = self.violations(at).count();
            let items = self.outcome.looked_at[at];
            let _ = writeln!(text, "  {:>2} {name:<41}{items:>9}{violations:>12}", at + 1);
        }
        for violation in &self.outcome.violations {
            let _ = writeln!(text, "  VIOLATED {:>2}: {}", violation.property, violation.what);
        }
    }

    fn violations(&self, at: usize) -> impl Iterator<Item = &str> {
        let ours = self.outcome.violations.iter().filter(move |found| usize::from(found.property) == at + 1);
        ours.map(|violation| violation.what.as_str())
    }

    fn json(&self) -> Value {
        let Outcome { timeline, .. } = &self.outcome;
        let faults = self.faults.iter().map(|fault| {
            json!({
                "class": fault.class, "injected": fault.injected, "fired": fault.fired,
                "recovery_median_ms": median(&fault.recovery_ms), "recovery_ms": fault.recovery_ms,
            })
        });
        let properties = PROPERTIES.iter().enumerate().map(|(at, name)| {
            let violations: Vec<_> = self.violations(at).collect();
            let items = self.outcome.looked_at[at];
            json!({ "property": at + 1, "name": name, "items": items, "violations": violations })
        });
        let marks = timeline.marks.iter().map(|mark| json!([mark.at_ms, mark.class, mark.detail]));
        json!({
            "name": self.name,
            "postgres": self.outcome.postgres,
            "kafka": self.outcome.kafka,
            "workload": {
                "events": self.summary.events, "transactions": self.summary.transactions,
                "kinds": self.summary.kinds, "happened": self.summary.happened,
            },
            "delivered": self.outcome.delivered,
            "never_committed": self.outcome.uncommitted,
            "positions": self.outcome.positions,
            "pieces": self.outcome.pieces,
            "drain_ms": self.outcome.drain_ms,
            "faults": faults.collect::<Vec<_>>(),
            "properties": properties.collect::<Vec<_>>(),
            "timeline": {
                "from_ms": timeline.from_ms, "to_ms": timeline.to_ms,
                "committed": thinned(&timeline.committed), "delivered": thinned(&timeline.delivered),
                "latency_ms": thinned(&timeline.latency),
                "postgres_down": timeline.postgres_down, "slot_idle": timeline.slot_idle,
                "marks": marks.collect::<Vec<_>>(),
            },
        })
    }
}

/// One for each tenth of a second in which there is any: the highest, which of a sum is the last.
fn thinned(series: &[(i64, u64)]) -> Vec<(i64, u64)> {
    let mut thinned: Vec<(i64, u64)> = Vec::new();
    for (at, value) in series {
        match thinned.last_mut() {
            Some((slot, highest)) if *slot == at / 100 * 100 => *highest = (*highest).max(*value),
            _ => thinned.push((at / 100 * 100, *value)),
        }
    }
    thinned
}

fn median(times: &[u64]) -> Option<u64> {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

fn memory_gib() -> u64 {
    let facts = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = facts
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
    total.map_or(0, |kib: u64| kib.div_ceil(1 << 20))
}
