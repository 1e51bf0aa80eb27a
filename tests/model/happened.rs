//! What of note has happened, counted over every step of an exploration: a model in which it never does proves nothing.

/// Something the exploration must have met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    Published,
    /// A batch ended within a source transaction.
    Split,
    /// A start went on within a source transaction.
    ResumedInside,
    /// An instance was fenced while it streamed.
    TookOver,
    /// A fence ended the transaction of a predecessor.
    FenceAborted,
    /// A fenced instance was refused.
    ZombieRefused,
    /// A fenced instance told Postgres how far it had come.
    ZombieConfirmed,
    UnknownCommitApplied,
    UnknownCommitLost,
    UnknownCommitLate,
    /// A late request was rejected for its epoch.
    LateRejected,
    /// A late EndTxn was carried out.
    LateEnd,
    /// A late record was written.
    LateRecord,
    /// A late fence was carried out.
    LateFence,
    SlotWentBack,
    /// A stream began at a slot that was behind the position.
    SlotWasBehind,
    /// Somebody had advanced the slot between a start's two looks at it.
    SlotMoved,
    /// The matrix refused a start, because somebody had advanced the slot.
    Halted,
    /// It refused one that had been fenced meanwhile, by the position of before and the slot of now.
    FalseAlarm,
}

/// All of them, in the order of their declaration.
pub const ALL: [Happening; 19] = [
    Happening::Published,
    Happening::Split,
    Happening::ResumedInside,
    Happening::TookOver,
    Happening::FenceAborted,
    Happening::ZombieRefused,
    Happening::ZombieConfirmed,
    Happening::UnknownCommitApplied,
    Happening::UnknownCommitLost,
    Happening::UnknownCommitLate,
    Happening::LateRejected,
    Happening::LateEnd,
    Happening::LateRecord,
    Happening::LateFence,
    Happening::SlotWentBack,
    Happening::SlotWasBehind,
    Happening::SlotMoved,
    Happening::Halted,
    Happening::FalseAlarm,
];

/// Those of one step.
#[derive(Clone, Copy, Debug, Default)]
pub struct Happened(u32);

impl Happened {
    pub fn note(&mut self, happening: Happening) {
        self.0 |= 1 << happening as u32;
    }

    pub fn note_if(&mut self, is_so: bool, happening: Happening) {
        if is_so {
            self.note(happening);
        }
    }

    pub fn has(self, happening: Happening) -> bool {
        self.0 & 1 << happening as u32 != 0
    }
}

/// How often each has happened.
#[derive(Clone, Debug, Default)]
pub struct Tally([u64; ALL.len()]);

impl Tally {
    pub fn add(&mut self, happened: Happened) {
        if happened.0 != 0 {
            for happening in ALL {
                self.0[happening as usize] += u64::from(happened.has(happening));
            }
        }
    }

    pub fn of(&self, happening: Happening) -> u64 {
        self.0[happening as usize]
    }
}
