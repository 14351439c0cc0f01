#!/usr/bin/env bash
# What calls by SIP cost a node: how fast it answers them, and what each costs it in one meeting of sound alone. Prints Markdown rows.
#
#   benches/sip.sh [--bins target/release] [--keep DIR] [--seconds N] [--talk turns|always|never] [--burst N] [--sound pcma|opus|g722|pcmu]... [--callers N]...
#       pcma and opus; 10, 50, 100 and 200 callers; 30 s that count; one of them speaks at a time, the others send silence; 50 at once
#
# Two tables. The first: callers at once, each with a TLS connection of its own, from the first INVITE to the last 200, and the same of callers who come
# two a second. The second: callers of one meeting, the node's cores while figures count, in parts per caller.
# A node takes fifty new calls at once from one address and ten a second (docs/SIP.md, Limits): no row asks for more.
# Exit: 0 every call was answered and the harness kept up, 1 not. NODE_CORE (0), BOTS_CORE (1), PORT (18900: the first of five) come from the environment.
# On a virtual machine run it by benches/awake.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bins=target/release keep='' seconds=30 talk=turns burst=50 sounds=() callers=()
while (($#)); do
  case $1 in
    --bins) bins=$2; shift 2 ;;
    --keep) keep=$2; shift 2 ;;
    --seconds) seconds=$2; shift 2 ;;
    --talk) talk=$2; shift 2 ;;
    --burst) burst=$2; shift 2 ;;
    --sound) sounds+=("$2"); shift 2 ;;
    --callers) callers+=("$2"); shift 2 ;;
    *) sed -n '2,/^set/{/^#/s/^# \?//p}' "$0" >&2; exit 2 ;;
  esac
done
((${#sounds[@]})) || sounds=(pcma opus)
((${#callers[@]})) || callers=(10 50 100 200)
node_core=${NODE_CORE:-0} bots_core=${BOTS_CORE:-1} port=${PORT:-18900}
source benches/node.sh
trap finish_node EXIT
keep=${keep:-$work}
printf '[sip]\ntls_port = %d\ndangerous_unverified_peers = true\n[log]\nlevel = "error"\n' $((port + 4)) >"$work/sip.toml"

# play NAME SOUND CALLERS RAMP SECONDS TALK: one run against a fresh node; its report lies in $report.
play() {
  local folder=$work/node-$1
  report=$keep/$1
  mkdir -p "$folder" "$report"
  # Who calls is told by voice that it is in: figures count when that is over.
  printf 'name = "%s"\nduration_s = %d\nsettle_s = 8\n[ramp]\n%s\n[[rooms]]\nmade = true\n[[rooms.groups]]\nkind = "phone"\nsound = "%s"\ncount = %d\ntalk = "%s"\n[thresholds]\nfailures_max = 0\n' \
    "$1" $(($5 + 8)) "$4" "$2" "$3" "$6" >"$folder/scenario.toml"
  start_node "$folder" --config "$work/sip.toml"
  "$bins/mcu-load" run "$folder/scenario.toml" --announce "$folder/announce.json" --node-cpus "$node_core" --self-cpus "$bots_core" \
    --report-dir "$report" >"$report/load.log" 2>&1 || wrong=1
  stop_node
  [[ -s $report/report.json ]] || { cat "$report/load.log" >&2; exit 1; }
}

prelude='
  def r: . * 1000 | round / 1000;
  def mean: if . == [] then null else add / length end;
  def spread: if . == null then "" else "\(.p50_ms), \(.p95_ms)" end;
  def row: "| " + (map(tostring) | join(" | ")) + " |";'
set_up='
  [.participants[] | select(.join.answered_ms != null) | {from: (.began_ms + .join.invited_ms), to: (.began_ms + .join.answered_ms)}] as $calls
  | (($calls | map(.to) | max) - ($calls | map(.from) | min)) as $span
  | [$how, .calls.made, .calls.answered, $span, (if $span > 0 then .calls.answered * 1000 / $span | round else "" end), (.calls.set_up | spread),
     (.calls.first_sound | spread), (.calls.refused | tostring)] | row'
cost='
  (.scenario.duration_ms - $counts * 1000) as $from
  | [.timeline[] | select(.at_ms > $from)] as $counted
  | ([$counted[].node_cores // empty] | mean) as $cores
  | [$sound, .calls.answered, ($cores // 0 | r), (if $cores then $cores / .calls.answered * 10000 | round / 10000 else "" end),
     ([$counted[].harness_cores // empty] | mean // 0 | r), (.calls.set_up | spread), (.node.memory_bytes_max // 0 | . / 1e6 | round),
     .harness.send_late_ms_p99, ([.node.stolen_mean // 0, .harness.stolen_mean // 0] | max | . * 100 | r), .verdict] | row'

wrong=0
echo "| calls come | made | answered | first INVITE to last 200, ms | answered a second | INVITE to 200 p50, p95 ms | INVITE to first sound p50, p95 ms | refused |"
echo "|---|---|---|---|---|---|---|---|"
play idle pcma $((burst < 20 ? burst : 20)) 'per_s = 2' 2 never
jq -r --arg how "two a second" "$prelude$set_up" "$report/report.json"
for sound in "${sounds[@]}"; do
  play "burst-$sound" "$sound" "$burst" 'spike = true' 2 never
  jq -r --arg how "at once, $sound" "$prelude$set_up" "$report/report.json"
done
echo
echo "| sound | callers | node, cores | cores a caller | harness, cores | INVITE to 200 p50, p95 ms | node, MB | sends late p99 ms | stolen % | verdict |"
echo "|---|---|---|---|---|---|---|---|---|---|"
for sound in "${sounds[@]}"; do
  for count in "${callers[@]}"; do
    play "$sound-$count" "$sound" "$count" 'per_s = 9' "$seconds" "$talk"
    jq -r --arg sound "$sound" --argjson counts "$seconds" "$prelude$cost" "$report/report.json"
  done
done
printf 'load average %s\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
exit $wrong
