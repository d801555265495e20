// Where Armada may send what people ask it to: public addresses, and those of its own network that are allowed.
//
// INVARIANTS
// - Only what is plain global unicast counts as public. Everything else is refused unless a range of the setting
//   names it: loopback, private, link-local and carrier-grade addresses, and IPv6 that carries an IPv4 address.
// - A name is judged by the addresses it leads to at the moment of connecting, never by what it was before.
import ipaddr from 'ipaddr.js'

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number]

/** Unicast by its number, yet answered inside the machine's own network: the host agent of Azure. */
const notPublic = new Set(['168.63.129.16'])

/** @throws Error that names the first entry which is no range. An address alone is a range of one. */
export function parseRanges(text: string): Range[] {
  const entries = text.split(',').map((entry) => entry.trim())
  return entries.filter(Boolean).map((entry) => {
    if (ipaddr.isValidCIDR(entry)) return ipaddr.parseCIDR(entry)
    const address = parseAddress(entry)
    if (!address) throw new Error(`"${entry}" is neither an address nor a range such as 10.0.0.0/8`)
    return [address, address.kind() === 'ipv4' ? 32 : 128]
  })
}

export class AddressGuard {
  readonly #allowed: readonly Range[]

  /** @param allowed ranges such as `10.0.0.0/8,fd00::/8`, with commas. */
  constructor(allowed: string) {
    this.#allowed = parseRanges(allowed)
  }

  /** Why nothing is sent to this address; undefined when it may be. */
  refusal(address: string, protocol: string): string | undefined {
    const parsed = parseAddress(address)
    if (!parsed) return `"${address}" is no address`
    if (this.#isAllowed(parsed)) return undefined
    const range = notPublic.has(address) ? 'reserved' : parsed.range()
    if (range !== 'unicast') {
      return `${address} is not a public address (${range}). ARMADA_WEBHOOK_ALLOW lists ranges that are allowed`
    }
    return protocol === 'https:'
      ? undefined
      : `${address} is public, and there only https is allowed: the message could be read on its way`
  }

  /** Why nothing is sent to this URL, as far as it can be told without asking DNS. */
  refusalOfUrl(url: URL): string | undefined {
    if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must begin with https://'
    if (url.username || url.password) return 'must not contain a user name or password'
    if (url.port === '0') return 'must not name port 0'
    const address = addressIn(url)
    if (address) return this.refusal(address, url.protocol)
    if (url.protocol === 'http:' && this.#allowed.length === 0) {
      return 'must begin with https://: plain http is for the addresses of ARMADA_WEBHOOK_ALLOW'
    }
    return undefined
  }

  #isAllowed(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
    return this.#allowed.some(([base, bits]) => base.kind() === address.kind() && address.match(base, bits))
  }
}

/** The address that stands in the URL in place of a name. URL has brought `0x7f.1` and its like into their plain form. */
function addressIn(url: URL): string | undefined {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return parseAddress(host) && host
}

function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  // Not ipaddr.isValid: it takes the short and the octal forms, which other programs read differently.
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text)
  return ipaddr.IPv6.isValid(text) ? ipaddr.IPv6.parse(text) : undefined
}
