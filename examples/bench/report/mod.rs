//! How the results are told: JSON for machines, Markdown for people, pictures. All from the same figures.

mod axes;
mod facts;
mod latencies;
mod markdown;
mod plot;
mod rates;

use crate::bars::{self, Bar};
use crate::doses::Doses;
use crate::kept;
use crate::results::{Results, Run};
use crate::servers::Servers;
use facts::Facts;
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub struct Report {
    name: String,
    facts: Facts,
    /// The files, once anything was measured.
    written: Vec<String>,
}

impl Report {
    pub fn new(doses: &Doses, servers: &Servers) -> Report {
        Report { name: doses.name(), facts: Facts::gather(doses, servers), written: Vec::new() }
    }

    /// What the file of this name has from earlier runs.
    pub fn kept(&self) -> Results {
        let file = folder().join(format!("{}.json", self.name));
        match std::fs::read_to_string(&file) {
            Ok(text) => kept::results(&text, &self.facts.json()),
            Err(error) if error.kind() == ErrorKind::NotFound => Results::default(),
            Err(error) => panic!("{}: {error}", file.display()),
        }
    }

    /// Notes what has just been measured, and writes.
    pub fn add(&mut self, measured: String, results: &mut Results) {
        let (date, walpost) = (self.facts.date.clone(), self.facts.walpost().to_owned());
        results.runs.retain(|run| run.measured != measured);
        results.runs.push(Run { measured, date, walpost });
        self.written = self.write(results);
    }

    /// What was written.
    pub fn written(&self) -> &[String] {
        &self.written
    }

    /// Writes everything that can be told by now; the files' names.
    fn write(&self, results: &Results) -> Vec<String> {
        let bars = bars::all(results);
        let mut files = vec![
            ("json", format!("{:#}\n", self.json(results, &bars))),
            ("md", markdown::text(&self.name, &self.facts, results, &bars)),
        ];
        let pictures = [
            ("rates.svg", rates::draw(results)),
            ("latencies.svg", latencies::draw(results)),
            ("axes.svg", axes::draw(results)),
        ];
        files.extend(pictures.into_iter().filter_map(|(ending, picture)| Some((ending, picture?))));
        let folder = folder();
        std::fs::create_dir_all(&folder).expect("benches/results");
        let write = |(ending, text): (&str, String)| {
            let file = folder.join(format!("{}.{ending}", self.name));
            std::fs::write(&file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            format!("benches/results/{}.{ending}", self.name)
        };
        files.into_iter().map(write).collect()
    }

    /// A line for each bar.
    pub fn bars(&self, results: &Results) -> String {
        let line = |bar: Bar| {
            let (figure, limit) = (bar.figure_text(), bar.limit_text());
            format!("{:56} {figure:>12} {limit:>12}   {}\n", bar.what, bar.verdict())
        };
        bars::all(results).into_iter().map(line).collect()
    }

    fn json(&self, results: &Results, bars: &[Bar]) -> Value {
        let bars: Vec<Value> = bars.iter().map(Bar::json).collect();
        let mut all = self.facts.json();
        let told = json!({"bars": bars, "results": results.json()});
        let (all_of_it, told) = (all.as_object_mut().expect("an object"), told.as_object().cloned());
        all_of_it.extend(told.expect("an object"));
        all
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results")
}
