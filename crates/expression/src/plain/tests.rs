//! What is plain, and that it means the same as the engine says.
use super::*;
use crate::script::{Language, Script, ScriptLimits, evaluate};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

const INPUT: &str = r#"{"loop":{"iteration":2,"1":{"a":{}}},"n":5,"text":"big","empty":"","no":false,
"yes":true,"nil":null,"digits":"12","list":[1,"two",null,[4]],"map":{"a":{"b":-1.5}},"zero":0,
"far":"Zürich 🚀","long":9007199254740993,"length":3,"-1":"odd"}"#;

fn payload() -> Payload {
    Payload::parse(INPUT.to_owned()).unwrap()
}

fn plainly(source: &str) -> Option<String> {
    let value = Program::parse(source)?.evaluate(&payload())?;
    Some(value.get().to_owned())
}

fn by_the_engine(source: &str) -> Option<String> {
    let script =
        Script { language: Language::JavaScript, source: source.to_owned(), input: payload() };
    evaluate(&script, &ScriptLimits::default()).ok().map(|value| value.get().to_owned())
}

#[test]
fn conditions_of_the_field_are_plain() {
    for (source, value) in [
        ("$.loop['iteration'] < 3", "true"),
        ("$.loop.iteration < $.n", "true"),
        ("if ($.loop['iteration'] < $.n) { true; } else { false; }", "true"),
        ("if ($.n > 7) 'big'; else 'small'", r#""small""#),
        ("if ($.n > 7) { 'big' } else if ($.n > 4) { 'middle' }", r#""middle""#),
        ("if ($.no) { 1 } else {}", "null"),
        ("(function(){ return $.loop['iteration'] < 3 && $.yes !== true; })();", "false"),
        (
            "(function () {\n  if ($.text == 'STOP') {\n    return false;\n  }\n  return true;\n})();",
            "true",
        ),
        ("(function () {\n  if($.text!='x'){\n    return \"yes\"\n  }\n  }())\n", r#""yes""#),
        ("(function () {\n  return !!$.missing;\n  // later\n})();\n", "false"),
        ("(function () { if ($.n < 3) { return 'LOW'; } return 'HIGH'; })()", r#""HIGH""#),
        ("(() => $.list.length)()", "4"),
        ("(() => { return $.list[1] })()", r#""two""#),
        ("function e() { if ($.n > 3) { return true; } return false; } e();", "true"),
        ("$.n > 0 ? 'ready' : 'none'", r#""ready""#),
        ("$.list[$.loop.iteration - 1]", r#""two""#),
        ("$.text === 'big' || $.missing.deeper", "true"),
        ("$.text + ' and ' + $.n", r#""big and 5""#),
        ("null", "null"),
        ("(function () { $.n; })()", "null"),
    ] {
        assert_eq!(plainly(source).as_deref(), Some(value), "{source}");
        assert_eq!(by_the_engine(source).as_deref(), Some(value), "{source}");
    }
}

#[test]
fn what_could_mean_more_is_left_to_the_engine() {
    for source in [
        "",
        "$.n = 4",
        "$.n++",
        "$.list.map(x => x)",
        "$.map.toString",
        "$.map.a.constructor.constructor('return 1')()",
        "var x = 1; x",
        "x",
        "this.$",
        "`${$.n}`",
        "/a/",
        "$.n /= 2",
        "$.a <!-- $.b",
        "$.n\n--> 1",
        "$?.n",
        "$.n ?? 1",
        "$.n ** 2",
        "$.n << 2",
        "010",
        "1e3",
        "3n",
        "'a\\n'",
        "1; 2",
        "if ($.n) {}",
        "if ($.n) { 1; 2 }",
        "return 1",
        "(function (x) { return 1 })()",
        "(function () { return 1 })",
        "(function $() { return $ })()",
        "(function undefined() { return undefined })()",
        "$.missing.deeper",
        "$.map",
        "$.list == $.list",
        "$.long",
        "$.text.big",
        "$.nil.x",
        "({a: 1})",
        "[1]",
        "throw 1",
        "new Date()",
    ] {
        assert_eq!(plainly(source), None, "{source}");
    }
    let deep = format!("{}1{}", "(".repeat(100), ")".repeat(100));
    let long = format!("1{}", "+1".repeat(100));
    let names = format!("${}", ".a".repeat(100));
    for source in [deep, long, names, format!("'{}'", "a".repeat(SOURCE_BYTES_MAX))] {
        assert!(Program::parse(&source).is_none(), "{source}");
    }
    let large = Payload::parse(format!(r#"{{"a":"{}"}}"#, "b".repeat(READ_BYTES_MAX))).unwrap();
    assert!(Program::parse("$.a == 1").unwrap().evaluate(&large).is_none());
}

#[test]
fn a_program_says_which_members_it_reads() {
    let reads = |source: &str, first: &str| {
        let program = Program::parse(source).unwrap();
        program.members_of(first).map(|names| names.map(str::to_owned).collect::<Vec<_>>())
    };
    let some = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(reads("$.loop['iteration'] < $.n", "loop"), some(&["iteration"]));
    assert_eq!(reads("$.loop.iteration < $.loop['1'].a.b", "loop"), some(&["iteration", "1"]));
    assert_eq!(reads("$.n", "loop"), some(&[]));
    assert_eq!(reads("$.loop == null", "loop"), None);
    assert_eq!(reads("$.loop[$.n]", "loop"), None);
    assert_eq!(reads("$[$.n] == 1", "loop"), None);
    assert_eq!(reads("$ == 1", "loop"), None);
}

/// Words of scripts, put together at random: most of it is no script, and what is plain must mean
/// what the engine says. Also scripts made by the grammar, so that enough of them are.
#[test]
fn a_plain_script_means_what_the_engine_says() {
    let mut runner = TestRunner::new(Config { cases: 3_000, ..Config::default() });
    let answered = std::cell::Cell::new(0);
    let outcome = runner.run(&prop_oneof![1 => soup(), 3 => program()], |source| {
        if let Some(value) = plainly(&source) {
            answered.set(answered.get() + 1);
            prop_assert_eq!(by_the_engine(&source), Some(value), "{}", source);
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert!(answered.get() > 700, "only {} scripts were plain", answered.get());
}

fn soup() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "$",
        ".n",
        ".text",
        "['loop']",
        "[0]",
        ".iteration",
        "if",
        "(",
        ")",
        "{",
        "}",
        "else",
        "return",
        ";",
        "\n",
        "true",
        "null",
        "undefined",
        "1",
        "'a'",
        "\"\"",
        "+",
        "-",
        "*",
        "/",
        "%",
        "<",
        ">",
        "=",
        "==",
        "===",
        "!",
        "!=",
        "&&",
        "||",
        "?",
        ":",
        "typeof ",
        "function ",
        "e",
        "()",
        "=>",
        "//",
        "/*",
        "*/",
        ".",
        ",",
        "[",
        "]",
        " ",
        "0.5",
        "{}",
        "in",
        "\\",
    ]);
    prop::collection::vec(words, 1..9).prop_map(|words| words.join(""))
}

fn program() -> impl Strategy<Value = String> {
    (expression(), expression(), expression(), 0..7_u8).prop_map(|(a, b, c, form)| match form {
        0 => format!("if ({a}) {{ {b}; }} else {{ {c}; }}"),
        1 => format!("(function () {{ if ({a}) {{ return {b}; }} return {c} }})()"),
        2 => format!("if ({a}) {b}"),
        3 => format!("(() => {a} ? {b} : {c})();"),
        4 => format!("function f() {{\n {a}\n if ({b})\n return {c}\n }} f()"),
        _ => a,
    })
}

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "$.n",
        "$.text",
        "$.empty",
        "$.no",
        "$.yes",
        "$.nil",
        "$.digits",
        "$.list",
        "$.list[1]",
        "$.list[-1]",
        "$.list['0']",
        "$.list[7]",
        "$.list.length",
        "$.map",
        "$.map.a.b",
        "$.zero",
        "$.far",
        "$.far.length",
        "$.loop['iteration']",
        "$.missing",
        "$['-1']",
        "$[-1]",
        "$.length",
        "0",
        "1",
        "2.50",
        "15",
        "'5'",
        "''",
        "'b'",
        "\"big\"",
        "true",
        "false",
        "null",
        "undefined",
        "'-0.5'",
        "'x1'",
        "$.long",
        "0.1",
        "123456789012",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 12, 3, |inner| {
        let operator = prop::sample::select(vec![
            "==", "!=", "===", "!==", "<", ">", "<=", ">=", "+", "-", "*", "/", "%", "&&", "||",
        ]);
        prop_oneof![
            4 => (inner.clone(), operator.clone(), inner.clone())
                .prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
            2 => (inner.clone(), operator, inner.clone())
                .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            1 => (prop::sample::select(vec!["!", "-", "+ ", "typeof ", "!!"]), inner.clone())
                .prop_map(|(operator, of)| format!("{operator}{of}")),
            1 => (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}
