//! The metric families, by their names.
