//! Assignments and indices of jq programs as jq makes them.
//!
//! The engine updates only places that are there, and takes no fraction as an index. Here a program's
//! `=`, `|=`, `+=` and the like become calls of definitions in `overrides.jq`, which fall back to jq's
//! own way: list the paths, then set each. **Source**: the manual of jq 1.7, "Assignment".
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::path::{Part, Path};

/// The variable that holds the right side of an assignment with an operator; no program can name it.
const RIGHT: &str = "$__right__";

/// The program with its assignments and indices rewritten.
pub(super) fn rewritten(term: Term<&str>) -> Term<&str> {
    match term {
        Term::BinOp(left, op, right) => binary(rewritten(*left), op, rewritten(*right)),
        Term::Path(of, Path(parts)) => {
            let parts = parts.into_iter().map(|(part, opt)| (index(part), opt));
            Term::Path(boxed(*of), Path(parts.collect()))
        }
        Term::Str(format, parts) => Term::Str(format, parts.into_iter().map(text).collect()),
        Term::Arr(of) => Term::Arr(of.map(|of| boxed(*of))),
        Term::Obj(members) => {
            let member =
                |(key, value): (Term<_>, Option<Term<_>>)| (rewritten(key), value.map(rewritten));
            Term::Obj(members.into_iter().map(member).collect())
        }
        Term::Neg(of) => Term::Neg(boxed(*of)),
        Term::Label(name, of) => Term::Label(name, boxed(*of)),
        Term::Fold(name, of, bound, parts) => {
            let parts = parts.into_iter().map(rewritten).collect();
            Term::Fold(name, boxed(*of), pattern(bound), parts)
        }
        Term::TryCatch(of, catch) => Term::TryCatch(boxed(*of), catch.map(|catch| boxed(*catch))),
        Term::IfThenElse(cases, otherwise) => {
            let case = |(condition, then)| (rewritten(condition), rewritten(then));
            let cases = cases.into_iter().map(case).collect();
            Term::IfThenElse(cases, otherwise.map(|otherwise| boxed(*otherwise)))
        }
        Term::Def(defs, of) => {
            let defs = defs.into_iter().map(|def| Def { body: rewritten(def.body), ..def });
            Term::Def(defs.collect(), boxed(*of))
        }
        Term::Call(name, args) => Term::Call(name, args.into_iter().map(rewritten).collect()),
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => term,
    }
}

fn boxed(term: Term<&str>) -> Box<Term<&str>> {
    Box::new(rewritten(term))
}

fn binary<'s>(left: Term<&'s str>, op: BinaryOp<&'s str>, right: Term<&'s str>) -> Term<&'s str> {
    let with = |op| Term::BinOp(Box::new(Term::Id), op, Box::new(Term::Var(RIGHT)));
    match op {
        BinaryOp::Assign => Term::Call("_assign", vec![left, right]),
        BinaryOp::Update => Term::Call("_update", vec![left, right]),
        BinaryOp::UpdateMath(op) => update_with(left, with(BinaryOp::Math(op)), right),
        BinaryOp::UpdateAlt => update_with(left, with(BinaryOp::Alt), right),
        BinaryOp::Pipe(bound) => {
            Term::BinOp(Box::new(left), BinaryOp::Pipe(bound.map(pattern)), Box::new(right))
        }
        BinaryOp::Comma
        | BinaryOp::Alt
        | BinaryOp::Or
        | BinaryOp::And
        | BinaryOp::Math(_)
        | BinaryOp::Cmp(_) => Term::BinOp(Box::new(left), op, Box::new(right)),
    }
}

/// `right as $x | left |= update`, where the update reads `$x`.
fn update_with<'s>(
    left: Term<&'s str>,
    update: Term<&'s str>,
    right: Term<&'s str>,
) -> Term<&'s str> {
    let update = Term::Call("_update", vec![left, update]);
    let bind = BinaryOp::Pipe(Some(Pattern::Var(RIGHT)));
    Term::BinOp(Box::new(right), bind, Box::new(update))
}

fn index(part: Part<Term<&str>>) -> Part<Term<&str>> {
    match part {
        Part::Index(at) if is_whole_or_text(&at) => Part::Index(rewritten(at)),
        Part::Index(computed) => {
            let whole = Box::new(Term::Call("_index", Vec::new()));
            Part::Index(Term::BinOp(boxed(computed), BinaryOp::Pipe(None), whole))
        }
        Part::Range(from, until) => Part::Range(from.map(rewritten), until.map(rewritten)),
    }
}

fn is_whole_or_text(index: &Term<&str>) -> bool {
    let is_whole = |digits: &str| !digits.contains(['.', 'e', 'E']);
    matches!(index, Term::Num(digits) if is_whole(digits)) || matches!(index, Term::Str(None, _))
}

fn text<'s>(part: StrPart<&'s str, Term<&'s str>>) -> StrPart<&'s str, Term<&'s str>> {
    match part {
        StrPart::Term(term) => StrPart::Term(rewritten(term)),
        StrPart::Str(_) | StrPart::Char(_) => part,
    }
}

fn pattern(bound: Pattern<&str>) -> Pattern<&str> {
    match bound {
        Pattern::Var(_) => bound,
        Pattern::Arr(parts) => Pattern::Arr(parts.into_iter().map(pattern).collect()),
        Pattern::Obj(members) => {
            let member = |(key, of)| (rewritten(key), pattern(of));
            Pattern::Obj(members.into_iter().map(member).collect())
        }
    }
}
