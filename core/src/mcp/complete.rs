//! `completion/complete`: what is half typed must be an argument of something that this surface offers.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    Partial, Reference, Surface,
    feature::{object, text, texts},
    plan::Work,
    protocol_error::ProtocolError,
};

pub(super) fn complete<S: Surface>(surface: &S, mut params: Map<String, Value>) -> Result<Work, ProtocolError> {
    let (of, arguments) = reference(surface, params.get("ref").unwrap_or(&Value::Null))?;
    let mut argument = object(params.remove("argument"), "argument")?;
    let (name, value) = (text(&mut argument, "name")?, text(&mut argument, "value")?);
    if !arguments.contains(&name.as_str()) {
        return Err(ProtocolError::invalid_params("unknown argument; its prompt or template names them all"));
    }
    let settled = match params.remove("context") {
        None | Some(Value::Null) => BTreeMap::new(),
        Some(Value::Object(mut context)) => texts(context.remove("arguments"), "context.arguments")?,
        Some(_) => return Err(ProtocolError::invalid_params("`context` must be an object")),
    };
    Ok(Work::Complete(Partial { of, name, value, settled }))
}

/// What is referred to, and the names of its arguments.
fn reference<'a, S: Surface>(surface: &'a S, of: &Value) -> Result<(Reference, Vec<&'a str>), ProtocolError> {
    let features = surface.features();
    let get = |key: &str| of.get(key).and_then(Value::as_str).map(str::to_owned);
    match (get("type").as_deref(), get("name"), get("uri")) {
        (Some("ref/prompt"), Some(name), _) if features.prompts => {
            let prompt = surface.prompts().iter().find(|prompt| prompt.name == name);
            let prompt = prompt.ok_or_else(ProtocolError::no_prompt)?;
            Ok((Reference::Prompt(name), prompt.arguments.iter().map(|argument| argument.name.as_str()).collect()))
        }
        (Some("ref/resource"), _, Some(uri)) if features.resources => {
            let template = surface.resource_templates().iter().find(|template| template.uri_template == uri);
            let template = template.ok_or_else(ProtocolError::no_template)?;
            Ok((Reference::Template(uri), variables(&template.uri_template).collect()))
        }
        _ => Err(ProtocolError::invalid_params("`ref` must name a prompt (`ref/prompt`) or template (`ref/resource`)")),
    }
}

/// The variables of a template, whatever its operators and modifiers (RFC 6570).
fn variables(template: &str) -> impl Iterator<Item = &str> {
    let expressions = template.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    let lists = expressions.map(|(expression, _)| expression.trim_start_matches(['+', '#', '.', '/', ';', '?', '&']));
    lists.flat_map(|list| list.split(',')).map(|variable| {
        let (name, _) = variable.split_once(':').unwrap_or((variable, ""));
        name.trim_end_matches('*')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_in_every_form_of_a_template() {
        for (template, wanted) in [
            ("x://{target}/all/{id}/more", vec!["target", "id"]),
            ("x://all", vec![]),
            ("x:{+path}{/more*}{?from,to:3}", vec!["path", "more", "from", "to"]),
            ("x:{open", vec![]),
        ] {
            assert_eq!(variables(template).collect::<Vec<_>>(), wanted, "{template}");
        }
    }
}
