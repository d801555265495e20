// What the stores tell whoever measures them.

export interface StoreWatch {
  /** One call has ended. `operation` is one of few; `ok` is false when it failed or came too late. */
  called(store: 'etcd' | 'redis' | 'zookeeper', operation: string, ms: number, ok: boolean): void
  /** One entry of so many tickets was written into the scheduler queue. */
  ticketsWritten(count: number): void
}
