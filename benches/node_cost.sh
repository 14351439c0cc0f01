#!/usr/bin/env bash
# What a meeting costs the node: processor seconds per participant-second, beside the floor's before and after.
#
# A release node on one core, mcu-load's bots on another, on a development meeting of its own. Measures between the two lines
# that `mcu-load join --window` says (everybody has settled in; the time is over), by /proc, so that it waits for the meeting and
# never for a while. Says so, and exits 3, when the node could not keep up: its figure then means nothing.
#
#   benches/node_cost.sh --height 360|720 --codec vp8|h264 [--overlay] [--people 4] [--seconds 30] [--json FILE]
#
# --overlay: bots promise to paint themselves over their own tiles, as our web client does, and share one picture; without it
#   everybody gets a picture of its own, as SIP rooms would.
# --bins DIR: where mcu, mcu-load and floor are (target/release). --perf FILE: `perf record` the node during the window.
# NODE_CORE (0), BOTS_CORE (1), PORT (18400: the first of four) come from the environment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

height=720 codec=vp8 people=4 seconds=30 bins=target/release json='' perf='' overlay=()
while (($#)); do
  case $1 in
    --height) height=$2; shift 2 ;;
    --codec) codec=$2; shift 2 ;;
    --people) people=$2; shift 2 ;;
    --seconds) seconds=$2; shift 2 ;;
    --bins) bins=$2; shift 2 ;;
    --json) json=$2; shift 2 ;;
    --perf) perf=$2; shift 2 ;;
    --overlay) overlay=(--overlay); shift ;;
    *) sed -n '2,/^set/{/^#/s/^# \?//p}' "$0" >&2; exit 2 ;;
  esac
done
node_core=${NODE_CORE:-0} bots_core=${BOTS_CORE:-1} port=${PORT:-18400}
# What is sent, as in the reference figures; and the most that a receiver of the high class gets.
sent_kbps=$((height > 360 ? 1500 : 600)) rendition_kbps=2000
ticks_per_s=$(getconf CLK_TCK)
source benches/node.sh
load=''

finish() {
  [[ -z $load ]] || kill "$load" 2>/dev/null || true
  finish_node
}
trap finish EXIT

say() { printf '%s\n' "$*" >&2; }

# Clock ticks of processor time of the node, one line for each kind of thread: video, audio, io, clock, control, the rest.
threads() {
  awk '{ close(FILENAME); line = $0; name = line; sub(/^[0-9]+ \(/, "", name); sub(/\) .*/, "", name); sub(/-[0-9]+$/, "", name)
         sub(/^.*\) /, "", line); split(line, field, " "); spent[name] += field[12] + field[13] }
       END { for (name in spent) printf "%s %d\n", name, spent[name] }' "/proc/$node"/task/*/stat
}

# The same for the whole process, threads that have ended included: utime and stime are fields 14 and 15 of proc(5).
process() { awk '{ sub(/^.*\) /, ""); print $12 + $13 }' "/proc/$node/stat"; }

metrics() { curl -fsS "http://127.0.0.1:$((port + 2))/metrics" | grep -v '[#{]'; }

floor() {
  taskset -c "$node_core" "$bins/floor" --people "$people" --height "$height" --codec "$codec" --kbps "$rendition_kbps" \
    --seconds 20 "${overlay[@]}" --json
}

say "floor, before"
floor >"$work/before.json" 2>"$work/floor.log" || { cat "$work/floor.log" >&2; exit 1; }

cat >"$work/mcu.toml" <<EOF
[room]
canvas = { width = $((height * 16 / 9)), height = $height }
[log]
level = "warn"
EOF
start_node "$work" --config "$work/mcu.toml"

say "$people bots, $codec ${height}p, window of $seconds s"
mkfifo "$work/lines"
taskset -c "$bots_core" "$bins/mcu-load" join --announce "$work/announce.json" --count "$people" --codec "$codec" \
  --size "${height}p" --only-kbps "$sent_kbps" "${overlay[@]}" --measure --window "$seconds" >"$work/lines" 2>"$work/load.log" &
load=$!
seen=''
while IFS= read -r line; do
  case $line in
    'window begins')
      process >"$work/process.0" && threads >"$work/threads.0" && metrics >"$work/metrics.0"
      if [[ -n $perf ]]; then
        perf record -q -e cpu-clock -F 499 -p "$node" -o "$perf" -- sleep "$seconds" 2>>"$work/perf.log" &
      fi
      ;;
    'window ends '*)
      process >"$work/process.1" && threads >"$work/threads.1" && metrics >"$work/metrics.1"
      seen=${line#window ends }
      ;;
    *) say "$line" ;;
  esac
done <"$work/lines"
wait "$load" || { cat "$work/load.log" >&2; say "the bots did not stay to the end"; exit 1; }
load=''
[[ -n $seen ]] || { cat "$work/load.log" >&2; say "there was no window"; exit 1; }
kill "$node"
wait "$node" || { cat "$work/node.log" >&2; say "the node did not end well"; exit 1; }
node=''
say "floor, after"
floor >"$work/after.json" 2>"$work/floor.log"

# Differences of two lists of "name value", as a JSON object of value * factor.
differences() {
  awk -v factor="$3" 'NR == FNR { before[$1] = $2; next } { printf "%s\"%s\": %.6f", (n++ ? ", " : "{"), $1, ($2 - before[$1]) * factor }
    END { print (n ? "}" : "{}") }' "$1" "$2"
}
span=$(jq '.seconds' <<<"$seen")
per_participant=$(awk -v hz="$ticks_per_s" -v n="$people" -v s="$span" 'BEGIN { print 1 / (hz * n * s) }')
jq -n --argjson seen "$seen" --argjson threads "$(differences "$work/threads.0" "$work/threads.1" "$per_participant")" \
  --argjson counted "$(differences "$work/metrics.0" "$work/metrics.1" 1)" \
  --argjson encoders "$(awk '$1 == "mcu_encoders" { print $2 }' "$work/metrics.1")" \
  --argjson ticks $(($(<"$work/process.1") - $(<"$work/process.0"))) --argjson factor "$per_participant" \
  --slurpfile before "$work/before.json" --slurpfile after "$work/after.json" \
  --arg codec "$codec" --argjson height "$height" --argjson people "$people" --arg load "$(cut -d' ' -f1 /proc/loadavg)" '
  ($ticks * $factor) as $node
  | (($before[0].cpu_s_per_participant_s + $after[0].cpu_s_per_participant_s) / 2) as $floor
  | { codec: $codec, height: $height, people: $people, overlay: $before[0].overlay, encoders: $encoders, load_average: ($load | tonumber),
      node_cpu_s_per_participant_s: $node, floor_before: $before[0].cpu_s_per_participant_s,
      floor_after: $after[0].cpu_s_per_participant_s, ratio: ($node / $floor), threads: $threads, seen: $seen,
      floor_parts: $before[0].parts, floor_rendition_kbps: $before[0].rendition_kbps,
      trouble: ($counted | with_entries(select((.key | test("late|dropped|errors|lost")) and .value > 0))) }
  | .kept_up = ((.seen.fps_min // 0) >= 27 and ((.trouble.mcu_ticks_late_total // 0) <= $counted.mcu_ticks_total / 100))' \
  >"$work/result.json"
jq . "$work/result.json"
[[ -z $json ]] || cp "$work/result.json" "$json"
if [[ $(jq .kept_up "$work/result.json") != true ]]; then
  say "THE NODE DID NOT KEEP UP (pictures a second, late ticks: see above): this is no figure of what a meeting costs"
  exit 3
fi
