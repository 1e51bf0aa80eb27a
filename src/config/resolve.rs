//! Raw → Config, or every problem at once.
