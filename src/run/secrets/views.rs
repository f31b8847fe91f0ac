//! The ways to read a text, with the place of each byte in the original: without its escapes, decoded from base64 and
//! from hexadecimal digits, and nested combinations of these.

use std::collections::HashSet;
use std::ops::Range;

/// Limits on how many readings of a text are tried, and on how many bytes they have in all: a hostile text has
/// infinitely many.
const VIEWS: usize = 160;
const BYTES: usize = 4 << 20;
/// The shortest run of characters that is decoded as base64 or hexadecimal digits.
const RUN: usize = 6;

/// One reading of a text.
#[derive(Clone)]
pub(super) struct View {
    bytes: Vec<u8>,
    /// The origin of each byte.
    from: Vec<(u32, u32)>,
}

/// The form in which bytes are compared: letters of both cases are equal, and so are all blanks, since joining lines
/// turns line ends into spaces.
pub(super) const fn folded(byte: u8) -> u8 {
    if byte.is_ascii_whitespace() || byte.is_ascii_control() { b' ' } else { byte.to_ascii_lowercase() }
}

/// The text of these bytes, if they are one.
pub(super) fn text_of(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(ToOwned::to_owned)
}

/// The readings of a text: the text itself, then without escapes, then decoded, then nested ones.
pub(super) fn of(text: &str) -> Vec<View> {
    type Reading = fn(&View) -> Vec<View>;
    const ESCAPES: [Reading; 5] = [
        |view| view.read(backslash),
        |view| view.read(percent),
        |view| view.read(plus),
        |view| view.read(entity),
        |view| view.read(fold),
    ];
    const CODES: [Reading; 2] = [base64, hexadecimal];
    let mut views = vec![View::whole(text)];
    let mut seen: HashSet<Vec<u8>> = HashSet::new();
    let mut n_bytes = 0;
    let mut add = |views: &mut Vec<View>, from: Range<usize>, readings: &[Reading]| {
        for n in from {
            for reading in readings {
                for view in reading(&views[n]) {
                    if views.len() < VIEWS
                        && n_bytes + view.bytes.len() <= BYTES
                        && seen.insert(view.bytes.clone())
                    {
                        n_bytes += view.bytes.len();
                        views.push(view);
                    }
                }
            }
        }
    };
    // Escapes within escapes, as in JSON within JSON.
    add(&mut views, 0..1, &ESCAPES);
    let first = views.len();
    add(&mut views, 1..first, &ESCAPES);
    let escaped = views.len();
    add(&mut views, 0..escaped, &CODES);
    let decoded = views.len();
    add(&mut views, escaped..decoded, &ESCAPES);
    let both = views.len();
    add(&mut views, escaped..both, &CODES);
    views
}

impl View {
    fn whole(text: &str) -> Self {
        let from = (0..text.len()).map(|at| (position(at), position(at + 1))).collect();
        Self { bytes: text.as_bytes().to_vec(), from }
    }

    pub(super) fn folded(&self) -> Vec<u8> {
        self.bytes.iter().copied().map(folded).collect()
    }

    /// The place in the original from which these bytes come.
    pub(super) fn place(&self, range: Range<usize>) -> Option<Range<usize>> {
        let places = self.from.get(range)?;
        let start = places.iter().map(|(start, _)| *start).min()?;
        let end = places.iter().map(|(_, end)| *end).max()?;
        Some(start as usize..end as usize)
    }

    /// The lines. Each may have been cut.
    pub(super) fn lines(&self) -> Vec<Range<usize>> {
        let ends = self.bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
        let mut start = 0;
        let mut lines = Vec::new();
        for end in ends.chain([self.bytes.len()]) {
            lines.push(start..end);
            start = end + 1;
        }
        lines
    }

    /// The end of a line before the marks that follow a cut text: dots, quotes, brackets.
    pub(super) fn before_ellipsis(&self, line: Range<usize>) -> usize {
        let mut end = line.end;
        while end > line.start {
            let rest = &self.bytes[line.start..end];
            end -= match rest {
                [.., 0xe2, 0x80, 0xa6] => 3,
                [.., b'.' | b'"' | b'\'' | b')' | b']' | b'}' | b'>' | b',' | b' ' | b'\r' | b'='] => 1,
                _ => return end,
            };
        }
        end
    }

    /// Replaces everything that `read` recognises: it returns how many bytes it takes, and what they stand for. Returns
    /// nothing if it recognises nothing.
    fn read(&self, read: impl Fn(&[u8]) -> Option<(usize, Vec<u8>)>) -> Vec<Self> {
        let Some(first) = (0..self.bytes.len()).find(|at| read(&self.bytes[*at..]).is_some()) else {
            return Vec::new();
        };
        let mut view = Self { bytes: self.bytes[..first].to_vec(), from: self.from[..first].to_vec() };
        let mut at = first;
        while at < self.bytes.len() {
            let Some((taken, bytes)) = read(&self.bytes[at..]) else {
                view.bytes.push(self.bytes[at]);
                view.from.push(self.from[at]);
                at += 1;
                continue;
            };
            let place = self.place(at..at + taken).map(|place| (position(place.start), position(place.end)));
            view.from.extend(std::iter::repeat_n(place.unwrap_or_default(), bytes.len()));
            view.bytes.extend(bytes);
            at += taken;
        }
        vec![view]
    }

    /// Decodes each run of such characters into a line of its own. A match masks the whole run.
    fn decoded(&self, is_in: impl Fn(u8) -> bool, decode: impl Fn(&[u8]) -> Vec<u8>) -> Option<Self> {
        let mut view = Self { bytes: Vec::new(), from: Vec::new() };
        let mut at = 0;
        while at < self.bytes.len() {
            let length = self.bytes[at..].iter().take_while(|byte| is_in(**byte)).count();
            if length >= RUN {
                let bytes = decode(&self.bytes[at..at + length]);
                let padding = self.bytes[at + length..].iter().take_while(|byte| **byte == b'=').count();
                let place = self.place(at..at + length + padding).unwrap_or_default();
                let place = (position(place.start), position(place.end));
                view.from.extend(std::iter::repeat_n(place, bytes.len() + 1));
                view.bytes.extend(bytes);
                view.bytes.push(b'\n');
            }
            at += length.max(1);
        }
        (!view.bytes.is_empty()).then_some(view)
    }
}

/// A position in a text. Texts that are masked are far smaller than 4 GiB.
fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn hex(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|c| c.is_ascii_hexdigit()))?;
    u32::from_str_radix(text, 16).ok()
}

fn utf8(code: u32) -> Option<Vec<u8>> {
    char::from_u32(code).map(|c| c.to_string().into_bytes())
}

/// The escapes of JSON, of shells, and of languages that print strings in this way.
fn backslash(text: &[u8]) -> Option<(usize, Vec<u8>)> {
    let [b'\\', kind, rest @ ..] = text else { return None };
    let simple = |byte: u8| Some((2, vec![byte]));
    match kind {
        b'n' => simple(b'\n'),
        b't' => simple(b'\t'),
        b'r' => simple(b'\r'),
        b'b' => simple(8),
        b'f' => simple(12),
        b'u' if rest.starts_with(b"{") => {
            let end = rest.iter().take(8).position(|byte| *byte == b'}')?;
            Some((3 + end, utf8(hex(&rest[1..end])?)?))
        }
        b'u' => {
            let first = hex(rest.get(..4)?)?;
            match (0xd800..0xdc00).contains(&first).then(|| rest.get(4..10)).flatten() {
                Some([b'\\', b'u', low @ ..]) => {
                    let low = hex(low)?.checked_sub(0xdc00)?;
                    Some((12, utf8(0x1_0000 + ((first - 0xd800) << 10) + low)?))
                }
                _ => Some((6, utf8(first)?)),
            }
        }
        b'x' => Some((4, vec![u8::try_from(hex(rest.get(..2)?)?).ok()?])),
        b'0'..=b'3' if rest.get(..2).is_some_and(|two| two.iter().all(|c| (b'0'..b'8').contains(c))) => {
            let value =
                rest[..2].iter().fold(u32::from(kind - b'0'), |value, c| value * 8 + u32::from(c - b'0'));
            Some((4, vec![u8::try_from(value).ok()?]))
        }
        other => simple(*other),
    }
}

fn percent(text: &[u8]) -> Option<(usize, Vec<u8>)> {
    let [b'%', digits @ ..] = text else { return None };
    Some((3, vec![u8::try_from(hex(digits.get(..2)?)?).ok()?]))
}

/// The plus sign with which forms write a space.
fn plus(text: &[u8]) -> Option<(usize, Vec<u8>)> {
    text.starts_with(b"+").then(|| (1, vec![b' ']))
}

/// The entities of HTML.
fn entity(text: &[u8]) -> Option<(usize, Vec<u8>)> {
    let rest = text.strip_prefix(b"&")?;
    let end = rest.iter().take(8).position(|byte| *byte == b';')?;
    let bytes = match &rest[..end] {
        b"amp" => b"&".to_vec(),
        b"lt" => b"<".to_vec(),
        b"gt" => b">".to_vec(),
        b"quot" => b"\"".to_vec(),
        b"apos" => b"'".to_vec(),
        [b'#', b'x' | b'X', digits @ ..] => utf8(hex(digits)?)?,
        [b'#', digits @ ..] => utf8(std::str::from_utf8(digits).ok()?.parse().ok()?)?,
        _ => return None,
    };
    Some((end + 2, bytes))
}

/// The line breaks in text that was wrapped to a width.
fn fold(text: &[u8]) -> Option<(usize, Vec<u8>)> {
    matches!(text.first(), Some(b'\n' | b'\r')).then(|| (1, Vec::new()))
}

/// Decodes base64 in either alphabet. Where the text begins within it is unknown, so each of the four offsets is tried.
fn base64(view: &View) -> Vec<View> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    };
    let decode = |run: &[u8], skipped: usize| -> Vec<u8> {
        let sextets: Vec<u8> = run[skipped..].iter().filter_map(|byte| value(*byte)).collect();
        let groups = sextets.chunks(4).flat_map(|group| {
            let bits = group.iter().fold(0_u32, |bits, sextet| bits << 6 | u32::from(*sextet));
            let bits = bits << (6 * (4 - group.len()));
            let [_, bytes @ ..] = bits.to_be_bytes();
            bytes.into_iter().take((group.len() * 6) / 8)
        });
        groups.collect()
    };
    (0..4)
        .filter_map(|skipped| view.decoded(|byte| value(byte).is_some(), |run| decode(run, skipped)))
        .collect()
}

fn hexadecimal(view: &View) -> Vec<View> {
    let decode = |run: &[u8], skipped: usize| -> Vec<u8> {
        run[skipped..].chunks_exact(2).filter_map(hex).filter_map(|byte| u8::try_from(byte).ok()).collect()
    };
    let read = |skipped| view.decoded(|byte| byte.is_ascii_hexdigit(), |run| decode(run, skipped));
    (0..2).filter_map(read).collect()
}

/// Removes the escapes of a URL.
pub(super) fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let (taken, found) = percent(&bytes[at..]).unwrap_or_else(|| (1, vec![bytes[at]]));
        decoded.extend(found);
        at += taken;
    }
    decoded
}
