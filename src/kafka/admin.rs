//! Topics: metadata, creation, configuration.
