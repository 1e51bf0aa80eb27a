//! Reading a topic from its beginning to the high watermark under read_committed.
