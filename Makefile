# The one front door: each target is one line, and continuous integration runs `check` and `test`.
.PHONY: run build check test bench clean

run: ; @tools/run
build: ; cargo build --release --package baton-server
check: ; @tools/check
test: ; @tools/test
bench: build ; target/release/baton bench
clean: ; cargo clean && rm -rf e2e/.work
