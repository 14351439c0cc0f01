#!/usr/bin/env bash
# Every check there is: set-up, format, lints, docs, unit and simulation tests, the web client, whole meetings in
# real browsers. Ends with one line: N passed, N failed, N skipped.
# Usage: ./test.sh [STAGE...]   (default: all; see `stages` below)
set -uo pipefail
cd "$(dirname "$0")"

stages="setup format lint docs rust web meeting"
[ $# -gt 0 ] && stages="$*"
logs=target/test-logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0
export CARGO_TERM_COLOR=never CARGO_TERM_PROGRESS_WHEN=never CARGO_INCREMENTAL=0

# A whole stage that passes or fails as one.
check() {
  local name=$1
  shift
  if "$@" >"$logs/$name.log" 2>&1; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED: $name"
    tail -n 60 "$logs/$name.log"
  fi
}

# Something that cannot run here. In CI that is a failure, unless it needs hardware of scripts/hardware.txt.
skip() {
  local name=$1 why=$2
  echo "SKIPPED: $name: $why"
  if [ "${CI:-}" = true ] && ! grep -qx "$name" scripts/hardware.txt; then
    failed=$((failed + 1))
  else
    skipped=$((skipped + 1))
  fi
}

# What failed in a runner's log, and why: its name, and what it said before anything else would bury it.
say_failures() {
  local log=$1
  echo "FAILED: see $log"
  grep -hE '^test .* FAILED$|^ *not ok |^error(\[|:)|has been running for over|signal: ' "$log" | head -n 40
  grep -hE -A 4 'panicked at ' "$log" | head -n 120
  # TAP: of each test that failed, all up to the stack.
  awk '/^ *not ok /{told=1} /^ *(stack:|\.\.\.)/{told=0} told' "$log" | cut -c 1-400 | head -n 160
  # Nothing of the above: a runner that ended before it could say more.
  grep -qE '^test .* FAILED$|^ *not ok ' "$log" || tail -n 60 "$log"
}

# Adds up the closing lines of a runner: cargo's "test result: ok. 3 passed; 0 failed; 1 ignored" or TAP's "# pass 3".
count() {
  local log=$1 status=$2 ok bad ignored
  ok=$(grep -hoE '([0-9]+) passed;|^# pass [0-9]+' "$log" | grep -oE '[0-9]+' | paste -sd+ | bc)
  bad=$(grep -hoE '([0-9]+) failed;|^# fail [0-9]+|^# cancelled [0-9]+' "$log" | grep -oE '[0-9]+' | paste -sd+ | bc)
  ignored=$(grep -hoE '([0-9]+) ignored;|^# skipped [0-9]+' "$log" | grep -oE '[0-9]+' | paste -sd+ | bc)
  [ "${ok:-0}" = 0 ] && [ "$status" = 0 ] && echo "FAILED: $log ran no test" && bad=1
  [ "$status" != 0 ] && [ "${bad:-0}" = 0 ] && bad=1
  [ "$status" != 0 ] && say_failures "$log"
  passed=$((passed + ${ok:-0}))
  failed=$((failed + ${bad:-0}))
  if [ "${ignored:-0}" != 0 ]; then skip "ignored tests" "$ignored in $log"; fi
}

stage_setup() { check setup scripts/setup.sh test; }
stage_format() { check format cargo fmt --all --check; }
stage_lint() {
  check lint cargo clippy --workspace --all-targets --locked -- -D warnings
  # The node that mcu-load's planted faults need: no test builds it.
  check lint-faults cargo clippy --workspace --locked --features mcu-server/planted-faults -- -D warnings
}
stage_docs() { RUSTDOCFLAGS="-D warnings" check docs cargo doc --workspace --no-deps --locked; }

stage_rust() {
  cargo test --workspace --locked --no-fail-fast >"$logs/rust.log" 2>&1
  count "$logs/rust.log" $?
}

web_ready() {
  command -v node >/dev/null 2>&1 || { skip "$1" "node is not installed"; return 1; }
  command -v chromium >/dev/null 2>&1 || { skip "$1" "chromium is not installed"; return 1; }
  if ! (cd web/tests && npm ci --no-audit --no-fund) >"$logs/npm.log" 2>&1; then
    skip "$1" "npm ci failed: $(tail -n 1 "$logs/npm.log")"
    return 1
  fi
}

# Runs test files of node's runner one at a time: each starts a server or a node, and up to two browsers.
node_tests() {
  local name=$1 file status=0
  shift
  : >"$logs/$name.log"
  for file in "$@"; do
    node --test --test-reporter=tap "$file" >>"$logs/$name.log" 2>&1 || status=1
  done
  count "$logs/$name.log" $status
}

stage_web() {
  web_ready web && node_tests web web/tests/unit/*.test.js web/tests/browser/*.test.js
}

# The binaries come with the tests of their packages: asked for alone, with other features, all would be built again.
stage_meeting() {
  web_ready meeting || return 0
  if ! cargo test --workspace --no-run --locked >"$logs/meeting-build.log" 2>&1; then
    failed=$((failed + 1))
    tail -n 40 "$logs/meeting-build.log"
    return 0
  fi
  node_tests meeting web/tests/meeting/*.test.js
}

for stage in $stages; do
  started=$SECONDS
  "stage_$stage"
  echo "$stage: $(((SECONDS - started + 30) / 60)) min ($((SECONDS - started)) s)"
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
