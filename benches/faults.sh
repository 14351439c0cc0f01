#!/usr/bin/env bash
# Does mcu-load find what is wrong? Plays benches/scenarios/faults.toml against a node in which one fault at a time is planted, and
# against the same node with none, several times each: each fault must break its own threshold and no other, the sound node none.
#
#   benches/faults.sh [--times 5] [--fault none|own-voice|late|swapped|frozen]...   all five unless said otherwise
#   benches/faults.sh --bins DIR     where mcu (built with the feature planted-faults) and mcu-load are; builds both if absent
#
# Prints a line for each run, with who broke what. Exit: 0 all as it must be, 1 something was not found, or found that is not there, or
# could not be measured. Latency and freezes are the machine's as well: it must have nothing else to do. A run that mcu-load calls
# INVALID (its own lateness, or the host gave the cores to others) says nothing and is played again, up to four times as many as asked.
# NODE_CORE (0), BOTS_CORE (1), PORT (18500: the first of four) come from the environment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

times=5 bins='' faults=()
while (($#)); do
  case $1 in
    --times) times=$2; shift 2 ;;
    --fault) faults+=("$2"); shift 2 ;;
    --bins) bins=$2; shift 2 ;;
    *) sed -n '2,/^set/{/^#/s/^# \?//p}' "$0" >&2; exit 2 ;;
  esac
done
((${#faults[@]})) || faults=(none own-voice late swapped frozen)
declare -A breaks=([none]='' [own-voice]=own_voice_leak_db_max [late]=latency_ms_p95_max [swapped]=misplaced_max [frozen]=frozen_percent_max)
for fault in "${faults[@]}"; do
  [[ -v breaks[$fault] ]] || { echo "no such fault: $fault" >&2; exit 2; }
done
node_core=${NODE_CORE:-0} bots_core=${BOTS_CORE:-1} port=${PORT:-18500}
source benches/node.sh
trap finish_node EXIT

if [[ -z $bins ]]; then
  # As tests build them, so that dependencies are not built again with other features; the sound program is put back after.
  cargo test --workspace --no-run --locked --features mcu-server/planted-faults
  bins=$work/bins
  mkdir "$bins"
  cp "${CARGO_TARGET_DIR:-target}"/debug/{mcu,mcu-load} "$bins"
  cargo test --workspace --no-run --locked
fi

# One run against a node with `fault`; the thresholds broken, and by whom.
play() {
  local fault=$1 folder=$2
  MCU_PLANTED_FAULT=${fault/none/} start_node "$folder"
  "$bins/mcu-load" run benches/scenarios/faults.toml --announce "$folder/announce.json" --node-cpus "$node_core" \
    --self-cpus "$bots_core" --report-dir "$folder/report" >"$folder/load.log" 2>&1 || true
  stop_node
  [[ -s $folder/report/report.json ]] || { cat "$folder/load.log" >&2; exit 1; }
}

wrong=0
for fault in "${faults[@]}"; do
  counted=0
  for ((run = 1; run <= 4 * times && counted < times; run++)); do
    folder=$work/$fault-$run
    mkdir "$folder"
    play "$fault" "$folder"
    report=$folder/report/report.json
    broken=$(jq -r '[.thresholds[] | select(.ruling != "kept") | .threshold] | join(" ")' "$report")
    who=$(jq -r '[.thresholds[] | select(.ruling == "broken") | .failing[] | "\(.participant) \(.value * 10 | round / 10)"] | join(", ")' "$report")
    verdict=$(jq -r '.verdict' "$report")
    worst=$(jq -r '[.thresholds[] | select(.worst != null) | "\(.threshold)=\(.worst.value * 10 | round / 10)"] | join(" ")' "$report")
    stolen=$(jq -r '[.node.stolen_mean, .harness.stolen_mean] | map(. * 1000 | round / 10) | "node \(.[0]) %, harness \(.[1]) %"' "$report")
    if [[ $verdict == INVALID ]]; then
      as='-'
    else
      counted=$((counted + 1)) as=ok
      [[ $broken == "${breaks[$fault]}" ]] || { as=WRONG; wrong=1; }
    fi
    [[ $verdict != INVALID ]] || who=$(jq -r '.because | join("; ")' "$report")
    printf '%-5s %-9s %d  %s: %s  %s\n      %s; stolen: %s\n' "$as" "$fault" "$run" "$verdict" "${broken:-none}" "${who:+($who)}" "$worst" "$stolen"
  done
  ((counted == times)) || { printf 'WRONG %s: %d of %d runs could be measured\n' "$fault" "$counted" "$times"; wrong=1; }
done
printf 'load average %s\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
exit $wrong
