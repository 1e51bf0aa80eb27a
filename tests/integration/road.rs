//! What a row becomes, and which rows pass no event.
