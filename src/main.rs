//! The `usher` binary: the command line, and an allocator that gives memory back.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    mcp_usher::cli::run()
}
