//! Nothing over a limit becomes null, an empty list or a shorter value: it is an error by name.
use super::*;
use std::fmt::Write;

/// A document that is kept, as those of executions are.
struct Kept(Payload);

impl Scope for Kept {
    fn field(&self, root: &str, field: &str) -> Option<Document<'_>> {
        (root == "workflow" && field == "input").then(|| Document::from(&self.0))
    }

    fn fields(&self, root: &str) -> Option<&'static [&'static str]> {
        (root == "workflow").then_some(&["input"])
    }

    fn word(&self, _word: &str) -> Word {
        Word::Unknown
    }

    fn environment(&self, name: &str) -> Option<String> {
        (name == "LARGE").then(|| "y".repeat(1_000))
    }
}

fn kept(json: String) -> Kept {
    Kept(Payload::parse(json).unwrap())
}

/// The limit that `template` meets: its name, the most that is allowed and the value found.
fn met(template: &Template, scope: &dyn Scope, limits: &ResolveLimits) -> (Limit, u64, u64) {
    match template.resolve(scope, limits).value {
        Err(TemplateError::OverLimit { limit, max, value, .. }) => (limit, max, value),
        other => panic!("{other:?}"),
    }
}

fn bytes(bytes_max: usize) -> ResolveLimits {
    ResolveLimits::of_bytes(bytes_max)
}

/// Goal: a value of exactly the limit passes and one byte more is refused, however the value comes
/// about. Method: each template is resolved with its own size as the limit, then with one less.
#[test]
fn a_value_may_be_as_large_as_the_limit_and_no_larger() {
    let text = "x".repeat(500);
    let scope = kept(format!(
        r#"{{"s":"{text}","l":["{text}","\t\"",1e5],"m":{{"a":"{text}","b":[1,2]}}}}"#
    ));
    for template in [
        r#""${workflow.input.s}""#,
        r#""${workflow.input}""#,
        r#""${workflow}""#,
        r#"{"a":"${workflow.input.s}","b":[1,2,3]}"#,
        r#"["${workflow.input.s}","${workflow.input.l}"]"#,
        r#""a ${workflow.input.s} b ${workflow.input.l} \u0001""#,
        r#""a ${workflow.input.l[*]}""#,
        r#""${workflow.input.l[*]}""#,
        r#""${workflow.input..s}""#,
        r#""${workflow.input.m['a','b']}""#,
        r#""${workflow.input.m.keys()}""#,
        r#""${workflow.input.l[?(@ == 'nothing')]}""#,
        r#""${workflow.env.LARGE}""#,
        r#""x ${workflow.env.LARGE}""#,
        r#""${nosuchword}""#,
        r#"["${workflow.input.nope}","${}"]"#,
        r#"{"a":"${workflow.input.missing}"}"#,
        r#"["${workflow.secrets.X}","${workflow.input.m.b[0]}"]"#,
        r#"["constant", 1, 2]"#,
    ] {
        let compiled = Template::compile(&Payload::parse(template.to_owned()).unwrap());
        let size = value(&compiled, &scope).len_bytes();
        let resolved = compiled.resolve(&scope, &bytes(size));
        assert_eq!(resolved.value.map(|value| value.len_bytes()), Ok(size), "{template}");
        let (limit, max, found) = met(&compiled, &scope, &bytes(size - 1));
        assert_eq!((limit, max), (Limit::ValueBytes, size as u64 - 1), "{template}");
        assert!(found > max && found <= size as u64, "{template}: {found}");
    }
}

#[test]
fn an_error_names_the_limit_the_value_and_the_token() {
    let scope = kept(format!("{{\"b\":\"{}\",\"amount\":17}}", "y".repeat(4 << 20)));
    let json = r#"{"documents":["${workflow.input.b}","${workflow.input.b}","${workflow.input.b}"],"amount":"${workflow.input.amount}"}"#;
    let template = Template::compile(&Payload::parse(json.to_owned()).unwrap());
    let resolved = template.resolve(&scope, &ResolveLimits::TASK_INPUT);
    assert_eq!(
        resolved.value.unwrap_err().to_string(),
        "at ${workflow.input.b} the size of the resolved value is 12582934 bytes, over the limit of 10485760 bytes"
    );
    // Two reads of 4 MiB were done, the third was refused before anything was copied.
    assert!(resolved.cost < 16 << 20, "{}", resolved.cost);
}

/// Thirty steps that each double the value before them end at the limit, not in gigabytes.
#[test]
fn doubling_ends_at_the_limit() {
    let template = Template::compile(&Payload::parse(r#"["${$}","${$}"]"#.to_owned()).unwrap());
    let mut document = Payload::parse(format!("\"{}\"", "x".repeat(100))).unwrap();
    let mut steps = 0;
    let error = loop {
        let scope = DocumentScope::new(document.get());
        match template.resolve(&scope, &ResolveLimits::TASK_INPUT).value {
            Ok(next) => document = next,
            Err(error) => break error,
        }
        steps += 1;
        assert!(steps < 30);
    };
    let TemplateError::OverLimit { limit, max, value, .. } = error else { panic!("{error}") };
    assert_eq!((limit, max), (Limit::ValueBytes, 10 << 20));
    assert!(value <= 2 * max + 10);
}

#[test]
fn a_value_may_nest_as_deep_as_the_limit_and_no_deeper() {
    let nested =
        |levels: usize| kept(format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels)));
    let wrapped = Template::compile(&Payload::parse("[\"${workflow.input.a}\"]".into()).unwrap());
    assert!(wrapped.resolve(&nested(999), &ResolveLimits::TASK_INPUT).value.is_ok());
    let over = met(&wrapped, &nested(1_000), &ResolveLimits::TASK_INPUT);
    assert_eq!(over, (Limit::ValueDepth, 1_000, 1_001));
    let wide = kept(format!("{{\"a\":[{}[]]}}", "[],".repeat(100_000)));
    assert!(wrapped.resolve(&wide, &ResolveLimits::TASK_INPUT).value.is_ok());
}

/// Goal: what reads too much is an error, at exactly the limit. Method: the cost of a resolution
/// without its output is what was read.
#[test]
fn what_may_be_read_is_limited() {
    let items: Vec<String> = (0..500).map(|n| format!("{{\"p\":{n},\"q\":[{n}]}}")).collect();
    let scope = kept(format!("{{\"items\":[{}]}}", items.join(",")));
    for path in [
        "items[*].p",
        "items[?(@.p > 490)]",
        "items[?(@.q anyof $.workflow.input.items[*].p)].p",
        "items..p",
        "items[0,1,2,3,-1].p",
        "items[1:5]",
        "items[7].p",
        "items[-1].q",
        "items.length()",
        "items[*].p.sum()",
        "items[*]['p','q']",
        "items[*].q.length()",
        "items..q.length()",
    ] {
        let template = Template::compile_text(&format!("${{workflow.input.{path}}}"));
        let resolved = template.resolve(&scope, &ResolveLimits::TASK_INPUT);
        let read = resolved.cost - resolved.value.unwrap().len_bytes() as u64;
        let limits = |read_bytes_max| ResolveLimits { read_bytes_max, ..ResolveLimits::TASK_INPUT };
        let again = template.resolve(&scope, &limits(read));
        assert!(again.value.is_ok(), "{path}");
        assert_eq!(again.cost, resolved.cost, "the cost does not depend on earlier reads: {path}");
        assert_eq!(met(&template, &scope, &limits(read - 1)).0, Limit::ReadBytes, "{path}");
    }
}

/// Each of these would read for minutes, and ends soon with the limit's name.
#[test]
fn hostile_paths_over_large_documents_end_at_the_limit() {
    let numbers: Vec<String> = (0..200_000).map(|n| n.to_string()).collect();
    let numbers = numbers.join(",");
    let scope = kept(format!(
        "{{\"l\":[{numbers}],\"m\":[{numbers},-1],\"o\":[[[[{}1]]]]}}",
        "[[1]],".repeat(50_000)
    ));
    for path in [
        "l[?(@ in $.workflow.input.m)]",
        "l[?($.workflow.input.m subsetof $.workflow.input.l)]",
        "l[?($.workflow.input.l anyof ['x'])]",
        "o..*..*..*..*",
    ] {
        let template = Template::compile_text(&format!("${{workflow.input.{path}}}"));
        let limits = ResolveLimits { read_bytes_max: 32 << 20, ..ResolveLimits::TASK_INPUT };
        let (limit, max, value) = met(&template, &scope, &limits);
        assert_eq!((limit, max), (Limit::ReadBytes, 32 << 20), "{path}");
        assert!(value < 64 << 20, "{path}: {value}");
    }
    let many = vec!["100000"; 2_000].join(",");
    let template = Template::compile_text(&format!("${{workflow.input.l[{many}]}}"));
    let resolved = template.resolve(&scope, &ResolveLimits::TASK_INPUT);
    assert_eq!(resolved.value.unwrap().get().matches("100000").count(), 2_000);
    assert!(resolved.cost < 4 << 20, "{}", resolved.cost);
}

#[test]
fn limits_of_paths_are_errors_and_what_is_no_path_is_null() {
    let over = |path: &str| match outcome(&format!("${{{path}}}"), &Execution(INPUT)) {
        Err(TemplateError::OverLimit { limit, max, value, token }) => {
            assert!(token.chars().count() <= 101, "{token}");
            Some((limit, max, value))
        }
        Ok(value) => {
            assert!(["null", "[]", r#"["a"]"#].contains(&value.as_str()), "{value}");
            None
        }
        Err(TemplateError::NotJson) => panic!("{path}"),
    };
    let long = |bytes: usize| format!("workflow.{}", "x".repeat(bytes - 9));
    assert_eq!(over(&long(16 * 1024)), None);
    assert_eq!(over(&long(16 * 1024 + 1)), Some((Limit::PathBytes, 16_384, 16_385)));
    let negated = |levels: usize| format!("workflow.input.l[?({}@.p)]", "!".repeat(levels));
    assert_eq!(over(&negated(30)), None);
    assert_eq!(over(&negated(31)), Some((Limit::PathDepth, 32, 33)));
    let filters = |levels: usize| {
        format!("workflow.input.l{}@.p{}", "[?(@".repeat(levels), ")]".repeat(levels))
    };
    assert_eq!(over(&filters(17)), Some((Limit::PathDepth, 32, 33)));
    let literal = |levels: usize| {
        format!("workflow.input.l[?(@ == {}{})]", "[".repeat(levels), "]".repeat(levels))
    };
    assert_eq!(over(&literal(30)), None);
    assert_eq!(over(&literal(31)), Some((Limit::PathDepth, 32, 33)));
    let large = over("workflow.input.l[?(@ =~ /(a{1000}){1000}/)]").unwrap();
    assert_eq!((large.0, large.1), (Limit::PatternBytes, 256 * 1024));
    let groups = |levels: usize| {
        format!("workflow.input.l[?(@ =~ /{}a{}/)]", "(".repeat(levels), ")".repeat(levels))
    };
    assert_eq!(over(&groups(90)), None);
    assert_eq!(over(&groups(300)).unwrap().0, Limit::PatternDepth);
    assert_eq!(over("workflow.input.l[?(@ =~ /(/)]"), None);
    assert_eq!(over("env"), None);
    // The environment's paths, and paths made of other tokens, are paths like any other.
    assert_eq!(
        over(&format!("workflow.env.LARGE.{}", "x".repeat(20_000))).unwrap().0,
        Limit::PathBytes
    );
    let made = kept(format!("{{\"p\":\"{}\"}}", "x".repeat(20_000)));
    let template = Template::compile_text("${workflow.input.${workflow.input.p}}");
    assert_eq!(met(&template, &made, &ResolveLimits::TASK_INPUT).0, Limit::PathBytes);
}

#[test]
fn tokens_nest_to_a_limit_and_registration_says_so() {
    let nested = |levels: usize| {
        let inner = format!("${{workflow.input.{}", "${workflow.input.".repeat(levels - 1));
        format!("{inner}a{}", "}".repeat(levels))
    };
    let registered = |levels: usize| {
        let mut quoted = String::new();
        raw::write_text(&mut quoted, &nested(levels));
        tokens(&Payload::parse(quoted).unwrap()).iter().all(|token| token.compiles)
    };
    assert!(outcome(&nested(16), &Execution(INPUT)).is_ok());
    assert!(registered(16));
    let error = outcome(&nested(17), &Execution(INPUT)).unwrap_err().to_string();
    assert_eq!(error, "the nesting of tokens is 17 levels, over the limit of 16 levels");
    assert!(!registered(17));
}

#[test]
fn what_is_searched_or_compared_may_nest_to_a_limit() {
    let nested =
        |levels: usize, inner: &str| format!("{}{inner}{}", "[".repeat(levels), "]".repeat(levels));
    let scan = Template::compile_text("${workflow..a}");
    // `workflow`, its input and the lists are levels of what is searched.
    let scope = |levels: usize| kept(nested(levels, "{\"a\":1}"));
    let found = value(&scan, &scope(998));
    assert_eq!(found.get(), "[1]");
    let over = met(&scan, &scope(999), &ResolveLimits::TASK_INPUT);
    assert_eq!(over, (Limit::ScanDepth, 1_000, 1_001));

    let filter = Template::compile_text("${workflow.input[?(@.x == @.y)].z}");
    let scope = |levels: usize| {
        let (x, y) = (nested(levels, "{\"a\":1,\"b\":2}"), nested(levels, "{\"b\":2,\"a\":1}"));
        kept(format!("[{{\"x\":{x},\"y\":{y},\"z\":7}}]"))
    };
    assert_eq!(value(&filter, &scope(126)).get(), "[7]");
    let over = met(&filter, &scope(127), &ResolveLimits::TASK_INPUT);
    assert_eq!(over, (Limit::ComparedDepth, 127, 128));
}

#[test]
fn a_scope_without_json_is_an_error() {
    let scope = DocumentScope::new("{broken");
    assert_eq!(outcome("${$}", &scope), Err(TemplateError::NotJson));
}

/// Goal: a large document reads the same with and without its index. Method: each path is resolved
/// over the kept payload and over its bare text.
#[test]
fn an_index_changes_no_result() {
    let mut json = String::from("{\"list\":[");
    for n in 0..3_000 {
        write!(json, "{{\"n\":{n},\"t\":\"x{n}\",\"in\":[{n},[{n}]]}},").unwrap();
    }
    write!(
        json,
        "0],\"s\":\"{}\",\"list2\" : [ 1 , 2 ],\"a\\\"b\":1,\"s\":\"y\"}}",
        "z".repeat(9_000)
    )
    .unwrap();
    let payload = Payload::parse(json.clone()).unwrap();
    let scope = Kept(payload);
    for path in [
        "list[0].n",
        "list[1500].t",
        "list[2999]",
        "list[3000]",
        "list[3001]",
        "list[-1]",
        "list[-2].in[1][0]",
        "list[-3001].n",
        "list[-3002].n",
        "list.length()",
        "list.first()",
        "list.last()",
        "list.index(-2)",
        "list[5,2000,-1,9999]",
        "list[2998:]",
        "list[?(@.n > 2997)].in[1]",
        "list[*].t.length()",
        "list2[1]",
        "s",
        "['a\\\"b']",
        "nope",
        "['list2','s']",
        "length()",
        "keys()",
        "list[2999].nope.x",
    ] {
        let own = Template::compile_text(&format!("${{workflow.input.{path}}}"));
        let bare = Template::compile_text(&format!("${{{path}}}"));
        let expected = value(&bare, &DocumentScope::new(&json));
        assert_eq!(value(&own, &scope), expected, "{path}");
        assert_eq!(value(&own, &scope), expected, "{path}, again");
    }
}
