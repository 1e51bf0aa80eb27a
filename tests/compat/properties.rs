//! Debezium's properties, and what becomes of each here.
//!
//! `properties.txt` names every property of the Postgres connector and of the event router, of 3.6 and the beginnings of
//! 3.7, and what of Connect a connector's file has; with a name filled in where a property has one. Whoever changes what
//! becomes of one changes it there too.

use walpost::config::catalog;

#[test]
fn every_property_of_debezium_is_honoured_ignored_or_refused_as_the_list_says() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for line in include_str!("properties.txt").lines() {
        let (name, expected) = line.split_once(' ').expect("a name and what becomes of it");
        let found = catalog::find(name).map_or("unknown", |property| property.support.word());
        if found != expected {
            wrong.push(format!("{name} is {found}, where the list has {expected}"));
        }
        seen += 1;
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(seen > 180, "{seen}");
}
