//! The program as its user sees it: arguments, files, help and messages, without any server.
//!
//! Contents
//! - `help`         what can be asked for, and what is answered to what cannot
//! - `validate`     every problem of a configuration at once, and nothing that is none
//! - `files`        JSON, properties, a worker's file, placeholders: what is read from where
//! - `migrate`      what becomes of another connector's configuration, and what is written of it
//! - `secrets`      what is never shown
//! - `unreachable`  servers that are not there; what needs none

mod kit;

mod files;
mod help;
mod migrate;
mod secrets;
mod unreachable;
mod validate;
