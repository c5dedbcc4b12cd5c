//! Bodies of forms.
use baton_common::Payload;
use indexmap::IndexMap;

/// The content type whose body is pairs of names and values.
const FORM: &str = "application/x-www-form-urlencoded";

/// Whether bodies of this content type are forms.
pub(super) fn is_form(content_type: &str) -> bool {
    essence(content_type).eq_ignore_ascii_case(FORM)
}

/// Whether bodies of this content type are in parts.
pub(super) fn is_multipart(content_type: &str) -> bool {
    essence(content_type).to_ascii_lowercase().starts_with("multipart/")
}

fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// An object as a form: its members in their order, a list as a field for each of its elements, null
/// as no field. Numbers keep their spelling.
///
/// # Errors
/// What cannot be a field, by its place.
pub(super) fn encode(body: &Payload) -> Result<String, String> {
    let members: IndexMap<String, Payload> = serde_json::from_str(body.get())
        .map_err(|_| format!("a body that is sent as {FORM} must be a text or an object"))?;
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &members {
        let elements: Vec<Payload> = match value.get().as_bytes().first() {
            Some(b'[') => serde_json::from_str(value.get()).unwrap_or_default(),
            _ => vec![value.clone()],
        };
        for element in elements.iter().filter(|element| !element.is_null()) {
            if matches!(element.get().as_bytes().first(), Some(b'{' | b'[')) {
                return Err(format!("body.{name}: a field of a form is a text, number or boolean"));
            }
            let text = serde_json::from_str::<String>(element.get());
            form.append_pair(name, &text.unwrap_or_else(|_| element.get().to_owned()));
        }
    }
    Ok(form.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(json: &str) -> Result<String, String> {
        encode(&Payload::parse(json.to_owned()).unwrap())
    }

    #[test]
    fn an_object_becomes_fields() {
        let sent =
            r#"{"grant_type":"client_credentials","scope":"a b&c","n":5.10,"t":true,"é":""}"#;
        let fields = "grant_type=client_credentials&scope=a+b%26c&n=5.10&t=true&%C3%A9=";
        assert_eq!(form(sent).as_deref(), Ok(fields));
        assert_eq!(form(r#"{"a":[1,"x",null],"b":null,"c":[]}"#).as_deref(), Ok("a=1&a=x"));
        assert_eq!(form("{}").as_deref(), Ok(""));
    }

    #[test]
    fn what_is_no_field_is_refused_by_its_name() {
        assert!(form(r#"{"a":1,"b":{"c":1}}"#).unwrap_err().starts_with("body.b: "));
        assert!(form(r#"{"a":[[1]]}"#).unwrap_err().starts_with("body.a: "));
        assert!(form("[1]").unwrap_err().contains("must be a text or an object"));
    }

    #[test]
    fn content_types_are_compared_without_their_parameters() {
        assert!(is_form("Application/X-WWW-Form-Urlencoded ; charset=utf-8"));
        assert!(!is_form("application/json") && !is_form(""));
        assert!(is_multipart("multipart/form-data; boundary=x") && !is_multipart("text/plain"));
    }
}
