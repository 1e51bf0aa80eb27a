//! A generated case: one outbox table with its rows and the event router's properties, under a connector's settings.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What a connector has for all its tables: type modes, converters, headers. Debezium's names.
pub type Setting = BTreeMap<String, String>;

/// One table, what is written into it, and how its rows are routed.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    pub table: String,
    /// The first one is the event's id and the primary key.
    pub columns: Vec<Column>,
    pub full_identity: bool,
    pub rows: Vec<Row>,
    /// The event router's properties, without `transforms.<name>.`.
    pub router: BTreeMap<String, String>,
    /// A column that `column.exclude.list` takes away.
    pub excluded: Option<String>,
}

/// One column of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub sql: &'static str,
    /// An expression of SQL.
    pub default: Option<String>,
    pub not_null: bool,
}

/// One change of the table; values are expressions of SQL.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// A value for each column.
    Insert(Vec<String>),
    /// Of the row with this id.
    Update { id: String, column: String, value: String },
    /// Of the row with this id.
    Delete { id: String },
}

impl Case {
    /// The table.
    pub fn ddl(&self) -> String {
        let column = |(at, column): (usize, &Column)| {
            let mut text = format!("{} {}", quoted(&column.name), column.sql);
            if let Some(default) = &column.default {
                let _ = write!(text, " default {default}");
            }
            text += if column.not_null { " not null" } else { "" };
            text + if at == 0 { " primary key" } else { "" }
        };
        let columns: Vec<String> = self.columns.iter().enumerate().map(column).collect();
        let table = quoted(&self.table);
        let mut ddl = format!("create table {table} ({})", columns.join(", "));
        if self.full_identity {
            let _ = write!(ddl, "; alter table {table} replica identity full");
        }
        ddl
    }

    /// A statement for each row.
    pub fn sql(&self) -> Vec<String> {
        let (table, id) = (quoted(&self.table), quoted(&self.columns[0].name));
        let statement = |row: &Row| match row {
            Row::Insert(values) => format!("insert into {table} values ({})", values.join(", ")),
            Row::Update { id: of, column, value } => {
                format!("update {table} set {} = {value} where {id} = {of}", quoted(column))
            }
            Row::Delete { id: of } => format!("delete from {table} where {id} = {of}"),
        };
        self.rows.iter().map(statement).collect()
    }

    /// The same without its insert of this number, or without updates and deletions; `None` when nothing is left.
    pub fn without(&self, insert: Option<usize>) -> Option<Case> {
        let mut inserts = 0;
        let mut rows = self.rows.clone();
        rows.retain(|row| match (row, insert) {
            (Row::Insert(_), Some(number)) => {
                inserts += 1;
                inserts != number + 1
            }
            (Row::Insert(_), None) => true,
            (_, insert) => insert.is_some(),
        });
        (!rows.is_empty()).then(|| Case { rows, ..self.clone() })
    }

    /// What walpost is told, as a user would write it who has this table alone.
    pub fn properties(&self, setting: &Setting) -> Map<String, Value> {
        let mut properties = Map::new();
        for (name, value) in setting {
            properties.insert(name.clone(), Value::from(value.as_str()));
        }
        for (name, value) in &self.router {
            properties.insert(format!("transforms.outbox.{name}"), Value::from(value.as_str()));
        }
        if let Some(excluded) = self.excluded_regex() {
            properties.insert("column.exclude.list".into(), Value::from(excluded));
        }
        properties
    }

    /// What `column.exclude.list` says of this table.
    pub fn excluded_regex(&self) -> Option<String> {
        let column = self.excluded.as_ref()?;
        Some(format!("public\\.{}\\.{}", escaped(&self.table), escaped(column)))
    }

    /// For people.
    pub fn shown(&self, setting: &Setting) -> String {
        let mut text = format!("{};\n", self.ddl());
        for statement in self.sql() {
            let _ = writeln!(text, "{statement};");
        }
        for (name, value) in self.properties(setting) {
            let _ = writeln!(text, "{name}={}", value.as_str().unwrap_or_default());
        }
        text
    }
}

/// An identifier of SQL.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A literal of SQL.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A regex that matches this and nothing else.
pub fn escaped(name: &str) -> String {
    let special = |c: char| !(c.is_alphanumeric() || c == '_' || c == ' ');
    name.chars().fold(String::new(), |mut regex, c| {
        if special(c) {
            regex.push('\\');
        }
        regex.push(c);
        regex
    })
}
