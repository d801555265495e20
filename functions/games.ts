// The games that query probes can ask, by their types in the gamedig library.

/** Loaded when first asked for: 30 MB of a library that an ApiServer needs only when blueprints are published. */
export async function isGame(type: string): Promise<boolean> {
  const { games, ...library } = await import('gamedig')
  const { protocols } = library as unknown as { protocols: object } // missing in its types
  return type in games || (type.startsWith('protocol-') && type.slice('protocol-'.length) in protocols)
}
