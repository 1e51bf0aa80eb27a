//! What a command would pass over that is not published: counted, named, and given up by naming its range only.

use crate::clock::unix_ms;
use crate::config::Config;
use crate::error::{Exit, Failure};
use crate::lsn::{Lsn, LsnRange};
use crate::pipeline::unsent::{self, Fate, Told, Unsent};
use crate::position::{Audit, Position};
use crate::verify::label;
use serde_json::{Value, json};

/// Events that are not published, as far as the slot can tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Loss {
    /// From the first commit of them to the end of the last one's; `None`: there are none.
    range: Option<LsnRange>,
    /// Their number; `None`: it is not known.
    events: Option<u64>,
    first: Option<Event>,
    last: Option<Event>,
    /// What else is to be said.
    why: String,
}

/// An event, as a person finds it again.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Event {
    id: String,
    table: String,
    commit_lsn: Lsn,
}

impl Event {
    fn new(unsent: &Unsent<'_>) -> Event {
        let id = match unsent.fate {
            Fate::Record { id, .. } => {
                let mut packed = Vec::new();
                label::pack(id, &mut packed);
                label::text(&packed)
            }
            Fate::Rejected(rejection) => rejection.event_id.clone(),
            Fate::Change => None,
        };
        Event {
            id: id.unwrap_or_else(|| "without an id".to_owned()),
            table: unsent.relation.map_or_else(
                || "pg_logical_emit_message".to_owned(),
                |relation| format!("{}.{}", relation.schema, relation.table),
            ),
            commit_lsn: unsent.commit_lsn,
        }
    }
}

impl Loss {
    /// What of the slot's events before `until` is not published by `stored`; without a position, all of them.
    pub(super) async fn passed(
        config: &Config,
        stored: Option<&Position>,
        until: Lsn,
    ) -> Result<Loss, Failure> {
        let mut loss = Loss { events: Some(0), ..Loss::default() };
        unsent::read(config, until, stored, |told| loss.take(told, until)).await?;
        Ok(loss)
    }

    fn take(&mut self, told: Told<'_>, until: Lsn) {
        match told {
            Told::Event(unsent) if unsent.commit_lsn < until => {
                let event = Event::new(&unsent);
                let (commit_lsn, to) = (event.commit_lsn, self.range.and_then(|range| range.to));
                self.range.get_or_insert(LsnRange { from: commit_lsn, to });
                self.events = self.events.map(|events| events + 1);
                self.first.get_or_insert_with(|| event.clone());
                self.last = Some(event);
            }
            Told::End { commit_lsn, end_lsn } => {
                if let Some(range) = &mut self.range
                    && self.last.as_ref().is_some_and(|last| last.commit_lsn == commit_lsn)
                {
                    range.to = Some(end_lsn);
                }
            }
            Told::Event(_) => {}
        }
    }

    /// The same, after a gap that nobody can look into: the slot is past the position.
    pub(super) fn after_gap(self, stored: Lsn, confirmed: Lsn) -> Loss {
        let to = self.range.and_then(|range| range.to).unwrap_or(confirmed);
        let why = format!(
            "what was committed between {stored} and {confirmed} the slot does not send any more, and how much of it is \
             not published only the outbox can tell: walpost repair. "
        );
        Loss { range: Some(LsnRange { from: stored, to: Some(to) }), events: None, why, ..self }
    }

    /// Nobody can look into the slot, for this reason.
    pub(super) fn untold(from: Lsn, failure: &Failure) -> Loss {
        let why = format!("what the slot would still send cannot be told: {}. ", failure.what);
        Loss { range: Some(LsnRange { from, to: None }), why, ..Loss::default() }
    }

    /// There is nothing to lose.
    pub(super) fn is_none(&self) -> bool {
        self.range.is_none()
    }

    /// Refuses unless its very range was named. `untouched` is what the refusal begins with, `meant` the confirmation
    /// that is asked for beside it.
    pub(super) fn require_accepted(
        &self,
        untouched: &str,
        accepted: Option<LsnRange>,
        meant: &str,
    ) -> Result<(), Failure> {
        let Some(range) = self.range else {
            return accepted.map_or(Ok(()), |accepted| Err(nothing_to_accept(untouched, accepted)));
        };
        if accepted == Some(range) {
            return Ok(());
        }
        let what = match (self.events, accepted) {
            (_, Some(accepted)) => {
                format!("{untouched} was not touched: --accept-loss names {accepted}, not {range}")
            }
            (Some(1), None) => {
                format!("{untouched} was not touched: an event that is not published would be passed over")
            }
            (Some(events), None) => {
                format!(
                    "{untouched} was not touched: {events} events that are not published would be passed over"
                )
            }
            (None, None) => {
                format!("{untouched} was not touched: events that are not published may be passed over")
            }
        };
        Err(Failure::new(
            Exit::NotConfirmed,
            what,
            self.text(),
            format!(
                "walpost run publishes them. To give them up for good: --accept-loss {range} --confirm {meant}"
            ),
        ))
    }

    /// Which they are.
    pub(super) fn text(&self) -> String {
        let Some(range) = self.range else {
            return "every event up to there is published".to_owned();
        };
        let count = match self.events {
            Some(1) => "one event is".to_owned(),
            Some(events) => format!("{events} events are"),
            None => "events are perhaps".to_owned(),
        };
        let which = match (&self.first, &self.last) {
            (Some(first), Some(last)) if first != last => format!(
                ": the first is {} of {} (commit {}), the last {} of {} (commit {})",
                first.id, first.table, first.commit_lsn, last.id, last.table, last.commit_lsn
            ),
            (Some(only), _) => format!(": {} of {} (commit {})", only.id, only.table, only.commit_lsn),
            _ => String::new(),
        };
        format!("{}{count} not published in {range}{which}", self.why)
    }

    /// What the position's audit trail says of it.
    pub(super) fn audit(&self, by: &str, from: Lsn, to: Option<Lsn>) -> Audit {
        let range = self.range.unwrap_or(LsnRange { from, to });
        let ids = self.first.as_ref().zip(self.last.as_ref());
        Audit {
            at_ms: unix_ms(),
            by: by.to_owned(),
            from: range.from,
            to: range.to,
            published: 0,
            given_up: self.events,
            ids: ids.map(|(first, last)| (first.id.clone(), last.id.clone())),
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let event = |event: &Option<Event>| match event {
            Some(Event { id, table, commit_lsn }) => {
                json!({ "id": id, "table": table, "commit_lsn": commit_lsn })
            }
            None => Value::Null,
        };
        json!({
            "range": self.range.map(|range| range.to_string()),
            "events": self.events,
            "first": event(&self.first),
            "last": event(&self.last),
        })
    }
}

fn nothing_to_accept(untouched: &str, accepted: LsnRange) -> Failure {
    Failure::new(
        Exit::NotConfirmed,
        format!("{untouched} was not touched: --accept-loss names {accepted}, and nothing would be lost"),
        "every event up to there is published",
        "leave --accept-loss out",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Relation;
    use std::sync::Arc;

    fn loss(events: &[(u64, &[&str])]) -> Loss {
        let relation = Relation {
            oid: 1,
            schema: "public".into(),
            table: "outbox".into(),
            replica_identity: b'd',
            columns: Vec::new(),
        };
        let topic: Arc<str> = Arc::from("orders");
        let mut loss = Loss { events: Some(0), ..Loss::default() };
        for (commit, ids) in events {
            let commit_lsn = Lsn::new(*commit);
            for id in *ids {
                let fate = Fate::Record { topic: &topic, id: Some(id.as_bytes()) };
                let unsent = Unsent { commit_lsn, xid: 1, relation: Some(&relation), fate };
                loss.take(Told::Event(unsent), Lsn::new(100));
            }
            loss.take(Told::End { commit_lsn, end_lsn: Lsn::new(commit + 5) }, Lsn::new(100));
        }
        loss
    }

    fn refusal(loss: &Loss, accepted: Option<&str>) -> Option<Failure> {
        let accepted = accepted.map(|range| range.parse().unwrap());
        loss.require_accepted("slot \"s\"", accepted, "s").err()
    }

    #[test]
    fn events_before_the_point_are_counted_and_named_with_their_range() {
        let loss = loss(&[(0x10, &["a", "b"]), (0x20, &[]), (0x30, &["c"]), (0x64, &["not passed"])]);
        assert_eq!((loss.events, loss.range), (Some(3), Some("0/10..0/35".parse().unwrap())));
        let text = loss.text();
        for says in [
            "3 events are not published in 0/10..0/35",
            "first is a of public.outbox (commit 0/10)",
            "last c",
        ] {
            assert!(text.contains(says), "{text}");
        }
        let audit = loss.audit("walpost slot advance", Lsn::new(1), None);
        assert_eq!((audit.from, audit.to), (Lsn::new(0x10), Some(Lsn::new(0x35))));
        assert_eq!((audit.given_up, audit.ids), (Some(3), Some(("a".into(), "c".into()))));
        assert_eq!(loss.json()["last"]["commit_lsn"], "0/30");
    }

    #[test]
    fn only_the_very_range_is_accepted_and_nothing_where_nothing_is_lost() {
        let some = loss(&[(0x10, &["a"])]);
        for accepted in [None, Some("0/10..0/16"), Some("0/F..0/15"), Some("0/10..")] {
            let failure = refusal(&some, accepted).expect("refused");
            assert_eq!(failure.exit, Exit::NotConfirmed);
            assert!(failure.hint.contains("--accept-loss 0/10..0/15 --confirm s"), "{failure}");
        }
        assert!(refusal(&some, None).unwrap().what.contains("an event that is not published"));
        assert_eq!(refusal(&some, Some("0/10..0/15")), None);
        let none = loss(&[(0x10, &[])]);
        assert_eq!(refusal(&none, None), None);
        assert!(refusal(&none, Some("0/10..0/15")).unwrap().what.contains("nothing would be lost"));
    }

    #[test]
    fn a_gap_that_nobody_can_look_into_is_of_unknown_number() {
        let gap = loss(&[(0x50, &["a"])]).after_gap(Lsn::new(0x8), Lsn::new(0x40));
        assert_eq!((gap.events, gap.range), (None, Some("0/8..0/55".parse().unwrap())));
        assert!(
            gap.text().contains("between 0/8 and 0/40") && gap.text().contains("walpost repair"),
            "{gap:?}"
        );
        assert_eq!(gap.audit("x", Lsn::ZERO, None).given_up, None);
        let untold = Loss::untold(Lsn::new(0x8), &Failure::new(Exit::Publication, "no publication", "", ""));
        assert_eq!(untold.range, Some("0/8..".parse().unwrap()));
        assert!(refusal(&untold, None).unwrap().detail.contains("no publication"));
    }
}
