//! Publications: find, create, and the tables they have.
