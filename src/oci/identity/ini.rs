//! Reads files in the format of Python's `configparser` without interpolation, as strictly as the official SDK does: a
//! duplicate is refused, so nobody has to guess which of the two counts.

use secrecy::SecretString;

/// The section whose entries all others inherit.
const DEFAULT: &str = "DEFAULT";

/// A file, section by section.
#[derive(Clone, Debug, Default)]
pub(super) struct Ini {
    sections: Vec<Section>,
}

#[derive(Clone, Debug)]
struct Section {
    name: String,
    entries: Vec<Entry>,
}

/// An entry. Its value may be a pass phrase.
#[derive(Clone, Debug)]
struct Entry {
    /// In lower case.
    key: String,
    value: SecretString,
}

/// Why a text is not such a file. It reveals nothing of the content.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// From 1.
    pub(super) line: usize,
    pub(super) message: String,
}

impl Ini {
    /// Reads a text.
    pub(super) fn read(text: &str) -> Result<Self, Fault> {
        if text.starts_with('\u{feff}') {
            let message = "the file begins with a byte order mark, which the official SDK refuses as well: save it as \
                           UTF-8 without one";
            return Err(Fault { line: 1, message: message.to_owned() });
        }
        let mut reader = Reader::default();
        // A carriage return also ends a line.
        let text = zeroize::Zeroizing::new(text.replace("\r\n", "\n").replace('\r', "\n"));
        for (n, line) in text.split('\n').enumerate() {
            reader.line(line).map_err(|message| Fault { line: n + 1, message })?;
        }
        reader.end_entry();
        Ok(reader.ini)
    }

    /// The names of the sections, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().map(|section| section.name.as_str())
    }

    /// The value of a key in the section itself.
    pub(super) fn own(&self, section: &str, key: &str) -> Option<&SecretString> {
        let section = self.sections.iter().find(|other| other.name == section)?;
        section.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The entries of a section, with the inherited ones. The section's own entries come first, so that they win.
    pub(super) fn inherited(&self, name: &str) -> Vec<(String, SecretString)> {
        let of = |name: &str| self.sections.iter().find(|section| section.name == name);
        let sections = [name, DEFAULT].into_iter().filter_map(of);
        sections
            .flat_map(|section| &section.entries)
            .map(|entry| (entry.key.clone(), entry.value.clone()))
            .collect()
    }
}

/// The state of the reader (`RawConfigParser._read`).
#[derive(Default)]
struct Reader {
    ini: Ini,
    /// The section to which entries are added.
    section: Option<usize>,
    /// The entry that more deeply indented lines continue.
    entry: Option<(String, zeroize::Zeroizing<String>)>,
    indentation: usize,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let text = line.trim();
        if text.starts_with(['#', ';']) {
            return Ok(());
        }
        let indentation = line.chars().take_while(|c| c.is_whitespace()).count();
        if let Some((_, value)) = &mut self.entry
            && (text.is_empty() || indentation > self.indentation)
        {
            value.push('\n');
            value.push_str(text);
            return Ok(());
        }
        if text.is_empty() {
            return Ok(());
        }
        self.end_entry();
        self.indentation = indentation;
        match text.strip_prefix('[').and_then(|rest| rest.rsplit_once(']')) {
            // Text after the last bracket means nothing.
            Some((name, _)) if !name.is_empty() => self.begin_section(name),
            Some(_) | None => self.begin_entry(text),
        }
    }

    fn begin_section(&mut self, name: &str) -> Result<(), String> {
        let found = self.ini.sections.iter().position(|section| section.name == name);
        self.section = Some(match found {
            Some(at) if name == DEFAULT => at,
            Some(_) => return Err(format!("the profile [{name}] is there twice")),
            None => {
                self.ini.sections.push(Section { name: name.to_owned(), entries: Vec::new() });
                self.ini.sections.len() - 1
            }
        });
        Ok(())
    }

    fn begin_entry(&mut self, text: &str) -> Result<(), String> {
        let Some(section) = self.section.and_then(|at| self.ini.sections.get(at)) else {
            return Err("expected a profile's header such as [DEFAULT] before anything else".to_owned());
        };
        let Some((key, value)) = text.split_once(['=', ':']) else {
            return Err("expected `key=value`, and there is neither `=` nor `:`".to_owned());
        };
        let key = key.trim().to_lowercase();
        if key.is_empty() {
            return Err("expected a key before the `=`".to_owned());
        }
        if section.entries.iter().any(|entry| entry.key == key) {
            return Err(format!("`{key}` is there twice in the profile [{}]", section.name));
        }
        self.entry = Some((key, zeroize::Zeroizing::new(value.trim().to_owned())));
        Ok(())
    }

    fn end_entry(&mut self) {
        let Some((key, value)) = self.entry.take() else { return };
        if let Some(section) = self.section.and_then(|at| self.ini.sections.get_mut(at)) {
            section.entries.push(Entry { key, value: value.trim_end().into() });
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn entries(text: &str) -> Vec<(String, String)> {
        let ini = Ini::read(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
        let names: Vec<String> = ini.names().map(ToOwned::to_owned).collect();
        let all = names.iter().flat_map(|name| {
            let section = ini.sections.iter().find(|section| section.name == *name).expect("it is there");
            section
                .entries
                .iter()
                .map(move |entry| (format!("{name}.{}", entry.key), entry.value.expose_secret().to_owned()))
        });
        all.collect()
    }

    /// The results of Python's `configparser` for each text, recorded from it.
    #[test]
    fn a_file_is_read_as_the_sdk_reads_it() {
        for (text, expected) in [
            ("[DEFAULT] # main\nuser=u # me\n", &[("DEFAULT.user", "u # me")][..]),
            ("[DEFAULT]\nUSER : u\n  # no\n;no\n", &[("DEFAULT.user", "u")]),
            (
                "[A]\na=1\n[DEFAULT]\nb=2\n[DEFAULT]\nc=3",
                &[("A.a", "1"), ("DEFAULT.b", "2"), ("DEFAULT.c", "3")],
            ),
            ("[A]\na=1\n  2\n\n  3\n\nb=4", &[("A.a", "1\n2\n\n3"), ("A.b", "4")]),
            ("[A]\n  a=1\n  b=2\n", &[("A.a", "1"), ("A.b", "2")]),
            ("[A]\r\na=1\rb=\r\n", &[("A.a", "1"), ("A.b", "")]),
            ("[A]\na = x=y:z%s\\\"\n", &[("A.a", "x=y:z%s\\\"")]),
            ("[a]b]\nk=1\n", &[("a]b.k", "1")]),
            ("[A]\n k=1\n[B]\n  k=2\n", &[("A.k", "1"), ("B.k", "2")]),
            ("", &[]),
            ("# nothing\n\n", &[]),
        ] {
            let expected: Vec<(String, String)> =
                expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            assert_eq!(entries(text), expected, "{text}");
        }
    }

    #[test]
    fn what_the_sdk_refuses_is_refused_with_its_line() {
        for (text, line, message) in [
            ("[A]\n[B]\n[A]\n", 3, "the profile [A] is there twice"),
            ("[A]\nuser=1\nUser=2\n", 3, "`user` is there twice in the profile [A]"),
            ("[DEFAULT]\na=1\n[DEFAULT]\na=2\n", 4, "`a` is there twice in the profile [DEFAULT]"),
            ("[A]\na=1\nbare\n", 3, "expected `key=value`"),
            ("[A]\n=1\n", 2, "expected a key"),
            ("\nuser=1\n", 2, "expected a profile's header"),
            ("[]\n", 1, "expected a profile's header"),
            ("\u{feff}[DEFAULT]\n", 1, "the file begins with a byte order mark"),
        ] {
            let fault = Ini::read(text).expect_err(text);
            assert_eq!(fault.line, line, "{text}");
            assert!(fault.message.starts_with(message), "{text}: {}", fault.message);
        }
    }
}
