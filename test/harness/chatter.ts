// A ship that prints what a test wants: its command is a script for the shell.
import type { Game } from '../../infra/quickstart/games.ts'

export const chatter: Game = {
  name: 'chatter',
  recipe: 1,
  packages: [],
  lonePackages: [],
  program: 'bin/busybox',
  plugins: [],
  data: {},
  files: {},
  folders: [],
  start: 'sleep() { /bin/busybox sleep "$@"; }\neval "$1"\n',
  port: '7777/udp',
}
