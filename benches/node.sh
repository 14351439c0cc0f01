# Sourced by the scripts beside it: a development node with a folder and four ports of its own, ready when `start_node` returns.
#
# Expects `bins` (where mcu is), `port` (the first of four), `node_core`, and takes `work` for a folder that `finish_node` removes.

work=$(mktemp -d)
node=''

# start_node FOLDER [OPTION]...: the options are those of `mcu serve`. The join links lie in FOLDER/announce.json.
start_node() {
  local folder=$1
  shift
  # On its core from the start, so that it makes as many threads as it has cores.
  taskset -c "$node_core" "$bins/mcu" serve --dev --data "$folder/data" --announce "$folder/announce.json" --https-port "$port" \
    --http-port $((port + 1)) --metrics-port $((port + 2)) --media-port $((port + 3)) "$@" >"$folder/node.log" 2>&1 &
  node=$!
  # The links are written before anybody listens: the first bot would only be refused.
  until curl -fsS "http://127.0.0.1:$((port + 1))/readyz" >/dev/null 2>&1; do
    kill -0 "$node" 2>/dev/null || { cat "$folder/node.log" >&2; exit 1; }
    sleep 0.1
  done
}

stop_node() {
  [[ -z $node ]] || { kill "$node" 2>/dev/null && wait "$node" 2>/dev/null; } || true
  node=''
}

# For `trap finish_node EXIT`.
finish_node() {
  stop_node
  rm -rf "$work"
}
