// Routes of image pulls: images that hosts have before ships come.
import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'
import { HostPullView, ImagePullRequest, ImagePullView } from '../model/imagePull.ts'
import { Name } from '../model/name.ts'
import { examples } from './examples.ts'
import { NextCursor, Paging } from './fields.ts'
import { answer, body, failures, operators, readers } from './route.ts'

const tags = ['image pulls']
const params = z.object({ pull: Name })

export const createImagePull = createRoute({
  method: 'post',
  path: '/v1/image-pulls',
  tags,
  'x-roles': operators,
  summary: 'Have hosts pull an image ahead of the ships that need it',
  description:
    'Some hosts pull at a time; each begins within some seconds after its turn has come, and tries three times. Hosts that join before the deadline pull as well. An image that is there already is not asked for again.',
  request: { body: body(ImagePullRequest, examples.pullImage) },
  responses: {
    201: answer(ImagePullView, 'It has begun', examples.imagePull),
    ...failures('not_found', 'conflict'),
  },
})

export const listImagePulls = createRoute({
  method: 'get',
  path: '/v1/image-pulls',
  tags,
  'x-roles': readers,
  summary: 'List image pulls, those that ended included until they are forgotten',
  responses: {
    200: answer(z.strictObject({ pulls: z.array(ImagePullView) }), 'All pulls', {
      pulls: [examples.imagePull],
    }),
    ...failures(),
  },
})

export const getImagePull = createRoute({
  method: 'get',
  path: '/v1/image-pulls/{pull}',
  tags,
  'x-roles': readers,
  summary: 'Look up an image pull',
  request: { params },
  responses: { 200: answer(ImagePullView, 'The pull', examples.imagePull), ...failures('not_found') },
})

export const listImagePullHosts = createRoute({
  method: 'get',
  path: '/v1/image-pulls/{pull}/hosts',
  tags,
  'x-roles': readers,
  summary: 'List how far the hosts of an image pull are, by id',
  request: { params, query: Paging },
  responses: {
    200: answer(
      z.strictObject({ hosts: z.array(HostPullView), nextCursor: NextCursor }),
      'A page of its hosts',
      { hosts: [examples.hostPull], nextCursor: null },
    ),
    ...failures('not_found'),
  },
})

export const deleteImagePull = createRoute({
  method: 'delete',
  path: '/v1/image-pulls/{pull}',
  tags,
  'x-roles': operators,
  summary: 'Let no more hosts pull it, and forget it',
  description: 'Hosts that are pulling finish that. Images stay where they are.',
  request: { params },
  responses: {
    200: answer(z.strictObject({ deleted: Name }), 'It is gone', { deleted: 'pull-x7k2p9w4' }),
    ...failures('not_found'),
  },
})
