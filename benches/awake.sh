#!/usr/bin/env bash
# Runs a command while no core of this virtual machine ever goes to sleep, so that its host has no reason to give one to somebody else.
#
#   benches/awake.sh COMMAND [ARG]...
#
# A guest that idles for a millisecond hands its core back, and may have to wait for it when the next packet comes: `st` of vmstat, and
# late pictures. Here every core always has something to do that gives way to everything else at once: a loop under SCHED_IDLE, niced, so
# that mcu-load does not count it as busy. Costs heat, and what two threads of one physical core take from each other; of no use, and no
# harm, on hardware of one's own. The command's exit code is passed on.
set -euo pipefail
(($#)) || { sed -n '2,/^set/{/^#/s/^# \?//p}' "$0" >&2; exit 2; }

loops=()
# The loops first, so that they are gone whatever becomes of the command.
trap 'kill "${loops[@]}" 2>/dev/null || true' EXIT
for ((core = 0; core < $(nproc --all); core++)); do
  taskset -c "$core" nice -n 19 chrt --idle 0 bash -c 'while :; do :; done' &
  loops+=($!)
done
"$@"
