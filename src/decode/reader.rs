//! A checked cursor over bytes: the only file that indexes raw message bytes.
