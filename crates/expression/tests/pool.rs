//! Hostile scripts through a pool of real child processes: each ends with its own error, and the
//! pool serves the next one.
use baton_common::payload::Payload;
use baton_expression::script::{
    EvaluatorPool, Language, PoolLimits, Script, ScriptError, ScriptLimits, ShareKey,
};

fn pool(size: usize, limits: ScriptLimits) -> EvaluatorPool {
    let (program, size) = (env!("CARGO_BIN_EXE_baton-evaluate"), PoolLimits::of_processes(size));
    EvaluatorPool::new(program.into(), Vec::new(), size, limits)
}

fn evaluate(pool: &EvaluatorPool, script: &Script) -> Result<Payload, ScriptError> {
    pool.evaluate(ShareKey::default(), script)
}

fn limits() -> ScriptLimits {
    ScriptLimits { time_ms: 1_000, memory_bytes: 64 << 20, ..ScriptLimits::default() }
}

fn script(language: Language, source: &str, input: &str) -> Script {
    let Ok(input) = Payload::parse(input.to_owned()) else { panic!("the input is no JSON") };
    Script { language, source: source.to_owned(), input }
}

fn result(pool: &EvaluatorPool, script: &Script) -> String {
    evaluate(pool, script)
        .map_or_else(|error| format!("ERROR {error}"), |json| json.get().to_owned())
}

/// The pool still works, with a child that answers.
fn assert_alive(pool: &EvaluatorPool) {
    assert_eq!(result(pool, &script(Language::Jq, ".a", r#"{"a":1}"#)), "[1]");
    assert_eq!(result(pool, &script(Language::JavaScript, "$.a", r#"{"a":1}"#)), "1");
}

#[test]
fn scripts_give_the_same_results_as_in_process() {
    let pool = pool(1, limits());
    for (language, source, expected) in [
        (Language::JavaScript, "$.n", "9007199254740993"),
        (Language::Jq, ".n, .s", r#"[9007199254740993,"é"]"#),
        (
            Language::JavaScript,
            "throw new Error('x')",
            "ERROR Error evaluating the script `Error: x`",
        ),
        (Language::Jq, "nosuch", "ERROR Function nosuch/0 does not exist"),
        (Language::Jq, "env", "[{}]"),
    ] {
        let script = script(language, source, r#"{"n":9007199254740993,"s":"é"}"#);
        assert_eq!(result(&pool, &script), expected);
    }
}

#[test]
fn endless_scripts_are_stopped() {
    let pool = pool(1, ScriptLimits { time_ms: 200, ..limits() });
    for (language, source) in [
        (Language::JavaScript, "while (true) {}"),
        (Language::JavaScript, "/^(a+)+$/.test('a'.repeat(40) + 'b')"),
        (Language::Jq, "def f: f; f"),
        (Language::Jq, "last(repeat(1))"),
        (Language::Jq, "[limit(1; range(1e12) | select(. < 0))]"),
    ] {
        let error = evaluate(&pool, &script(language, source, "{}")).unwrap_err();
        assert_eq!(error, ScriptError::TimedOut { limit_ms: 200 }, "{source}");
    }
    assert_alive(&pool);
}

#[test]
fn greedy_scripts_end_alone() {
    let pool = pool(1, ScriptLimits { time_ms: 20_000, ..limits() });
    for (language, source) in [
        (Language::Jq, "def f: 1+f; f"),
        (Language::Jq, "[range(1e9)]"),
        (Language::Jq, "[limit(100000000; repeat(\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"))]"),
        (Language::JavaScript, "var a = []; while (true) a.push('x'.repeat(1000) + a.length)"),
    ] {
        let error = evaluate(&pool, &script(language, source, "{}")).unwrap_err();
        let ended =
            matches!(error, ScriptError::EngineLost { .. } | ScriptError::LimitExceeded { .. });
        assert!(ended, "{source}: {error}");
        assert_alive(&pool);
    }
}

#[test]
fn deep_inputs_and_programs_are_refused() {
    let pool = pool(1, limits());
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(60_000), "]".repeat(60_000));
    let parentheses = format!("{}1{}", "(".repeat(20_000), ")".repeat(20_000));
    let alternatives = format!("{} 1", "try ".repeat(20_000));
    let pipes = format!("1{}", " | .".repeat(20_000));
    for language in [Language::JavaScript, Language::Jq] {
        assert!(evaluate(&pool, &script(language, "1", &deep)).is_err());
        assert!(evaluate(&pool, &script(language, &parentheses, "{}")).is_err());
        assert!(
            evaluate(&pool, &script(language, &alternatives, "{}")).is_err()
                || language == Language::Jq
        );
        let _ = evaluate(&pool, &script(language, &pipes, "{}"));
    }
    let long = " ".repeat(limits().source_bytes + 1);
    let error = evaluate(&pool, &script(Language::Jq, &long, "{}")).unwrap_err();
    assert!(matches!(error, ScriptError::LimitExceeded { .. }));
    assert_alive(&pool);
}

#[test]
fn large_inputs_and_results_pass() {
    let pool = pool(1, ScriptLimits { memory_bytes: 512 << 20, time_ms: 30_000, ..limits() });
    let input = format!("{{\"a\":\"{}\"}}", "x".repeat(4 << 20));
    let json = evaluate(&pool, &script(Language::JavaScript, "$", &input)).unwrap();
    assert_eq!(json.get(), input);
    let json = evaluate(&pool, &script(Language::Jq, ".", &input)).unwrap();
    assert_eq!(json.len_bytes(), input.len() + 2);
    let error = evaluate(&pool, &script(Language::Jq, ".,.,.", &input)).unwrap_err();
    assert!(matches!(error, ScriptError::LimitExceeded { .. }), "{error}");
}

#[test]
fn many_threads_share_few_children() {
    let pool = pool(2, limits());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..10 {
                    let input = format!("{{\"a\":{}}}", thread * 100 + round);
                    let script = script(Language::Jq, ".a * 2", &input);
                    assert_eq!(result(pool, &script), format!("[{}]", (thread * 100 + round) * 2));
                }
            });
        }
    });
}

#[test]
fn a_program_that_is_no_evaluator_is_an_engine_lost() {
    for program in ["/nonexistent/evaluator", "/bin/true"] {
        let pool =
            EvaluatorPool::new(program.into(), Vec::new(), PoolLimits::of_processes(1), limits());
        let error = evaluate(&pool, &script(Language::Jq, ".", "{}")).unwrap_err();
        assert!(matches!(error, ScriptError::EngineLost { .. }), "{error}");
    }
}

/// The child reads until its input ends, and then goes: so it does when its parent dies.
#[test]
fn a_child_ends_with_its_input() {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_baton-evaluate"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}
