#!/usr/bin/env bash
# One of four people behind each bad network in turn: what it hears and sees, and whether the others notice.
#
# Plays benches/scenarios/impaired.toml against one release node on one core, mcu-load on another, and prints a table: sound that was made
# up and freezes, of the one behind that network; of the others as they see each other (worst of them); and of its tile and voice at the others.
#
#   benches/impaired.sh [--bins target/release] [--seconds 46] [--times 1] [NETWORK...]      n0 to n7, n5b and n6b unless said otherwise
#
# Exit: 0 the runs could be done, whatever they showed; 1 one could not. NODE_CORE (0), BOTS_CORE (1), PORT (18600: the first of four)
# come from the environment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bins=target/release seconds=46 times=1 networks=()
while (($#)); do
  case $1 in
    --bins) bins=$2; shift 2 ;;
    --seconds) seconds=$2; shift 2 ;;
    --times) times=$2; shift 2 ;;
    -*) sed -n '2,/^set/{/^#/s/^# \?//p}' "$0" >&2; exit 2 ;;
    *) networks+=("$1"); shift ;;
  esac
done
((${#networks[@]})) || networks=(n0 n1 n2 n3 n4 n5 n5b n6 n6b n7)
node_core=${NODE_CORE:-0} bots_core=${BOTS_CORE:-1} port=${PORT:-18600}
source benches/node.sh
trap finish_node EXIT
start_node "$work"

# Of the whole picture and of single tiles: a tile of a bad sender freezes for everybody, the picture around it must not.
row='
  def r: . * 10 | round / 10;
  (.participants[] | select(.group == "traveller") | .measured) as $t
  | [.participants[] | select(.group == "guest") | .measured] as $g
  | [$g[].sees[] | select(.name | startswith("guest"))] as $between
  | [$g[].sees[] | select(.name | startswith("traveller"))] as $about
  | [ $network, ($t.concealed_percent | r), $t.freezes, ($t.frozen_percent | r), ($t.fps | r), ($t.glass_to_glass.p95_ms // "not measured"),
      ([$g[].concealed_percent] | max | r), ([$g[].freezes, $between[].freezes] | max), ([$g[].fps] | min | r), ([$between[].latency.p95_ms] | max),
      ([$about[].freezes] | max), ([.node.stolen_mean, .harness.stolen_mean] | max | . * 100 | r), .verdict ]
  | "| " + (map(tostring) | join(" | ")) + " |"'
echo "| network | its concealed % | its freezes | its frozen % | its fps | its latency p95 ms | others: concealed % | others: freezes | others: fps | others: latency p95 ms | freezes of its tile | stolen % | verdict |"
echo "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
for network in "${networks[@]}"; do
  for ((time = 1; time <= times; time++)); do
    sed "s/NETWORK/$network/" benches/scenarios/impaired.toml >"$work/$network.toml"
    "$bins/mcu-load" run "$work/$network.toml" --announce "$work/announce.json" --node-cpus "$node_core" --self-cpus "$bots_core" \
      --duration "$seconds" --report-dir "$work/$network-$time" >"$work/load.log" 2>&1 || true
    [[ -s $work/$network-$time/report.json ]] || { cat "$work/load.log" >&2; exit 1; }
    jq -r --arg network "$network" "$row" "$work/$network-$time/report.json"
  done
done
printf 'load average %s\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
