#!/usr/bin/env bash
# From a clone to a meeting: installs what is missing, builds, and starts `mcu serve --dev`.
# Usage: ./run.sh [--yes] [arguments of `mcu serve`]
set -euo pipefail
cd "$(dirname "$0")"

yes=
if [ "${1:-}" = --yes ]; then
  yes=--yes
  shift
fi
scripts/setup.sh build $yes
# shellcheck disable=SC1091 # made by rustup, where it was just installed
[ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
cargo build --release --locked -p mcu-server
exec target/release/mcu serve --dev "$@"
