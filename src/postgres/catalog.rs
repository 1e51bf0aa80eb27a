//! What the catalogue tells of a table's columns: types, nullability, defaults.
