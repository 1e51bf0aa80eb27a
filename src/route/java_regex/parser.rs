//! The parser of Java's patterns: one method per construct, which writes it anew for fancy-regex.
//!
//! Enters: tokens, quotations resolved. Leaves: a [`Translated`]. What stands for a set of characters is in
//! [`class`](super::class).

use super::Translated;
use super::class::{self, Escaped};
use std::fmt::Write as _;

/// How deep groups and classes may nest; beyond it a pattern is no configuration.
const DEEPEST: usize = 100;

/// One character of the pattern. A quoted one (`\Q…\E`) stands for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) c: char,
    pub(super) quoted: bool,
}

/// Java's match flags, as far as they change the meaning of a construct.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    /// `i`
    pub(super) ignore_case: bool,
    /// `u`: `i` is Unicode's.
    pub(super) unicode_case: bool,
    /// `U`: `\d \w \s \b` and POSIX classes are Unicode's.
    pub(super) unicode_classes: bool,
    /// `m`
    multi_line: bool,
    /// `s`
    dot_all: bool,
    /// `d`: only `\n` ends a line.
    unix_lines: bool,
    /// `x`: blanks and `#` comments are not part of the pattern.
    comments: bool,
}

/// Reads tokens, writes `out`.
pub(super) struct Parser {
    tokens: Vec<Token>,
    at: usize,
    pub(super) flags: Flags,
    out: String,
    groups: usize,
    names: Vec<(String, usize)>,
    /// Groups that `\n` refers to, and where: they must exist in the end.
    referred: Vec<(usize, usize)>,
    depth: usize,
}

/// What a parse of one construct gives; the text speaks to the person who wrote the pattern.
pub(super) type Parsed<T> = Result<T, String>;

impl Parser {
    pub(super) fn new(tokens: Vec<Token>, ignore_case: bool) -> Parser {
        let flags = Flags { ignore_case, ..Flags::default() };
        let (names, referred) = (Vec::new(), Vec::new());
        Parser { tokens, at: 0, flags, out: String::new(), groups: 0, names, referred, depth: 0 }
    }

    pub(super) fn translate(mut self) -> Parsed<Translated> {
        self.alternatives()?;
        if self.peek().is_some() {
            return Err(self.error("`)` without `(`; write `\\)` for the character"));
        }
        if let Some((number, at)) = self.referred.iter().find(|(number, _)| *number > self.groups) {
            return Err(error_at(*at, &format!("\\{number} refers to a group that does not exist")));
        }
        Ok(Translated { pattern: self.out, groups: self.groups, names: self.names })
    }

    /// The next token that counts.
    pub(super) fn peek(&mut self) -> Option<Token> {
        if self.flags.comments {
            self.skip_comments();
        }
        self.tokens.get(self.at).copied()
    }

    /// Takes the next token that counts.
    pub(super) fn next(&mut self) -> Option<Token> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    /// Takes the very next character, blank or not, unless it is quoted.
    pub(super) fn take(&mut self) -> Option<char> {
        let token = self.tokens.get(self.at).filter(|token| !token.quoted)?;
        self.at += 1;
        Some(token.c)
    }

    /// Takes `c` if it comes next with its special meaning.
    pub(super) fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(Token { c, quoted: false });
        self.at += usize::from(found);
        found
    }

    /// The special character `ahead` tokens after the next one.
    pub(super) fn special(&self, ahead: usize) -> Option<char> {
        self.tokens.get(self.at + ahead).filter(|token| !token.quoted).map(|token| token.c)
    }

    /// Steps back by one token.
    pub(super) fn back(&mut self) {
        self.at -= 1;
    }

    /// An error at the next character.
    pub(super) fn error(&self, what: &str) -> String {
        error_at(self.at, what)
    }

    /// Runs `inner` one level deeper.
    pub(super) fn deeper<T>(&mut self, inner: impl FnOnce(&mut Parser) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error("groups or classes are nested too deeply"));
        }
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn skip_comments(&mut self) {
        while let Some(Token { c, quoted: false }) = self.tokens.get(self.at) {
            match c {
                ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r' => self.at += 1,
                '#' => {
                    let ends = |token: &Token| is_line_end(token.c, self.flags.unix_lines);
                    let length = self.tokens[self.at..].iter().position(ends);
                    self.at = length.map_or(self.tokens.len(), |length| self.at + length + 1);
                }
                _ => return,
            }
        }
    }

    fn alternatives(&mut self) -> Parsed<()> {
        loop {
            self.sequence()?;
            if !self.eat('|') {
                return Ok(());
            }
            self.out.push('|');
        }
    }

    fn sequence(&mut self) -> Parsed<()> {
        while let Some(token) = self.peek() {
            if !token.quoted && matches!(token.c, '|' | ')') {
                break;
            }
            let start = self.out.len();
            self.atom()?;
            // A group that only sets flags writes nothing, and nothing can be repeated.
            if self.out.len() > start {
                self.quantifier()?;
            }
        }
        Ok(())
    }

    fn atom(&mut self) -> Parsed<()> {
        let Some(token) = self.next() else { return Ok(()) };
        if token.quoted {
            self.literal(token.c);
            return Ok(());
        }
        match token.c {
            '(' => self.deeper(Parser::group)?,
            '[' => {
                let class = self.deeper(class::bracketed)?;
                self.out.push_str(&class);
            }
            '\\' => self.escape()?,
            '.' => self.out.push_str(self.dot()),
            '^' => self.out.push_str(self.line_start()),
            '$' => self.out.push_str(self.line_end()),
            c @ ('*' | '+' | '?' | '{') => {
                self.back();
                return Err(
                    self.error(&format!("`{c}` has nothing to repeat; write `\\{c}` for the character"))
                );
            }
            c => self.literal(c),
        }
        Ok(())
    }

    fn literal(&mut self, c: char) {
        let written = class::literal(c, self.flags);
        self.out.push_str(&written);
    }

    fn dot(&self) -> &'static str {
        match self.flags {
            Flags { dot_all: true, .. } => "(?s:.)",
            Flags { unix_lines: true, .. } => r"[^\n]",
            _ => r"[^\n\r\x{85}\x{2028}\x{2029}]",
        }
    }

    fn line_start(&self) -> &'static str {
        match self.flags {
            Flags { multi_line: false, .. } => r"\A",
            // Not at the end, even after a line terminator, as in Perl.
            Flags { unix_lines: true, .. } => r"(?:(?:\A|(?<=\n))(?!\z))",
            _ => r"(?:(?:\A|(?<=[\n\x{85}\x{2028}\x{2029}])|(?<=\r)(?!\n))(?!\z))",
        }
    }

    fn line_end(&self) -> &'static str {
        match self.flags {
            Flags { multi_line: true, unix_lines: true, .. } => r"(?:(?=\n|\z))",
            Flags { multi_line: true, .. } => r"(?:(?=[\r\x{85}\x{2028}\x{2029}]|\z)|(?<!\r)(?=\n))",
            _ => self.text_end(),
        }
    }

    /// `\Z`, and `$` outside multi-line mode: the end, or before the line terminator that ends the text.
    fn text_end(&self) -> &'static str {
        match self.flags.unix_lines {
            true => r"(?:(?=\n?\z))",
            false => r"(?:(?=(?:\r\n|[\r\x{85}\x{2028}\x{2029}])?\z)|(?<!\r)(?=\n\z))",
        }
    }

    fn escape(&mut self) -> Parsed<()> {
        let from = self.at;
        let word = if self.flags.unicode_classes { r"\w" } else { "[0-9A-Za-z_]" };
        match self.take() {
            Some(digit @ '1'..='9') => return self.back_reference(digit, from),
            Some('k') => return self.named_reference(),
            Some('A' | 'G') => self.out.push_str(r"\A"),
            Some('z') => self.out.push_str(r"\z"),
            Some('Z') => self.out.push_str(self.text_end()),
            Some('R') => self.out.push_str(r"(?:\r\n|[\n\x0B\x0C\r\x{85}\x{2028}\x{2029}])"),
            Some('b') if self.special(0) == Some('{') => {
                return Err(error_at(from, r"`\b{…}` is not supported; write `\b` or `\b` before a group"));
            }
            Some('b') => {
                let _ = write!(self.out, "(?:(?<!{word})(?={word})|(?<={word})(?!{word}))");
            }
            Some('B') => {
                let _ = write!(self.out, "(?:(?<!{word})(?!{word})|(?<={word})(?={word}))");
            }
            Some(_) => {
                self.back();
                match class::escaped(self)? {
                    Escaped::Char(c) => self.literal(c),
                    Escaped::Set(set) => self.out.push_str(&set),
                }
            }
            None => return Err(self.error(r"a single `\` at the end; write `\\` for the character")),
        }
        Ok(())
    }

    /// `\1` to `\9` always refer to a group; a further digit belongs to the number only if that many groups are open or
    /// closed by now.
    fn back_reference(&mut self, digit: char, from: usize) -> Parsed<()> {
        let mut number = digit as usize - '0' as usize;
        while let Some(digit) = self.special(0).and_then(|c| c.to_digit(10)) {
            let longer = number * 10 + digit as usize;
            if longer > self.groups {
                break;
            }
            number = longer;
            self.at += 1;
        }
        self.referred.push((number, from));
        self.reference(number);
        Ok(())
    }

    fn named_reference(&mut self) -> Parsed<()> {
        let from = self.at;
        let name = if self.eat('<') {
            self.group_name()?
        } else {
            return Err(error_at(from, r"`\k` wants `<name>`"));
        };
        let known = self.names.iter().find(|(known, _)| *known == name);
        let Some(&(_, number)) = known else {
            return Err(error_at(from, &format!("there is no group {name:?} before this reference to it")));
        };
        self.reference(number);
        Ok(())
    }

    fn reference(&mut self, number: usize) {
        let flag = if self.flags.ignore_case { "i" } else { "" };
        let _ = write!(self.out, r"(?{flag}:\{number})");
    }

    fn group(&mut self) -> Parsed<()> {
        let before = self.flags;
        if self.special(0) == Some('?') {
            self.at += 1;
            let from = self.at;
            let opening = match self.take() {
                Some(':') => "(?:",
                Some('=') => "(?=",
                Some('!') => "(?!",
                Some('>') => "(?>",
                Some('<') => match self.special(0) {
                    Some('=') => self.skipping("(?<="),
                    Some('!') => self.skipping("(?<!"),
                    _ => {
                        let name = self.group_name()?;
                        if self.names.iter().any(|(known, _)| *known == name) {
                            return Err(error_at(from, &format!("group {name:?} is defined twice")));
                        }
                        self.names.push((name, self.groups + 1));
                        self.capturing()
                    }
                },
                _ => {
                    self.at = from;
                    // `(?i)` holds to the end of the group it stands in, `(?i:…)` within itself.
                    match self.flag_letters()? {
                        ')' => return Ok(()),
                        _ => "(?:",
                    }
                }
            };
            self.out.push_str(opening);
        } else {
            let opening = self.capturing();
            self.out.push_str(opening);
        }
        self.alternatives()?;
        if !self.eat(')') {
            return Err(self.error("a group is not closed: `)` is missing"));
        }
        self.out.push(')');
        self.flags = before;
        Ok(())
    }

    fn capturing(&mut self) -> &'static str {
        self.groups += 1;
        "("
    }

    fn skipping(&mut self, opening: &'static str) -> &'static str {
        self.at += 1;
        opening
    }

    /// A group's name and the `>` after it.
    fn group_name(&mut self) -> Parsed<String> {
        let from = self.at;
        let mut name = String::new();
        loop {
            match self.take() {
                Some('>') if !name.is_empty() => return Ok(name),
                Some(c) if c.is_ascii_alphabetic() || (c.is_ascii_digit() && !name.is_empty()) => {
                    name.push(c)
                }
                _ => {
                    return Err(error_at(
                        from,
                        "a group's name is letters and digits, a letter first, then `>`",
                    ));
                }
            }
        }
    }

    /// Sets flags up to the `)` or `:` that is returned.
    fn flag_letters(&mut self) -> Parsed<char> {
        let mut on = true;
        loop {
            let from = self.at;
            match self.take() {
                Some('i') => self.flags.ignore_case = on,
                Some('u') => self.flags.unicode_case = on,
                Some('m') => self.flags.multi_line = on,
                Some('s') => self.flags.dot_all = on,
                Some('d') => self.flags.unix_lines = on,
                Some('x') => self.flags.comments = on,
                Some('U') => (self.flags.unicode_classes, self.flags.unicode_case) = (on, on),
                Some('-') if on => on = false,
                Some(end @ (')' | ':')) => return Ok(end),
                _ => {
                    return Err(error_at(
                        from,
                        "after `(?` comes `:`, `=`, `!`, `>`, `<=`, `<!`, `<name>` or flags among `idmsuxU`",
                    ));
                }
            }
        }
    }

    fn quantifier(&mut self) -> Parsed<()> {
        let Some(Token { c: c @ ('?' | '*' | '+' | '{'), quoted: false }) = self.peek() else {
            return Ok(());
        };
        let from = self.at;
        self.at += 1;
        if c == '{' {
            let bounds = self.bounds().ok_or_else(|| {
                error_at(from, r"a repetition is `{2}`, `{2,}` or `{2,5}`; write `\{` for the character")
            })?;
            self.out.push_str(&bounds);
        } else {
            self.out.push(c);
        }
        if self.eat('?') {
            self.out.push('?');
        } else if self.eat('+') {
            self.out.push('+');
        }
        match self.peek() {
            Some(Token { c: '?' | '*' | '+' | '{', quoted: false }) => {
                Err(self.error("a repetition of a repetition; write `(?:…)` around the first"))
            }
            _ => Ok(()),
        }
    }

    /// What follows `{`, written again; `None` when it is no repetition.
    fn bounds(&mut self) -> Option<String> {
        let least = self.number()?;
        match self.take()? {
            '}' => Some(format!("{{{least}}}")),
            ',' if self.special(0) == Some('}') => {
                self.at += 1;
                Some(format!("{{{least},}}"))
            }
            ',' => {
                let most = self.number()?;
                (self.take()? == '}' && least <= most).then(|| format!("{{{least},{most}}}"))
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Option<u32> {
        let mut digits = String::new();
        while let Some(digit) = self.special(0).filter(char::is_ascii_digit) {
            digits.push(digit);
            self.at += 1;
        }
        digits.parse().ok()
    }
}

fn is_line_end(c: char, unix_lines: bool) -> bool {
    match unix_lines {
        true => c == '\n',
        false => matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}'),
    }
}

fn error_at(at: usize, what: &str) -> String {
    format!("{what} (at character {})", at + 1)
}
