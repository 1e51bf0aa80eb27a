//! What was planned, injected and seen to happen in one world, for each class of faults; and what went wrong.

use crate::report::FaultClass;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Default)]
pub struct Tally(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    classes: BTreeMap<String, FaultClass>,
    failures: Vec<String>,
}

impl Tally {
    pub fn injected(&self, class: &str) {
        self.count(class, |count| count.injected += 1);
    }

    /// Its effect was seen.
    pub fn fired(&self, class: &str) {
        self.count(class, |count| count.fired += 1);
    }

    pub fn recovered(&self, class: &str, took: Duration) {
        self.count(class, |count| count.recovery_ms.push(took.as_millis() as u64));
    }

    /// Something that must not be.
    pub fn failed(&self, what: String) {
        eprintln!("gauntlet: FAILED: {what}");
        self.lock().failures.push(what);
    }

    pub fn failures(&self) -> Vec<String> {
        self.lock().failures.clone()
    }

    pub fn classes(&self) -> Vec<FaultClass> {
        self.lock().classes.values().cloned().collect()
    }

    fn count(&self, class: &str, add: impl FnOnce(&mut FaultClass)) {
        let mut inner = self.lock();
        let new = || FaultClass { class: class.to_owned(), ..FaultClass::default() };
        add(inner.classes.entry(class.to_owned()).or_insert_with(new));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The classes of several worlds, those of one name together.
pub fn sum(classes: impl IntoIterator<Item = FaultClass>) -> Vec<FaultClass> {
    let mut sums: BTreeMap<String, FaultClass> = BTreeMap::new();
    for class in classes {
        let new = || FaultClass { class: class.class.clone(), ..FaultClass::default() };
        let sum = sums.entry(class.class.clone()).or_insert_with(new);
        sum.injected += class.injected;
        sum.fired += class.fired;
        sum.recovery_ms.extend(class.recovery_ms);
    }
    sums.into_values().collect()
}

/// class | injected | fired | median recovery | longest
pub fn table(classes: &[FaultClass]) -> String {
    let mut text = String::new();
    let mut line = |class: &str, numbers: [String; 4]| {
        let [injected, fired, median, longest] = numbers;
        let _ = writeln!(text, "{class:<40} {injected:>8} {fired:>6} {median:>10} {longest:>8}");
    };
    line("class", ["injected", "fired", "median ms", "max ms"].map(str::to_owned));
    for class in classes {
        let mut sorted = class.recovery_ms.clone();
        sorted.sort_unstable();
        let ms = |took: Option<&u64>| took.map_or("-".to_owned(), u64::to_string);
        line(
            &class.class,
            [
                class.injected.to_string(),
                class.fired.to_string(),
                ms(sorted.get(sorted.len() / 2)),
                ms(sorted.last()),
            ],
        );
    }
    let all = |of: fn(&FaultClass) -> u64| classes.iter().map(of).sum::<u64>().to_string();
    let sums = [all(|class| class.injected), all(|class| class.fired), String::new(), String::new()];
    line(&format!("{} classes", classes.len()), sums);
    text
}
