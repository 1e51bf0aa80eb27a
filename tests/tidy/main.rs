//! The house rules: who may import whom, what every file has, what is written in one place only, and that README and
//! examples say what the program does.

mod documents;
mod layers;
mod sources;
mod writing;
