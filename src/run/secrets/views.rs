//! What a text reads as, with the place of each byte in the text itself: without its escapes, decoded from base64 and
//! from hexadecimal digits, and those within each other.

use std::collections::HashSet;
use std::ops::Range;

/// How many ways to read a text are tried, and how many bytes they may come to: a hostile text has no end of them.
const VIEWS: usize = 160;
const BYTES: usize = 4 << 20;
/// The shortest run of characters that is read as base64 or hexadecimal digits.
const RUN: usize = 6;

/// A text as one way to read it gives it.
#[derive(Clone)]
pub(super) struct View {
    bytes: Vec<u8>,
    /// Where each byte comes from.
    from: Vec<(u32, u32)>,
}

/// How bytes are compared: letters of both cases are one, and so are all blanks, since a fold turns lines into spaces.
pub(super) const fn folded(byte: u8) -> u8 {
    if byte.is_ascii_whitespace() || byte.is_ascii_control() { b' ' } else { byte.to_ascii_lowercase() }
}

/// The text of bytes that are one.
pub(super) fn text_of(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(ToOwned::to_owned)
}

/// The ways to read a text: as it stands, then without escapes, then decoded, then what is within that.
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
    // Escapes within escapes, as JSON within JSON has them.
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

    /// Where in the text these bytes come from.
    pub(super) fn place(&self, range: Range<usize>) -> Option<Range<usize>> {
        let places = self.from.get(range)?;
        let start = places.iter().map(|(start, _)| *start).min()?;
        let end = places.iter().map(|(_, end)| *end).max()?;
        Some(start as usize..end as usize)
    }

    /// The lines, each of which may have been cut.
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

    /// Where a line ends without what is put after a text that was cut: dots, quotes, brackets.
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

    /// What comes of replacing what `read` finds at a place: how many bytes it takes, and what they stand for. Nothing
    /// where it finds nothing.
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

    /// What comes of decoding each run of such characters, one line a run; masked is the whole run.
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

/// Texts that are masked are far below 4 GiB.
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

/// The escapes of JSON, of shells, and of languages that print their strings so.
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

/// Forms write a space as a plus sign.
fn plus(text: &[u8]) -> Option<(usize, Vec<u8>)> {
    text.starts_with(b"+").then(|| (1, vec![b' ']))
}

/// HTML's.
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

/// Lines that were broken to a width.
fn fold(text: &[u8]) -> Option<(usize, Vec<u8>)> {
    matches!(text.first(), Some(b'\n' | b'\r')).then(|| (1, Vec::new()))
}

/// Base64 in either alphabet. Where a text within it begins is not known, so that each of the four places is tried.
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

/// Bytes without the escapes of a URL.
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
