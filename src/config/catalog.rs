//! Every property once: name, kind, default, doc, support level.
