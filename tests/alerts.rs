//! The alerts that come with walpost: promtool proves each rule, and every metric they name is on the page.

use std::path::Path;
use std::process::Command;

fn directory() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus")
}

#[test]
fn every_alert_fires_when_it_should_and_not_before() {
    for arguments in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]] {
        let told = Command::new("promtool").args(arguments).current_dir(directory()).output();
        let told = told.expect("promtool runs; it is in Debian's package prometheus");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(told.status.success(), "{}{}", text(&told.stdout), text(&told.stderr));
    }
}

#[test]
fn every_alert_has_a_test_in_which_it_fires() {
    let rules = std::fs::read_to_string(directory().join("alerts.yml")).unwrap();
    let tests = std::fs::read_to_string(directory().join("alerts_test.yml")).unwrap();
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 5, "{alerts:?}");
    for alert in alerts {
        assert!(tests.contains(&format!("- {{labels: 'ALERTS{{alertname=\"{alert}\"")), "{alert}");
    }
}

#[test]
fn alerts_name_only_metrics_that_walpost_has() {
    let rules = std::fs::read_to_string(directory().join("alerts.yml")).unwrap();
    let page = include_str!("golden/metrics.txt");
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = rules.split(|c| !is_of_name(c));
    let metrics: Vec<&str> = words.filter(|word| word.starts_with("walpost_")).collect();
    assert!(metrics.len() > 10, "{metrics:?}");
    for metric in metrics {
        let known = page.lines().any(|line| {
            line.strip_prefix(metric).is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' '))
                || line == format!("# TYPE {metric} histogram")
        });
        assert!(known, "{metric} is not on the page of metrics");
    }
}
