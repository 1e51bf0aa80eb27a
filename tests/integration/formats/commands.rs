//! `walpost schema` against a real registry.

use super::avro;
use crate::kit::outbox;
use crate::support::Registry;

#[test]
fn a_schema_is_registered_checked_and_held_to_its_level() {
    let ((db, kafka), registry) = (outbox(), Registry::shared());
    let builder = avro(&db, kafka, registry);
    let subject = format!("{}-value", db.topic("order"));
    let files = tempfile::tempdir().expect("a directory");
    let file = |name: &str, fields: &str| {
        let path = files.path().join(name).display().to_string();
        let schema = format!(r#"{{"type":"record","name":"Order","fields":[{fields}]}}"#);
        std::fs::write(&path, schema).expect("a file");
        path
    };
    let first = file("first.avsc", r#"{"name":"n","type":"int"}"#);
    let wider = file("wider.avsc", r#"{"name":"n","type":"int"},{"name":"m","type":"int","default":0}"#);
    let broken = file("broken.avsc", r#"{"name":"n","type":"int"},{"name":"m","type":"int"}"#);
    let run = |arguments: &[&str]| {
        let output = builder.command(&[&["schema"][..], arguments].concat());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, told, errors) = run(&["register", &subject, &first]);
    assert!(code == Some(0) && told.contains(&subject), "{told}{errors}");
    assert_eq!(run(&["enforce", "BACKWARD", &subject]).0, Some(0));
    let (code, told, _) = run(&["list"]);
    let line = told.lines().find(|line| line.contains(&subject)).expect("the subject");
    assert!(code == Some(0) && line.contains("BACKWARD") && line.contains("AVRO"), "{told}");
    let (code, told, _) = run(&["check", &subject, &wider]);
    assert!(code == Some(0) && told.starts_with("compatible with"), "{told}");
    let (code, told, _) = run(&["check", &subject, &broken]);
    assert!(code == Some(3) && told.contains("not compatible") && told.contains("BACKWARD"), "{told}");
    assert!(told.contains("version 1 wrote") && told.contains("$.m is not in version 1"), "{told}");
    let (code, _, errors) = run(&["register", &subject, &broken]);
    assert!(code == Some(3) && errors.contains("by BACKWARD") && errors.contains("$.m"), "{errors}");
    let (code, told, _) = run(&["show", &subject]);
    assert!(code == Some(0) && told.contains(r#""name":"n""#), "{told}");
    assert_eq!(registry.versions(&subject), 1);
    assert_eq!(run(&["show", "nobody-knows"]).0, Some(3));
}
