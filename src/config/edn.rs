//! A complete reader of EDN that keeps the place of each part (github.com/edn-format/edn, and the additions of Clojure's
//! reader that configurations use: metadata, namespaced maps, radixes).
//!
//! This is our own reader, because others drop information that we need: metadata decides how maps merge, and an error must
//! say where it is. Every recursion has a limit.

mod print;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashSet;
use std::str::Chars;

use super::node::{CHARACTER, Node, SEQUENCE, SYMBOL, Tree};
use super::number;
use super::problem::{Position, Problem};
pub(super) use print::print;

/// The deepest nesting that is read. A file full of brackets is an error, not a crash.
pub(super) const DEPTH_LIMIT: usize = 100;

/// Reads a text that holds exactly one form.
pub(super) fn read(text: &str, place: &Position) -> Result<Node, Problem> {
    let mut reader = Reader { rest: text.chars(), line: 1, column: 1, place, depth: 0 };
    let node = reader.only_form()?;
    node.ok_or_else(|| reader.wrong("is empty: expected a form"))
}

/// Reads a text that holds one form or none. No form is nil, as in Aero.
pub(super) fn read_part(text: &str, place: &Position) -> Result<Node, Problem> {
    let mut reader = Reader { rest: text.chars(), line: 1, column: 1, place, depth: 0 };
    let node = reader.only_form()?;
    Ok(node.unwrap_or_else(|| Node::new(Tree::Nil, place.clone())))
}

/// A text as Clojure reads it from a file: every line ends in a line feed, within strings too.
pub(super) fn with_line_feeds(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        return Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"));
    }
    Cow::Borrowed(text)
}

struct Reader<'t> {
    rest: Chars<'t>,
    line: usize,
    column: usize,
    place: &'t Position,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        (self.line, self.column) = if c == '\n' { (self.line + 1, 1) } else { (self.line, self.column + 1) };
        Some(c)
    }

    fn here(&self) -> Position {
        Position { position: Some((self.line, self.column)), ..self.place.clone() }
    }

    fn wrong(&self, message: impl Into<String>) -> Problem {
        Problem { place: self.here(), path: String::new(), message: message.into() }
    }

    fn skip_blanks(&mut self) {
        while let Some(c) = self.peek() {
            if c == ';' || self.rest.as_str().starts_with("#!") {
                while self.next().is_some_and(|c| c != '\n') {}
            } else if c.is_whitespace() || c == ',' {
                self.next();
            } else {
                return;
            }
        }
    }

    /// The one form of the text, if there is any.
    fn only_form(&mut self) -> Result<Option<Node>, Problem> {
        let Some(node) = self.form()? else {
            return match self.peek() {
                None => Ok(None),
                Some(_) => Err(self.wrong("closes nothing")),
            };
        };
        match self.form()? {
            None if self.peek().is_none() => Ok(Some(node)),
            None => Err(self.wrong("closes nothing")),
            Some(second) => Err(second.problem("", "is a second form: expected only one")),
        }
    }

    /// The next form; `None` at the end of the text or before a closing bracket.
    fn form(&mut self) -> Result<Option<Node>, Problem> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(self.wrong(format!("is nested more than {DEPTH_LIMIT} deep")));
        }
        let form = loop {
            self.skip_blanks();
            let rest = self.rest.as_str();
            if rest.starts_with("#_") {
                self.next();
                self.next();
                let discarded = self.form()?;
                if discarded.is_none() {
                    return Err(self.wrong("is discarded, but there is nothing: expected a form after #_"));
                }
                continue;
            }
            break match self.peek() {
                None | Some(')' | ']' | '}') => None,
                Some(c) => Some(self.some_form(c)?),
            };
        };
        self.depth -= 1;
        Ok(form)
    }

    fn required(&mut self, after: &str) -> Result<Node, Problem> {
        let form = self.form()?;
        form.ok_or_else(|| self.wrong(format!("expected a form after {after}")))
    }

    fn some_form(&mut self, first: char) -> Result<Node, Problem> {
        let here = self.here();
        let tree = match first {
            '(' => Tree::List(self.until(')')?),
            '[' => Tree::List(self.until(']')?),
            '{' => self.map()?,
            '"' => Tree::Str(self.string()?),
            '\\' => Tree::Str(self.character()?.to_string()),
            '#' => return self.dispatch(here),
            '^' => {
                self.next();
                return self.with_metadata();
            }
            '\'' | '`' | '~' | '@' => return Err(self.wrong(format!("`{first}` means nothing in EDN"))),
            _ => self.token(&here)?,
        };
        let kind = match (first, &tree) {
            ('(', _) => Some(SEQUENCE),
            ('\\', _) => Some(CHARACTER),
            (':', _) => None,
            (_, Tree::Key(_)) => Some(SYMBOL),
            _ => None,
        };
        Ok(Node { flags: kind.into_iter().map(ToOwned::to_owned).collect(), ..Node::new(tree, here) })
    }

    fn until(&mut self, end: char) -> Result<Vec<Node>, Problem> {
        let opened = self.here();
        self.next();
        let mut items = Vec::new();
        while let Some(item) = self.form()? {
            items.push(item);
        }
        match self.peek() {
            Some(c) if c == end => {
                self.next();
                Ok(items)
            }
            Some(c) => Err(self.wrong(format!("expected `{end}`, found `{c}`"))),
            None => Err(Problem {
                place: opened,
                path: String::new(),
                message: format!("is not closed: expected `{end}` before the end of the text"),
            }),
        }
    }

    fn map(&mut self) -> Result<Tree, Problem> {
        let mut forms = self.until('}')?.into_iter();
        let mut entries: Vec<(Node, Node)> = Vec::with_capacity(forms.len() / 2);
        let mut seen = HashSet::new();
        while let Some(key) = forms.next() {
            let Some(value) = forms.next() else {
                return Err(key.problem("", "is a key without a value"));
            };
            if !seen.insert(print(&key)) {
                return Err(key.problem("", format!("the key `{}` is there twice", print(&key))));
            }
            entries.push((key, value));
        }
        Ok(Tree::Map(entries))
    }

    fn set(&mut self) -> Result<Tree, Problem> {
        let items = self.until('}')?;
        let mut seen = HashSet::new();
        for item in &items {
            if !seen.insert(print(item)) {
                return Err(item.problem("", format!("`{}` is there twice in a set", print(item))));
            }
        }
        Ok(Tree::Set(items))
    }

    /// Reads a form that begins with `#`.
    fn dispatch(&mut self, here: Position) -> Result<Node, Problem> {
        self.next();
        match self.peek() {
            Some('{') => Ok(Node::new(self.set()?, here)),
            Some('^') => {
                self.next();
                self.with_metadata()
            }
            Some(':') => self.namespaced_map(here),
            Some('#') => Err(self.wrong("a symbolic number such as ##Inf means nothing here")),
            Some('"') => Err(self.wrong("a regular expression is not EDN")),
            Some(c) if c.is_alphabetic() => {
                let tag = self.word();
                let form = self.required(&format!("#{tag}"))?;
                Ok(Node::new(Tree::Tagged(tag, Box::new(form)), here))
            }
            Some(c) => Err(self.wrong(format!("`#{c}` means nothing in EDN"))),
            None => Err(self.wrong("expected a tag after #")),
        }
    }

    /// `#:aws{:region "x"}` is `{:aws/region "x"}`; `:_/region` stays without a namespace.
    fn namespaced_map(&mut self, here: Position) -> Result<Node, Problem> {
        self.next();
        let namespace = self.word();
        let map = self.required(&format!("#:{namespace}"))?;
        let Tree::Map(entries) = map.tree else {
            return Err(map.problem("", format!("expected a map after #:{namespace}, found {}", map.kind())));
        };
        let qualified = |key: Node| match key.tree {
            Tree::Key(name) => {
                let name = match name.split_once('/') {
                    Some(("_", plain)) => plain.to_owned(),
                    Some(_) => name,
                    None => format!("{namespace}/{name}"),
                };
                Node { tree: Tree::Key(name), ..key }
            }
            tree => Node { tree, ..key },
        };
        let entries = entries.into_iter().map(|(key, value)| (qualified(key), value)).collect();
        Ok(Node::new(Tree::Map(entries), here))
    }

    /// `^:replace [1]`, `^{:replace true} [1]`: only flags that are on are kept.
    fn with_metadata(&mut self) -> Result<Node, Problem> {
        let metadata = self.required("^")?;
        let flags: Vec<String> = match metadata.tree {
            Tree::Key(flag) => vec![flag],
            // A type hint, which means nothing here.
            Tree::Str(_) => Vec::new(),
            Tree::Map(entries) => entries
                .into_iter()
                .filter(|(_, value)| !matches!(value.tree, Tree::Nil | Tree::Bool(false)))
                .filter_map(|(key, _)| key.text().map(ToOwned::to_owned))
                .collect(),
            _ => return Err(metadata.problem("", "metadata is a keyword or a map")),
        };
        let mut node = self.required("metadata")?;
        node.flags.extend(flags);
        Ok(node)
    }

    /// Reads to the end of a symbol, a keyword, a tag or a number.
    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(c) = self.peek() {
            if c.is_whitespace()
                || matches!(c, ',' | '(' | ')' | '[' | ']' | '{' | '}' | '"' | ';' | '^' | '\\')
            {
                break;
            }
            word.push(c);
            self.next();
        }
        word
    }

    fn token(&mut self, here: &Position) -> Result<Tree, Problem> {
        let word = self.word();
        let wrong = |message: String| Problem { place: here.clone(), path: String::new(), message };
        if let Some(name) = word.strip_prefix(':') {
            return match name {
                "" => Err(wrong("expected a name after `:`".to_owned())),
                _ if name.starts_with(':') => {
                    Err(wrong(format!("`{word}`: only Clojure code resolves a keyword with two colons")))
                }
                _ => Ok(Tree::Key(name.to_owned())),
            };
        }
        match word.as_str() {
            "nil" => return Ok(Tree::Nil),
            "true" => return Ok(Tree::Bool(true)),
            "false" => return Ok(Tree::Bool(false)),
            _ => {}
        }
        if number::is_meant(&word) {
            return number::read(&word).map_err(wrong);
        }
        Ok(Tree::Key(word))
    }

    fn string(&mut self) -> Result<String, Problem> {
        let opened = self.here();
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                None => {
                    let message = "is not closed: expected `\"` before the end of the text".to_owned();
                    return Err(Problem { place: opened, path: String::new(), message });
                }
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                Some(c) => text.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Problem> {
        let Some(c) = self.next() else { return Err(self.wrong("the text ends in an escape")) };
        Ok(match c {
            't' => '\t',
            'r' => '\r',
            'n' => '\n',
            'b' => '\u{8}',
            'f' => '\u{c}',
            '\\' | '"' => c,
            'u' => return self.unicode(),
            '0'..='7' => {
                let mut digits = c.to_string();
                while digits.len() < 3 && self.peek().is_some_and(|c| c.is_digit(8)) {
                    digits.extend(self.next());
                }
                self.octal(&digits)?
            }
            _ => return Err(self.wrong(format!("`\\{c}` is not an escape"))),
        })
    }

    /// Four hexadecimal digits. Two such groups make a character beyond the first 65,536.
    fn unicode(&mut self) -> Result<char, Problem> {
        let first = self.hexadecimal()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or_else(|| self.wrong("is half a character"));
        }
        if !(self.next() == Some('\\') && self.next() == Some('u')) {
            return Err(self.wrong("is half a character: expected a second \\u"));
        }
        let second = self.hexadecimal()?;
        let both = 0x1_0000 + ((first - 0xd800) << 10) + second.wrapping_sub(0xdc00);
        let is_pair = (0xdc00..0xe000).contains(&second);
        char::from_u32(both).filter(|_| is_pair).ok_or_else(|| self.wrong("is half a character"))
    }

    fn hexadecimal(&mut self) -> Result<u32, Problem> {
        let digits: String = (0..4).filter_map(|_| self.next()).collect();
        let is_right = digits.len() == 4 && digits.chars().all(|c| c.is_ascii_hexdigit());
        let value = u32::from_str_radix(&digits, 16).ok().filter(|_| is_right);
        value.ok_or_else(|| self.wrong("expected four hexadecimal digits after \\u"))
    }

    fn octal(&self, digits: &str) -> Result<char, Problem> {
        let value = u32::from_str_radix(digits, 8).ok().filter(|value| *value <= 0o377);
        value.and_then(char::from_u32).ok_or_else(|| self.wrong("expected an octal number up to 377"))
    }

    fn character(&mut self) -> Result<char, Problem> {
        self.next();
        let Some(first) = self.next() else { return Err(self.wrong("expected a character after \\")) };
        let mut word = first.to_string();
        if first.is_alphanumeric() {
            word.push_str(&self.word());
        }
        let hexadecimal = word.strip_prefix('u').filter(|rest| rest.len() == 4);
        let octal = word.strip_prefix('o').filter(|rest| !rest.is_empty());
        Ok(match (word.as_str(), hexadecimal, octal) {
            ("newline", ..) => '\n',
            ("return", ..) => '\r',
            ("space", ..) => ' ',
            ("tab", ..) => '\t',
            ("backspace", ..) => '\u{8}',
            ("formfeed", ..) => '\u{c}',
            (_, Some(digits), _) => {
                let value = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                value.ok_or_else(|| self.wrong(format!("`\\{word}` is not a character")))?
            }
            (_, _, Some(digits)) => self.octal(digits)?,
            _ if word.chars().count() == 1 => first,
            _ => return Err(self.wrong(format!("`\\{word}` is not a character"))),
        })
    }
}
