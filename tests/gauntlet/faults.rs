//! The catalogue: what is done to a connector that must survive it. Each fault is injected, seen to happen, and over
//! when events are published again.

mod kills;
mod limits;
mod network;
mod servers;

use crate::run::World;
use crate::support::{Fault as NetworkFault, KafkaApi};
use std::time::Duration;
use walpost::failpoint;

/// A class of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Aborts itself at a named place.
    Failpoint(&'static str),
    /// kill -9 at a random moment.
    Kill,
    /// kill -9 while a second instance waits.
    Takeover,
    /// Two instances started at the same moment.
    Both,
    /// SIGTERM, and started again.
    Drained,
    /// SIGSTOP, then SIGCONT.
    Frozen,
    /// The same, and a second instance takes over in between.
    Zombie,
    KafkaKilled,
    KafkaPaused,
    /// Gets a moment of the processor now and then.
    KafkaStarved,
    PostgresKilled,
    PostgresImmediate,
    PostgresFast,
    Walsender,
    DiskFull,
    /// A huge transaction, and not much memory for it.
    Memory,
    ToPostgres(Network),
    ToKafka(Network),
}

/// What a network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    Cut,
    RefuseNew,
    HalfOpen,
    Slow,
    Delay,
    ResetMidFrame,
    ResetMidAnswer(KafkaApi),
    SwallowAnswer(Option<KafkaApi>),
    SwallowRequest(Option<KafkaApi>),
    LateRequest(KafkaApi),
}

const ANYWHERE: [Network; 6] = [
    Network::Cut,
    Network::RefuseNew,
    Network::HalfOpen,
    Network::Slow,
    Network::Delay,
    Network::ResetMidFrame,
];

/// What happens to processes: each takes a second or less.
pub fn kills() -> Vec<Fault> {
    let is_of_a_first_start = |name: &str| name.contains("snapshot") || name == "after_slot_create";
    let failpoints = failpoint::NAMES.iter().filter(|name| !is_of_a_first_start(name));
    let mut kills: Vec<_> = failpoints.map(|name| Fault::Failpoint(name)).collect();
    kills.push(Fault::Kill);
    kills
}

/// What happens between two instances.
pub fn instances() -> Vec<Fault> {
    vec![Fault::Takeover, Fault::Both, Fault::Drained, Fault::Frozen, Fault::Zombie]
}

/// What happens when there is too little of something.
pub fn limits() -> Vec<Fault> {
    vec![Fault::DiskFull, Fault::Memory]
}

/// What happens to Postgres, and on the way to it.
pub fn postgres() -> Vec<Fault> {
    let server = [Fault::PostgresKilled, Fault::PostgresImmediate, Fault::PostgresFast, Fault::Walsender];
    let lost = [Network::SwallowAnswer(None), Network::SwallowRequest(None)];
    let network = ANYWHERE.into_iter().chain(lost);
    server.into_iter().chain(network.map(Fault::ToPostgres)).collect()
}

/// What happens to Kafka, and on the way to it.
pub fn kafka() -> Vec<Fault> {
    use KafkaApi::{AddPartitionsToTxn, DescribeTransactions, EndTxnCommit, InitProducerId, Produce};
    let lost = [
        Network::ResetMidAnswer(EndTxnCommit),
        Network::SwallowAnswer(Some(EndTxnCommit)),
        Network::SwallowAnswer(Some(Produce)),
        Network::SwallowAnswer(Some(AddPartitionsToTxn)),
        Network::SwallowAnswer(Some(DescribeTransactions)),
        Network::SwallowAnswer(Some(InitProducerId)),
        Network::SwallowRequest(Some(EndTxnCommit)),
        Network::SwallowRequest(Some(Produce)),
        Network::SwallowRequest(Some(AddPartitionsToTxn)),
        Network::SwallowRequest(Some(DescribeTransactions)),
        Network::SwallowRequest(Some(InitProducerId)),
        Network::LateRequest(EndTxnCommit),
        Network::LateRequest(Produce),
        Network::LateRequest(AddPartitionsToTxn),
    ];
    let network = ANYWHERE.into_iter().chain(lost);
    [Fault::KafkaKilled, Fault::KafkaPaused, Fault::KafkaStarved]
        .into_iter()
        .chain(network.map(Fault::ToKafka))
        .collect()
}

impl Fault {
    /// The name under which it is counted.
    pub fn class(&self) -> String {
        match self {
            Fault::Failpoint(name) => format!("kill at {name}"),
            Fault::Kill => "kill at random".into(),
            Fault::Takeover => "kill, and a standby takes over".into(),
            Fault::Both => "two instances at once".into(),
            Fault::Drained => "drained and started again".into(),
            Fault::Frozen => "frozen and thawed".into(),
            Fault::Zombie => "frozen, taken over from, thawed".into(),
            Fault::KafkaKilled => "Kafka killed".into(),
            Fault::KafkaPaused => "Kafka paused".into(),
            Fault::KafkaStarved => "Kafka starved".into(),
            Fault::PostgresKilled => "Postgres killed".into(),
            Fault::PostgresImmediate => "Postgres stopped, immediate".into(),
            Fault::PostgresFast => "Postgres stopped, fast".into(),
            Fault::Walsender => "walsender terminated".into(),
            Fault::DiskFull => "Kafka's disk full".into(),
            Fault::Memory => "huge transaction, little memory".into(),
            Fault::ToPostgres(network) => format!("to Postgres: {}", network.what()),
            Fault::ToKafka(network) => format!("to Kafka: {}", network.what()),
        }
    }

    /// Does it, and returns when events are published again. Panics with what must not be.
    pub fn happen(&self, world: &mut World) {
        match *self {
            Fault::Failpoint(name) => kills::at_failpoint(world, self, name),
            Fault::Kill => kills::at_random(world, self),
            Fault::Takeover => kills::takeover(world, self),
            Fault::Both => kills::both(world, self),
            Fault::Drained => kills::drained(world, self),
            Fault::Frozen => kills::frozen(world, self),
            Fault::Zombie => kills::zombie(world, self),
            Fault::KafkaKilled => servers::kafka_killed(world, self),
            Fault::KafkaPaused => servers::kafka_paused(world, self),
            Fault::KafkaStarved => servers::kafka_starved(world, self),
            Fault::PostgresKilled | Fault::PostgresImmediate | Fault::PostgresFast => {
                servers::postgres(world, self);
            }
            Fault::Walsender => servers::walsender(world, self),
            Fault::DiskFull => limits::disk_full(world, self),
            Fault::Memory => limits::memory(world, self),
            Fault::ToPostgres(network) => network::happen(world, self, network),
            Fault::ToKafka(network) => network::happen(world, self, network),
        }
    }
}

impl Network {
    /// Which producer says what this befalls, if only one of them does, with a broker of today.
    fn producer(&self) -> Option<&'static str> {
        match self {
            Network::SwallowAnswer(Some(api))
            | Network::SwallowRequest(Some(api))
            | Network::LateRequest(api) => match api {
                KafkaApi::AddPartitionsToTxn => Some("librdkafka"),
                KafkaApi::DescribeTransactions => Some("native"),
                _ => None,
            },
            _ => None,
        }
    }

    fn what(&self) -> String {
        match self {
            Network::Cut => "cut".into(),
            Network::RefuseNew => "cut and refused".into(),
            Network::HalfOpen => "half open".into(),
            Network::Slow => "slow".into(),
            Network::Delay => "late".into(),
            Network::ResetMidFrame => "reset in mid-frame".into(),
            Network::ResetMidAnswer(api) => format!("reset in mid-{api:?}"),
            Network::SwallowAnswer(None) => "answer lost".into(),
            Network::SwallowAnswer(Some(api)) => format!("{api:?} answer lost"),
            Network::SwallowRequest(None) => "request lost".into(),
            Network::SwallowRequest(Some(api)) => format!("{api:?} lost"),
            Network::LateRequest(api) => format!("{api:?} long after"),
        }
    }

    /// The proxy's word for it.
    fn proxied(&self, world: &mut World) -> NetworkFault {
        let mut ms = |least: u64, most: u64| Duration::from_millis(least + world.random.below(most - least));
        match *self {
            Network::Cut | Network::RefuseNew => NetworkFault::Cut,
            Network::HalfOpen => NetworkFault::HalfOpen,
            Network::Slow => NetworkFault::Slow {
                bytes_per_second: [1, 200, 5_000, 50_000][ms(0, 4).as_millis() as usize],
            },
            Network::Delay => NetworkFault::Delay(ms(20, 2_000)),
            Network::ResetMidFrame => NetworkFault::ResetMidFrame,
            Network::ResetMidAnswer(api) => NetworkFault::ResetMidAnswer { api },
            Network::SwallowAnswer(api) => NetworkFault::SwallowAnswer { api },
            Network::SwallowRequest(api) => NetworkFault::SwallowRequest { api },
            Network::LateRequest(api) => NetworkFault::LateRequest { api, after: ms(20, 3_000) },
        }
    }
}
