//! The thirteen properties of exactly once, each asked of everything it is about. Pure: a dump enters, violations leave.
//!
//! Each fault of a connector violates one property, where that can be: that an event is missing is said by property 1, and
//! the others go on with what is there. Together they say more than each: 1, 2 and 7 that at each position a consumer has
//! exactly what was committed up to there; 1, 2 and 4 that an aggregate's versions arrive one after the other. To have
//! looked at nothing is a violation, too.

mod chain;
mod content;
mod letters;
mod order;
mod places;

use super::dump::Dump;
use super::story::Story;
use super::timeline::Timeline;
use super::{Outcome, PROPERTIES, Violation};

/// So many of the same are told one by one.
const EXAMPLES: u64 = 5;

pub fn judge(dump: &Dump) -> Outcome {
    let story = Story::new(dump);
    let mut findings = Findings::default();
    for what in &dump.unread {
        findings.violated(1, format!("not everything could be read: {what}"));
    }
    content::judge(&story, &mut findings);
    letters::judge(&story, &mut findings);
    order::judge(&story, &mut findings);
    chain::judge(&story, &mut findings);
    places::judge(&story, &mut findings);
    let delivered: u64 = dump.partitions.iter().map(|partition| partition.events.len() as u64).sum();
    let written: u64 = dump.partitions.iter().map(|partition| partition.of.log.written()).sum();
    let pieces = dump.positions.iter().filter(|(_, position)| position.partial.is_some()).count();
    Outcome {
        looked_at: findings.looked_at,
        violations: findings.end(),
        truth: dump.truth.len() as u64,
        transactions: dump.commits.len() as u64,
        delivered,
        uncommitted: written.saturating_sub(delivered),
        positions: dump.positions.len() as u64,
        pieces: pieces as u64,
        drain_ms: dump.drain.clone().and_then(Result::ok),
        timeline: Timeline::new(&story),
        ..Outcome::default()
    }
}

/// What was looked at, and what was wrong with it.
#[derive(Default)]
pub(super) struct Findings {
    looked_at: [u64; PROPERTIES.len()],
    wrong: [u64; PROPERTIES.len()],
    violations: Vec<Violation>,
}

impl Findings {
    fn looked_at(&mut self, property: u8, items: u64) {
        self.looked_at[usize::from(property) - 1] += items;
    }

    fn violated(&mut self, property: u8, what: impl Into<String>) {
        let wrong = &mut self.wrong[usize::from(property) - 1];
        *wrong += 1;
        if *wrong <= EXAMPLES {
            self.violations.push(Violation { property, what: what.into() });
        }
    }

    fn end(mut self) -> Vec<Violation> {
        for property in 1..=PROPERTIES.len() as u8 {
            let at = usize::from(property) - 1;
            if self.wrong[at] > EXAMPLES {
                let what = format!("and {} more", self.wrong[at] - EXAMPLES);
                self.violations.push(Violation { property, what });
            }
            if self.looked_at[at] == 0 && self.wrong[at] == 0 {
                let what = "there was nothing to look at, which proves nothing".to_owned();
                self.violations.push(Violation { property, what });
            }
        }
        self.violations.sort_by_key(|violation| violation.property);
        self.violations
    }
}
