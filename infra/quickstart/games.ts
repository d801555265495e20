// The games that can be built into images here: what each needs from the machine's package registry.

export interface Game {
  name: string
  /** Raise it with every change to this entry: it is the image's tag. */
  recipe: number
  /** Fetched with everything they depend on. */
  packages: readonly string[]
  /** Fetched alone, where the dependencies are data that a server does not need. */
  lonePackages: readonly string[]
  /** Where packages put the server, and the libraries it opens by itself (`*` stands for any characters). */
  program: string
  plugins: readonly string[]
  /** Files and folders taken over: path in the packages -> path in the image. */
  data: Readonly<Record<string, string>>
  /** Members taken out of a zip archive: archive in the packages, patterns, folder in the image. */
  unpack?: { archive: string; members: readonly string[]; into: string }
  /** Written as they are: path in the image -> text. */
  files: Readonly<Record<string, string>>
  /** Folders that must exist, even empty. */
  folders: readonly string[]
  /** A shell script; PID 1 in the container unless Docker's init is asked for. */
  start: string
  /** Container port and protocol. */
  port: string
}

/** Playable with any OpenArena client that has these maps, which came with 0.8.5. */
const openArenaMaps = ['am_underworks', 'blitzkrieg3', 'oa_reptctf11', 'ps37ctf2', 'ps9ctf']

export const openArena: Game = {
  name: 'openarena',
  recipe: 1,
  packages: ['ioquake3-server'],
  lonePackages: ['openarena-server', 'openarena-085-data'],
  program: 'usr/lib/ioquake3/ioq3ded',
  plugins: ['usr/lib/openarena-server/baseoa/qagame*.so'],
  data: { 'usr/lib/openarena-server/baseoa/qagame*.so': 'game/baseoa/' },
  unpack: {
    archive: 'usr/share/games/openarena/baseoa/pak6-patch085.pk3',
    members: openArenaMaps.map((map) => `maps/${map}.*`),
    into: 'game/baseoa',
  },
  // The engine refuses to start without this file; a server needs none of the key bindings it usually holds.
  files: { 'game/baseoa/default.cfg': 'set sv_floodProtect 1\n' },
  folders: [],
  // dedicated 1 is a server that reports itself to no master server. Loose files need sv_pure 0.
  start: `exec /bin/ioq3ded +set dedicated 1 +set ttycon 0 +set com_basegame baseoa +set fs_basepath /game \\
  +set com_homepath .game +set com_legacyprotocol 71 +set com_protocol 71 +set sv_pure 0 +set vm_game 0 \\
  +set com_hunkMegs 64 +set bot_enable 0 +set net_enabled 1 +set net_ip 0.0.0.0 +set net_port "\${GAME_PORT:-27960}" \\
  +set sv_maxclients "\${GAME_SLOTS:-16}" +set g_gametype "\${GAME_TYPE:-0}" \\
  +set sv_hostname "\${GAME_NAME:-Armada \${ARMADA_SHIP_ID:-ship}}" +map "\${GAME_MAP:-am_underworks}" "$@"
`,
  port: '27960/udp',
}

/** Says "[server]: version" when it is ready. It ignores SIGTERM as PID 1, so a shell passes the signal on. */
export const teeworlds: Game = {
  name: 'teeworlds',
  recipe: 1,
  packages: ['teeworlds-server'],
  lonePackages: [],
  program: 'usr/games/teeworlds-server',
  plugins: [],
  data: { 'usr/share/games/teeworlds/data/maps': 'usr/share/games/teeworlds/data/maps' },
  files: {},
  // It takes a folder for its data only if this one is in it.
  folders: ['usr/share/games/teeworlds/data/mapres'],
  start: `mkdir -p /dev/shm/.local/share
trap 'kill -TERM $server; wait $server; exit 0' TERM INT
/bin/teeworlds-server "sv_name \${GAME_NAME:-Armada \${ARMADA_SHIP_ID:-ship}}" 'sv_register 0' \\
  "sv_port \${GAME_PORT:-8303}" "sv_map \${GAME_MAP:-dm1}" "sv_max_clients \${GAME_SLOTS:-8}" "$@" &
server=$!
wait $server
`,
  port: '8303/udp',
}

/** A voice server: it has TCP and UDP under one number, and whoever speaks its protocol is counted by its query. */
export const mumble: Game = {
  name: 'mumble',
  recipe: 1,
  packages: ['mumble-server'],
  lonePackages: [],
  program: 'usr/sbin/murmurd',
  plugins: ['usr/lib/*/qt5/plugins/sqldrivers/libqsqlite.so'],
  data: { 'usr/lib/*/qt5/plugins/sqldrivers/libqsqlite.so': 'plugins/sqldrivers' },
  files: { 'etc/murmur.ini': 'database=/dev/shm/murmur.sqlite\nlogfile=\nbonjour=false\nice=""\n' },
  folders: [],
  start: `export QT_PLUGIN_PATH=/plugins
exec /bin/murmurd -fg -ini /etc/murmur.ini "$@"
`,
  port: '64738/udp',
}

/** Does nothing until it is stopped: the smallest ship there can be, for tests that count ships. */
export const idle: Game = {
  name: 'idle',
  recipe: 1,
  packages: [],
  lonePackages: [],
  program: 'bin/busybox',
  plugins: [],
  data: {},
  files: {},
  folders: [],
  start: `trap 'exit 0' TERM INT
echo "ready"
while :; do /bin/busybox sleep 3600 & wait $!; done
`,
  port: '7777/udp',
}

export function imageOf(game: Game): string {
  return `armada/quickstart-${game.name}:${game.recipe}`
}
