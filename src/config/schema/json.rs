//! The table as JSON Schema, for editors.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::deployment::DEPLOYMENT;
use super::model::{Field, Kind, Model, TAG_NAME_LIMIT, TAG_VALUE_LIMIT, TAGS_LIMIT};
use crate::config::casing::{camel, kebab};

/// The JSON Schema (2020-12) of a deployment file in YAML or JSON, whose keys are in kebab case, snake case or camel case.
///
/// No key is required at the top level, because the command line may set each part instead.
pub fn json_schema() -> Value {
    let mut models = Map::new();
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A deployment of deployctl",
    });
    let members = schema.as_object_mut().expect("a map was just written");
    members.extend(object(&DEPLOYMENT, &mut models));
    members.insert("$defs".to_owned(), Value::Object(models));
    schema
}

/// The schemas of the models that other schemas refer to, by title.
type Models = Map<String, Value>;

fn object(model: &Model, models: &mut Models) -> Map<String, Value> {
    let Some((discriminator, variants)) = model.variants else {
        let mut object = closed(model.fields, None, model.has_own_keys, models);
        if !model.needs_one_of.is_empty() {
            let said = model.fields.iter().filter(|field| model.needs_one_of.contains(&field.name)).map(says);
            object.insert("anyOf".to_owned(), Value::Array(said.flatten().collect()));
        }
        return object;
    };
    let variants = variants.iter().map(|variant| {
        let fields = [model.fields, variant.fields].concat();
        let word = Some((discriminator, variant.word));
        let mut object = Map::from_iter([("title".to_owned(), json!(variant.title))]);
        object.extend(closed(&fields, word, false, models));
        Value::Object(object)
    });
    Map::from_iter([("oneOf".to_owned(), Value::Array(variants.collect()))])
}

/// The schema of a map with these keys and no others.
fn closed(
    fields: &[Field],
    word: Option<(&str, &str)>,
    has_own_keys: bool,
    models: &mut Models,
) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    if let Some((name, word)) = word {
        for form in forms(name) {
            properties.insert(form, json!({"const": word}));
        }
        required.push(one_of(name));
    }
    for field in fields {
        let mut schema = value(field.kind, models);
        if let (false, Some(members)) = (field.about.is_empty(), schema.as_object_mut()) {
            members.insert("description".to_owned(), json!(field.about));
        }
        for form in forms(field.name) {
            properties.insert(form, schema.clone());
        }
        if field.is_required {
            required.push(one_of(field.name));
        }
    }
    let mut object = Map::from_iter([("type".to_owned(), json!("object"))]);
    if has_own_keys {
        properties.insert("$schema".to_owned(), json!({"type": "string"}));
        object.insert("patternProperties".to_owned(), json!({"^x-": {}}));
    }
    object.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        object.insert("allOf".to_owned(), Value::Array(required));
    }
    object.insert("additionalProperties".to_owned(), json!(false));
    object
}

/// The schemas that require a field in one of its forms, and not an empty map.
fn says(field: &Field) -> impl Iterator<Item = Value> {
    let filled = if matches!(field.kind, Kind::DefinedTags) {
        json!({"not": {"additionalProperties": {"maxProperties": 0}}})
    } else if matches!(field.kind, Kind::Tags | Kind::One(_)) {
        json!({"minProperties": 1})
    } else {
        json!({})
    };
    let forms = forms(field.name).into_iter();
    forms.map(move |form| json!({"required": [form], "properties": {form: filled}}))
}

/// The schema that requires one of the forms of a name.
fn one_of(name: &str) -> Value {
    match forms(name).as_slice() {
        [only] => json!({"required": [only]}),
        forms => json!({"anyOf": forms.iter().map(|form| json!({"required": [form]})).collect::<Vec<_>>()}),
    }
}

/// The spellings of a name: `memory-in-g-bs` of our predecessor library, `memory-in-gbs` that people expect, both in snake
/// case, and `memoryInGBs`.
fn forms(name: &str) -> Vec<String> {
    let mut plain = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && plain.ends_with(|before: char| before.is_ascii_lowercase()) {
            plain.push('-');
        }
        plain.push(c.to_ascii_lowercase());
    }
    let mut forms = Vec::new();
    for kebab in [plain, kebab(name)] {
        forms.extend([kebab.replace('-', "_"), kebab]);
    }
    forms.push(camel(name));
    let mut seen = HashSet::new();
    forms.retain(|form| seen.insert(form.clone()));
    forms
}

fn value(kind: Kind, models: &mut Models) -> Value {
    match kind {
        Kind::Text { least, most } => {
            let mut text = json!({"type": "string"});
            if least > 0 {
                text["minLength"] = json!(least);
            }
            if most < usize::MAX {
                text["maxLength"] = json!(most);
            }
            text
        }
        Kind::Word(words) => json!({"enum": words}),
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Integer { least, most } => {
            let mut integer = json!({"type": "integer", "minimum": least});
            if most < i64::MAX {
                integer["maximum"] = json!(most);
            }
            integer
        }
        Kind::Number => json!({"type": "number", "exclusiveMinimum": 0}),
        Kind::Factor => json!({"type": "number", "minimum": 1, "maximum": 1000}),
        Kind::Port => json!({"type": "integer", "minimum": 1, "maximum": 65535}),
        Kind::Duration => json!({
            "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+ *[a-z]+( *[0-9]+ *[a-z]+)*$"}],
            "examples": ["90s", "2m", "1h 30m"],
        }),
        Kind::Base64 => {
            json!({"type": "string", "contentEncoding": "base64", "pattern": "^[A-Za-z0-9+/]*={0,2}$"})
        }
        Kind::Texts { most, words } => {
            let item = if words.is_empty() { json!({"type": "string"}) } else { json!({"enum": words}) };
            list(&item, 0, most)
        }
        Kind::Environment => json!({"type": "object", "additionalProperties": {"type": "string"}}),
        Kind::Tags => json!({
            "type": "object",
            "maxProperties": TAGS_LIMIT,
            "propertyNames": {"minLength": 1, "maxLength": TAG_NAME_LIMIT},
            "additionalProperties": {"type": "string", "maxLength": TAG_VALUE_LIMIT},
        }),
        Kind::DefinedTags => json!({
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": {"type": ["string", "integer", "boolean"]},
            },
        }),
        Kind::FreeMap => json!({"type": "object"}),
        Kind::One(model) => reference(model, models),
        Kind::Many { of, least, most } => list(&reference(of, models), least, most),
        Kind::Refused(reason) => json!({"not": {}, "description": reason}),
    }
}

fn list(items: &Value, least: usize, most: usize) -> Value {
    let mut list = json!({"type": "array", "items": items});
    if least > 0 {
        list["minItems"] = json!(least);
    }
    if most < usize::MAX {
        list["maxItems"] = json!(most);
    }
    list
}

fn reference(model: &'static Model, models: &mut Models) -> Value {
    if !models.contains_key(model.title) {
        // The entry is made first, so that a model that contains itself would end.
        models.insert(model.title.to_owned(), Value::Null);
        let object = Value::Object(object(model, models));
        models.insert(model.title.to_owned(), object);
    }
    json!({"$ref": format!("#/$defs/{}", model.title)})
}
