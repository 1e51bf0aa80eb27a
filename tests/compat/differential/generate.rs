//! Cases from a seed.

use super::case::{Case, Column, Row, Setting, literal};
use super::columns::{TYPES, Type, UUIDS, find};
use super::odd_json;
use crate::random::Random;
use std::collections::BTreeMap;

const ROUTES: &[&str] = &["User", "Order", "order-item", "shop.order.v1", "My.Agg", "x", "ab12", "-"];
const ILLEGAL_ROUTES: &[&str] = &["", "a b", "Größe", "line\nfeed", "a/b", "..", "$1"];
/// Regex and replacement; all of them make legal topics of legal routes.
const RULES: &[(Option<&str>, Option<&str>)] = &[
    (None, Some("${routedByValue}")),
    (None, Some("${routedByValue}.events")),
    (None, Some("fixed")),
    (None, Some("p.$1.q.$0")),
    (Some("(?<routedByValue>.*?)"), Some("p.${routedByValue}")),
    (Some("(?<a>[^.]*)\\.(?<b>.*)"), Some("${b}.${a}")),
    (Some("(?i)user|order"), Some("people-$0")),
    (Some("[A-Z](?<x>\\w+)"), Some("T${x}")),
    (Some("shop\\.(?<rest>.*)"), Some("${rest}")),
    (Some("(.)(.*)"), Some("$2$1")),
    (Some("(?<routedByValue>[a-z-]+)"), None),
    (Some("(?=.*\\d)(\\p{Alnum}+)"), Some("digits.$1")),
    (Some("(\\w)\\w*+"), Some("\\a$1")),
    (Some("(x)?(.+)"), Some("q.$2")),
];

/// Types that Debezium leaves out of a row.
const UNMAPPED: &[&str] = &[
    "line",
    "box",
    "circle",
    "polygon",
    "xid",
    "pg_lsn",
    "int4multirange",
    "pair",
    "interval[]",
    "money[]",
    "bit(3)[]",
    "bit(1)[]",
    "bit varying(9)[]",
    "hstore[]",
];

/// One of several.
pub fn pick<'a, T>(random: &mut Random, of: &'a [T]) -> &'a T {
    &of[random.below(of.len() as u64) as usize]
}

/// A case for a connector with this setting. A `killer`'s last row is one of which Debezium's task dies, or is meant to.
pub fn case(random: &mut Random, setting: &Setting, number: usize, killer: bool) -> Case {
    let mut made = Making {
        random,
        setting,
        killer: if killer { 1 } else { 0 },
        columns: Vec::new(),
        router: BTreeMap::new(),
        sources: Vec::new(),
    };
    made.outbox();
    made.extras();
    made.placements();
    made.options();
    made.finish(number)
}

/// Where a column's values come from.
#[derive(Clone, Copy)]
enum Source {
    Id(&'static str),
    Route,
    Json,
    JsonText,
    /// A number of a partition.
    Partition,
    /// The literals of a type.
    Of(&'static Type),
}

struct Making<'r> {
    random: &'r mut Random,
    setting: &'r Setting,
    /// What the last row does: 0 nothing, 1 not decided, 2 an illegal topic, 3 a negative partition.
    killer: u8,
    columns: Vec<Column>,
    router: BTreeMap<String, String>,
    sources: Vec<Source>,
}

impl Making<'_> {
    fn column(&mut self, name: &str, sql: &'static str, source: Source) {
        let default = match source {
            Source::Of(of) if self.random.percent(20) => Some(self.default_of(of)),
            Source::Json if self.random.percent(10) => Some("'{\"d\": 1}'".to_owned()),
            Source::Route if self.random.percent(8) => Some("'User'".to_owned()),
            _ => None,
        };
        // Debezium dies of a row without a route, and of a NOT NULL column whose value it has no number for.
        let not_null = match source {
            Source::Route => self.random.percent(85),
            Source::Of(of) if of.texts.contains(&"NaN") || of.texts.contains(&"infinity") => false,
            _ => self.random.percent(20),
        };
        self.columns.push(Column { name: name.to_owned(), sql, default, not_null });
        self.sources.push(source);
    }

    fn default_of(&mut self, of: &'static Type) -> String {
        let function = match of.sql {
            "timestamptz" | "timestamp" | "date" => Some("now()"),
            "uuid" => Some("gen_random_uuid()"),
            "time" => Some("localtime"),
            _ => None,
        };
        match function.filter(|_| self.random.percent(40)) {
            Some(function) => function.to_owned(),
            None => literal(pick::<&str>(self.random, of.texts)),
        }
    }

    /// The columns that every outbox has.
    fn outbox(&mut self) {
        let is_renamed = self.random.percent(25);
        let names = match is_renamed {
            true => ["Event Id", "topicName", "partitionKey", "event_type", "body"],
            false => ["id", "aggregatetype", "aggregateid", "type", "payload"],
        };
        if is_renamed {
            let keys = ["table.field.event.id", "route.by.field", "table.field.event.key"];
            for (key, name) in keys.into_iter().zip(names) {
                self.router.insert(key.into(), name.into());
            }
            self.router.insert("table.field.event.payload".into(), names[4].into());
        }
        let id = *pick(self.random, &["uuid", "uuid", "uuid", "text", "bigint", "integer", "varchar(40)"]);
        self.column(names[0], id, Source::Id(id));
        (self.columns[0].default, self.columns[0].not_null) = (None, false);
        let route = *pick(self.random, &["varchar(40)", "varchar(40)", "text", "citext"]);
        self.column(names[1], route, Source::Route);
        let key = self.key_type();
        self.column(names[2], key.sql, Source::Of(key));
        self.column(names[3], "varchar(40)", Source::Of(find("label")));
        let (sql, source) = self.payload();
        self.column(names[4], sql, source);
    }

    fn key_type(&mut self) -> &'static Type {
        let class =
            self.setting.get("key.converter").map_or("", |class| class.rsplit('.').next().unwrap_or(""));
        let fitting = match class {
            "ByteArrayConverter" | "BinaryDataConverter" => "bytea",
            "LongConverter" => "bigint",
            "IntegerConverter" => "integer",
            "ShortConverter" => "smallint",
            "DoubleConverter" => "double precision",
            "FloatConverter" => "real",
            "BooleanConverter" => "boolean",
            _ => "varchar(40)",
        };
        if self.random.percent(if fitting == "varchar(40)" { 55 } else { 88 }) {
            find(fitting)
        } else {
            self.any_type()
        }
    }

    /// Mostly one that Debezium maps: a column of another is not there for it.
    fn any_type(&mut self) -> &'static Type {
        let of = pick(self.random, TYPES);
        if UNMAPPED.contains(&of.sql) && self.random.percent(85) { self.any_type() } else { of }
    }

    fn payload(&mut self) -> (&'static str, Source) {
        if self.is_binary() && self.random.percent(88) {
            return ("bytea", Source::Of(find("bytea")));
        }
        match self.random.below(20) {
            0..7 => ("jsonb", Source::Json),
            7..11 => ("json", Source::Json),
            11..15 => ("text", Source::JsonText),
            15 => ("varchar", Source::JsonText),
            16 => ("bytea", Source::Of(find("bytea"))),
            _ => {
                let of = self.any_type();
                (of.sql, Source::Of(of))
            }
        }
    }

    /// The value's converter takes bytes, and not much else.
    fn is_binary(&self) -> bool {
        let class = self.setting.get("value.converter").map_or("", String::as_str);
        class.contains("ByteArray") || class.contains("Binary")
    }

    fn extras(&mut self) {
        for at in 0..self.random.below(6) {
            let of = self.any_type();
            let odd = ["x Y", "Ünï", "select", "a-b", "A"];
            let name =
                if self.random.percent(15) { odd[at as usize % 5].to_owned() } else { format!("x{at}") };
            self.column(&name, of.sql, Source::Of(of));
        }
        if self.random.percent(30) || self.killer == 1 && self.random.percent(50) {
            let sql = if self.random.percent(8) { "smallint" } else { "integer" };
            self.column("p", sql, Source::Partition);
        }
        let has_numbers = |mode: &String| mode != "connect" && mode != "isostring";
        let has_numbers = self.setting.get("time.precision.mode").is_none_or(has_numbers);
        if self.random.percent(if has_numbers { 30 } else { 5 }) {
            let common = [
                "timestamp",
                "timestamp",
                "timestamp(3)",
                "timestamp(3)",
                "timestamp(0)",
                "timestamp(4)",
                "timestamptz",
            ];
            let name = *pick(self.random, &common);
            let of = if self.random.percent(90) { find(name) } else { pick(self.random, TYPES) };
            // An old time as the event's kills the task, wherever it is not meant to.
            if !of.texts.contains(&"-infinity") || of.sql == "timestamptz" {
                self.column("at", of.sql, Source::Of(of));
                self.router.insert("table.field.event.timestamp".into(), "at".into());
            }
        }
        if self.random.percent(12) {
            self.column("version", "integer", Source::Partition);
            self.router.insert("table.field.event.schema.version".into(), "version".into());
        }
    }

    fn placements(&mut self) {
        let mut items: Vec<String> = Vec::new();
        for at in 0..self.columns.len() {
            let name = self.columns[at].name.clone();
            let percent = if at >= 5 { 75 } else { 12 };
            if name == "p" || !self.random.percent(percent) {
                continue;
            }
            let places = ["header", "Header", "header", "envelope", "envelope", "ENVELOPE"];
            // Bytes cannot be a part of an envelope's bytes, and the payload is in it already.
            let no_envelope = (self.is_binary() || at == 4) && self.random.percent(90);
            let place = *pick(self.random, if no_envelope { &places[..2] } else { &places });
            let alias = match self.random.below(4) {
                0 => ":alias".to_owned() + &at.to_string(),
                1 if self.random.percent(35) => {
                    ":".to_owned() + *pick(self.random, &["ev", "Ü", "a b", "payload2"])
                }
                _ => String::new(),
            };
            items.push(format!("{name}:{place}{alias}"));
        }
        if self.columns.iter().any(|column| column.name == "p") {
            items.push("p:partition".into());
        }
        if self.random.percent(6) {
            items.push(format!("nope:{}", pick(self.random, &["header", "envelope", "partition"])));
            if self.random.percent(60) {
                self.router.insert("table.field.additional.missing".into(), "ignore".into());
            }
        }
        self.random.shuffle(&mut items);
        let between = *pick(self.random, &[",", ",", " , "]);
        if !items.is_empty() {
            self.router.insert("table.fields.additional.placement".into(), items.join(between));
        }
    }

    fn options(&mut self) {
        if self.random.percent(50) {
            self.router.insert("table.expand.json.payload".into(), "true".into());
            if self.random.percent(30) {
                self.router.insert("table.json.payload.null.behavior".into(), "optional_bytes".into());
            }
            if self.random.percent(8) {
                let word = *pick(self.random, &["avro", "avro_unicode"]);
                self.router.insert("field.name.adjustment.mode".into(), word.into());
            }
        }
        if self.random.percent(30) {
            self.router.insert("route.tombstone.on.empty.payload".into(), "true".into());
        }
        if self.random.percent(30) {
            let word = *pick(self.random, &["error", "fatal", "FATAL", "warn"]);
            self.router.insert("table.op.invalid.behavior".into(), word.into());
        }
        if self.random.percent(45) {
            let (regex, replacement) = *pick(self.random, RULES);
            regex.map(|regex| self.router.insert("route.topic.regex".into(), regex.into()));
            replacement.map(|text| self.router.insert("route.topic.replacement".into(), text.into()));
        }
    }

    fn finish(mut self, number: usize) -> Case {
        if self.killer == 1 {
            let has = |name: &str| {
                self.columns.iter().any(|column| column.name == name && column.sql != "smallint")
            };
            self.killer = if has("p") { 3 } else { 2 };
        }
        let rows = self.rows();
        let words = ["outbox", "Outbox", "out-box", "out box"];
        let word = if self.random.percent(15) { *pick(self.random, &words) } else { "t" };
        let excluded = self.random.percent(4).then(|| pick(self.random, &self.columns[1..]).name.clone());
        Case {
            table: format!("{word}{number}"),
            full_identity: self.random.percent(10),
            columns: self.columns,
            rows,
            router: self.router,
            excluded,
        }
    }

    fn rows(&mut self) -> Vec<Row> {
        let count = 2 + self.random.below(4);
        let mut rows: Vec<Row> = (0..count).map(|at| self.insert(at, false)).collect();
        if self.random.percent(25) {
            let Row::Insert(values) = pick(self.random, &rows).clone() else { return rows };
            let id = values[0].clone();
            let at = if self.random.percent(30) {
                0
            } else {
                self.random.below(self.columns.len() as u64) as usize
            };
            let value = if at == 0 { self.id(90) } else { self.value(at) };
            rows.push(Row::Update { id: id.clone(), column: self.columns[at].name.clone(), value });
            if at > 0 && self.random.percent(50) {
                rows.push(Row::Delete { id });
            }
            rows.push(self.insert(91, false));
        }
        if self.killer > 0 {
            rows.push(self.insert(99, true));
        }
        rows
    }

    fn insert(&mut self, number: u64, kills: bool) -> Row {
        let count = self.columns.len();
        let value = |at: usize| match self.sources[at] {
            Source::Id(_) => self.id(number),
            Source::Route if kills && self.killer == 2 => literal(pick::<&str>(self.random, ILLEGAL_ROUTES)),
            Source::Partition if kills && self.killer == 3 && self.columns[at].name == "p" => {
                "'-1'".to_owned()
            }
            _ => self.value(at),
        };
        Row::Insert((0..count).map(value).collect())
    }

    fn id(&self, number: u64) -> String {
        let Source::Id(sql) = self.sources[0] else { return literal("?") };
        match sql {
            "uuid" => literal(&format!("{}{number:02}", &UUIDS[0][..34])),
            "text" | "varchar(40)" => literal(&format!("event {number}")),
            _ => literal(&(1000 + number).to_string()),
        }
    }

    fn value(&mut self, at: usize) -> String {
        let column = &self.columns[at];
        if !column.not_null && self.random.percent(14) {
            return "null".to_owned();
        }
        if column.default.is_some() && self.random.percent(15) {
            return "default".to_owned();
        }
        let text = match self.sources[at] {
            Source::Json => odd_json::valid(self.random),
            Source::JsonText if self.random.percent(15) => {
                (*pick(self.random, find("text").texts)).to_owned()
            }
            Source::JsonText => odd_json::any(self.random),
            Source::Route => (*pick(self.random, ROUTES)).to_owned(),
            Source::Partition => self.random.below(6).to_string(),
            Source::Of(of) => (*pick(self.random, of.texts)).to_owned(),
            Source::Id(_) => String::new(),
        };
        literal(&text)
    }
}
