//! Names that Avro allows.

/// A name that Avro does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::encode) enum InvalidName {
    /// It has other characters than letters, digits and underscores, or begins with a digit.
    Characters(String),
    /// Two types have it.
    Twice,
}

impl InvalidName {
    /// What is wrong, for people.
    pub(in crate::encode) fn detail(&self) -> String {
        match self {
            InvalidName::Characters(name) => {
                let shown: String = name.chars().take(64).collect();
                format!("{shown:?} is not a name that Avro allows")
            }
            InvalidName::Twice => "two types of its schema would have the same name".to_owned(),
        }
    }
}

/// Whether a record or a field may be called so.
pub(super) fn check(name: &str) -> Result<(), InvalidName> {
    let mut letters = name.chars();
    let begins = letters.next().is_some_and(|first| first.is_alphabetic() || first == '_');
    match begins && letters.all(|letter| letter.is_alphanumeric() || letter == '_') {
        true => Ok(()),
        false => Err(InvalidName::Characters(name.to_owned())),
    }
}
