//! Connect's JSON grammar → Raw.
