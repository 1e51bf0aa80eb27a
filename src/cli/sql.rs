//! The files of `sql/init`, filled in: psql scripts become the plain statements that psql would have run.
//!
//! psql can run each file as it is. To print one, or to run it ourselves, its variables are given by the caller, and
//! the few psql commands it uses are carried out here: `\set`, `\if` on a variable, `\else`, `\endif`. A query that
//! ends in `\gset` is psql's way to learn what the caller knows already; it is left out.

use postgres_protocol::escape::{escape_identifier, escape_literal};
use std::collections::BTreeMap;

/// `sql/init/outbox.sql`.
pub const OUTBOX: &str = include_str!("../../sql/init/outbox.sql");
/// `sql/init/column.sql`.
pub const COLUMN: &str = include_str!("../../sql/init/column.sql");
/// `sql/init/publication.sql`.
pub const PUBLICATION: &str = include_str!("../../sql/init/publication.sql");
/// `sql/init/roles.sql`.
pub const ROLES: &str = include_str!("../../sql/init/roles.sql");
/// `sql/init/slot.sql`.
pub const SLOT: &str = include_str!("../../sql/init/slot.sql");

/// The variables of one script.
pub type Variables<'a> = BTreeMap<&'a str, String>;

/// The statements that psql would run with these variables, comments kept.
///
/// Panics on a script that uses more of psql than this understands: scripts are ours, and a test renders each.
pub fn render(script: &str, variables: &Variables<'_>) -> String {
    let mut psql = Psql { variables: variables.clone(), conditions: Vec::new(), out: String::new() };
    for line in script.lines() {
        psql.line(line);
    }
    assert!(psql.conditions.is_empty(), "\\if without \\endif");
    tidy(&psql.out)
}

struct Psql<'a> {
    variables: Variables<'a>,
    /// For each open `\if`: whether its present branch is taken.
    conditions: Vec<bool>,
    out: String,
}

impl<'a> Psql<'a> {
    fn line(&mut self, line: &'a str) {
        let trimmed = line.trim();
        if trimmed.starts_with('\\') {
            trimmed.split('\\').skip(1).for_each(|command| self.command(command.trim()));
        } else if self.takes() && !trimmed.ends_with("\\gset") && !trimmed.starts_with("-- psql ") {
            let filled = self.fill(line);
            self.out.push_str(filled.trim_end());
            self.out.push('\n');
        }
    }

    fn takes(&self) -> bool {
        self.conditions.iter().all(|taken| *taken)
    }

    fn command(&mut self, command: &'a str) {
        let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
        match name {
            "if" => {
                let taken = self.takes() && self.condition(rest);
                self.conditions.push(taken);
            }
            "else" => {
                let last = self.conditions.last_mut().expect("\\else within \\if");
                *last = !*last;
            }
            "endif" => {
                self.conditions.pop().expect("\\endif after \\if");
            }
            "set" if self.takes() => {
                let (variable, value) = rest.split_once(' ').expect("\\set name value");
                let value =
                    value.strip_prefix(':').map_or(value.to_owned(), |other| self.value(other).to_owned());
                self.variables.insert(variable, value);
            }
            "set" => {}
            other => panic!("\\{other} is not understood"),
        }
    }

    fn condition(&self, word: &str) -> bool {
        let name = word.strip_prefix(':').expect("\\if takes a variable");
        match name.strip_prefix("{?").and_then(|name| name.strip_suffix('}')) {
            Some(name) => self.variables.contains_key(name),
            None => self.value(name) == "true",
        }
    }

    fn value(&self, name: &str) -> &str {
        self.variables.get(name).unwrap_or_else(|| panic!("variable {name} has no value"))
    }

    /// `:name`, `:'name'` and `:"name"`; not within a comment or a literal, and not `::type`.
    fn fill(&self, line: &str) -> String {
        let mut out = String::new();
        let mut rest = line;
        while let Some(at) = rest.find([':', '\'', '-']) {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            if from.starts_with("--") {
                out.push_str(from);
                return out;
            }
            let (piece, after) = match from.as_bytes() {
                [b'\'', ..] => {
                    let end = from[1..].find('\'').map_or(from.len(), |end| end + 2);
                    (from[..end].to_owned(), &from[end..])
                }
                [b':', b':', ..] => ("::".to_owned(), &from[2..]),
                [b':', quote @ (b'\'' | b'"'), ..] => {
                    let end = 2 + from[2..].find(char::from(*quote)).expect("a closing quote");
                    let value = self.value(&from[2..end]);
                    let quoted =
                        if *quote == b'"' { escape_identifier(value) } else { escape_literal(value) };
                    (quoted, &from[end + 1..])
                }
                [b':', ..] => {
                    let name = from[1..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                    let end = name.map_or(from.len(), |end| end + 1);
                    (
                        if end > 1 { self.value(&from[1..end]).to_owned() } else { ":".to_owned() },
                        &from[end..],
                    )
                }
                _ => (from[..1].to_owned(), &from[1..]),
            };
            out.push_str(&piece);
            rest = after;
        }
        out + rest
    }
}

/// No blank lines in a row, none at either end.
fn tidy(sql: &str) -> String {
    let mut out = String::new();
    for line in sql.trim().lines() {
        if !(line.is_empty() && out.ends_with("\n\n")) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables<'a>(pairs: &[(&'a str, &str)]) -> Variables<'a> {
        pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    }

    #[test]
    fn variables_are_quoted_as_they_ask_to_be() {
        let sql = render(
            "SELECT :'a', :\"a\", :a, 1::text, ':a', b - :b; -- :a\n",
            &variables(&[("a", "x'\"y"), ("b", "2")]),
        );
        assert_eq!(sql, "SELECT 'x''\"y', \"x'\"\"y\", x'\"y, 1::text, ':a', b - 2; -- :a\n");
    }

    #[test]
    fn conditions_nest_and_defaults_give_way() {
        let script = "\\if :{?a} \\else \\set a one \\endif\n\\if :b\nyes :a\n\\if :c\ninner\n\\else\nother\n\\endif\n\\else\nno\n\\endif\n";
        assert_eq!(render(script, &variables(&[("b", "true"), ("c", "false")])), "yes one\nother\n");
        assert_eq!(render(script, &variables(&[("b", "false"), ("c", "true")])), "no\n");
        assert_eq!(
            render(script, &variables(&[("a", "two"), ("b", "true"), ("c", "true")])),
            "yes two\ninner\n"
        );
    }

    #[test]
    fn what_psql_asks_for_itself_is_left_out() {
        let sql = render("SELECT true AS x \\gset\n\\if :x\nmade\n\\endif\n", &variables(&[("x", "true")]));
        assert_eq!(sql, "made\n");
    }

    #[test]
    fn every_script_renders_to_plain_sql() {
        let roles =
            [("setup_role_missing", "true"), ("cdc_role_missing", "true"), ("monitor_role_missing", "true")];
        let known = [
            ("schema_missing", "true"),
            ("column", "traceparent"),
            ("type", "text"),
            ("database", "app"),
            ("publication_missing", "true"),
            ("slot_missing", "true"),
            ("on_rds", "false"),
        ];
        let known: Vec<_> = roles.into_iter().chain(known).collect();
        for script in [OUTBOX, COLUMN, PUBLICATION, ROLES, SLOT] {
            let mut variables = variables(&known);
            if script == OUTBOX {
                variables.remove("type");
            }
            let sql = render(script, &variables);
            assert!(!sql.contains('\\') || sql.contains("psql's \\password"), "{sql}");
            assert!(!sql.contains(":\"") && !sql.contains(":'") && sql.contains(';'), "{sql}");
        }
    }
}
