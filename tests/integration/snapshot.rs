//! Rows that were there before the slot.
//!
//! - `rows`  which rows a later reading takes, asked of Postgres itself

mod rows;
