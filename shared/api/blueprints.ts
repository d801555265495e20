// Routes of ShipBlueprints: the templates of ships.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { Blueprint, BlueprintSpec } from '../model/blueprint.ts'
import { Difference } from '../model/difference.ts'
import { PrefixName } from '../model/name.ts'
import { examples } from './examples.ts'
import { NextCursor, Paging } from './fields.ts'
import { answer, body, failures, operators, readers } from './route.ts'

const tags = ['blueprints']
const params = z.object({ blueprint: PrefixName })

export const putBlueprint = createRoute({
  method: 'put',
  path: '/v1/blueprints/{blueprint}',
  tags,
  'x-roles': operators,
  summary: 'Publish a blueprint',
  description: 'Makes the next revision; the same spec as the latest revision makes none.',
  request: { params, body: body(BlueprintSpec, examples.publish) },
  responses: { 200: answer(Blueprint, 'The latest revision', examples.blueprint), ...failures('conflict') },
})

export const listBlueprints = createRoute({
  method: 'get',
  path: '/v1/blueprints',
  tags,
  'x-roles': readers,
  summary: 'List the latest revision of every blueprint, by name',
  request: { query: Paging },
  responses: {
    200: answer(
      z.strictObject({ blueprints: z.array(Blueprint), nextCursor: NextCursor }),
      'A page of blueprints',
      { blueprints: [examples.blueprint], nextCursor: null },
    ),
    ...failures(),
  },
})

export const getBlueprint = createRoute({
  method: 'get',
  path: '/v1/blueprints/{blueprint}',
  tags,
  'x-roles': readers,
  summary: 'Look up a blueprint',
  request: {
    params,
    query: z.object({ revision: z.coerce.number().int().min(1).optional().describe('Default: the latest') }),
  },
  responses: { 200: answer(Blueprint, 'The revision', examples.blueprint), ...failures('not_found') },
})

export const listRevisions = createRoute({
  method: 'get',
  path: '/v1/blueprints/{blueprint}/revisions',
  tags,
  'x-roles': readers,
  summary: 'List all revisions of a blueprint, oldest first',
  request: { params },
  responses: {
    200: answer(z.strictObject({ revisions: z.array(Blueprint) }), 'The revisions', {
      revisions: [examples.blueprint],
    }),
    ...failures('not_found'),
  },
})

const revision = z.coerce.number().int().min(1)

export const diffBlueprint = createRoute({
  method: 'get',
  path: '/v1/blueprints/{blueprint}/diff',
  tags,
  'x-roles': readers,
  summary: 'What changed between two revisions of a blueprint',
  request: {
    params,
    query: z.object({ from: revision, to: revision.optional().describe('Default: the latest') }),
  },
  responses: {
    200: answer(
      z.strictObject({ from: z.int(), to: z.int(), changes: z.array(Difference) }),
      'The changed paths, with both values',
      { from: 1, to: 2, changes: [{ path: '/resources/memoryMiB', from: 256, to: 512 }] },
    ),
    ...failures('not_found'),
  },
})

export const rollbackBlueprint = createRoute({
  method: 'post',
  path: '/v1/blueprints/{blueprint}/rollback',
  tags,
  'x-roles': operators,
  summary: 'Publish an older revision again',
  description:
    'Makes a new revision equal to the old one, unless the latest is equal already. Fleets keep theirs until they are given it.',
  request: { params, body: body(z.strictObject({ revision: z.int().min(1) }), { revision: 1 }) },
  responses: { 200: answer(Blueprint, 'The latest revision', examples.blueprint), ...failures('not_found') },
})

export const deleteBlueprint = createRoute({
  method: 'delete',
  path: '/v1/blueprints/{blueprint}',
  tags,
  'x-roles': operators,
  summary: 'Delete a blueprint with all its revisions',
  description: 'Refused while a fleet or a ship uses it.',
  request: { params },
  responses: {
    200: answer(z.strictObject({ deleted: PrefixName }), 'It is gone', { deleted: 'arena' }),
    ...failures('not_found', 'conflict'),
  },
})
