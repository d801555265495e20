// The limits of a container that Docker changes as it runs: from a blueprint, and beside what a container has.
import type { BlueprintSpec } from '../../shared/model/blueprint.ts'
import { MiB, type Resources } from '../../shared/model/resources.ts'

const periodUs = 100_000

export interface ContainerLimits {
  Memory: number
  MemorySwap: number
  CpuShares: number
  CpuPeriod?: number
  CpuQuota?: number
  PidsLimit: number
}

export function limitsOf({
  resources,
  limits,
}: Pick<BlueprintSpec, 'resources' | 'limits'>): ContainerLimits {
  const { cpuMillis, memoryMiB } = resources
  const bytes = memoryMiB * MiB
  return {
    Memory: bytes,
    // No swap beside it.
    MemorySwap: bytes,
    CpuShares: Math.min(262_144, Math.max(2, Math.round((cpuMillis * 1024) / 1000))),
    ...(limits.cpu === 'quota' && { CpuPeriod: periodUs, CpuQuota: cpuMillis * 100 }),
    PidsLimit: limits.pids,
  }
}

/** As Docker's update takes it, for which what is left out stays as it is. */
export function changeTo(limits: ContainerLimits): ContainerLimits {
  return limits.CpuQuota === undefined ? { ...limits, CpuQuota: noQuota } : limits
}

const noQuota = -1

export function sameLimits(a: ContainerLimits, b: ContainerLimits): boolean {
  const told = ({ Memory, CpuShares, CpuQuota = 0, PidsLimit }: ContainerLimits) =>
    [Memory, CpuShares, Math.max(0, CpuQuota), PidsLimit].join()
  return told(a) === told(b)
}

/** What a container takes by its limits; what Docker does not know of is as in `other`. */
export function resourcesBy(
  { Memory, CpuShares, CpuQuota = 0 }: ContainerLimits,
  other: Resources,
): Resources {
  const cpuMillis = CpuQuota > 0 ? CpuQuota / 100 : (CpuShares * 1000) / 1024
  return { ...other, cpuMillis: Math.round(cpuMillis), memoryMiB: Math.round(Memory / MiB) }
}
