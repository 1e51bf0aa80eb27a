//! `sasl.jaas.config`: one login module, as Java's JAAS grammar writes it.
//!
//! `module flag key="value" … ;` with Java's StreamTokenizer behind it: values may be quoted with `"` or `'`, with
//! backslash escapes; `//` and `/* */` are comments.

use std::iter::Peekable;
use std::str::Chars;

/// A login module and its options.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) module: String,
    options: Vec<(String, String)>,
}

impl Login {
    /// The last value of the option.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The class name without its package.
    pub(super) fn module_name(&self) -> &str {
        self.module.rsplit('.').next().unwrap_or(&self.module)
    }
}

#[derive(PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Sign(char),
}

/// A value with blanks that is not quoted looks like this too, so the option is not named: it may be part of a password.
const NO_VALUE: &str = "an option has no value; write option=\"…\", with quotes around it";

/// Reads the one login module there must be; the error says what is wrong, without quoting any of it.
pub(super) fn parse(text: &str) -> Result<Login, String> {
    let mut tokens = tokens(text)?.into_iter().peekable();
    let module = match tokens.next() {
        Some(Token::Word(module)) => module,
        Some(_) => return Err("it must begin with the class name of a login module".into()),
        None => return Err("it is empty".into()),
    };
    match tokens.next() {
        Some(Token::Word(flag))
            if ["required", "requisite", "sufficient", "optional"]
                .iter()
                .any(|known| flag.eq_ignore_ascii_case(known)) => {}
        _ => return Err("after the login module's class there must be the word required".into()),
    }
    let mut options = Vec::new();
    loop {
        let key = match tokens.next() {
            Some(Token::Sign(';')) => break,
            Some(Token::Word(key) | Token::Quoted(key)) => key,
            Some(Token::Sign(_)) => return Err("a sign stands where an option should".into()),
            None => return Err("it must end with a semicolon".into()),
        };
        if tokens.next() != Some(Token::Sign('=')) {
            return Err(NO_VALUE.into());
        }
        match tokens.next() {
            Some(Token::Word(value) | Token::Quoted(value)) => options.push((key, value)),
            _ => return Err(NO_VALUE.into()),
        }
    }
    match tokens.next() {
        None => Ok(Login { module, options }),
        Some(_) => Err("it must name one login module only".into()),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&next) = chars.peek() {
        match next {
            _ if next.is_whitespace() => {
                chars.next();
            }
            '"' | '\'' => tokens.push(Token::Quoted(quoted(&mut chars)?)),
            '=' | ';' => {
                chars.next();
                tokens.push(Token::Sign(next));
            }
            '/' if skip_comment(&mut chars)? => {}
            _ => tokens.push(Token::Word(word(&mut chars))),
        }
    }
    Ok(tokens)
}

/// Whether there was a comment; otherwise nothing was consumed.
fn skip_comment(chars: &mut Peekable<Chars<'_>>) -> Result<bool, String> {
    let mut ahead = chars.clone();
    ahead.next();
    match ahead.next() {
        Some('/') => {
            chars.by_ref().take_while(|&c| c != '\n').for_each(drop);
            Ok(true)
        }
        Some('*') => {
            let mut last = ' ';
            while let Some(c) = ahead.next() {
                if last == '*' && c == '/' {
                    *chars = ahead;
                    return Ok(true);
                }
                last = c;
            }
            Err("a comment has no end".into())
        }
        _ => Ok(false),
    }
}

fn word(chars: &mut Peekable<Chars<'_>>) -> String {
    let mut word = String::new();
    while let Some(c) = chars.next_if(|&c| !c.is_whitespace() && !matches!(c, '=' | ';' | '"' | '\'')) {
        word.push(c);
    }
    word
}

fn quoted(chars: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    let unended = || "a quotation mark has no partner".to_owned();
    let quote = chars.next().ok_or_else(unended)?;
    let mut text = String::new();
    loop {
        match chars.next().ok_or_else(unended)? {
            c if c == quote => return Ok(text),
            '\n' => return Err(unended()),
            '\\' => text.push(escaped(chars).ok_or_else(unended)?),
            c => text.push(c),
        }
    }
}

/// What follows a backslash, as StreamTokenizer reads it.
fn escaped(chars: &mut Peekable<Chars<'_>>) -> Option<char> {
    Some(match chars.next()? {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        first @ '0'..='7' => {
            let mut code = first.to_digit(8)?;
            // Three digits only when the first leaves room in a byte.
            for _ in 0..if first <= '3' { 2 } else { 1 } {
                match chars.next_if(|c| ('0'..='7').contains(c)) {
                    Some(digit) => code = code * 8 + digit.to_digit(8)?,
                    None => break,
                }
            }
            char::from_u32(code)?
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str) -> (String, String) {
        let login = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        (
            login.option("username").unwrap_or("-").to_owned(),
            login.option("password").unwrap_or("-").to_owned(),
        )
    }

    #[test]
    fn reads_what_people_write() {
        let scram =
            "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"u\" password=\"p\";";
        assert_eq!(user(scram), ("u".into(), "p".into()));
        assert_eq!(parse(scram).map(|login| login.module_name().to_owned()), Ok("ScramLoginModule".into()));
        assert_eq!(user("a.B REQUIRED username='u'\n  password=p1;"), ("u".into(), "p1".into()));
        assert_eq!(
            user("a.B required /* two\nlines */ username=u // then\n password=p ;"),
            ("u".into(), "p".into())
        );
        assert_eq!(user("a.B required;"), ("-".into(), "-".into()));
    }

    #[test]
    fn reads_escapes_and_signs_in_quotes() {
        assert_eq!(
            user(r#"a.B required username="a\"b" password="x;y=z //\\ \101";"#),
            ("a\"b".into(), "x;y=z //\\ A".into())
        );
        assert_eq!(user(r"a.B required username='\'' password='pä\t';"), ("'".into(), "pä\t".into()));
    }

    #[test]
    fn says_what_is_wrong_and_quotes_no_secret() {
        for (text, says) in [
            ("", "empty"),
            ("a.B username=u;", "required"),
            ("a.B required username=\"secret\"", "semicolon"),
            ("a.B required username=\"secret;", "quotation"),
            ("a.B required username;", "no value"),
            ("a.B required password=;", "no value"),
            ("a.B required password=two secret;", "no value"),
            ("a.B required password=two secret=;", "no value"),
            ("secret words", "required"),
            ("a.B required x=\"1\"; c.D required;", "one login module"),
            ("a.B required /* secret", "comment"),
        ] {
            let error = parse(text).err().unwrap_or_else(|| panic!("{text} is accepted"));
            assert!(error.contains(says) && !error.contains("secret"), "{text}: {error}");
        }
    }
}
