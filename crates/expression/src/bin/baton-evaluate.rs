//! The child of an evaluator pool alone, for this crate's tests.

fn main() -> std::io::Result<()> {
    baton_expression::script::serve(std::io::stdin(), std::io::stdout())
}
