//! The position record: its key, its value, and the chain that all of them make.
