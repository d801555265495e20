#!/bin/sh
# Makes this machine a host: installs Armada's agent as a systemd service, upgrades it in place, takes it away again.
#
# It lies beside agent.mjs, games.mjs and zookeeper.node, as `npm run pack:agent` puts them into one archive. Debian
# and Ubuntu, as root. Ships run on while the agent is installed over, upgraded or taken away, whatever ARMADA_ON_STOP
# says: the signal that it gets says more (agent/main.ts).
set -eu

usage() {
  cat <<'END'
Join:      install-agent.sh --api URL --zookeeper HOST:PORT[,…] --token TOKEN [settings]
Upgrade:   install-agent.sh                  (from a newer archive; settings and credential stay)
Uninstall: install-agent.sh --uninstall      (ships run on)
           install-agent.sh --uninstall --purge   (gives this host's ships back to the cluster, and forgets its
                                                   credential once none runs; with --force also while some do)

  --api URL             the ApiServers' address
  --zookeeper LIST      ZooKeeper's addresses; ARMADA_ZOOKEEPER_SECRET goes with --set
  --token TOKEN         a one-time join token: armada join-token HOST
  --host-id NAME        default: this machine's name
  --address ADDRESS     where players reach this host; default: its first address
  --labels A=B[,…]      labels of the host
  --ports FROM-TO       host ports for ships
  --set NAME=VALUE      any other setting of the agent (the README's table); may be repeated
  --node PATH           the Node to run it with; default: the one on the PATH
  --any-system          not only on Debian, Ubuntu and what is made of them
END
}

service=armada-agent
# Tests put a machine of their own under it.
root=${ARMADA_INSTALL_ROOT:-}
home=$root/opt/armada-agent
settings=$root/etc/armada/agent.env
unit=$root/etc/systemd/system/$service.service
until_reboot=$root/run/systemd/system/$service.service.d
# The longest grace of a ship is 600 s; what the agent does after it takes less than 40.
most_seconds_to_stop=640
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

say() { printf '%s\n' "$*"; }
fail() {
  printf 'armada: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '  %s\n' "$line" >&2; done
  exit 1
}

api='' zookeeper='' token='' host_id='' address='' labels='' ports='' more='' node=''
uninstall='' purge='' force='' any_system=''
needs() { [ $# -ge 2 ] && [ -n "$2" ] || fail "$1 needs a value." 'See --help.'; }
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --uninstall) uninstall=yes; shift; continue ;;
    --purge) purge=yes; shift; continue ;;
    --force) force=yes; shift; continue ;;
    --any-system) any_system=yes; shift; continue ;;
  esac
  needs "$@"
  case $2 in *"
"*) fail "$1 takes one line." ;; esac
  case $1 in
    --api) api=$2 ;;
    --zookeeper) zookeeper=$2 ;;
    --token) token=$2 ;;
    --host-id) host_id=$2 ;;
    --address) address=$2 ;;
    --labels) labels=$2 ;;
    --ports) ports=$2 ;;
    --node) node=$2 ;;
    --set)
      printf '%s' "$2" | grep -Eq '^ARMADA_[A-Z_]+=' || fail "--set takes ARMADA_NAME=VALUE, not \"$2\"."
      more="$more$2
" ;;
    *) fail "There is no option $1." 'See --help.' ;;
  esac
  shift 2
done

[ "$(id -u)" = 0 ] || fail 'This needs root.' "Run it again with sudo."
[ -d "$root/run/systemd/system" ] || fail 'systemd does not run on this machine.' \
  'Without it start the agent yourself: node agent.mjs, with the settings of the README in its environment.'

setting_of() {
  [ ! -f "$settings" ] || sed -n "s/^$1=//p" "$settings" | tail -n 1 | sed 's/^"\(.*\)"$/\1/'
}

# What --set says now, or what the settings have said since an earlier run.
given() {
  value=$(printf '%s' "$more" | sed -n "s/^$1=//p" | tail -n 1)
  printf '%s' "${value:-$(setting_of "$1")}"
}
docker=$(given ARMADA_DOCKER)
docker=${docker:-$root/var/run/docker.sock}
state=$(given ARMADA_STATE_DIR)
state=${state:-$root/var/lib/armada}

# Asks Docker for a path, and prints what it answers.
ask_docker() {
  "$node" -e '
const [socketPath, path] = process.argv.slice(1)
const request = require("node:http").get({ socketPath, path, timeout: 10_000 }, (answer) => {
  process.exitCode = answer.statusCode === 200 ? 0 : 1
  answer.pipe(process.stdout)
})
request.on("error", () => process.exit(1)).on("timeout", () => process.exit(1))' "$docker" "$1"
}

# The ships of this host that run, by Docker's word: one a line.
running_ships() {
  [ -f "$settings" ] || return 0
  containers=$(ask_docker "/containers/json?filters=%7B%22label%22%3A%5B%22armada.host%3D$(setting_of ARMADA_HOST_ID)%22%5D%7D") ||
    return 1
  printf '%s' "$containers" | grep -o '"armada.ship":"[^"]*"' | cut -d '"' -f 4 || true
}

# Stops the agent with a signal that says what becomes of its ships: HUP keeps them, USR2 gives them back.
stop_by() {
  mkdir -p "$until_reboot"
  printf '[Service]\nKillSignal=SIG%s\nTimeoutStopSec=%s\n' "$1" "$most_seconds_to_stop" >"$until_reboot/stop.conf"
  systemctl daemon-reload
  systemctl stop "$service" 2>/dev/null || true
  rm -f "$until_reboot/stop.conf"
  rmdir "$until_reboot" 2>/dev/null || true
  systemctl daemon-reload
}

give_ships_back() {
  say "Giving this host's ships back to the cluster, which starts them elsewhere."
  stop_by USR2 &
  stopping=$!
  told=''
  while kill -0 "$stopping" 2>/dev/null; do
    left=$(running_ships | wc -l)
    [ "$left" = "$told" ] || say "  $left still run"
    told=$left
    sleep 1
  done
}

refuse_while_ships_run() {
  if ! left=$(running_ships); then
    fail "Nobody knows whether ships still run here, and nothing was removed: Docker does not answer $node on $docker." \
      "Start it, and run this again; --force forgets this host all the same."
  fi
  [ -z "$left" ] || fail "These ships of this host still run, and nothing was removed: $(printf '%s' "$left" | tr '\n' ' ')" \
    "The agent has to give them back: systemctl start $service, and once it runs (journalctl -u $service) this again." \
    "--force forgets this host all the same, and they run on with nobody who looks after them."
}

if [ -n "$uninstall" ]; then
  node=${node:-$(sed -n 's/^ExecStart=\([^ ]*\) .*/\1/p' "$unit" 2>/dev/null)}
  node=${node:-$(command -v node || true)}
  if [ -n "$purge" ]; then
    ! systemctl is-active --quiet "$service" || give_ships_back
    [ -n "$force" ] || refuse_while_ships_run
  fi
  stop_by HUP
  systemctl disable "$service" 2>/dev/null || true
  rm -f "$unit"
  systemctl daemon-reload
  rm -rf "$home"
  if [ -n "$purge" ]; then
    left=$(running_ships | tr '\n' ' ')
    rm -rf "$state" "$settings"
    [ -z "$left" ] || say "These ships run on, with nobody who looks after them: $left"
    say 'The agent, its settings and its credential are gone. Remove the host from the cluster: armada remove-host.'
  else
    say "The agent is gone; ships run on. $settings and $state are kept for the next one; --purge takes them too."
  fi
  exit 0
fi

# The system
systems() (
  . "$root/etc/os-release" && printf ' %s %s ' "${ID:-}" "${ID_LIKE:-}"
)
case $any_system$(systems 2>/dev/null || true) in
  yes* | *' debian '* | *' ubuntu '*) ;;
  *) fail 'This machine runs neither Debian nor Ubuntu, nor a system made of them, by its /etc/os-release.' \
    'The agent was tried on no other. To install it all the same: --any-system.' ;;
esac

[ -f "$here/agent.mjs" ] && [ -f "$here/games.mjs" ] && [ -f "$here/zookeeper.node" ] ||
  fail 'agent.mjs, games.mjs and zookeeper.node are not beside this script.' \
    'Unpack the whole archive that npm run pack:agent made, and run the script there.'

# Node
node=${node:-$(command -v node || true)}
[ -n "$node" ] || fail 'There is no Node on this machine.' \
  'Install Node 20.18.1 or newer (Debian 13 and Ubuntu 26.04 have it: apt-get install nodejs), or name it: --node PATH.'
node=$(readlink -f "$node")
"$node" -e '
const [a, b, c] = process.versions.node.split(".").map(Number)
process.exit(a > 20 || (a === 20 && (b > 18 || (b === 18 && c >= 1))) ? 0 : 1)' ||
  fail "The agent needs Node 20.18.1 or newer, and $node is $("$node" --version)." \
    'Install a newer one, or name it: --node PATH.'
problem=$("$node" -e 'require(process.argv[1])' "$here/zookeeper.node" 2>&1) ||
  fail "The archive does not fit this machine ($(uname -m)) or its Node ($("$node" --version)):" \
    "$(printf '%s' "$problem" | grep -m 1 Error || printf '%s' "$problem" | head -n 1)" \
    'Make it on a machine of the same kind: npm run pack:agent.'

ask_docker /_ping >/dev/null ||
  fail "Docker does not answer on $docker." \
    'Install it (apt-get install docker.io) or start it (systemctl start docker), and run this again.'

# Settings: those of before, then those of this call.
if [ ! -f "$settings" ]; then
  if [ -z "$api" ] || [ -z "$zookeeper" ] || [ -z "$token" ]; then
    usage >&2
    fail 'A new host needs --api, --zookeeper and --token.'
  fi
fi
umask 077
mkdir -p "$(dirname "$settings")" "$state"
[ -f "$settings" ] || printf '# Settings of the agent; the README lists them all.\n' >"$settings"
put() {
  [ -n "$2" ] || return 0
  # systemd reads what stands in quotes as it is, but for these.
  value=$(printf '%s' "$2" | sed 's/[\\"$`]/\\&/g')
  grep -v "^$1=" "$settings" >"$settings.new" || true
  printf '%s="%s"\n' "$1" "$value" >>"$settings.new"
  mv "$settings.new" "$settings"
}
if [ -z "$host_id" ] && [ -z "$(setting_of ARMADA_HOST_ID)" ]; then
  host_id=$(uname -n | tr 'A-Z_.' 'a-z--' | cut -c1-63)
fi
put ARMADA_API "$api"
put ARMADA_ZOOKEEPER "$zookeeper"
put ARMADA_JOIN_TOKEN "$token"
put ARMADA_HOST_ID "$host_id"
put ARMADA_HOST_ADDRESS "$address"
put ARMADA_HOST_LABELS "$labels"
put ARMADA_PORTS "$ports"
put ARMADA_STATE_DIR "$state"
printf '%s' "$more" | while IFS= read -r line; do put "${line%%=*}" "${line#*=}"; done
umask 022

# The program: each version in a folder of its own, so that the one before can take over again.
version=$(sed -n 's/.*"version": *"\([^"]*\)".*/\1/p' "$here/package.json" 2>/dev/null | head -n 1)
version=${version:-unknown}-$(cksum <"$here/agent.mjs" | cut -d ' ' -f 1)
before=$(readlink "$home/current" 2>/dev/null || true)
mkdir -p "$home/$version"
cp "$here/agent.mjs" "$here/games.mjs" "$here/zookeeper.node" "$home/$version/"
point() {
  ln -sfn "$1" "$home/current.new"
  mv -T "$home/current.new" "$home/current"
}
point "$version"

cat >"$unit" <<END
[Unit]
Description=Armada host agent
After=network-online.target docker.service
Wants=network-online.target docker.service
StartLimitIntervalSec=0

[Service]
Environment=MALLOC_TRIM_THRESHOLD_=131072
EnvironmentFile=$settings
ExecStart=$node --optimize-for-size --single-threaded-gc $home/current/agent.mjs
Restart=always
RestartSec=2
# Ships are Docker's children, not the agent's: they run on while it is stopped, started anew or upgraded.
KillMode=mixed
# Another agent comes at once: ships are kept even if ARMADA_ON_STOP says that they are given back.
RestartKillSignal=SIGHUP
TimeoutStopSec=$most_seconds_to_stop
OOMScoreAdjust=-500
LimitNOFILE=65536
StandardError=journal

[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable --quiet "$service"

# It is up when it has run for some seconds without ending.
starts() { systemctl show -p NRestarts --value "$service"; }
comes_up() {
  systemctl restart "$service" || return 1
  for _ in 1 2 3 4 5 6 7 8; do
    sleep 1
    systemctl is-active --quiet "$service" && [ "$(starts)" = 0 ] || return 1
  done
}
last_words() { journalctl -u "$service" -n 10 --no-pager -o cat 2>/dev/null || true; }

if comes_up; then
  for old in "$home"/*/; do
    old=$(basename "$old")
    case $old in current | "$version" | "$before") ;; *) rm -rf "${home:?}/$old" ;; esac
  done
  say "The agent of $(setting_of ARMADA_HOST_ID) runs ($version)."
  say "What it says: journalctl -u $service -f. Its ships: armada ships --host NAME."
elif [ -n "$before" ] && [ "$before" != "$version" ]; then
  words=$(last_words)
  point "$before"
  systemctl restart "$service"
  rm -rf "${home:?}/$version"
  fail "The new agent did not stay up; the one of before ($before) runs again." "$words"
else
  words=$(last_words)
  stop_by HUP
  fail 'The agent did not stay up, and was stopped.' "$words" "Put it right in $settings or by options, and run this again."
fi
