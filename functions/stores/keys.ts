// Every key in etcd and Redis, in one table. Names are checked against the Name pattern before they come here.

export const etcdKeys = {
  root: '/armada/',
  ships: '/armada/ships/',
  fleets: '/armada/fleets/',
  hosts: '/armada/hosts/',
  /** Name of a numbered ship -> the host with its volumes. */
  berths: '/armada/berths/',
  /** Office -> node of its newest leader. */
  epochs: '/armada/epochs/',
  notices: '/armada/notices/',
  /** Copies of the blueprints, so that an emptied Redis is refilled. */
  blueprints: '/armada/blueprints/',
  blueprintRevisions: (name: string) => `/armada/blueprints/${name}/`,
  blueprintRevision: (name: string, revision: number) =>
    `/armada/blueprints/${name}/${String(revision).padStart(8, '0')}`,
  /** Latest revision of each blueprint, and whether it was deleted: its numbers are never given twice. */
  blueprintHeads: '/armada/blueprint-heads/',
  /** Answers to requests with an Idempotency-Key; they go after a day. */
  answer: (digest: string) => `/armada/answers/${digest}`,
  tokens: '/armada/tokens/',
  /** There once the first token of the cluster was made: it is never made again. */
  firstToken: '/armada/first-token',
  /** Batches of entries of the audit log, the newest first: their keys begin with the time that is left. */
  audit: '/armada/audit/',
  quotas: '/armada/quotas/',
  /** Guards of quotas: see stores/quotas.ts. */
  quotaGuard: (quota: string) => `/armada/quota-guards/quota/${quota}`,
  tokenGuard: (token: string) => `/armada/quota-guards/token/${token}`,
  secrets: '/armada/secrets/',
  imagePulls: '/armada/image-pulls/',
  /** Hosts that pull at the moment, by pull. */
  imagePullHolders: '/armada/image-pull-holders/',
  /** What became of it; below it `{pull}/{host}`. */
  imagePullOutcomes: '/armada/image-pull-outcomes/',
  webhooks: '/armada/webhooks/',
  /** How far the deliveries of each webhook are. */
  webhookProgress: '/armada/webhook-progress/',
  /** Of all webhooks; below it `{webhook}/{id}`, the oldest first. */
  deadLetters: '/armada/dead-letters/',
  /** The ApiServers that there are; each key goes soon after its ApiServer has died. */
  apiServers: '/armada/api-servers/',
  /** Requests that wait for a ship, at any ApiServer. */
  waiters: '/armada/waiters/',
  joinToken: (digest: string) => `/armada/join-tokens/${digest}`,
} as const

export const redisKeys = {
  /** Hash: revision -> Blueprint. */
  blueprint: (name: string) => `armada:blueprint:${name}`,
  /** Hash: host id -> time of its last report. */
  hostReports: 'armada:host-reports',
  /** Hash: host id -> last sample. */
  hosts: 'armada:hosts',
  /** Hash: ship id -> last sample. */
  ships: 'armada:ships',
  /** Sorted set: ships whose tickets the scheduler holds; score: when it last said so, in ms. */
  waiting: 'armada:waiting',
  /** Channel: sessions that are called, for the ApiServer that has the stream of the host. */
  sessionCalls: 'armada:session-calls',
  /** Channel: chunks of a session. With the host in it, so that no other host's agent can write there. */
  sessionChunks: (host: string, session: string) => `armada:session:${host}:${session}`,
  /** Chunks of a session that its reader has taken. */
  sessionTaken: (host: string, session: string) => `armada:session-taken:${host}:${session}`,
  /** The line of a console session, until its agent takes it. */
  sessionLine: (host: string, session: string) => `armada:session-line:${host}:${session}`,
  /** List: questions that wait for the leading scheduler, the oldest first. */
  questions: 'armada:questions',
  /** Set as long as a scheduler waits for questions. */
  questionListener: 'armada:question-listener',
  /** Channel: rings when there is a question. */
  questionRing: 'armada:question-ring',
  /** Channel: the answer to a question. */
  reply: (id: string) => `armada:reply:${id}`,
  /** Channel of what hosts reported, from ApiServer to ApiServer. */
  reports: 'armada:reports',
  /** Set by each ApiServer: missing, when Redis was emptied. */
  mark: (server: string) => `armada:mark:${server}`,
} as const
