//! The contract of `${…}`, line by line, against one document.
use super::*;

/// An execution with one task `t1`; `workflow.input` is given by the test.
struct Execution(&'static str);

const TASK_FIELDS: &[&str] = &["input", "output", "status", "startTime"];
const WORKFLOW_FIELDS: &[&str] = &["input", "output", "workflowId", "variables"];

impl Scope for Execution {
    fn field(&self, root: &str, field: &str) -> Option<Document<'_>> {
        Some(Document::from(match (root, field) {
            ("workflow", "input") => self.0,
            ("workflow", "output") | ("t1", "input") => "{}",
            ("workflow", "variables") => r#"{"v":[1]}"#,
            ("workflow", "workflowId") => r#""wf-1""#,
            ("t1", "output") => r#"{"n":7,"list":[1,2]}"#,
            ("t1", "status") => r#""COMPLETED""#,
            ("t1", "startTime") => "1600000000000",
            ("my-task", "output") => r#"{"x":"y"}"#,
            _ => return None,
        }))
    }

    fn fields(&self, root: &str) -> Option<&'static [&'static str]> {
        match root {
            "workflow" => Some(WORKFLOW_FIELDS),
            "t1" | "my-task" => Some(TASK_FIELDS),
            _ => None,
        }
    }

    fn word(&self, word: &str) -> Word {
        match word {
            "CPEWF_TASK_ID" => Word::Value("id-1".to_owned()),
            "NOT_HERE" => Word::Literal,
            _ => Word::Unknown,
        }
    }

    fn environment(&self, name: &str) -> Option<String> {
        match name {
            "REGION" => Some("eu".to_owned()),
            "CONFIG" => Some(r#"{"url":"http://x","n":1.50}"#.to_owned()),
            _ => None,
        }
    }
}

const INPUT: &str = r#"{"a":"A","n":5,"nil":null,"d":2.50,"big":123456789012345678901234567890,
"exp":1e10,"yes":true,"s":"abc","l":["a","b","c","d","e"],"m":{"a":1,"b":"two"},"i":1,"key":"b",
"which":"m","e":{},"el":[],"items":[{"p":5,"q":"x","tag":"red"},{"p":15,"q":"x"},
{"p":25,"q":"y","tag":null}],"limit":10,"nums":[4,1,7],"a b":1,"a-b":2,"x.y":3,"größe":180,
"名前":"値","t":"${workflow.input.a}","deep":{"x":{"n":1,"k":[{"n":2}]},"n":3},"nested":{ "z" : [1 , 2] }}"#;

/// The value, where nothing is over a limit.
fn value(template: &Template, scope: &dyn Scope) -> Payload {
    template.resolve(scope, &ResolveLimits::TASK_INPUT).value.unwrap()
}

fn resolved(template: &str) -> String {
    value(&Template::compile_text(template), &Execution(INPUT)).get().to_owned()
}

/// The value or its error, for templates that may be over a limit.
fn outcome(template: &str, scope: &dyn Scope) -> Result<String, TemplateError> {
    let resolved = Template::compile_text(template).resolve(scope, &ResolveLimits::TASK_INPUT);
    resolved.value.map(|value| value.get().to_owned())
}

fn check(cases: &[(&str, &str)]) {
    for (template, expected) in cases {
        assert_eq!(resolved(template), *expected, "{template}");
    }
}

#[test]
fn a_string_that_is_one_token_becomes_the_native_value_byte_for_byte() {
    check(&[
        ("${workflow.input.a}", r#""A""#),
        ("${workflow.input.n}", "5"),
        ("${workflow.input.d}", "2.50"),
        ("${workflow.input.big}", "123456789012345678901234567890"),
        ("${workflow.input.exp}", "1e10"),
        ("${workflow.input.nil}", "null"),
        ("${workflow.input.yes}", "true"),
        ("${workflow.input.e}", "{}"),
        ("${workflow.input.el}", "[]"),
        ("${workflow.input.nested}", r#"{ "z" : [1 , 2] }"#),
        ("${workflow.input.größe}", "180"),
        ("${workflow.input['名前']}", "\"値\""),
        ("${workflow.input.a-b}", "2"),
        ("${workflow.input['a b']}", "1"),
        ("${workflow.input[\"x.y\"]}", "3"),
        ("${workflow['input']['a']}", r#""A""#),
        ("${$.workflow.input.a}", r#""A""#),
        ("${t1.output.n}", "7"),
        ("${my-task.output.x}", r#""y""#),
        ("${workflow.variables}", r#"{"v":[1]}"#),
    ]);
}

#[test]
fn inside_text_values_are_written_as_java_writes_them() {
    check(&[
        ("n=${workflow.input.n}!", r#""n=5!""#),
        (" ${workflow.input.n}", r#"" 5""#),
        ("${workflow.input.n}\n", r#""5\n""#),
        ("x=${workflow.input.nil}.", r#""x=null.""#),
        ("x=${workflow.input.zz.yy}.", r#""x=null.""#),
        ("m=${workflow.input.m}", r#""m={a=1, b=two}""#),
        ("l=${workflow.input.el};", r#""l=[];""#),
        ("${t1.output.list};", r#""[1, 2];""#),
        ("e=${workflow.input.exp}", r#""e=1.0E10""#),
        ("b=${workflow.input.big}", r#""b=123456789012345678901234567890""#),
        ("d=${workflow.input.d}", r#""d=2.5""#),
        ("${workflow.input.a}${workflow.input.a}", r#""AA""#),
        ("→ ${workflow.input.a} ←", "\"→ A ←\""),
        ("w=${workflow.input.items[*].q}", r#""w=[\"x\",\"x\",\"y\"]""#),
        ("w=${workflow.input.items[?(@.p == 99)]}", r#""w=[]""#),
        ("len=${workflow.input.l.length()}", r#""len=5""#),
        ("k=${workflow.input.m.keys()}", r#""k=[a, b]""#),
    ]);
}

#[test]
fn a_doubled_dollar_keeps_a_token_as_text() {
    check(&[
        ("$${workflow.input.a}", r#""${workflow.input.a}""#),
        ("pay $${x} now", r#""pay ${x} now""#),
        ("$${workflow.input.a} and ${workflow.input.a}", r#""${workflow.input.a} and A""#),
        ("$${x}$${y}", r#""${x}${y}""#),
        ("$$${x}", r#""$${x}""#),
        ("$$$${x}", r#""$$${x}""#),
    ]);
}

#[test]
fn what_opens_no_token_stays_as_it_is() {
    for text in [
        "costs $5",
        "$workflow.input.a",
        "{workflow.input.a}",
        "ends with $",
        "$$",
        "",
        "$",
        "${",
        "${workflow.input.a",
        "${workflow.input['a{b']}",
        "{}",
        "}${",
        "$ {x}",
    ] {
        assert_eq!(resolved(text), serde_json::to_string(text).unwrap(), "{text}");
    }
    check(&[("}${workflow.input.a}{", r#""}A{""#), ("${x ${workflow.input.a}", r#""${x A""#)]);
}

#[test]
fn blank_tokens_are_empty_and_blanks_at_the_ends_lead_nowhere() {
    check(&[
        ("${}", r#""""#),
        ("${ }", r#""""#),
        ("a${}b", r#""ab""#),
        ("a${ }b", r#""ab""#),
        ("${ workflow.input.a }", "null"),
        ("x${ workflow.input.a }y", r#""xnully""#),
        ("${workflow.input.a b}", "null"),
    ]);
}

#[test]
fn nested_tokens_become_part_of_the_outer_path() {
    check(&[
        ("${workflow.input.${workflow.input.which}}", r#"{"a":1,"b":"two"}"#),
        ("${workflow.input.m['${workflow.input.key}']}", r#""two""#),
        ("${workflow.input.l[${workflow.input.i}]}", r#""b""#),
        ("v=${workflow.input.l[${workflow.input.i}]}", r#""v=b""#),
        ("${workflow.input.${workflow.input.nil}}", "null"),
    ]);
}

#[test]
fn what_a_token_gives_is_not_looked_at_again() {
    check(&[
        ("${workflow.input.t}", r#""${workflow.input.a}""#),
        ("x ${workflow.input.t} y", r#""x ${workflow.input.a} y""#),
    ]);
}

#[test]
fn secrets_stay_and_the_environment_is_read() {
    check(&[
        ("${workflow.secrets.NOPE}", r#""${workflow.secrets.NOPE}""#),
        ("s=${workflow.secrets.NOPE}", r#""s=${workflow.secrets.NOPE}""#),
        ("${workflow.env.NOPE}", "null"),
        ("e=${workflow.env.NOPE}", r#""e=null""#),
        ("${workflow.env.REGION}", r#""eu""#),
        ("in ${workflow.env.REGION}", r#""in eu""#),
        ("${workflow.env.CONFIG.url}", r#""http://x""#),
        ("${workflow.env.CONFIG.n}", "1.50"),
        ("${workflow.env.REGION.x}", "null"),
    ]);
}

#[test]
fn single_words_are_asked_for() {
    check(&[
        ("${CPEWF_TASK_ID}", r#""id-1""#),
        ("id=${CPEWF_TASK_ID}", r#""id=id-1""#),
        ("${nosuchword}", "null"),
        ("a ${nosuchword} b", r#""a null b""#),
        ("${NOT_HERE}", r#""${NOT_HERE}""#),
        ("a ${NOT_HERE}", r#""a ${NOT_HERE}""#),
        ("${nosuch.output.x}", "null"),
        ("${WORKFLOW.input.a}", "null"),
    ]);
}

#[test]
fn a_root_alone_is_its_whole_document() {
    check(&[
        (
            "${t1}",
            r#"{"input":{},"output":{"n":7,"list":[1,2]},"status":"COMPLETED","startTime":1600000000000}"#,
        ),
        ("${t1.nonsense}", "null"),
        ("${t1['status','startTime']}", r#"{"status":"COMPLETED","startTime":1600000000000}"#),
        ("${workflow..v}", "[[1]]"),
    ]);
}

#[test]
fn definite_paths_that_lead_nowhere_are_null() {
    for path in
        ["nope", "nope.deeper", "n.x", "nil.x", "items.p", "m[0]", "s[0]", "l[9]", "l[-9]", "l.x"]
    {
        assert_eq!(resolved(&format!("${{workflow.input.{path}}}")), "null", "{path}");
    }
}

#[test]
fn malformed_paths_are_null_but_an_unclosed_bracket_is_ignored() {
    for path in [
        "l[?(@.x >]",
        "...a",
        "a.",
        "l[?(@.p > 1]",
        "l['a",
        "l[0",
        "l[]",
        "l[a]",
        "l[1,]",
        "l[?()]",
        "l[?(@.p ~ 1)]",
        "l.nosuch()",
        "l[::]",
        "l.length(",
        "l.length().x",
        "a..",
    ] {
        assert_eq!(resolved(&format!("${{workflow.input.{path}}}")), "null", "{path}");
    }
    check(&[
        ("${workflow.input.t1[}", "null"),
        ("${t1.output.list[}", "[1,2]"),
        ("t=${t1.output.list[}", r#""t=[1, 2]""#),
        ("${@.a}", "null"),
        ("${$}", "null"),
    ]);
}

#[test]
fn indefinite_paths_are_lists() {
    check(&[
        ("${workflow.input.items[*].p}", "[5,15,25]"),
        ("${workflow.input.items[*].tag}", r#"["red",null]"#),
        ("${workflow.input.items[0].*}", r#"[5,"x","red"]"#),
        ("${workflow.input.nope[*].x}", "[]"),
        ("${workflow.input.items[?(@.p > 100)]}", "[]"),
        ("${workflow.input.l[5:9]}", "[]"),
        ("${workflow.input..zzz}", "[]"),
        ("${workflow.input.items[*].zzz}", "[]"),
        ("${nosuch.output[*]}", "[]"),
        ("${workflow.input.deep..n}", "[3,1,2]"),
        ("${workflow.input.deep..[0]}", r#"[{"n":2}]"#),
        ("${workflow.input.deep.x..*}", r#"[1,[{"n":2}],{"n":2},2]"#),
    ]);
}

#[test]
fn lists_are_read_by_index_union_and_slice() {
    check(&[
        ("${workflow.input.l[0]}", r#""a""#),
        ("${workflow.input.l[-1]}", r#""e""#),
        ("${workflow.input.l[-2]}", r#""d""#),
        ("${workflow.input.l[0,2]}", r#"["a","c"]"#),
        ("${workflow.input.l[0, 9]}", r#"["a"]"#),
        ("${workflow.input.l[0:2]}", r#"["a","b"]"#),
        ("${workflow.input.l[3:]}", r#"["d","e"]"#),
        ("${workflow.input.l[:2]}", r#"["a","b"]"#),
        ("${workflow.input.l[-2:]}", r#"["d","e"]"#),
        ("${workflow.input.l[:-3]}", r#"["a","b"]"#),
        ("${workflow.input.l[1:-1]}", "[]"),
        ("${workflow.input.m['a','b']}", r#"{"a":1,"b":"two"}"#),
        (
            "${workflow.input.items[*]['p','q']}",
            r#"[{"p":5,"q":"x"},{"p":15,"q":"x"},{"p":25,"q":"y"}]"#,
        ),
    ]);
}

#[test]
fn filters_compare_combine_test_and_match() {
    for (filter, expected) in [
        ("@.p > 10", "[15,25]"),
        ("@.p >= 15", "[15,25]"),
        ("@.p < 10 || @.q == 'y'", "[5,25]"),
        ("@.p > 10 && @.q == 'x'", "[15]"),
        ("@.tag", "[5,25]"),
        ("!@.tag", "[15]"),
        ("@.tag == null", "[25]"),
        ("@.q =~ /X/i", "[5,15]"),
        ("@.q =~ /./", "[5,15,25]"),
        ("@.tag =~ /re/", "[]"),
        ("@.p in [5, 25]", "[5,25]"),
        ("@.q in ['y', 'z']", "[25]"),
        ("@.p nin [5, 25]", "[15]"),
        ("!(@.q == 'x')", "[25]"),
        ("@.q != \"x\"", "[25]"),
        ("@.p > $.workflow.input.limit", "[15,25]"),
        ("@.p == '5'", "[5]"),
        ("@.p === '5'", "[]"),
        ("@.tag contains 'e'", "[5]"),
        ("@.tag size 3", "[5]"),
        ("@.tag empty false", "[5]"),
        ("(@.p == 5 || @.p == 15) && @.tag", "[5]"),
        ("@['q'] == 'y'", "[25]"),
        ("[1,2] subsetof [1,2,3]", "[5,15,25]"),
        ("['a'] anyof ['b']", "[]"),
        ("['a'] noneof ['b']", "[5,15,25]"),
        ("[1,2] all [1]", "[5,15,25]"),
        ("@.p in {}", "[]"),
    ] {
        let template = format!("${{workflow.input.items[?({filter})].p}}");
        assert_eq!(resolved(&template), expected, "{filter}");
    }
    check(&[
        ("${workflow.input.items[?(@.p > 10)][0]}", "[]"),
        ("${workflow.input.m[?(@.a == 1)].b}", r#"["two"]"#),
        ("${workflow.input.nums[?(@ > 3)]}", "[4,7]"),
    ]);
}

#[test]
fn functions_count_and_compute() {
    check(&[
        ("${workflow.input.l.length()}", "5"),
        ("${workflow.input.m.length()}", "2"),
        ("${workflow.input.s.length()}", "null"),
        ("${workflow.input.zz.length()}", "null"),
        ("${workflow.input.nums.min()}", "1.0"),
        ("${workflow.input.nums.max()}", "7.0"),
        ("${workflow.input.nums.sum()}", "12.0"),
        ("${workflow.input.nums.avg()}", "4.0"),
        ("${workflow.input.el.sum()}", "null"),
        ("${workflow.input.m.keys()}", r#"["a","b"]"#),
        ("${workflow.input..p.sum()}", "45.0"),
        ("${workflow.input.l.first()}", r#""a""#),
        ("${workflow.input.l.index(-2)}", r#""d""#),
    ]);
}

#[test]
fn values_are_substituted_at_any_depth_and_keys_never() {
    let json = r#"{ "k" : {"${workflow.input.a}": "${workflow.input.a}"}, "l":["x ${t1.output.n}",5,{"u":"\u0024{t1.output.n}"}] , "e":"\u00e9" }"#;
    let template = Template::compile(&Payload::parse(json.to_owned()).unwrap());
    let expected =
        r#"{ "k" : {"${workflow.input.a}": "A"}, "l":["x 7",5,{"u":7}] , "e":"\u00e9" }"#;
    assert_eq!(value(&template, &Execution(INPUT)).get(), expected);
    assert!(!template.is_constant());
    assert_eq!(template.references().collect::<Vec<_>>(), ["t1", "workflow"]);
}

#[test]
fn constants_are_known_as_such() {
    for text in ["x", "$${x}", "${}", "${workflow.secrets.X}"] {
        assert!(Template::compile_text(text).is_constant(), "{text}");
    }
    assert!(!Template::compile_text("${x}").is_constant());
    assert_eq!(value(&Template::compile_text("a${}$${b}"), &NoScope).get(), r#""a${b}""#);
}

#[test]
fn an_event_payload_is_a_document_of_its_own() {
    let scope = DocumentScope::new(r#"{"x":{"y":1},"items":[{"p":1},{"p":2}],"workflow":5}"#);
    for (template, expected) in [
        ("${x.y}", "1"),
        ("${$.x}", r#"{"y":1}"#),
        ("${workflow}", "5"),
        ("${missing}", "null"),
        ("${$..p}", "[1,2]"),
        ("${items[?(@.p == $.x.y)]}", r#"[{"p":1}]"#),
    ] {
        assert_eq!(value(&Template::compile_text(template), &scope).get(), expected, "{template}");
    }
    let whole = value(&Template::compile_text("${$}"), &scope);
    assert!(whole.get().starts_with(r#"{"x""#));
}

#[test]
fn registration_sees_every_token_with_its_place_and_fitness() {
    let json = r#"{"a":"${t1.output.x} ${ t2.x }","b":{"l":["${ghost.y}",{"c":"${$.workflow.x}"}]},
        "d":"${}","e":"${workflow['input']}","f":"${workflow.input.l[}","g":"${a[${b.i}].c}",
        "h":"$${no}","i":"${open","j":"${workflow.input.l[?(@.x >]}","${k}":1}"#;
    let found = tokens(&Payload::parse(json.to_owned()).unwrap());
    let lines: Vec<String> = found
        .iter()
        .map(|token| {
            let root = token.root.as_deref().unwrap_or("-");
            format!("{}|{}|{}|{root}", token.keys.join("."), token.path, token.compiles)
        })
        .collect();
    assert_eq!(
        lines,
        [
            "a|t1.output.x|true|t1",
            "a| t2.x |false| t2",
            "b.l|ghost.y|true|ghost",
            "b.l.c|$.workflow.x|true|$",
            "d||false|",
            "e|workflow['input']|true|workflow['input']",
            "f|workflow.input.l[|false|workflow",
            "g|a[${b.i}].c|true|-",
            "g|b.i|true|b",
            "j|workflow.input.l[?(@.x >]|false|workflow",
        ]
    );
}

#[test]
fn hostile_templates_and_documents_cost_little() {
    let execution = Execution(INPUT);
    let nested = format!("{}{}", "${".repeat(20_000), "}".repeat(20_000));
    let _ = outcome(&nested, &execution);
    let _ = outcome(&"${".repeat(100_000), &execution);
    let _ = outcome(&format!("${{workflow.input.l{}}}", "[?(@".repeat(10_000)), &execution);
    let _ = outcome(&format!("${{workflow.input.l[?({}@.p)]}}", "!(".repeat(2_000)), &execution);
    let _ = outcome(&format!("${{workflow.input{}}}", "..*".repeat(12)), &execution);
    let _ = outcome("${workflow.input.l[?(@ =~ /(a{1000}){1000}/)]}", &execution);
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(60_000), "]".repeat(60_000));
    let scope = DocumentScope::new(&deep);
    for template in ["${a}", "x${a}", "${..b}", "${a[*]}", "${a[?(@.b == [[1]])]}"] {
        let _ = outcome(template, &scope);
    }
}

mod limits;

mod properties {
    use super::*;
    use proptest::prelude::*;

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            "[^$]*".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::hash_map("[a-z$]*", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_text_makes_compiling_or_resolving_panic(text in "(\\$\\{|\\}|[a-z.$@\\[\\]*?()'=!<>&|~/ ,:0-9\"\\\\é-])*") {
            let template = Template::compile_text(&text);
            let _ = template.references().count();
            let _ = outcome(&text, &Execution(INPUT));
            let _ = outcome(&text, &DocumentScope::new("[1,{\"a\":\"b\"}]"));
            let mut quoted = String::new();
            raw::write_text(&mut quoted, &text);
            let _ = tokens(&Payload::parse(quoted).unwrap());
        }

        #[test]
        fn no_path_makes_compiling_or_reading_panic(path in "[a-z.$@\\[\\]*?()'=!<>&|~/ ,:0-9-]{0,40}") {
            let _ = outcome(&format!("${{workflow.input.{path}}}"), &Execution(INPUT));
            let _ = outcome(&format!("${{workflow.input.items[?({path})]}}"), &Execution(INPUT));
        }

        #[test]
        fn json_without_tokens_comes_back_byte_for_byte(tree in json()) {
            let payload = Payload::parse(serde_json::to_string_pretty(&tree).unwrap()).unwrap();
            let template = Template::compile(&payload);
            prop_assert!(template.is_constant());
            prop_assert_eq!(value(&template, &Execution(INPUT)), payload);
        }
    }
}
