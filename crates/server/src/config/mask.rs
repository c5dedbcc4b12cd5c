//! Secrets, hidden.
use super::setting;
use super::sources::Given;

const STARS: &str = "********";

/// The value as it may be shown: secrets whole, passwords within URLs in part, replaced by stars.
pub(crate) fn masked(given: &Given) -> String {
    if given.text.is_empty() {
        return String::new();
    }
    match setting::find(given.key) {
        Some(setting) if setting.secret => STARS.to_owned(),
        _ => mask_url(&given.text),
    }
}

/// A URL without its password, be it before the host or among the parameters.
pub(crate) fn mask_url(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    // The last @ before the path: a password may itself hold one.
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let at = rest[..authority_end].rfind('@').or_else(|| rest.rfind('@'));
    let shown = match at.map(|at| rest.split_at(at)) {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:{STARS}{host}"),
            None => rest.to_owned(),
        },
        None => rest.to_owned(),
    };
    format!("{scheme}://{}", mask_parameters(&shown))
}

fn mask_parameters(rest: &str) -> String {
    let Some((path, query)) = rest.split_once('?') else {
        return rest.to_owned();
    };
    let hide = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if name.to_lowercase().contains("password") => format!("{name}={STARS}"),
        _ => pair.to_owned(),
    };
    let query: Vec<String> = query.split('&').map(hide).collect();
    format!("{path}?{}", query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hidden_wherever_a_url_has_them() {
        for (url, shown) in [
            ("sqlite:baton.db", "sqlite:baton.db"),
            ("postgres://h/d", "postgres://h/d"),
            ("postgres://u@h/d", "postgres://u@h/d"),
            ("postgres://u:p@h:5432/d", "postgres://u:********@h:5432/d"),
            ("postgres://u:p@ss@h/d?a=b", "postgres://u:********@h/d?a=b"),
            ("postgres://u:a/b@h/d", "postgres://u:********@h/d"),
            ("postgres://h/d?user=u&password=p&x=1", "postgres://h/d?user=u&password=********&x=1"),
        ] {
            assert_eq!(mask_url(url), shown);
        }
    }
}
