#!/usr/bin/env bash
# Takes every figure of benches/RESULTS.md, and prints them as its Markdown rows.
#
#   benches/run.sh [hops] [allocations] [floor] [node]     without arguments: all
#
# For an idle machine with two cores to itself: a quarter of an hour after the build. What it prints on standard output goes to
# RESULTS.md; JSON of every measurement stays in target/bench-results. Exit 3 when some meeting was too much for the node.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
results=target/bench-results bins=target/release
mkdir -p "$results"
parts=("$@")
((${#parts[@]})) || parts=(hops allocations floor node)
status=0

say() { printf '%s\n' "$*" >&2; }

wanted() { [[ " ${parts[*]} " == *" $1 "* ]]; }

load_average() { cut -d' ' -f1 /proc/loadavg; }

# Where and when: goes above every table.
machine() {
  local model
  model=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -1)
  printf '%s, %s cores, kernel %s, %s, %s, load average before: %s\n\n' "$(date +%F)" "$(nproc)" "$(uname -r)" "$model" \
    "$(rustc --version | cut -d' ' -f1-2)" "$1"
}

# Every case of every hop: criterion's mean, per unit of the hop.
hops() {
  local load
  load=$(load_average)
  say "hops: about two minutes"
  rm -rf target/criterion
  cargo bench --workspace --bench hops >"$results/hops.log" 2>&1 || { tail -20 "$results/hops.log" >&2; exit 1; }
  printf '\n## Hops\n\n'
  machine "$load"
  printf '| hop / case | one unit | of a run of |\n|---|---|---|\n'
  # The order is that of the run; the unit's name is on no disk but in the program's own list.
  local directory
  while IFS= read -r directory; do
    jq -rs '.[0] as $case | (.[1].mean.point_estimate / $case.throughput.Elements) as $ns
      | "| `\($case.group_id)` \($case.function_id) | \(if $ns < 1000 then "\($ns * 10 | round / 10) ns"
           elif $ns < 1e6 then "\($ns / 10 | round / 100) us" else "\($ns / 1e4 | round / 100) ms" end) | \($case.throughput.Elements) |"' \
      "$directory/benchmark.json" "$directory/estimates.json"
  done < <(find target/criterion -type d -name new -printf '%T@ %p\n' | sort -n | cut -d' ' -f2-)
}

allocations() {
  "$bins/allocations" --json >"$results/allocations.json" 2>"$results/allocations.log"
  printf '\n## Allocations\n\n| hop / case | allocations | bytes | per |\n|---|---|---|---|\n'
  jq -r '.[] | "| `\(.case)` | \(.allocations * 100 | round / 100) | \(.bytes | round) | \(.unit) |"' "$results/allocations.json"
}

floor() {
  local load codec height mode file
  load=$(load_average)
  printf '\n## The floor\n\n'
  machine "$load"
  printf '| codec | height | pictures | total | decode | scale | compose | encode | opus | mix |\n|---|---|---|---|---|---|---|---|---|---|\n'
  for codec in vp8 h264; do
    for height in 360 720; do
      for mode in own overlay; do
        file=$results/floor-$codec-$height-$mode.json
        say "floor: $codec ${height}p $mode"
        # shellcheck disable=SC2046 # a flag or nothing
        "$bins/floor" --codec "$codec" --height "$height" --kbps 2000 $([[ $mode == own ]] || echo --overlay) --json >"$file" 2>/dev/null
        jq -r --arg mode "$mode" 'def r: . * 1e5 | round / 1e5;
          "| \(.codec) | \(.height) | \(.renditions) (\($mode)) | \(.cpu_s_per_participant_s | r) | \([.parts.decode, .parts.scale, .parts.compose, .parts.encode, .parts.opus, .parts.mix] | map(r | tostring) | join(" | ")) |"' "$file"
      done
    done
  done
}

node() {
  local load codec height mode file kept
  load=$(load_average)
  printf '\n## The node beside the floor\n\n'
  machine "$load"
  printf '| codec | height | pictures | node | floor before | floor after | **ratio** | video | audio | io | clock, control, rest | fps | kept up |\n'
  printf '|---|---|---|---|---|---|---|---|---|---|---|---|---|\n'
  for codec in vp8 h264; do
    for height in 360 720; do
      for mode in own overlay; do
        file=$results/node-$codec-$height-$mode.json
        kept=0
        rm -f "$file"
        # shellcheck disable=SC2046 # a flag or nothing
        benches/node_cost.sh --codec "$codec" --height "$height" $([[ $mode == own ]] || echo --overlay) --json "$file" >/dev/null || kept=$?
        # 3: too much for one core. It is a row all the same, and says so.
        ((kept == 0 || kept == 3)) || exit "$kept"
        ((kept == 0)) || status=3
        jq -r --arg mode "$mode" 'def r: . * 1e4 | round / 1e4; .threads as $t
          | "| \(.codec) | \(.height) | \(.encoders) (\($mode)) | \(.node_cpu_s_per_participant_s | r) | \(.floor_before | r) | \(.floor_after | r) | **\(.ratio * 100 | round / 100)** | \($t.video | r) | \($t.audio | r) | \($t.io | r) | \(([$t[]] | add) - $t.video - $t.audio - $t.io | r) | \(.seen.fps_min * 10 | round / 10) | \(.kept_up) |"' "$file"
      done
    done
  done
}

say "building"
cargo build --release --workspace --bins --bench hops 2>"$results/build.log" || { tail -20 "$results/build.log" >&2; exit 1; }
if wanted hops; then hops; fi
if wanted allocations; then allocations; fi
if wanted floor; then floor; fi
if wanted node; then node; fi
exit "$status"
