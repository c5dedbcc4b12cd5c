//! What a script sees as `$`.
use super::stop::Stop;
use rquickjs::{Ctx, Function, Object, Value};

/// Functions that hold on to the engine's own objects, so that a script which replaces them
/// changes nothing here. An expression: it leaves no name behind.
const HELPERS: &str = include_str!("helpers.js");

/// Calls on Java's collections that old definitions make. Only a script that has one of them
/// sees an input that knows them; to all others it is plain.
const JAVA_CALLS: [&str; 8] = [
    ".get(",
    ".size()",
    ".containsKey(",
    ".isEmpty()",
    ".keySet()",
    ".values()",
    ".put(",
    ".contains(",
];

/// The helpers of a fresh engine.
pub(super) fn helpers<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>, Stop> {
    Ok(ctx.eval(HELPERS)?)
}

/// The input as a value of the engine.
pub(super) fn value<'js>(
    ctx: &Ctx<'js>,
    helpers: &Object<'js>,
    source: &str,
    input: &str,
) -> Result<Value<'js>, Stop> {
    let value = ctx.json_parse(input)?;
    if JAVA_CALLS.iter().any(|call| source.contains(call)) {
        let add_java_calls: Function<'js> = helpers.get("addJavaCalls")?;
        add_java_calls.call::<_, ()>((value.clone(),))?;
    }
    Ok(value)
}
