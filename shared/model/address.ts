// Where a host is reached: an IP address or a DNS name, and nothing that a client would have to guess about.
import { z } from 'zod'

/** The last part of a name is never all digits: what looks like an IP address has to be one. */
const DnsName = z.hostname().refine((name) => !/(^|\.)\d+\.?$/.test(name))

export const Address = z
  .string()
  .max(253)
  .refine((text) => [z.ipv4(), z.ipv6(), DnsName].some((form) => form.safeParse(text).success), {
    message: 'must be an IP address or a DNS name, without a port',
  })
