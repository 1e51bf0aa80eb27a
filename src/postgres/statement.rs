//! The statements of `sql/`, with their psql variables filled in.
//!
//! A file there runs as it is: `psql -v slot=outbox -f sql/slot_find.sql`. `:'name'` becomes a literal, `:"name"` an
//! identifier, quoted here as psql quotes them, and `:name` a piece of SQL that we wrote ourselves.

use postgres_protocol::escape::{escape_identifier, escape_literal};

/// Fills in the variables of `template`. A variable that is not given stays as it is, and the server refuses it.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(template.len() + 64);
    let mut rest = template;
    while let Some(colon) = rest.find(':') {
        let (before, from_colon) = rest.split_at(colon);
        filled.push_str(before);
        // A cast.
        if let Some(after) = from_colon.strip_prefix("::") {
            filled.push_str("::");
            rest = after;
            continue;
        }
        match variable(&from_colon[1..], values) {
            Some((text, length)) => {
                filled.push_str(text.trim_start());
                rest = &from_colon[1 + length..];
            }
            None => {
                filled.push(':');
                rest = &from_colon[1..];
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// The text for the variable that `after_colon` begins with, and the length of its name and quotes.
fn variable(after_colon: &str, values: &[(&str, &str)]) -> Option<(String, usize)> {
    let quote = after_colon.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let inner = &after_colon[quote.map_or(0, char::len_utf8)..];
    let length = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
    let value = values.iter().find(|(name, _)| *name == &inner[..length])?.1;
    match quote {
        None => Some((value.to_owned(), length)),
        Some(quote) if inner[length..].starts_with(quote) => {
            let text = if quote == '"' { escape_identifier(value) } else { escape_literal(value) };
            Some((text, length + 2))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_become_literals_identifiers_and_sql() {
        let template =
            "select :'slot'::text, a[1:2], '12:30' from :\"table\" where :condition and x = :unknown";
        let values = [("slot", "it's"), ("table", "Out\"box"), ("condition", "true")];
        assert_eq!(
            fill(template, &values),
            "select 'it''s'::text, a[1:2], '12:30' from \"Out\"\"box\" where true and x = :unknown"
        );
    }

    #[test]
    fn a_filled_in_value_is_not_read_again() {
        assert_eq!(fill(":'a' :'b'", &[("a", ":'b'"), ("b", "c")]), "':''b''' 'c'");
    }
}
