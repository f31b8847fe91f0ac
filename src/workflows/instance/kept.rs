//! The mark of an instance that a run took out of service and kept: a tag whose value is the run.
//!
//! The mark has a tag of its own. If an instance of ours already has as many tags as the cloud allows, the mark replaces the
//! tag with the digest of its specification, which nobody needs for an instance that does not serve.

use serde_json::{Map, Value, json};

use super::mark::SPECIFICATION_TAG;

const KEPT_TAG: &str = "deployctl-kept";
/// The prefix of the run in the specification's tag.
const KEPT_BY: &str = "kept-by-";
/// How many freeform tags a resource takes (docs/oci.md 5).
const TAGS_LIMIT: usize = 10;

/// The run that kept the instance with these tags.
pub(in crate::workflows) fn by(tags: &Map<String, Value>) -> Option<&str> {
    let own = tags.get(KEPT_TAG).and_then(Value::as_str);
    let specification = tags.get(SPECIFICATION_TAG).and_then(Value::as_str);
    own.or_else(|| specification.and_then(|value| value.strip_prefix(KEPT_BY)))
}

/// The tags with the mark. `None` if there is no room for it.
pub(in crate::workflows) fn marked(tags: &Map<String, Value>, run: &str) -> Option<Map<String, Value>> {
    let mut marked = tags.clone();
    if tags.contains_key(KEPT_TAG) || tags.len() < TAGS_LIMIT {
        marked.insert(KEPT_TAG.to_owned(), json!(run));
    } else if tags.contains_key(SPECIFICATION_TAG) {
        marked.insert(SPECIFICATION_TAG.to_owned(), json!(format!("{KEPT_BY}{run}")));
    } else {
        return None;
    }
    Some(marked)
}

/// The tags without the mark of `run`; the tag that held it is as in `before`. `None` if that run left no mark.
pub(in crate::workflows) fn unmarked(
    tags: &Map<String, Value>,
    before: &Map<String, Value>,
    run: &str,
) -> Option<Map<String, Value>> {
    let name = [KEPT_TAG, SPECIFICATION_TAG].into_iter().find(|name| {
        let value = tags.get(*name).and_then(Value::as_str);
        value.is_some_and(|value| value.strip_prefix(KEPT_BY).unwrap_or(value) == run)
    })?;
    let mut unmarked = tags.clone();
    match before.get(name) {
        Some(value) => unmarked.insert(name.to_owned(), value.clone()),
        None => unmarked.remove(name),
    };
    Some(unmarked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(names: &[&str]) -> Map<String, Value> {
        names.iter().map(|name| ((*name).to_owned(), json!("x"))).collect()
    }

    #[test]
    fn a_mark_is_put_and_taken_back_to_the_field() {
        let user: Vec<String> = (0..10).map(|n| format!("t{n}")).collect();
        let user: Vec<&str> = user.iter().map(String::as_str).collect();
        let ours =
            [&user[..6], &["deployctl-run", "deployctl-step", "deployctl-deployment", "deployctl-spec"]]
                .concat();
        for before in [tags(&[]), tags(&user[..9]), tags(&ours), tags(&["deployctl-kept"])] {
            let marked = marked(&before, "R").expect("there is room");
            assert!(marked.len() <= TAGS_LIMIT && marked.len() <= before.len() + 1, "{marked:?}");
            assert_eq!(by(&marked), Some("R"));
            assert_eq!(unmarked(&marked, &before, "another"), None);
            assert_eq!(unmarked(&marked, &before, "R"), Some(before.clone()));
            // Tags that somebody changed meanwhile stay.
            let mut changed = marked.clone();
            changed.insert("t0".to_owned(), json!("by hand"));
            let back = unmarked(&changed, &before, "R").expect("it is there");
            assert_eq!(back.get("t0"), Some(&json!("by hand")));
            assert_eq!(by(&back), by(&before));
        }
        assert_eq!(marked(&tags(&user), "R"), None, "there is no room");
        assert_eq!(by(&tags(&ours)), None);
    }
}
