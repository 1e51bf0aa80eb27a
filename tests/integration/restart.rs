//! Starts, stops, crashes and servers that go away: nothing lost, nothing twice, and a refusal where that is in doubt.
