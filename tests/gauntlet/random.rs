//! Numbers that look random and come again with the same seed (SplitMix64).

/// A generator that remembers its seed.
#[derive(Clone, Debug)]
pub struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    pub fn new(seed: u64) -> Random {
        Random { seed, state: seed }
    }

    /// `WALPOST_GAUNTLET_SEED`, or one that nobody has chosen.
    pub fn from_environment() -> Random {
        let given = std::env::var("WALPOST_GAUNTLET_SEED").ok();
        let given = given.map(|text| text.parse().unwrap_or_else(|_| panic!("WALPOST_GAUNTLET_SEED={text}")));
        Random::new(given.unwrap_or_else(|| u64::from(std::process::id()) ^ crate::support::random()))
    }

    /// How to have the same choices again.
    pub fn seed(&self) -> String {
        format!("WALPOST_GAUNTLET_SEED={}", self.seed)
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to but not `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}
