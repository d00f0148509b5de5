# `just` lists these; `just check` is what has to pass before a change is handed in.

# Where a recipe takes arguments: `just test a_token_past_its_expiry_is_refused`.

# List the recipes
default:
    @just --list

# Format
fmt:
    cargo fmt

# Format check, and clippy without warnings: with every feature and with none
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    cargo clippy --no-default-features --all-targets -- -D warnings

# The Rust tests; arguments go to cargo test
test *arguments:
    cargo test {{ arguments }}

# Everything: lints, Rust tests, documentation, real clients and a real browser (installs what is missing)
test-all *arguments:
    tests/run {{ arguments }}

# Build the image's last stage from a static binary, run it and judge it (needs root)
image *arguments:
    tests/image {{ arguments }}

# Render the Helm chart in every way and judge the result (installs what is missing)
chart *arguments:
    tests/chart/run {{ arguments }}

# The library's documentation, without warnings
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

# Licences, sources and duplicate crates (needs cargo-deny)
deny:
    cargo deny --offline check bans licenses sources

# What CI checks, short of the outside tests
check: lint test doc deny

# A server to try, with its own provider
dev *arguments:
    cargo run -- dev {{ arguments }}

# The usher command
run *arguments:
    cargo run -- {{ arguments }}

# Write anew what is made from the settings: docs/configuration.md, and the Helm chart's schema and manifests
configuration:
    cargo run --quiet -- config --markdown > docs/configuration.md
    tests/chart/run --write
