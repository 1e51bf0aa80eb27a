//! How much of what: the lanes and their faults in the order in which the seed puts them, and whether that was enough.

use crate::faults::{self, Fault};
use crate::random::Random;
use crate::report::FaultClass;
use crate::stops::Stop;
use crate::workload::Pace;

/// What is asked for.
pub struct Dose {
    pub faults: u64,
    /// Of each class, at least.
    floor: u64,
    minutes: f64,
    only: Vec<String>,
}

/// What happens in one world, or in a row of small ones.
pub struct Lane {
    pub name: &'static str,
    pub faults: Vec<Fault>,
    pub stops: Vec<Stop>,
    pub pace: Pace,
    /// Of the broker's disk; none: the machine's.
    pub megabytes: Option<u32>,
}

impl Dose {
    pub fn from_environment() -> Dose {
        let number = |name: &str, default: f64| match std::env::var(name) {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text}")),
            Err(_) => default,
        };
        let faults = number("WALPOST_GAUNTLET_FAULTS", 200.0) as u64;
        let only = std::env::var("WALPOST_GAUNTLET_ONLY").unwrap_or_default();
        Dose {
            faults,
            floor: (faults / 100).max(2),
            minutes: number("WALPOST_GAUNTLET_MINUTES", 8.0),
            only: only.split(',').map(str::to_owned).filter(|part| !part.is_empty()).collect(),
        }
    }

    fn wants(&self, class: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| class.contains(part.as_str()))
    }

    /// What was not enough.
    pub fn judge(&self, classes: &[FaultClass], events: u64, minutes: f64) -> Vec<String> {
        let mut lacks = Vec::new();
        for wanted in all_classes().into_iter().filter(|class| self.wants(class)) {
            let count = classes.iter().find(|class| class.class == wanted);
            let (injected, fired) = count.map_or((0, 0), |count| (count.injected, count.fired));
            if fired < self.floor || fired < injected {
                lacks.push(format!("{wanted}: injected {injected}, fired {fired}, at least {}", self.floor));
            }
        }
        if !self.only.is_empty() {
            return lacks;
        }
        let fired: u64 = classes.iter().map(|class| class.fired).sum();
        if fired < self.faults {
            lacks.push(format!("only {fired} faults fired"));
        }
        if events < self.events() {
            lacks.push(format!("only {events} events, of {}: they prove nothing", self.events()));
        }
        if minutes > self.minutes {
            lacks.push(format!("{minutes:.1} minutes are more than {}", self.minutes));
        }
        lacks
    }

    /// Fewer prove nothing.
    fn events(&self) -> u64 {
        50 * self.faults
    }
}

fn all_classes() -> Vec<String> {
    let faults =
        [faults::kills(), faults::instances(), faults::postgres(), faults::kafka(), faults::limits()]
            .concat();
    let stops = Stop::all().into_iter().map(|stop| stop.class());
    faults.iter().map(Fault::class).chain(stops).collect()
}

/// The floor of every class, and kills up to the number asked for: they are the cheapest, and the most various.
pub fn lanes(dose: &Dose, random: &mut Random) -> Vec<Lane> {
    let floor = |faults: Vec<Fault>| -> Vec<Fault> {
        let wanted = faults.into_iter().filter(|fault| dose.wants(&fault.class()));
        wanted.flat_map(|fault| vec![fault; dose.floor as usize]).collect()
    };
    let (postgres, kafka) = (floor(faults::postgres()), floor(faults::kafka()));
    let limits = floor(faults::limits());
    let stops = Stop::all().into_iter().filter(|stop| dose.wants(&stop.class()));
    let stops: Vec<_> = stops.flat_map(|stop| vec![stop; dose.floor as usize]).collect();
    let mut kills = floor([faults::kills(), faults::instances()].concat());
    let mut rest = dose
        .faults
        .saturating_sub((postgres.len() + kafka.len() + limits.len() + stops.len() + kills.len()) as u64);
    if !dose.only.is_empty() {
        rest = 0;
    }
    for number in 0..rest {
        // Half of them at random.
        let failpoints = faults::kills();
        kills.push(if number % 2 == 0 {
            Fault::Kill
        } else {
            failpoints[random.below(failpoints.len() as u64) as usize]
        });
    }
    // The longer it takes, the fewer events a second are enough, and the more faults the machine has time for.
    let rest = if dose.faults > 1_000 { 3 } else { 1 };
    let pace = Pace {
        writers: 4,
        pause_ms: 150 * rest,
        large_rows: 1_500,
        megabyte_payloads: true,
        neighbours_pause_ms: 100 * rest,
        ddl: true,
        hold_ms: 3_000,
    };
    let huge = Pace { writers: 2, large_rows: 20_000, megabyte_payloads: false, ..pace.clone() };
    let lane = |name, faults, stops| Lane { name, faults, stops, pace: pace.clone(), megabytes: None };
    let mut lanes = vec![
        lane("kills", kills, Vec::new()),
        lane("postgres", postgres, Vec::new()),
        lane("kafka", kafka, Vec::new()),
        lane("stops", Vec::new(), stops),
        Lane { pace: huge, megabytes: Some(600), ..lane("limits", limits, Vec::new()) },
    ];
    lanes.retain(|lane| !lane.faults.is_empty() || !lane.stops.is_empty());
    for lane in &mut lanes {
        random.shuffle(&mut lane.faults);
        random.shuffle(&mut lane.stops);
    }
    lanes
}
