//! The commands: one file each, `Args` + `run`.
