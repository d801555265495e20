// Grant: all a Worker needs to run a ship. It gets one for each claim that was answered with yes.
import { z } from 'zod'
import { BlueprintRef, BlueprintSpec } from './blueprint.ts'
import { Labels, Name } from './name.ts'
import { Port } from './port.ts'
import { ResizeNumber } from './resize.ts'
import { ShipState } from './shipState.ts'
import { TraceId } from './traceId.ts'

export const Grant = z.strictObject({
  ship: Name,
  attempt: z.int().min(1),
  state: ShipState,
  fleet: Name.nullable(),
  name: Name.optional().describe('Of a numbered ship'),
  keeper: Name.optional().describe('The ship whose kept volumes it goes on with; default: itself'),
  labels: Labels,
  blueprint: BlueprintRef,
  spec: BlueprintSpec,
  ports: z.array(Port),
  resize: ResizeNumber.optional().describe(
    'That of the last change of its limits, refused ones too: `spec` has what it is to have',
  ),
  traceId: TraceId.optional().describe('Of the request that made the ship, or changed it last'),
})
export type Grant = z.infer<typeof Grant>
