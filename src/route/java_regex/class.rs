//! Sets of characters in Java's regular expressions: `[…]`, `\d` and its kin, `\p{…}`, and single escapes.
//!
//! Enters: the parser of a pattern. Leaves: a bracketed set for fancy-regex, every literal in it spelled by its code
//! point, so that nothing there can be taken for syntax. Case-insensitivity is written out where it is ASCII's, as
//! Java's is by default.

use super::parser::{Flags, Parsed, Parser, Token};
use std::fmt::Write as _;

/// What an escape stands for.
pub(super) enum Escaped {
    /// One character.
    Char(char),
    /// A set, bracketed.
    Set(String),
}

/// `c` as it matches outside brackets.
pub(super) fn literal(c: char, flags: Flags) -> String {
    match (flags.ignore_case, flags.unicode_case) {
        (true, true) => format!("(?i:{})", point(c)),
        (true, false) if c.is_ascii_alphabetic() => {
            format!("[{}{}]", c.to_ascii_lowercase(), c.to_ascii_uppercase())
        }
        _ => point(c),
    }
}

/// The rest of a class, after its `[`; the result has both brackets.
pub(super) fn bracketed(parser: &mut Parser) -> Parsed<String> {
    let folded = parser.flags.ignore_case && parser.flags.unicode_case;
    let class = nested(parser)?;
    Ok(if folded { format!("(?i:{class})") } else { class })
}

/// The character or set after a `\`, which is taken. Java's `Pattern.escape`, but for what only a position can be.
pub(super) fn escaped(parser: &mut Parser) -> Parsed<Escaped> {
    let unicode = parser.flags.unicode_classes;
    let Some(c) = parser.take() else {
        return Err(parser.error(r"a single `\` at the end; write `\\` for the character"));
    };
    let (inside, negated) = match c {
        'd' | 'D' => (if unicode { r"\p{Nd}" } else { "0-9" }, c == 'D'),
        'w' | 'W' => (if unicode { r"\w" } else { "0-9A-Za-z_" }, c == 'W'),
        's' | 'S' => (if unicode { r"\s" } else { r"\x20\t\n\x0B\x0C\r" }, c == 'S'),
        'h' | 'H' => (r"\x20\t\x{A0}\x{1680}\x{180E}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}", c == 'H'),
        'v' | 'V' => (r"\n\x0B\x0C\r\x{85}\x{2028}\x{2029}", c == 'V'),
        'p' | 'P' => return property(parser, c == 'P').map(Escaped::Set),
        _ => return single(parser, c).map(Escaped::Char),
    };
    Ok(Escaped::Set(set(inside, negated)))
}

/// `union (&& union)*` and the closing bracket.
fn nested(parser: &mut Parser) -> Parsed<String> {
    let mut class = String::from("[");
    // Only right after the bracket: not after a blank, even where blanks do not count.
    if parser.special(0) == Some('^') {
        parser.next();
        class.push('^');
    }
    let mut operand = class.len();
    loop {
        let Some(token) = parser.peek() else {
            return Err(parser.error("a class is not closed: `]` is missing"));
        };
        let is_empty = class.len() == operand;
        match token {
            // A bracket that comes first is a member, as in `[]a]`.
            Token { c: ']', quoted: false } if !(is_empty && operand <= 2) => {
                if is_empty {
                    return Err(parser.error("`&&` wants a set on both sides"));
                }
                parser.next();
                class.push(']');
                return Ok(class);
            }
            Token { c: '[', quoted: false } => {
                parser.next();
                class.push_str(&parser.deeper(nested)?);
            }
            Token { c: '&', quoted: false } if parser.special(1) == Some('&') => {
                if is_empty || parser.special(2) == Some('&') {
                    return Err(parser.error("`&&` wants a set on both sides; write `\\&` for the character"));
                }
                parser.next();
                parser.next();
                class.push_str("&&");
                operand = class.len();
            }
            _ => match member(parser)? {
                Escaped::Set(set) => class.push_str(&set),
                Escaped::Char(from) => range(parser, from, &mut class)?,
            },
        }
    }
}

/// One character or set within brackets.
fn member(parser: &mut Parser) -> Parsed<Escaped> {
    match parser.next() {
        Some(Token { c: '\\', quoted: false }) => escaped(parser),
        Some(Token { c, .. }) => Ok(Escaped::Char(c)),
        None => Err(parser.error("a class is not closed: `]` is missing")),
    }
}

/// Writes `from`, or the range it begins.
fn range(parser: &mut Parser, from: char, class: &mut String) -> Parsed<()> {
    let mut to = from;
    let is_range = parser.peek() == Some(Token { c: '-', quoted: false });
    if is_range && !matches!(parser.special(1), Some('[' | ']')) {
        parser.next();
        to = match member(parser)? {
            Escaped::Char(to) if from <= to => to,
            Escaped::Char(_) => return Err(parser.error("a range ends before it begins")),
            Escaped::Set(_) => {
                return Err(parser.error("a range ends with a set; write `\\-` for the character"));
            }
        };
    }
    let _ = write!(class, "{}-{}", point(from), point(to));
    if parser.flags.ignore_case && !parser.flags.unicode_case {
        for (first, last, shift) in [('a', 'z', -32i8), ('A', 'Z', 32)] {
            let (low, high) = (from.max(first), to.min(last));
            if low <= high {
                let other = |c: char| char::from((c as u8).wrapping_add_signed(shift));
                let _ = write!(class, "{}-{}", other(low), other(high));
            }
        }
    }
    Ok(())
}

/// The escape of one character; `c` came after the `\`.
fn single(parser: &mut Parser, c: char) -> Parsed<char> {
    let refused = |parser: &Parser, c: char| {
        Err(parser.error(&format!("`\\{c}` is not supported; write the character itself or `\\x{{…}}`")))
    };
    match c {
        't' => Ok('\t'),
        'n' => Ok('\n'),
        'r' => Ok('\r'),
        'f' => Ok('\x0c'),
        'a' => Ok('\x07'),
        'e' => Ok('\x1b'),
        '0' => octal(parser),
        'x' => {
            let code = if parser.special(0) == Some('{') {
                parser.take();
                let code = hex(parser, 1, 6);
                code.filter(|_| parser.take() == Some('}'))
            } else {
                hex(parser, 2, 2)
            };
            code.and_then(char::from_u32)
                .ok_or_else(|| parser.error(r"`\x` wants two hexadecimal digits or `{…}`"))
        }
        'u' => {
            utf16(parser).ok_or_else(|| parser.error(r"`\u` wants four hexadecimal digits of a character"))
        }
        'c' => match parser.take() {
            Some(control) if control.is_ascii() => Ok(char::from(control as u8 ^ 64)),
            _ => Err(parser.error(r"`\c` wants an ASCII character")),
        },
        _ if c.is_ascii_alphanumeric() => refused(parser, c),
        _ => Ok(c),
    }
}

/// `\0n`, `\0nn` or `\0mnn` with m ≤ 3.
fn octal(parser: &mut Parser) -> Parsed<char> {
    let mut code: Option<u32> = None;
    for index in 0..3 {
        let Some(digit) = parser.special(0).and_then(|c| c.to_digit(8)) else { break };
        let so_far = code.unwrap_or_default();
        if index == 2 && so_far > 0o37 {
            break;
        }
        code = Some(so_far * 8 + digit);
        parser.take();
    }
    code.and_then(char::from_u32).ok_or_else(|| parser.error(r"`\0` wants octal digits"))
}

/// `hhhh` after `\u`, and the other half where it is half of a surrogate pair.
fn utf16(parser: &mut Parser) -> Option<char> {
    let first = hex(parser, 4, 4)?;
    if let Some(c) = char::from_u32(first) {
        return Some(c);
    }
    if parser.take() != Some('\\') || parser.take() != Some('u') {
        return None;
    }
    let pair = [first, hex(parser, 4, 4)?].map(|half| half as u16);
    char::decode_utf16(pair).next()?.ok()
}

fn hex(parser: &mut Parser, least: usize, most: usize) -> Option<u32> {
    let mut code = 0;
    let mut digits = 0;
    while let Some(digit) = parser.special(0).and_then(|c| c.to_digit(16)).filter(|_| digits < most) {
        code = code * 16 + digit;
        digits += 1;
        parser.take();
    }
    (digits >= least).then_some(code)
}

/// `\pL` or `\p{…}`, after the `p`.
fn property(parser: &mut Parser, negated: bool) -> Parsed<String> {
    let mut name = String::new();
    match parser.take() {
        Some('{') => loop {
            match parser.take() {
                Some('}') => break,
                Some(c) => name.push(c),
                None => return Err(parser.error(r"`\p{` is not closed: `}` is missing")),
            }
        },
        Some(c) => name.push(c),
        None => return Err(parser.error(r"`\p` wants a property")),
    }
    let inside = named(&name, parser.flags).ok_or_else(|| {
        parser.error(&format!(
            "\\p{{{name}}} is not supported; write a category (Lu), a script (IsLatin), a POSIX class (Alpha), or the \
             characters themselves"
        ))
    })?;
    Ok(set(&inside, negated))
}

/// What lies inside the brackets of a named set.
fn named(name: &str, flags: Flags) -> Option<String> {
    if let Some((property, value)) = name.split_once('=') {
        return match property.to_ascii_lowercase().as_str() {
            "sc" | "script" => script(value),
            "gc" | "general_category" => category(value, flags),
            _ => None,
        };
    }
    if let Some(name) = name.strip_prefix("Is") {
        let lower = name.to_ascii_lowercase();
        let cased = flags.ignore_case && matches!(lower.as_str(), "lowercase" | "uppercase" | "titlecase");
        return match lower.as_str() {
            _ if cased => Some(r"\p{Lowercase}\p{Uppercase}\p{Lt}".to_owned()),
            "alphabetic" | "ideographic" | "lowercase" | "uppercase" | "white_space" | "join_control" => {
                Some(format!(r"\p{{{lower}}}"))
            }
            "letter" => Some(r"\p{L}".to_owned()),
            "titlecase" => Some(r"\p{Lt}".to_owned()),
            "punctuation" => Some(r"\p{P}".to_owned()),
            "control" => Some(r"\p{Cc}".to_owned()),
            "digit" => Some(r"\p{Nd}".to_owned()),
            _ => category(name, flags).or_else(|| script(name)),
        };
    }
    posix(name, flags).or_else(|| category(name, flags))
}

/// Classes defined on ASCII, unless `(?U)` makes them Unicode's.
fn posix(name: &str, flags: Flags) -> Option<String> {
    let ascii = match name {
        "ASCII" => return Some(r"\x00-\x7F".to_owned()),
        "javaLowerCase" | "javaUpperCase" if flags.ignore_case => r"\p{Lowercase}\p{Uppercase}\p{Lt}",
        "javaLowerCase" => r"\p{Lowercase}",
        "javaUpperCase" => r"\p{Uppercase}",
        "javaDigit" => r"\p{Nd}",
        "javaLetter" => r"\p{L}",
        "javaLetterOrDigit" => r"\p{L}\p{Nd}",
        "javaAlphabetic" => r"\p{Alphabetic}",
        _ if flags.unicode_classes => return unicode_posix(name, flags).map(str::to_owned),
        "Lower" | "Upper" if flags.ignore_case => "a-zA-Z",
        "Lower" => "a-z",
        "Upper" => "A-Z",
        "Alpha" => "a-zA-Z",
        "Digit" => "0-9",
        "Alnum" => "0-9a-zA-Z",
        "Punct" => r"\x21-\x2F\x3A-\x40\x5B-\x60\x7B-\x7E",
        "Graph" => r"\x21-\x7E",
        "Print" => r"\x20-\x7E",
        "Blank" => r"\x20\t",
        "Cntrl" => r"\x00-\x1F\x7F",
        "XDigit" => "0-9a-fA-F",
        "Space" => r"\x20\t\n\x0B\x0C\r",
        _ => return None,
    };
    Some(ascii.to_owned())
}

/// What `(?U)` makes of the POSIX classes that Unicode knows as one property or two.
fn unicode_posix(name: &str, flags: Flags) -> Option<&'static str> {
    Some(match name {
        "Lower" | "Upper" if flags.ignore_case => r"\p{Lowercase}\p{Uppercase}\p{Lt}",
        "Lower" => r"\p{Lowercase}",
        "Upper" => r"\p{Uppercase}",
        "Alpha" => r"\p{Alphabetic}",
        "Digit" => r"\p{Nd}",
        "Alnum" => r"\p{Alphabetic}\p{Nd}",
        "Punct" => r"\p{P}",
        "Space" => r"\s",
        "Cntrl" => r"\p{Cc}",
        _ => return None,
    })
}

/// General categories by their short names.
fn category(name: &str, flags: Flags) -> Option<String> {
    match name {
        "Lu" | "Ll" | "Lt" if flags.ignore_case => Some(r"\p{Lu}\p{Ll}\p{Lt}".to_owned()),
        "LD" => Some(r"\p{L}\p{Nd}".to_owned()),
        "LC" => Some(r"\p{Lu}\p{Ll}\p{Lt}".to_owned()),
        "L1" => Some(r"\x{0}-\x{FF}".to_owned()),
        "all" => Some(r"\x{0}-\x{10FFFF}".to_owned()),
        "L" | "M" | "N" | "Z" | "P" | "S" | "Lu" | "Ll" | "Lt" | "Lm" | "Lo" | "Mn" | "Me" | "Mc" | "Nd"
        | "Nl" | "No" | "Zs" | "Zl" | "Zp" | "Cc" | "Cf" | "Co" | "Cn" | "C" | "Pd" | "Ps" | "Pe" | "Pc"
        | "Po" | "Pi" | "Pf" | "Sm" | "Sc" | "Sk" | "So" => Some(format!(r"\p{{{name}}}")),
        _ => None,
    }
}

/// A script by a name that the engine knows too.
fn script(name: &str) -> Option<String> {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    let set = format!(r"\p{{Script={name}}}");
    (plain && fancy_regex::Regex::new(&set).is_ok()).then_some(set)
}

fn set(inside: &str, negated: bool) -> String {
    format!("[{}{inside}]", if negated { "^" } else { "" })
}

/// A character that is never syntax, inside brackets or outside.
fn point(c: char) -> String {
    if c.is_ascii_alphanumeric() { c.to_string() } else { format!(r"\x{{{:X}}}", c as u32) }
}
