//! The helper of COMMAND tasks alone, for this crate's tests.

fn main() -> std::io::Result<()> {
    baton_executor::command::serve_helper(std::env::args_os().skip(1))
}
