//! The only part that names all six acts: start, run, retry, drain.

pub mod handover;
pub mod resume;
pub mod startup;
