//! `baton config show`.
use crate::config::{Given, masked, setting};
use crate::failure::Failure;
use crate::output::Output;
use serde_json::json;

/// Prints every setting with its value and origin; secrets are hidden.
pub(crate) fn show(given: &[Given], output: Output) -> Result<(), Failure> {
    let rows = given
        .iter()
        .map(|given| vec![given.key.to_owned(), masked(given), given.origin.to_string()]);
    let value: Vec<_> = given
        .iter()
        .map(|given| {
            let setting = setting::find(given.key);
            json!({
                "key": given.key,
                "value": masked(given),
                "origin": given.origin.to_string(),
                "variable": setting.map(setting::Setting::variable),
                "doc": setting.map(|setting| setting.doc),
            })
        })
        .collect();
    output.rows(&["SETTING", "VALUE", "ORIGIN"], rows.collect(), &value)
}
