#!/usr/bin/env bash
# How many people one core carries: searches with the presets find-capacity, find-capacity-speaker and find-capacity-rooms, each at two
# sizes of cameras and canvas, with their repetitions. Prints a row of benches/RESULTS.md for each.
#
#   benches/capacity.sh [--bins target/release] [--keep DIR] [--seconds N] [--size 360p|720p]... [PRESET]...     all of both unless said otherwise
#
# --keep DIR: every step's report and capacity.json, in DIR/PRESET-SIZE. --seconds: of each step, instead of the preset's 30. On a virtual machine run it by benches/awake.sh.
# Exit: 0 every search found the node's edge or the preset's most, 1 one did not. NODE_CORE (0), BOTS_CORE (1), PORT (18700: the first of
# four) come from the environment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bins=target/release keep='' duration=() sizes=() presets=()
while (($#)); do
  case $1 in
    --bins) bins=$2; shift 2 ;;
    --keep) keep=$2; shift 2 ;;
    --seconds) duration=(--duration "$2"); shift 2 ;;
    --size) sizes+=("$2"); shift 2 ;;
    -*) sed -n '2,/^set/{/^#/s/^# \?//p}' "$0" >&2; exit 2 ;;
    *) presets+=("$1"); shift ;;
  esac
done
((${#sizes[@]})) || sizes=(360p 720p)
((${#presets[@]})) || presets=(find-capacity find-capacity-speaker find-capacity-rooms)
node_core=${NODE_CORE:-0} bots_core=${BOTS_CORE:-1} port=${PORT:-18700}
source benches/node.sh
trap finish_node EXIT
keep=${keep:-$work}

# People; what was raised; what one of them cost at the edge; what broke beyond it.
row='
  def r: . * 100 | round / 100;
  def spread: if .min == .max then "\(.median | r)" else "\(.median | r) (\(.min | r) to \(.max | r))" end;
  (.capacity | if . == null then "none" else (if .at_least then "at least " else "" end) + (.people | spread) end) as $people
  | [.edges[].count] as $counts
  | [.steps[] | select(.verdict == "PASS" and (.count as $n | $counts | index($n)))] as $carried
  | ([.steps[] | select(.verdict == "FAIL") | .broken[].threshold] | group_by(.) | map("\(.[0]) \(length)") | join(", ")) as $broke
  | [$preset, $size, $people, ($counts | map(tostring) | join(", ")), ([$carried[].cpu_s_per_participant_s // empty] | if . == [] then "" else add / length * 10000 | round / 10000 end),
     ([$carried[].ticks_late_percent // empty] | if . == [] then "" else max | r end), $broke, (.steps | length), ([.steps[] | select(.disturbed)] | length), .verdict]
  | "| " + (map(tostring) | join(" | ")) + " |"'
echo "| preset | size | people on one core | what was raised, each search | CPU-s per participant-s | late ticks % | what broke, steps | steps | disturbed | verdict |"
echo "|---|---|---|---|---|---|---|---|---|---|"
wrong=0
for size in "${sizes[@]}"; do
  height=${size%p}
  printf '[room]\ncanvas = { width = %d, height = %d }\n[log]\nlevel = "warn"\n' $((height * 16 / 9)) "$height" >"$work/$size.toml"
  for preset in "${presets[@]}"; do
    folder=$work/node-$preset-$size report=$keep/$preset-$size
    mkdir -p "$folder" "$report"
    start_node "$folder" --config "$work/$size.toml"
    "$bins/mcu-load" run "$preset" --size "$size" --announce "$folder/announce.json" --node-cpus "$node_core" --self-cpus "$bots_core" \
      "${duration[@]}" --report-dir "$report" >"$report/load.log" 2>&1 || wrong=1
    stop_node
    [[ -s $report/capacity.json ]] || { cat "$report/load.log" >&2; exit 1; }
    jq -r --arg preset "$preset" --arg size "$size" "$row" "$report/capacity.json"
  done
done
printf 'load average %s\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
exit $wrong
