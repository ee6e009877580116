# What CI runs, in its order. Everything is built in the release profile, so that dependencies
# (RocksDB's C++ above all) are compiled once for all recipes.
ci: fmt clippy test doc deny bench

# The layout that rustfmt.toml states.
fmt:
    cargo fmt --check

# Every lint of Cargo.toml, in the library, the binary, tests, benches and examples.
clippy:
    cargo clippy --release --all-targets -- -D warnings

# Unit tests, tests/ and the code in the documentation.
test:
    cargo test --release

# The documentation; a broken link is an error.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --release --no-deps

# Advisories, licences and sources of the dependencies; needs cargo-deny 0.18 or newer.
deny:
    cargo deny check

# The benches compile; `cargo bench` runs them.
bench:
    cargo bench --no-run
