//! The query string.
use super::excerpt;
use crate::error::Refusal;
use axum::extract::FromRequestParts;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::convert::Infallible;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The parameters of the query string, in order. An empty value counts as absent.
#[derive(Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl Params {
    /// Reads `a=1&b=x%20y+z`; bytes that are not UTF-8 become U+FFFD.
    pub(crate) fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self(pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(decoded).collect())
    }

    /// Every parameter with its value, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// A text; one that is repeated is joined by commas.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let mut values = self.values(name);
        let mut text = values.next()?.to_owned();
        for value in values {
            text.push(',');
            text.push_str(value);
        }
        Some(text)
    }

    /// A text that may not be left out.
    ///
    /// # Errors
    /// [`Refusal::MissingParameter`].
    pub(crate) fn required(&self, name: &'static str) -> Result<String, Refusal> {
        self.text(name).ok_or(Refusal::MissingParameter(name))
    }

    /// The members of a list, whether repeated or separated by commas, without blanks around.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let members = self.values(name).flat_map(|value| value.split(',')).map(str::trim);
        members.filter(|member| !member.is_empty()).map(str::to_owned).collect()
    }

    /// A truth value in any of the spellings that Conductor takes, in any case.
    ///
    /// # Errors
    /// [`Refusal::MistypedParameter`].
    pub(crate) fn flag(&self, name: &'static str, default: bool) -> Result<bool, Refusal> {
        let Some(value) = self.values(name).next() else { return Ok(default) };
        match value.trim().to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Ok(true),
            "false" | "off" | "no" | "0" => Ok(false),
            _ => Err(mistyped(name, value, "true or false")),
        }
    }

    /// A whole number of any kind.
    ///
    /// # Errors
    /// [`Refusal::MistypedParameter`].
    pub(crate) fn number<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, Refusal> {
        let Some(value) = self.values(name).next() else { return Ok(None) };
        let number = value.trim().parse();
        number.map(Some).map_err(|_| mistyped(name, value, "a whole number"))
    }

    /// A whole number within `bounds`.
    ///
    /// # Errors
    /// [`Refusal::MistypedParameter`], [`Refusal::ParameterOutOfRange`].
    pub(crate) fn bounded(
        &self,
        name: &'static str,
        default: usize,
        bounds: RangeInclusive<usize>,
    ) -> Result<usize, Refusal> {
        let Some(number) = self.number::<i64>(name)? else { return Ok(default) };
        let (least, most) = (*bounds.start(), *bounds.end());
        let within = usize::try_from(number).ok().filter(|number| bounds.contains(number));
        within.ok_or(Refusal::ParameterOutOfRange { name, least, most })
    }
}

fn mistyped(name: &'static str, value: &str, expected: &'static str) -> Refusal {
    Refusal::MistypedParameter { name, value: excerpt(value), expected }
}

fn decoded((name, value): (&str, &str)) -> (String, String) {
    (decoded_part(name), decoded_part(value))
}

fn decoded_part(part: &str) -> String {
    let spaced =
        if part.contains('+') { Cow::Owned(part.replace('+', " ")) } else { Cow::Borrowed(part) };
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_empty_ones_are_absent() {
        let params = Params::parse("q=a%20b%2Bc+d&empty=&bare&&x=%ff");
        assert_eq!(params.text("q").as_deref(), Some("a b+c d"));
        assert_eq!(params.text("x").as_deref(), Some("\u{fffd}"));
        for absent in ["empty", "bare", "nowhere"] {
            assert_eq!(params.text(absent), None, "{absent}");
        }
    }

    #[test]
    fn lists_are_repeated_or_separated_by_commas() {
        let params = Params::parse("s=A,%20B&s=C&s=,");
        assert_eq!(params.list("s"), ["A", "B", "C"]);
        assert_eq!(params.text("s").as_deref(), Some("A, B,C,,"));
        assert_eq!(Params::parse("").list("s"), Vec::<String>::new());
    }

    #[test]
    fn truth_has_many_spellings() {
        for (text, value) in [
            ("True", true),
            ("TRUE", true),
            ("on", true),
            ("Yes", true),
            ("1", true),
            ("False", false),
            ("off", false),
            ("NO", false),
            ("0", false),
            ("", true),
        ] {
            let params = Params::parse(&format!("flag={text}"));
            assert_eq!(params.flag("flag", true), Ok(value), "{text}");
        }
        assert!(Params::parse("flag=maybe").flag("flag", true).is_err());
    }

    #[test]
    fn numbers_have_bounds() {
        let params = Params::parse("a=7&b=-1&c=x&d=&e=99");
        assert_eq!(params.bounded("a", 1, 0..=10), Ok(7));
        assert_eq!(params.bounded("d", 1, 0..=10), Ok(1));
        for name in ["b", "c", "e"] {
            assert!(params.bounded(name, 1, 0..=10).is_err(), "{name}");
        }
        assert_eq!(params.number::<i64>("b"), Ok(Some(-1)));
    }
}
