//! The properties grammar → Raw.
