//! The JVM, with the classes of Kafka: the broker, its tools and Kafka Connect.

use super::paths;
use std::process::Command;

/// What the JVM is good at.
#[derive(Clone, Copy, Default)]
pub(crate) enum Jvm {
    /// Starting.
    #[default]
    Quick,
    /// Running for long, as Kafka's own scripts start it.
    Fast,
}

/// `KAFKA_JVM_PERFORMANCE_OPTS` of bin/kafka-run-class.sh.
const LIKE_KAFKA: [&str; 6] = [
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
];

/// A JVM with this heap, for a main class and its arguments. `-Dkafka.log.file` is where it logs to.
pub(crate) fn java(jvm: Jvm, least: &str, most: &str) -> Command {
    let mut java = Command::new("java");
    java.args([&format!("-Xms{least}"), &format!("-Xmx{most}")]);
    java.args(match jvm {
        Jvm::Quick => &["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"][..],
        Jvm::Fast => &LIKE_KAFKA,
    });
    java.args(["-Xlog:disable", "-Xlog:all=error:stderr"]);
    let log4j = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/local/kafka/log4j2.properties");
    java.arg(format!("-Dlog4j2.configurationFile={log4j}"));
    java.arg("-cp").arg(paths::kafka().join("libs/*"));
    java
}
