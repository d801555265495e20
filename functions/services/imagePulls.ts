// Image pulls: made by people, carried out by hosts (see pullOrders.ts), shown host by host.
import * as routes from '../../shared/api/imagePulls.ts'
import { ArmadaError } from '../../shared/errors.ts'
import type { Host } from '../../shared/model/host.ts'
import type { HostPullView, ImagePull, ImagePullView } from '../../shared/model/imagePull.ts'
import { LabelSelector, selects } from '../../shared/model/labelSelector.ts'
import { randomId } from '../../shared/model/name.ts'
import { guarded } from '../middleware/authenticate.ts'
import type { Row } from '../stores/mirror/table.ts'
import type { HostReport } from '../stores/redis/samples.ts'
import type { Stores } from '../stores/stores.ts'
import { isOver, isSilent, labelsOf } from './hosts.ts'
import { pageOf } from './paging.ts'
import { serviceApp } from './serviceApp.ts'
import { blueprintFor } from './ships.ts'

/** A list counts the hosts of each. */
const mostPulls = 50

const countOf = { Pending: 'pending', Pulling: 'pulling', Pulled: 'pulled', Failed: 'failed' } as const

export function imagePullService(stores: Stores) {
  const { imagePulls, hosts, samples } = stores
  return serviceApp()
    .openapi(guarded(routes.createImagePull), async (c) => {
      const { blueprint: name, revision, labelSelector = null, ...asked } = c.req.valid('json')
      const blueprint = name === undefined ? undefined : await blueprintFor(stores, name, revision)
      const image = blueprint?.spec.image ?? (asked.image as string)
      const selectors = labelSelector === null ? [] : LabelSelector.parse(labelSelector)
      c.set('subject', image)
      if (matching({ selectors }).next().done) throw noHost(labelSelector)
      if (imagePulls.table.size >= mostPulls) await makeRoom()
      const nowMs = Date.now()
      const at = (seconds: number) => new Date(nowMs + seconds * 1_000).toISOString()
      const row = await imagePulls.create({
        ...{ id: `pull-${randomId()}`, image, labelSelector, selectors, parallelism: asked.parallelism },
        blueprint: blueprint ? { name: blueprint.name, revision: blueprint.revision } : null,
        ...{ createdAt: at(0), createdBy: c.get('caller').name },
        deadline: at(asked.deadlineSeconds),
        keptUntil: at(asked.deadlineSeconds + asked.keepSeconds),
      })
      return c.json(viewOf(row), 201)
    })
    .openapi(guarded(routes.listImagePulls), (c) =>
      c.json({ pulls: [...imagePulls.table.rows()].map(([, row]) => viewOf(row)) }, 200),
    )
    .openapi(guarded(routes.getImagePull), async (c) =>
      c.json(viewOf(await known(c.req.valid('param').pull)), 200),
    )
    .openapi(guarded(routes.listImagePullHosts), async (c) => {
      const { value: pull } = await known(c.req.valid('param').pull)
      const page = await pageOf(c, c.req.valid('query'), (after) => matching(pull, after))
      const views = page.items.map(({ id }) => hostView(pull, id))
      const reports = await samples.hostReports(views.filter(isUnderWay).map(({ host }) => host))
      const shown = views.map((view) => withProgress(pull, view, reports.get(view.host)))
      return c.json({ hosts: shown, nextCursor: page.nextCursor }, 200)
    })
    .openapi(guarded(routes.deleteImagePull), async (c) => {
      const { pull } = c.req.valid('param')
      if (!(await imagePulls.remove(pull))) throw noSuchPull(pull)
      return c.json({ deleted: pull }, 200)
    })

  /** The oldest that has ended is forgotten. */
  async function makeRoom(): Promise<void> {
    const ended = [...imagePulls.table.rows()].filter(([, row]) => viewOf(row).state !== 'Running')
    const [oldest] = ended.sort(([, a], [, b]) => a.value.createdAt.localeCompare(b.value.createdAt))
    if (!oldest) throw tooMany()
    await imagePulls.remove(oldest[0])
  }

  async function known(id: string): Promise<Row<ImagePull>> {
    const row = await imagePulls.get(id)
    if (row) return row
    throw noSuchPull(id)
  }

  function* matching(
    { selectors }: Pick<ImagePull, 'selectors'>,
    after = '',
  ): Generator<[string, Host], undefined> {
    for (const [id, { value }] of hosts.table.rows(after))
      if (selects(selectors, labelsOf(value))) yield [id, value]
  }

  function viewOf({ value: pull }: Row<ImagePull>): ImagePullView {
    const { selectors: _, lease: __, ...shown } = pull
    const counts = { pending: 0, pulling: 0, pulled: 0, failed: 0 }
    for (const [host] of matching(pull)) counts[countOf[hostView(pull, host).state]]++
    const runs = counts.pending + counts.pulling > 0
    return {
      ...shown,
      hosts: counts,
      state: runs ? 'Running' : counts.failed > 0 ? 'Failed' : 'Succeeded',
    }
  }

  /** All that memory knows of it. */
  function hostView({ id, deadline }: ImagePull, host: string): HostPullView {
    const nothing = { percent: null, totalMiB: null, reason: null, at: null, tookMs: null }
    const outcome = imagePulls.outcomes.get(`${id}/${host}`)?.value
    if (outcome) return { ...nothing, host, ...outcome }
    if (isOver(deadline))
      return { ...nothing, host, state: 'Failed', reason: 'not there by the deadline', at: deadline }
    const since = imagePulls.holders.get(id)?.value[host]
    return since === undefined
      ? { ...nothing, host, state: 'Pending' }
      : { ...nothing, host, state: 'Pulling', at: since }
  }

  function withProgress(pull: ImagePull, view: HostPullView, report: HostReport | undefined): HostPullView {
    if (!isUnderWay(view)) return view
    if (isSilent(report ?? null)) return { ...view, reason: 'the host is silent' }
    const { percent, totalMiB } = report?.sample?.pulls?.find(({ image }) => image === pull.image) ?? {}
    return view.state === 'Pending'
      ? { ...view, reason: 'it waits for its turn' }
      : { ...view, percent: percent ?? null, totalMiB: totalMiB ?? null }
  }
}

function isUnderWay({ state }: HostPullView): boolean {
  return state === 'Pulling' || state === 'Pending'
}

function noSuchPull(id: string): ArmadaError {
  return new ArmadaError(
    'not_found',
    `There is no image pull "${id}" (any more). POST /v1/image-pulls begins one.`,
  )
}

function noHost(labelSelector: string | null): ArmadaError {
  return new ArmadaError(
    'conflict',
    labelSelector === null
      ? 'There are no hosts that could pull it. POST /v1/hosts/join-tokens makes a token with which one can join.'
      : `No host matches "${labelSelector}". GET /v1/hosts shows the labels of all.`,
  )
}

function tooMany(): ArmadaError {
  return new ArmadaError(
    'conflict',
    `There are ${mostPulls} image pulls under way, which is as many as there may be. Wait until one has ended, or DELETE one.`,
  )
}
