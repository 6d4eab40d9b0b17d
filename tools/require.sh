#!/usr/bin/env bash
# Checks for programs that some tests use: as root, missing ones are installed by apt; otherwise they are listed.
# usage: require.sh node|postgresql|pgbouncer|chromium|emoji|nginx|wrk …
set -euo pipefail

have() {
  case $1 in
    node) command -v node >/dev/null && command -v npm >/dev/null ;;
    postgresql) command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ;;
    chromium) command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ;;
    emoji) fc-list :lang=und-zsye 2>/dev/null | grep -q . ;;
    pgbouncer) command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] ;;
    nginx) command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] ;;
    wrk) command -v wrk >/dev/null ;;
    *) echo "require.sh: knows node, postgresql, pgbouncer, chromium, emoji, nginx and wrk, not '$1'" >&2; exit 2 ;;
  esac
}

packages() {
  case $1 in
    node) echo nodejs npm ;;
    emoji) echo fontconfig fonts-noto-color-emoji ;;
    *) echo "$1" ;;
  esac
}

missing=()
for name in "$@"; do have "$name" || missing+=("$name"); done
[ ${#missing[@]} -gt 0 ] || exit 0

wanted=()
for name in "${missing[@]}"; do read -ra names <<<"$(packages "$name")"; wanted+=("${names[@]}"); done

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "Missing for this: ${missing[*]}. Install them (Debian: apt-get install ${wanted[*]}) and run the command again." >&2
  exit 1
fi
echo "Installing ${wanted[*]} …" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Packages must not start servers on installation, because the tests start their own.
mkdir -p /etc/postgresql-common/createcluster.d
echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/backscroll.conf
if ! { apt-get update && apt-get install --yes --no-install-recommends "${wanted[@]}"; } >"$log" 2>&1; then
  tail -20 "$log" >&2
  echo "apt-get could not install ${wanted[*]}; install them by hand and run the command again." >&2
  exit 1
fi
