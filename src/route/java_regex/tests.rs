//! What the translation of Java regular expressions promises.

use super::*;
use serde_json::Value;

/// What `java.util.regex` itself made of some patterns and inputs; see `JavaRegex.java` beside it.
const ANSWERS: &str = include_str!("../../../tests/golden/java-regex/answers.jsonl");

#[test]
fn matches_finds_and_captures_what_java_does() {
    let mut lines = ANSWERS.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let inputs = lines.next().expect("a first line");
    let inputs: Vec<&str> =
        inputs["inputs"].as_array().expect("inputs").iter().flat_map(Value::as_str).collect();
    let (mut accepted, mut refused) = (0, 0);
    for line in lines {
        let pattern = line["pattern"].as_str().expect("a pattern");
        let translated = translate(pattern, line["ignore_case"].as_bool().expect("a flag"));
        if let Some(error) = line["error"].as_str() {
            assert!(translated.is_err(), "{pattern}: Java says {error}");
            refused += 1;
            continue;
        }
        let translated = translated.unwrap_or_else(|error| panic!("{pattern}: {error}"));
        let whole = translated.whole().unwrap_or_else(|error| panic!("{pattern}: {error}"));
        let first = translated.anywhere().unwrap_or_else(|error| panic!("{pattern}: {error}"));
        for (index, input) in inputs.iter().enumerate() {
            let java = &line["found"][index.to_string()];
            let matches = whole.is_match(input).expect("few steps");
            assert_eq!(matches, java[0].as_bool().unwrap_or(false), "{pattern} on {input:?}");
            let found = first.captures(input).expect("few steps").map(|captures| {
                let start = input[..captures.get(0).expect("the whole").start()].chars().count();
                let groups: Vec<_> = captures.iter().map(|group| group.map(|group| group.as_str())).collect();
                serde_json::json!([matches, start, groups])
            });
            assert_eq!(found.unwrap_or(Value::Null), *java, "{pattern} on {input:?}");
        }
        accepted += 1;
    }
    assert!(accepted > 100 && refused > 40, "{accepted} patterns accepted, {refused} refused");
}

#[test]
fn an_include_list_matches_whole_names_whatever_their_case() {
    let regex = java_regex(r"public\.outbox(_p\d+)?", true).unwrap();
    for (name, matches) in [
        ("public.outbox", true),
        ("PUBLIC.Outbox_P12", true),
        ("public.outbox_old", false),
        ("my_public.outbox", false),
        ("public.outbo\u{212a}", false),
    ] {
        assert_eq!(regex.is_match(name).unwrap(), matches, "{name}");
    }
    assert!(java_regex("a|b", false).unwrap().is_match("b").unwrap(), "alternatives are anchored together");
    assert!(!java_regex("a|b", false).unwrap().is_match("ab").unwrap());
}

#[test]
fn a_comment_at_the_end_does_not_swallow_the_anchor() {
    let regex = java_regex("(?x)public [.] outbox # the outbox", false).unwrap();
    assert!(regex.is_match("public.outbox").unwrap());
    assert!(!regex.is_match("public.outbox2").unwrap());
}

#[test]
fn words_of_another_engine_are_refused_with_what_to_write() {
    for (pattern, text) in [
        (r"(?P<x>a)", "after `(?` comes"),
        (r"\g<1>", "`\\g` is not supported"),
        (r"\K", "`\\K` is not supported"),
        (r"\Xa", "`\\X` is not supported"),
        (r"\b{g}", "`\\b{…}` is not supported"),
        (r"\N{DIGIT ONE}", "`\\N` is not supported"),
        (r"\p{InGreek}", "\\p{InGreek} is not supported; write a category"),
        (r"a{2}{3}", "a repetition of a repetition; write `(?:…)`"),
        (r"(?=a)*", "an assertion cannot be repeated"),
        (r"[a&&]", "`&&` wants a set on both sides"),
        (r"a\2", "\\2 refers to a group that does not exist (at character 3)"),
        (r"(?:", "a group is not closed"),
    ] {
        let error = java_regex(pattern, false).expect_err(pattern);
        assert!(error.contains(text), "{pattern}: {error}");
    }
}

#[test]
fn deep_nesting_is_refused() {
    let deep = |open: &str, close: &str| format!("{}a{}", open.repeat(5000), close.repeat(5000));
    assert!(java_regex(&deep("(", ")"), false).unwrap_err().contains("nested too deeply"));
    assert!(java_regex(&deep("[", "]"), false).unwrap_err().contains("nested too deeply"));
}

#[test]
fn what_takes_too_many_steps_is_an_error_and_not_a_hang() {
    let regex = java_regex(r"(?:(a+)+(?!c))+b\1", false).unwrap();
    assert!(regex.is_match(&"a".repeat(200)).is_err());
}
