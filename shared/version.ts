// The version of Armada, as agents register it and the API document states it.
export const version = '0.1.0'
