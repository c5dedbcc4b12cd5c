//! Where values come from: flags before environment before file before default.
use super::setting::{self, SETTINGS, Setting};
use std::collections::BTreeMap;
use std::fmt;

/// Who gave a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag of this call.
    Flag,
    /// An environment variable of this name.
    Environment(String),
    /// The file at this path.
    File(String),
    /// Nobody.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => formatter.write_str("flag"),
            Self::Environment(name) => write!(formatter, "environment {name}"),
            Self::File(path) => write!(formatter, "file {path}"),
            Self::Default => formatter.write_str("default"),
        }
    }
}

/// Everything that was given, before it is read.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// Flags by key.
    pub(crate) flags: BTreeMap<String, String>,
    /// The whole environment.
    pub(crate) environment: BTreeMap<String, String>,
    /// Path and text of the file.
    pub(crate) file: Option<(String, String)>,
}

/// One value as text, with its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// Which setting.
    pub(crate) key: &'static str,
    /// Its text; empty = none.
    pub(crate) text: String,
    /// Who gave it.
    pub(crate) origin: Origin,
}

impl Sources {
    /// The value of every setting.
    ///
    /// # Errors
    /// Every unknown key and unreadable value at once.
    pub(crate) fn resolve(&self) -> Result<Vec<Given>, Vec<String>> {
        let (file, mut faults) = self.read_file();
        faults.extend(self.unknown_variables());
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(SETTINGS.iter().map(|setting| self.given(setting, &file)).collect())
    }

    fn given(&self, setting: &Setting, file: &BTreeMap<String, String>) -> Given {
        let variable = setting.variable();
        let (text, origin) = if let Some(text) = self.flags.get(setting.key) {
            (text.clone(), Origin::Flag)
        } else if let Some(text) = self.environment.get(&variable) {
            (text.clone(), Origin::Environment(variable))
        } else if let Some(text) = file.get(setting.key) {
            let path = self.file.as_ref().map(|(path, _)| path.clone()).unwrap_or_default();
            (text.clone(), Origin::File(path))
        } else {
            (setting.default.to_owned(), Origin::Default)
        };
        Given { key: setting.key, text, origin }
    }

    fn read_file(&self) -> (BTreeMap<String, String>, Vec<String>) {
        let (mut values, mut faults) = (BTreeMap::new(), Vec::new());
        let Some((path, text)) = &self.file else {
            return (values, faults);
        };
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => return (values, vec![format!("{path} is not TOML: {error}")]),
        };
        for (key, value) in table {
            if setting::find(&key).is_none() {
                faults.push(format!("{path}: unknown setting `{key}`{}", suggestion(&key)));
            } else if let Some(text) = text_of(&value) {
                values.insert(key, text);
            } else {
                faults.push(format!(
                    "{path}: `{key}` must be text, a number, a truth value or a list"
                ));
            }
        }
        (values, faults)
    }

    /// Variables that begin with BATON_ and name no setting, but for those that Kubernetes makes for
    /// a service of that name.
    fn unknown_variables(&self) -> Vec<String> {
        let known: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
        let ours = self.environment.keys().filter(|name| !known.contains(name));
        let keys = ours.filter_map(|name| Some((name, name.strip_prefix("BATON_")?)));
        keys.filter(|(name, _)| !is_of_a_service(name))
            .map(|(name, key)| {
                let meant = setting::nearest(key).and_then(setting::find).map(Setting::variable);
                let meant = meant.map(|meant| format!("; did you mean {meant}?"));
                format!("unknown environment variable {name}{}", meant.unwrap_or_default())
            })
            .collect()
    }
}

/// As BATON_SERVICE_HOST, BATON_PORT, BATON_PORT_8080_TCP_ADDR. **Source**: Kubernetes, "Discovering
/// services".
fn is_of_a_service(name: &str) -> bool {
    let port = name.split_once("_PORT_").map(|(_, rest)| rest);
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || port.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

fn suggestion(key: &str) -> String {
    setting::nearest(key).map(|known| format!("; did you mean `{known}`?")).unwrap_or_default()
}

fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        toml::Value::Array(items) => {
            items.iter().map(text_of).collect::<Option<Vec<_>>>().map(|texts| texts.join(","))
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(flags: &[(&str, &str)], environment: &[(&str, &str)], file: &str) -> Sources {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let file = Some(("baton.toml".to_owned(), file.to_owned()));
        Sources { flags: map(flags), environment: map(environment), file }
    }

    fn one(sources: &Sources, key: &str) -> (String, String) {
        let given = sources.resolve().unwrap();
        let found = given.into_iter().find(|given| given.key == key).unwrap();
        (found.text, found.origin.to_string())
    }

    #[test]
    fn flags_come_before_environment_before_file_before_default() {
        let file = "listen = '1:1'\nhttp-slots = 5\ncommand-programs = ['/bin/a', '/bin/b']";
        let environment = [("BATON_LISTEN", "2:2")];
        let all = sources(&[("listen", "3:3")], &environment, file);
        let text = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
        assert_eq!(one(&all, "listen"), text("3:3", "flag"));
        let fewer = sources(&[], &environment, file);
        assert_eq!(one(&fewer, "listen"), text("2:2", "environment BATON_LISTEN"));
        assert_eq!(one(&fewer, "http-slots"), text("5", "file baton.toml"));
        assert_eq!(one(&fewer, "command-programs"), text("/bin/a,/bin/b", "file baton.toml"));
        assert_eq!(one(&fewer, "drain-ms"), text("10000", "default"));
    }

    #[test]
    fn unknown_keys_are_refused_with_a_suggestion_all_at_once() {
        let wrong = sources(
            &[],
            &[
                ("BATON_LISTN", "x"),
                ("BATON_COLOUR", "red"),
                ("BATON_SERVICE_HOST", "10.0.0.1"),
                ("BATON_PORT_8080_TCP_ADDR", "10.0.0.1"),
                ("HOME", "/"),
            ],
            "listn = 'x'\ncolour = 'red'\nsamples = 1.5",
        );
        assert_eq!(
            wrong.resolve().unwrap_err(),
            [
                "baton.toml: unknown setting `colour`",
                "baton.toml: unknown setting `listn`; did you mean `listen`?",
                "baton.toml: `samples` must be text, a number, a truth value or a list",
                "unknown environment variable BATON_COLOUR",
                "unknown environment variable BATON_LISTN; did you mean BATON_LISTEN?",
            ]
        );
        assert!(sources(&[], &[], "listen = ").resolve().unwrap_err()[0].contains("is not TOML"));
    }
}
