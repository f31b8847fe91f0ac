//! The form of an OCID.

/// Whether a text has the form of an OCID (`config.py`, `PATTERNS`).
pub fn is_ocid(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['.', ':']).collect();
    let is_word = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let ends = [parts.first(), parts.last()];
    parts.len() > 4
        && parts.iter().all(|part| is_word(part))
        && ends.iter().all(|part| part.is_some_and(|part| !part.is_empty()))
}
