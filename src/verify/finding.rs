//! What a comparison finds, and how often.

use crate::rejection::Reason;

/// What is wrong, or what could not be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A row whose record is not in its topic, and will not come by itself.
    Missing,
    /// A record whose id another record of the topic has as well, one of them being enough.
    Duplicate {
        /// Partition and offset of the other one.
        first: (i32, u64),
    },
    /// A record after one of a later row with the same key.
    OutOfOrder {
        /// Offset of the later row's record, in the same partition.
        after: u64,
    },
    /// A record that says other than its row.
    Altered(Difference),
    /// A row that walpost would not publish as it is, and that is no dead letter.
    Unpublishable(Reason),
    /// A row without a record whose event is a dead letter.
    DeadLetter,
    /// A row that cannot be published and is passed over by policy.
    Skipped(Reason),
    /// A row without a record, committed after the stored position for all that is known: it may come yet.
    Pending,
    /// A row without a record, of which cannot be told whether there ever was one.
    Undecided(Doubt),
    /// A record without a row: the row was cleaned away, or was never there; what the record says cannot be checked.
    Unknown,
    /// The same, of a record that was published after the rows were looked at: the row may be as new.
    Newer,
    /// A record without an id header: another producer's.
    Foreign,
}

/// Why a row without a record is not called missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The topic's oldest records are gone, and the row is not known to be younger.
    Expired,
    /// The topic is compacted.
    Compacted,
    /// A transaction of some producer is open in the topic, and hides what comes after.
    Open,
}

/// What of a record is not as its row has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// The key.
    pub key: bool,
    /// The value.
    pub value: bool,
    /// The headers, those of the connector's own context aside.
    pub headers: bool,
    /// The timestamp, where a column gives it.
    pub timestamp: bool,
    /// The partition, where a column gives it.
    pub partition: bool,
}

impl Difference {
    /// There is none.
    pub fn is_none(self) -> bool {
        self == Difference::default()
    }

    /// The parts that differ.
    pub fn parts(self) -> Vec<&'static str> {
        let all = [
            (self.key, "key"),
            (self.value, "value"),
            (self.headers, "headers"),
            (self.timestamp, "timestamp"),
            (self.partition, "partition"),
        ];
        all.into_iter().filter_map(|(differs, name)| differs.then_some(name)).collect()
    }
}

impl Finding {
    /// Stable: programs look for it.
    pub fn name(self) -> &'static str {
        match self {
            Finding::Missing => "missing",
            Finding::Duplicate { .. } => "duplicate",
            Finding::OutOfOrder { .. } => "out_of_order",
            Finding::Altered(_) => "altered",
            Finding::Unpublishable(_) => "unpublishable",
            Finding::DeadLetter => "dead_letter",
            Finding::Skipped(_) => "skipped",
            Finding::Pending => "pending",
            Finding::Undecided(_) => "undecided",
            Finding::Unknown => "unknown",
            Finding::Newer => "newer",
            Finding::Foreign => "foreign",
        }
    }
}

/// A finding, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// What was found.
    pub finding: Finding,
    /// Number of the topic; `None`: the row has none.
    pub topic: Option<u32>,
    /// The event id, packed (see [`super::label`]).
    pub id: &'a [u8],
    /// The key, packed; empty where it is not known.
    pub key: &'a [u8],
    /// The row, where there is one.
    pub place: Option<Place>,
    /// Partition and offset of the record, where there is one.
    pub record: Option<(i32, u64)>,
}

/// Where a row stands: among the tables, and in its table's order. Rows of equal rank have no order among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(u64);

impl Place {
    const RANK_BITS: u32 = 48;

    /// A row of that rank in the table of that number.
    pub fn new(table: u16, rank: u64) -> Place {
        Place((u64::from(table) << Place::RANK_BITS) | (rank & ((1 << Place::RANK_BITS) - 1)))
    }

    /// Number of the table.
    pub fn table(self) -> u16 {
        (self.0 >> Place::RANK_BITS) as u16
    }

    /// Rank in the table.
    pub fn rank(self) -> u64 {
        self.0 & ((1 << Place::RANK_BITS) - 1)
    }

    /// As one number.
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl From<u64> for Place {
    fn from(place: u64) -> Place {
        Place(place)
    }
}

/// Is told every finding, from several threads, in no order. Whoever keeps them bounds what is kept.
pub trait Sink: Send + Sync {
    /// One more.
    fn found(&self, found: &Found<'_>);
    /// A row has its record: number of the topic, the event id, packed, and how many rows have that id.
    fn paired(&self, _topic: u32, _id: &[u8], _rows: usize) {}
}

/// Counts of one topic, or of rows that have none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows that belong here.
    pub rows: u64,
    /// Records that have an id.
    pub records: u64,
    /// Rows with a record, altered or not.
    pub matched: u64,
    /// As [`Finding`] says.
    pub missing: u64,
    /// As [`Finding`] says.
    pub duplicate: u64,
    /// As [`Finding`] says.
    pub out_of_order: u64,
    /// As [`Finding`] says.
    pub altered: u64,
    /// As [`Finding`] says.
    pub pending: u64,
    /// As [`Finding`] says.
    pub undecided: u64,
    /// As [`Finding`] says.
    pub unknown: u64,
    /// As [`Finding`] says.
    pub newer: u64,
    /// As [`Finding`] says.
    pub foreign: u64,
    /// As [`Finding`] says; such rows have no topic.
    pub unpublishable: u64,
    /// As [`Finding`] says.
    pub dead_letter: u64,
    /// As [`Finding`] says; such rows have no topic.
    pub skipped: u64,
}

impl Tally {
    /// One more of these.
    pub fn count(&mut self, finding: Finding) {
        match finding {
            Finding::Missing => self.missing += 1,
            Finding::Duplicate { .. } => self.duplicate += 1,
            Finding::OutOfOrder { .. } => self.out_of_order += 1,
            Finding::Altered(_) => self.altered += 1,
            Finding::Pending => self.pending += 1,
            Finding::Undecided(_) => self.undecided += 1,
            Finding::Unknown => self.unknown += 1,
            Finding::Newer => self.newer += 1,
            Finding::Foreign => self.foreign += 1,
            Finding::Unpublishable(_) => self.unpublishable += 1,
            Finding::DeadLetter => self.dead_letter += 1,
            Finding::Skipped(_) => self.skipped += 1,
        }
    }

    /// Both together.
    pub fn plus(self, other: Tally) -> Tally {
        Tally {
            rows: self.rows + other.rows,
            records: self.records + other.records,
            matched: self.matched + other.matched,
            missing: self.missing + other.missing,
            duplicate: self.duplicate + other.duplicate,
            out_of_order: self.out_of_order + other.out_of_order,
            altered: self.altered + other.altered,
            pending: self.pending + other.pending,
            undecided: self.undecided + other.undecided,
            unknown: self.unknown + other.unknown,
            newer: self.newer + other.newer,
            foreign: self.foreign + other.foreign,
            unpublishable: self.unpublishable + other.unpublishable,
            dead_letter: self.dead_letter + other.dead_letter,
            skipped: self.skipped + other.skipped,
        }
    }

    /// What is wrong for certain.
    pub fn wrong(self) -> u64 {
        self.missing + self.duplicate + self.out_of_order + self.altered + self.unpublishable
    }

    /// What could not be told.
    pub fn untold(self) -> u64 {
        self.pending + self.undecided + self.unknown + self.newer + self.foreign
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_keeps_table_and_rank_apart_and_in_order() {
        let place = Place::new(3, 70_000_000_000);
        assert_eq!((place.table(), place.rank()), (3, 70_000_000_000));
        assert_eq!(Place::from(place.as_u64()), place);
        assert!(Place::new(1, 9) < Place::new(1, 10) && Place::new(1, 10) < Place::new(2, 0));
    }

    #[test]
    fn only_what_is_wrong_for_certain_is_wrong() {
        let all = [
            Finding::Missing,
            Finding::Duplicate { first: (0, 0) },
            Finding::OutOfOrder { after: 0 },
            Finding::Altered(Difference::default()),
            Finding::Pending,
            Finding::Undecided(Doubt::Open),
            Finding::Unknown,
            Finding::Newer,
            Finding::Foreign,
            Finding::Unpublishable(Reason::TopicIllegal),
            Finding::DeadLetter,
            Finding::Skipped(Reason::TopicIllegal),
        ];
        let mut tally = Tally::default();
        all.into_iter().for_each(|finding| tally.count(finding));
        assert_eq!((tally.wrong(), tally.untold()), (5, 5));
        let twice = tally.plus(tally);
        assert_eq!((twice.wrong(), twice.untold()), (10, 10));
        assert_eq!((twice.dead_letter, twice.skipped), (2, 2));
    }
}
