//! The properties grammar → Raw, as `java.util.Properties.load` reads it.
//!
//! Own code, because every value must know its line, a file in UTF-8 must be read as what it is, and an escaped
//! surrogate pair is one character. A file that is not UTF-8 is ISO-8859-1, as Java takes every file.

use super::raw::{Fault, Written, without_twins};

const BLANKS: [char; 3] = [' ', '\t', '\u{c}'];

/// Key, value and line of each property; what is wrong with single ones; or what is wrong with the whole.
pub(super) fn parse(bytes: &[u8]) -> Result<(Vec<Written>, Vec<Fault>), Fault> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    };
    let mut written = Vec::new();
    let mut faults = Vec::new();
    for (line, logical) in logical_lines(&text) {
        let (key, value) = split(&logical);
        match (unescape(key), unescape(value)) {
            (Ok(key), Ok(value)) => written.push(Written { key, value, line }),
            (key, value) => {
                let what = value.err().or(key.err()).unwrap_or_default();
                faults.push(Fault {
                    line,
                    key: None,
                    what,
                    instead: "write \\uXXXX with four hexadecimal digits".into(),
                });
            }
        }
    }
    Ok((without_twins(written, &mut faults), faults))
}

/// Lines that say something, their continuations joined, each with the number of its first.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut logical: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (number, line) in natural_lines(text).enumerate() {
        let line = line.trim_start_matches(BLANKS);
        if !open && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let slashes = line.len() - line.trim_end_matches('\\').len();
        let goes_on = slashes % 2 == 1;
        let line = if goes_on { &line[..line.len() - 1] } else { line };
        match logical.last_mut().filter(|_| open) {
            Some((_, begun)) => begun.push_str(line),
            None => logical.push((number + 1, line.to_owned())),
        }
        open = goes_on;
    }
    logical.retain(|(_, line)| !line.is_empty());
    logical
}

/// Lines that end with LF, CR or both.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\r', '\n']) else {
            rest = None;
            return Some(text);
        };
        let after = if text[end..].starts_with("\r\n") { end + 2 } else { end + 1 };
        rest = Some(&text[after..]);
        Some(&text[..end])
    })
}

/// Key and value, still escaped: the key ends before the first `=`, `:` or blank that is not escaped.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.char_indices().find(|(_, letter)| {
        let ends = !escaped && (matches!(letter, '=' | ':') || BLANKS.contains(letter));
        escaped = !escaped && *letter == '\\';
        ends
    });
    let Some((end, _)) = end else { return (line, "") };
    let value = line[end..].trim_start_matches(BLANKS);
    let value = value.strip_prefix(['=', ':']).unwrap_or(value);
    (&line[..end], value.trim_start_matches(BLANKS))
}

fn unescape(text: &str) -> Result<String, String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut buffer = [0; 2];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let plain = match letter {
            '\\' => match letters.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some('u') => {
                    units.push(code_unit(&mut letters)?);
                    continue;
                }
                Some(other) => other,
                None => break,
            },
            other => other,
        };
        units.extend_from_slice(plain.encode_utf16(&mut buffer));
    }
    String::from_utf16(&units).map_err(|_| "\\uXXXX is half of a surrogate pair".to_owned())
}

fn code_unit(letters: &mut std::str::Chars<'_>) -> Result<u16, String> {
    let digits: String = letters.take(4).collect();
    match digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        true => u16::from_str_radix(&digits, 16).map_err(|error| error.to_string()),
        false => Err("malformed \\uXXXX".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String, usize)> {
        let (written, faults) = parse(text.as_bytes()).expect("properties");
        assert_eq!(faults, vec![]);
        written.into_iter().map(|it| (it.key, it.value, it.line)).collect()
    }

    fn row(key: &str, value: &str, line: usize) -> (String, String, usize) {
        (key.into(), value.into(), line)
    }

    #[test]
    fn keys_end_at_a_separator_or_a_blank() {
        let text = "a=1\nb:2\nc 3\nd = 4\ne\t:\t5 \nf\ng=\nh==i\nj=k=l:m\n";
        let expected = vec![
            row("a", "1", 1),
            row("b", "2", 2),
            row("c", "3", 3),
            row("d", "4", 4),
            row("e", "5 ", 5),
            row("f", "", 6),
            row("g", "", 7),
            row("h", "=i", 8),
            row("j", "k=l:m", 9),
        ];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn comments_and_blank_lines_say_nothing() {
        assert_eq!(
            read("# a=1\n\n  ! b=2\n \t\nc=3 # not a comment\r\rd=4"),
            [row("c", "3 # not a comment", 5), row("d", "4", 7)]
        );
    }

    #[test]
    fn a_line_that_ends_with_a_backslash_goes_on() {
        assert_eq!(
            read("a=1,\\\n   2,\\\r\n\t3\nb=c:\\\\\nd=4\\\n# 5\n"),
            [row("a", "1,2,3", 1), row("b", "c:\\", 4), row("d", "4# 5", 5)]
        );
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(read("a\\ b\\:c=x\\ty\\u00e9\\ud83d\\ude00\\q\\="), [row("a b:c", "x\tyé😀q=", 1)]);
    }

    #[test]
    fn utf_8_is_read_as_such_and_anything_else_as_latin_1() {
        assert_eq!(read("a=é😀"), [row("a", "é😀", 1)]);
        let (written, _) = parse(b"a=\xe9").expect("properties");
        assert_eq!(written[0].value, "é");
    }

    #[test]
    fn a_malformed_escape_is_a_fault_that_names_its_line() {
        for text in ["x=1\na=\\u12", "x=1\na=\\u12g4", "x=1\na=\\ud83d"] {
            let (written, faults) = parse(text.as_bytes()).expect("properties");
            assert_eq!((written.len(), faults.len(), faults[0].line), (1, 1, 2), "{text}");
        }
    }

    #[test]
    fn a_key_written_twice_is_a_fault_that_names_both_lines() {
        let (written, faults) = parse(b"a=1\n\na=2").expect("properties");
        assert_eq!((written.len(), faults[0].line), (1, 3));
        assert!(faults[0].what.contains("line 1"), "{faults:?}");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[\\PC\n\r\\\\=:#u0-9 ]{0,60}") {
            let _ = parse(text.as_bytes());
        }
    }
}
