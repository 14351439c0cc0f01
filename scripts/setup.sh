#!/usr/bin/env bash
# Installs what is missing from scripts/packages.txt, and checks the Rust toolchain.
# Usage: scripts/setup.sh build|test [--yes]
# Exit: 0 done, 1 a package could not be installed, 3 no usable Rust toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."

purpose=${1:?usage: scripts/setup.sh build|test [--yes]}
yes=${2:-}
rust_min=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
rustup_command="curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal"

missing_packages() {
  while read -r for_what package command; do
    case "$for_what" in ''|'#'*) continue ;; esac
    [ "$for_what" = test ] && [ "$purpose" = build ] && continue
    [ -n "${command:-}" ] && command -v "$command" >/dev/null 2>&1 && continue
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || printf '%s ' "$package"
  done < scripts/packages.txt
}

install_packages() {
  local packages as_root=''
  packages=$(missing_packages)
  [ -z "$packages" ] && return 0
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "These packages are missing, and this is not a Debian system; install their equivalents: $packages" >&2
    exit 1
  fi
  [ "$(id -u)" = 0 ] || as_root=sudo
  echo "Installing: $packages"
  export DEBIAN_FRONTEND=noninteractive
  $as_root apt-get update -qq </dev/null
  # shellcheck disable=SC2086 # a list of names
  $as_root apt-get install -y -qq --no-install-recommends $packages </dev/null >/dev/null || {
    echo "Could not install: $packages" >&2
    exit 1
  }
}

rust_is_new_enough() {
  command -v cargo >/dev/null 2>&1 || return 1
  local have
  have=$(rustc --version | cut -d ' ' -f 2)
  [ "$(printf '%s\n%s\n' "$rust_min" "$have" | sort -V | head -n 1)" = "$rust_min" ]
}

ensure_rust() {
  [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
  rust_is_new_enough && return 0
  echo "Rust $rust_min or newer is needed. The official way to get it:"
  echo "  $rustup_command"
  local answer=no
  if [ "$yes" = --yes ]; then
    answer=y
  elif [ -t 0 ]; then
    read -r -p "Run it now? [y/N] " answer
  fi
  case "$answer" in
    y|Y|yes) eval "$rustup_command" && . "$HOME/.cargo/env" && rust_is_new_enough && return 0 ;;
  esac
  echo "No Rust toolchain: run the command above, then start again." >&2
  exit 3
}

# Tools that only tests need and that Debian does not have: an FFmpeg that speaks WHIP.
install_test_tools() {
  local tools=target/test-tools
  [ -d "$tools/lib" ] && return 0
  echo "Installing: imageio-ffmpeg into $tools"
  python3 -m venv "$tools"
  "$tools/bin/pip" install -q --disable-pip-version-check imageio-ffmpeg==0.8.1
}

install_packages
ensure_rust
if [ "$purpose" = test ]; then install_test_tools; fi
