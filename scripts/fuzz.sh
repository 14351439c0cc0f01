#!/usr/bin/env bash
# Fuzzes each parser that we own from its corpus, then leaves in the corpus the fewest inputs that reach as much.
# Usage: scripts/fuzz.sh [SECONDS] [TARGET]   60 seconds for each target unless said otherwise
# Exit: 0 nothing found, 1 something was: the input lies in fuzz/artifacts/TARGET, and becomes a test that names the fault.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
only=${2:-}
if ! command -v cargo-fuzz >/dev/null 2>&1; then
  echo "cargo-fuzz is missing: cargo install cargo-fuzz --locked" >&2
  exit 1
fi

# Parsers of ours have no unsafe code, so a sanitizer of memory would find nothing in them, at half the speed; without one
# the stable toolchain will do. Overflows and assertions are found: cargo-fuzz leaves both on.
options=(--sanitizer none --all-features)

# More than the largest input that means anything.
length_max() {
  case "$1" in
    offer | answer | sdp_outline) echo 16384 ;;
    timestamps | stream_gate | lip_sync | sound_stream | display_name | painted_name | room_words) echo 1024 ;;
    *) echo 4096 ;;
  esac
}

words() {
  case "$1" in
    offer | answer | sdp_outline) echo fuzz/dictionaries/sdp.dict ;;
    client_word | api_body) echo fuzz/dictionaries/json.dict ;;
  esac
}

fuzz() {
  local target=$1 dictionary
  local -a limits=(-max_len="$(length_max "$target")" -timeout=10 -rss_limit_mb=2048)
  dictionary=$(words "$target")
  echo "== $target, $seconds s"
  cargo fuzz run "${options[@]}" "$target" -- "${limits[@]}" -max_total_time="$seconds" -print_final_stats=1 \
    ${dictionary:+-dict="$dictionary"} || return 1
  cargo fuzz cmin "${options[@]}" "$target" -- "${limits[@]}"
}

found=0
for path in fuzz/fuzz_targets/*.rs; do
  target=$(basename "$path" .rs)
  [ -z "$only" ] || [ "$only" = "$target" ] || continue
  fuzz "$target" || found=1
done
exit "$found"
