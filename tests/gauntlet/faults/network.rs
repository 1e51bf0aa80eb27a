//! What is done on the way between the connector and a server.

use super::{Fault, Network};
use crate::run::{World, hold};
use crate::support::{Fault as NetworkFault, KafkaApi, Proxy};
use std::time::Duration;

/// Injected, until it has happened and the proxy is healed.
pub fn happen(world: &mut World, fault: &Fault, network: Network) {
    match network.producer() {
        Some(producer) => world.up_by(producer),
        None => world.up(),
    }
    let class = fault.class();
    let proxied = network.proxied(world);
    world.injecting(&class, &format!("{proxied:?}"));
    let to_kafka = matches!(fault, Fault::ToKafka(_));
    let fired = proxy(world, to_kafka).fired();
    match network {
        Network::RefuseNew => {
            proxy(world, to_kafka).inject(NetworkFault::RefuseNew);
            proxy(world, to_kafka).inject(proxied);
        }
        // Only a start asks for this.
        Network::SwallowAnswer(None | Some(KafkaApi::InitProducerId))
        | Network::SwallowRequest(None | Some(KafkaApi::InitProducerId)) => {
            proxy(world, to_kafka).inject(proxied);
            world.to_postgres.inject(NetworkFault::Cut);
        }
        _ => proxy(world, to_kafka).inject(proxied),
    }
    let wanted = fired + u64::from(network == Network::RefuseNew);
    world.wait("the fault happens", |world| (proxy(world, to_kafka).fired() > wanted).then_some(()));
    if matches!(network, Network::RefuseNew | Network::HalfOpen | Network::Slow | Network::Delay) {
        stay(world);
    }
    proxy(world, to_kafka).heal();
    let took = world.recovered("events after the network is well");
    world.tally.fired(&class);
    world.tally.recovered(&class, took);
}

fn proxy(world: &World, to_kafka: bool) -> &Proxy {
    if to_kafka { &world.to_kafka } else { &world.to_postgres }
}

/// How long it lasts: mostly a moment, sometimes until the connector has begun anew or gives up waiting for that.
fn stay(world: &mut World) {
    let most = [300, 1_500, 1_500, 8_000][world.random.below(4) as usize];
    hold(Duration::from_millis(100 + world.random.below(most)));
}
