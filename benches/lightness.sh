#!/usr/bin/env bash
# How light the harness is beside what it measures: 25 people who send and count, on one core, against a node on another.
#
# Plays benches/scenarios/counting.toml and prints a row for each run: cores that the harness and the node used while figures counted, what all
# 25 sent and received in that time, and the harness' memory at the most, encoded loops included.
#
#   benches/lightness.sh [--bins target/release] [--times 3]
#
# Exit: 0 the runs could be done; 1 one could not. NODE_CORE (0), BOTS_CORE (1), PORT (18800: the first of four) come from the environment.
# On a virtual machine run it by benches/awake.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bins=target/release times=3
while (($#)); do
  case $1 in
    --bins) bins=$2; shift 2 ;;
    --times) times=$2; shift 2 ;;
    *) sed -n '2,/^set/{/^#/s/^# \?//p}' "$0" >&2; exit 2 ;;
  esac
done
node_core=${NODE_CORE:-0} bots_core=${BOTS_CORE:-1} port=${PORT:-18800}
source benches/node.sh
trap finish_node EXIT
start_node "$work"

row='
  def r: . * 1000 | round / 1000;
  def mean: add / length;
  [.timeline[] | select(.at_ms > 14000)] as $counted
  | [ (.participants | length), ([$counted[].harness_cores] | mean | r), ([$counted[].node_cores] | mean | r), ([$counted[].sent_kbps] | mean / 1000 | r),
      ([$counted[].received_kbps] | mean / 1000 | r), (.harness.memory_bytes_max / (.participants | length) / 1e6 | . * 10 | round / 10),
      .harness.send_late_ms_p99, ([.node.stolen_mean, .harness.stolen_mean] | max | . * 100 | r) ]
  | "| " + (map(tostring) | join(" | ")) + " |"'
echo "| people | harness, cores | node, cores | sent, Mbit/s | received, Mbit/s | MB a person | sends late p99 ms | stolen % |"
echo "|---|---|---|---|---|---|---|---|"
for ((time = 1; time <= times; time++)); do
  "$bins/mcu-load" run benches/scenarios/counting.toml --announce "$work/announce.json" --node-cpus "$node_core" --self-cpus "$bots_core" \
    --report-dir "$work/$time" >"$work/load.log" 2>&1 || true
  [[ -s $work/$time/report.json ]] || { cat "$work/load.log" >&2; exit 1; }
  jq -r "$row" "$work/$time/report.json"
done
printf 'load average %s\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
