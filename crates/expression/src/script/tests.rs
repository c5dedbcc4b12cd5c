//! What scripts see and what becomes of their results, as Conductor does it.
use super::*;

const INPUT: &str = r#"{"a":1,"n":9007199254740993,"x":null,"m":{"a":1,"b":"x"},"l":[1,{"a":null},"x"],
"s":"Hello World","big":123456789012345678901234567890,"int":1,"yes":true,"d":3.0}"#;

fn run(language: Language, source: &str) -> Result<String, ScriptError> {
    let input = Payload::parse(INPUT.to_owned()).unwrap();
    let script = Script { language, source: source.to_owned(), input };
    evaluate(&script, &ScriptLimits::default()).map(|result| result.get().to_owned())
}

fn check(language: Language, cases: &[(&str, &str)]) {
    for (source, expected) in cases {
        let result = run(language, source).unwrap_or_else(|error| format!("ERROR {error}"));
        assert_eq!(result, *expected, "{source}");
    }
}

#[test]
fn the_value_of_the_last_expression_is_the_result() {
    check(
        Language::JavaScript,
        &[
            ("$.a * 21", "21"),
            ("var x = 1; let y = 2; const z = 3; x + y + z", "6"),
            ("var x = 5;", "null"),
            ("if ($.a < 3) { true; } else { false; }", "true"),
            ("(function(){ return $.a; })()", "1"),
            ("function e() { return {r: $.m.a}; } e();", r#"{"r":1}"#),
            ("'a' + 1", r#""a1""#),
            ("[1, 'two', {three: 3}]", r#"[1,"two",{"three":3}]"#),
            ("({z: [1, [2, {y: [{}, []]}]]})", r#"{"z":[1,[2,{"y":[{},[]]}]]}"#),
            (
                "$",
                &Payload::parse(INPUT.to_owned())
                    .unwrap()
                    .get()
                    .replace(['\n', ' '], "")
                    .replace("HelloWorld", "Hello World")
                    .replace("3.0", "3"),
            ),
        ],
    );
}

#[test]
fn numbers_come_back_as_conductor_writes_them() {
    check(
        Language::JavaScript,
        &[
            ("7.0", "7"),
            ("10 / 4", "2.5"),
            ("10 / 5", "2"),
            ("-0", "-0.0"),
            ("0.1 + 0.2", "0.30000000000000004"),
            ("0 / 0", r#""NaN""#),
            ("[Infinity, -Infinity]", r#"["Infinity","-Infinity"]"#),
            ("2147483648", "2147483648"),
            ("-2147483649", "-2147483649"),
            ("9007199254740993", "9007199254740993"),
            ("Math.pow(2, 63)", "9.223372036854776E18"),
            ("1e21", "1.0E21"),
            ("1e-7", "1.0E-7"),
            ("5n", "5.0"),
            ("$.n", "9007199254740993"),
            (
                "({n: $.n, big: $.big})",
                r#"{"n":9007199254740993,"big":123456789012345678901234567890}"#,
            ),
            ("String(1 / 3) + String(1e21)", r#""0.33333333333333331e+21""#),
        ],
    );
}

#[test]
fn what_json_does_not_know_becomes_null_or_an_empty_map() {
    check(
        Language::JavaScript,
        &[
            ("undefined", "null"),
            (
                "({a: null, b: undefined, c: [null, undefined, , 1]})",
                r#"{"a":null,"b":null,"c":[null,null,null,1]}"#,
            ),
            ("new Date(0)", "{}"),
            ("(function () { return 1; })", "{}"),
            ("({f: () => 1, x: 2})", r#"{"f":{},"x":2}"#),
            ("Promise.resolve(5)", "{}"),
            ("Symbol('x')", "{}"),
            (
                "({m: new Map([['a', 1], [2, {b: 3}]]), s: new Set([1]), r: /x/g, e: new Error('no')})",
                r#"{"m":{"a":1,"2":{"b":3}},"s":{},"r":{},"e":{}}"#,
            ),
            ("new Uint8Array([1, 2])", "[1,2]"),
            ("'\\ud800'", "\"\u{fffd}\""),
            ("({['\\ud800']: 1})", "{\"\u{fffd}\":1}"),
        ],
    );
}

#[test]
fn the_input_is_plain_javascript() {
    check(
        Language::JavaScript,
        &[
            (
                "[JSON.stringify($.m), Object.keys($.m), 'a' in $.m]",
                r#"["{\"a\":1,\"b\":\"x\"}",["a","b"],true]"#,
            ),
            ("Object.assign({}, $.m).a", "1"),
            (
                "(function () { $.a = 2; $.added = true; delete $.m.a; return [$.a, $.added, $.m]; })()",
                r#"[2,true,{"b":"x"}]"#,
            ),
            (
                "[typeof $.int, typeof $.s, typeof $.yes, typeof $.x, typeof $.l, typeof $.missing]",
                r#"["number","string","boolean","object","object","undefined"]"#,
            ),
            ("[Array.isArray($.l), $.l instanceof Array, $.x === null]", "[true,true,true]"),
            (
                "({a: $.x?.y?.z ?? 'none', g: 'ab12'.match(/(?<n>\\d+)/).groups.n, e: 'a-b'.replaceAll('-', '+'), f: [3, 1].at(-1)})",
                r#"{"a":"none","g":"12","e":"a+b","f":1}"#,
            ),
            ("$.get === undefined && $.size === undefined", "true"),
        ],
    );
}

#[test]
fn calls_of_java_collections_work_for_scripts_that_make_them() {
    check(
        Language::JavaScript,
        &[
            ("({size: $.l.size(), get: $.m.get('a')})", r#"{"size":3,"get":1}"#),
            (
                "[$.m.containsKey('zz'), $.m.size(), $.get('nope'), $.m.keySet().contains('a')]",
                "[false,2,null,true]",
            ),
            ("JSON.stringify($.m) + $.m.isEmpty()", r#""{\"a\":1,\"b\":\"x\"}false""#),
        ],
    );
}

#[test]
fn a_script_reaches_nothing_outside() {
    check(
        Language::JavaScript,
        &[(
            "[typeof console, typeof print, typeof load, typeof require, typeof process, typeof std, typeof os].join()",
            r#""undefined,undefined,undefined,undefined,undefined,undefined,undefined""#,
        )],
    );
}

#[test]
fn errors_are_told_in_conductors_words() {
    for (source, expected) in [
        ("throw new Error('my words')", "Error evaluating the script `Error: my words`"),
        (
            "(function () { throw new TypeError('t'); })()",
            "Error evaluating the script `TypeError: t`",
        ),
        ("throw Error('no new')", "Error evaluating the script `Error: no new`"),
        ("throw 'just text'", "Error evaluating the script `just text` at line 1"),
        (
            "nothere + 1",
            "Error evaluating the script `ReferenceError: nothere is not defined` at line 1",
        ),
        (
            "\n$.missing.deeper",
            "Error evaluating the script `TypeError: Cannot read property 'deeper' of undefined` at line 2",
        ),
        (
            "Java.type('java.lang.System')",
            "Error evaluating the script `ReferenceError: Java is not defined` at line 1",
        ),
    ] {
        assert_eq!(run(Language::JavaScript, source).unwrap_err().to_string(), expected);
    }
    for source in ["1 +* 2", "return 5;", "("] {
        let error = run(Language::JavaScript, source).unwrap_err().to_string();
        assert!(error.starts_with("Error evaluating the script `SyntaxError: "), "{error}");
        assert!(error.ends_with("at line 1"), "{error}");
    }
}

#[test]
fn javascript_keeps_to_its_limits() {
    let limits =
        ScriptLimits { memory_bytes: 8 << 20, output_bytes: 10_000, ..ScriptLimits::default() };
    let evaluate = |source: &str, time_ms: u64| {
        let limits = ScriptLimits { time_ms, ..limits };
        let input = Payload::empty_object();
        let script = Script { language: Language::JavaScript, source: source.to_owned(), input };
        evaluate(&script, &limits).unwrap_err()
    };
    for source in [
        "while (true) {}",
        "try { while (true) {} } catch (e) { 1 }",
        "/^(a+)+$/.test('a'.repeat(40) + 'b')",
        "({get a() { while (true) {} }})",
    ] {
        assert_eq!(evaluate(source, 200), ScriptError::TimedOut { limit_ms: 200 }, "{source}");
    }
    for source in [
        "var a = []; while (true) a.push('x'.repeat(1000) + a.length)",
        "'x'.repeat(100000)",
        "var a = {}; a.a = a; a",
        "new Array(4294967295)",
    ] {
        let error = evaluate(source, 60_000);
        assert!(matches!(error, ScriptError::LimitExceeded { .. }), "{source}: {error}");
    }
    for source in ["(function f() { f(); })()", &"(".repeat(20_000)] {
        let error = evaluate(source, 60_000);
        assert!(matches!(error, ScriptError::Failed { .. }), "{error}");
    }
}

#[test]
fn jq_gives_the_list_of_all_results() {
    check(
        Language::Jq,
        &[
            (".a + 1", "[2]"),
            (".l[]", r#"[1,{"a":null},"x"]"#),
            ("empty", "[]"),
            (".missing", "[null]"),
            (".n", "[9007199254740993]"),
            (".d, .big", "[3.0,123456789012345678901234567890]"),
            (
                "[1, 1.0, 2.5, (10 / 4), (10 / 5), (7 % 3), 1e3, -0, 9007199254740993, 3000000000, (1 / 3)]",
                "[[1,1.0,2.5,2.5,2,1,1000.0,0,9007199254740993,3000000000,0.3333333333333333]]",
            ),
            (
                r#"[(.s | ascii_downcase), (.s | split(" ")), (.s | test("W")), (.s | length), (.s | ltrimstr("Hello ")), (.s | explode | length), (.s | @base64), ([1, "a"] | @csv), (.s | sub("World"; "you"))]"#,
                r#"[["hello world",["Hello","World"],true,11,"World",11,"SGVsbG8gV29ybGQ=","1,\"a\"","Hello you"]]"#,
            ),
            (
                r#"{r: (reduce (1,2,3) as $x (0; . + $x)), i: (if 1 > 5 then "a" elif 1 > 0 then "b" else "c" end), t: (try error("x") catch .), alt: (.zz // "none"), lim: [limit(2; (1,2,3))], d: (def f(x): x * 2; f(4))}"#,
                r#"[{"r":6,"i":"b","t":"x","alt":"none","lim":[1,2],"d":8}]"#,
            ),
            (
                "[(.m | to_entries), (.m | with_entries(.value |= tostring)), ([{a: 2}, {a: 1}, {a: 2}] | group_by(.a)), ([1, 1, 2] | unique), [.m | paths]]",
                r#"[[[{"key":"a","value":1},{"key":"b","value":"x"}],{"a":"1","b":"x"},[[{"a":1}],[{"a":2},{"a":2}]],[1,2],[["a"],["b"]]]]"#,
            ),
            ("{b: 1, a: 2} | keys, keys_unsorted", r#"[["a","b"],["a","b"]]"#),
            ("env", "[{}]"),
            (
                "[.m | leaf_paths], (.m.a | IN(1, 2)), ([{id: 7}] | INDEX(.id))",
                r#"[[["a"],["b"]],true,{"7":{"id":7}}]"#,
            ),
            ("[{a: [1]} | tostream]", r#"[[[["a",0],1],[["a",0]],[["a"]]]]"#),
            (
                r#"["a\"b", 1.5, null, true] | @csv, @tsv"#,
                r#"["\"a\"\"b\",1.5,,true","a\"b\t1.5\t\ttrue"]"#,
            ),
            (r#"["a\tb\\c"] | @tsv"#, r#"["a\\tb\\\\c"]"#),
            ("nan, infinite", "[null,1.7976931348623157E308]"),
        ],
    );
}

#[test]
fn jq_errors_are_told_in_jqs_words() {
    for (source, expected) in [
        (".a + .s", "number (1) and string (\"Hello World\") cannot be added"),
        ("nosuch(1)", "Function nosuch/1 does not exist"),
        (".a[]", "Cannot iterate over number (1)"),
        (".x[]", "Cannot iterate over null"),
        (".a.b", "Cannot index number with \"b\""),
        ("error(\"mine\")", "mine"),
        ("error({a: 1})", "{\"a\":1}"),
    ] {
        assert_eq!(run(Language::Jq, source).unwrap_err().to_string(), expected, "{source}");
    }
    let error = run(Language::Jq, ".a | | .b").unwrap_err().to_string();
    assert!(error.starts_with("Encountered \"|"), "{error}");
    assert!(error.contains("at line 1, column 6"), "{error}");
    for source in ["halt", "input", "\"$ENV\" | $ENV", "halt_error", "include \"x\"; ."] {
        assert!(matches!(run(Language::Jq, source), Err(ScriptError::Failed { .. })), "{source}");
    }
}

#[test]
fn syntax_is_checked_without_running() {
    for source in ["$.a", "while (true) {}", "function f() {}", "let a = 1; a", "throw 1", "// c"] {
        assert_eq!(syntax_error(Language::JavaScript, source), None, "{source}");
    }
    for source in ["1 +* 2", "return 5;", "}", "let a; let a;"] {
        assert!(syntax_error(Language::JavaScript, source).is_some(), "{source}");
    }
    assert_eq!(syntax_error(Language::Jq, ".a | length"), None);
    assert!(syntax_error(Language::Jq, ".a | | .b").is_some());
    assert!(syntax_error(Language::Jq, &"(".repeat(20_000)).is_some());
}

/// Goal: what is exactly at a limit passes, and one more is an error with the limit's name, in both
/// languages. Method: each result is produced under its own size as the limit, then under one less.
#[test]
fn results_may_be_as_large_and_as_deep_as_their_limits() {
    let run = |language, source: &str, limits: &ScriptLimits| {
        let input = Payload::empty_object();
        evaluate(&Script { language, source: source.to_owned(), input }, limits)
    };
    for (language, source) in [
        (Language::JavaScript, "'x'.repeat(1000)"),
        (Language::JavaScript, "[1, 'two', {three: [3, null]}]"),
        (Language::JavaScript, "new Map([['a\\n', 1]])"),
        (Language::JavaScript, "'\\u0001'.repeat(10)"),
        (Language::JavaScript, "[[[]]]"),
        (Language::Jq, "1, 2, 3"),
        (Language::Jq, "\"x\" * 1000"),
        (Language::Jq, "{a: [1, {b: null}]}"),
        (Language::Jq, "empty"),
    ] {
        let whole = run(language, source, &ScriptLimits::default()).unwrap();
        let limits = |output_bytes| ScriptLimits { output_bytes, ..ScriptLimits::default() };
        assert_eq!(
            run(language, source, &limits(whole.len_bytes())),
            Ok(whole.clone()),
            "{source}"
        );
        let limit = whole.len_bytes() - 1;
        let error = ScriptError::limit("the result", limit, "bytes");
        assert_eq!(run(language, source, &limits(limit)), Err(error), "{source}");
    }
    let deep = |levels: usize| {
        format!("var a = []; for (var i = 1; i < {levels}; i++) a = i % 2 ? [a] : {{a: a}}; a")
    };
    let deep_jq = |levels: usize| format!("reduce range({levels} - 1) as $i ([]; [.])");
    let error = ScriptError::limit("the result's nesting", 1_000, "levels");
    for (language, fits, over) in [
        (Language::JavaScript, deep(1_000), deep(1_001)),
        (Language::Jq, deep_jq(1_000), deep_jq(1_001)),
    ] {
        assert!(run(language, &fits, &ScriptLimits::default()).is_ok());
        assert_eq!(run(language, &over, &ScriptLimits::default()), Err(error.clone()));
    }
}

#[test]
fn programs_inputs_and_messages_are_limited_by_name() {
    let limits = ScriptLimits {
        source_bytes: 100,
        input_bytes: 1_000,
        message_bytes: 200,
        ..ScriptLimits::default()
    };
    let run = |language, source: String, input: String| {
        let input = Payload::parse(input).unwrap();
        evaluate(&Script { language, source, input }, &limits)
    };
    let over = |what, limit| Err(ScriptError::limit(what, limit, "bytes"));
    let input = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    let roomy = ScriptLimits { input_bytes: 10_000, ..limits };
    for language in [Language::JavaScript, Language::Jq] {
        let program = |bytes: usize| format!("1{}", " ".repeat(bytes - 1));
        assert!(run(language, program(100), input(1_000)).is_ok());
        assert_eq!(run(language, program(101), input(1_000)), over("the program", 100));
        assert_eq!(run(language, program(100), input(1_001)), over("the input", 1_000));
        let deep = |levels| {
            let input = Payload::parse(nested(levels)).unwrap();
            evaluate(&Script { language, source: "1".to_owned(), input }, &roomy)
        };
        assert!(deep(1_000).is_ok());
        let error = ScriptError::limit("the input's nesting", 1_000, "levels");
        assert_eq!(deep(1_001), Err(error));
    }
    let message = |length: usize| format!("throw new Error('e'.repeat({length}))");
    let full = run(Language::JavaScript, message(153), input(10)).unwrap_err().to_string();
    assert_eq!(full.len(), 200);
    let beyond = run(Language::JavaScript, message(154), input(10));
    assert_eq!(beyond, over("the error's message", 200));
    let jq = |length: usize| format!("error(\"e\" * {length})");
    assert!(matches!(run(Language::Jq, jq(200), input(10)), Err(ScriptError::Failed { .. })));
    assert_eq!(run(Language::Jq, jq(201), input(10)), over("the error's message", 200));
}

/// Goal: jq programs give what jq gives. Method: answers of the real program, recorded: a line with the
/// program, a line with the list of its results.
#[test]
fn jq_answers_as_the_real_program_does() {
    let input = r#"{"d":{"rows":[{"g":"a","k":"x","v":1},{"g":"b","k":"y","v":2}],"l":[1,2,3],
        "p":{"name":"Zoe"}}}"#;
    let input = Payload::parse(input.to_owned()).unwrap();
    let lines: Vec<&str> = include_str!("jq_answers.txt").lines().collect();
    let mut wrong = Vec::new();
    for pair in lines.chunks_exact(2) {
        let (source, expected) = (pair[0].to_owned(), pair[1].trim());
        let script = Script { language: Language::Jq, source, input: input.clone() };
        let result = evaluate(&script, &ScriptLimits::default());
        let result = result.map_or_else(|error| error.to_string(), |value| value.get().to_owned());
        if canonical(&result) != canonical(expected) {
            wrong.push(format!("{}\n  {result}\n  instead of {expected}", pair[0]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// JSON with its members sorted and its numbers as doubles; other text as it is.
fn canonical(json: &str) -> String {
    fn doubles(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Number(number) => *value = number.as_f64().into(),
            serde_json::Value::Array(elements) => elements.iter_mut().for_each(doubles),
            serde_json::Value::Object(members) => {
                members.sort_keys();
                members.values_mut().for_each(doubles);
            }
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::String(_) => {
            }
        }
    }
    let Ok(mut value) = serde_json::from_str(json) else { return json.to_owned() };
    doubles(&mut value);
    value.to_string()
}

#[test]
fn jq_programs_that_nest_too_deep_are_refused() {
    assert_eq!(run(Language::Jq, "- - 1").unwrap(), "[1]");
    let signs = ["-", "try ", "1|", "1,", ".a=", ".|=", "if . then 1 elif ", ". as $x|"];
    for repeated in signs {
        let times = |times: usize| run(Language::Jq, &(repeated.repeat(times) + "1"));
        let error = times(4_097).unwrap_err().to_string();
        assert!(error.contains("4096 operators"), "{error}");
        let _ = times(1_300);
    }
    let source = "-".repeat(16 * 1024) + "1";
    assert!(syntax_error(Language::Jq, &source).unwrap().contains("operators"));
}
