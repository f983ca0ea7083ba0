/**
 * Upper limits of what a caller can hand in. Each is checked before the value is walked, so that no argument can
 * block the event loop or exhaust the heap. An argument above a limit is `ERR_IPVS_INVALID_ARGUMENT`.
 */
export const limits = {
  /** Entries of a list of objects: changes, flows, marks, rules, servers, saved services. */
  entries: 1_048_576,
  /** Flows that `createAll` rejects before it ends: each is kept with its error. */
  failures: 65_536,
  /** Entries of a list of names or small numbers: status names, event types, scheduler flags, labels, next hops. */
  names: 1024,
  /** Values of an object or a document, counted wherever an alias repeats them. */
  values: 4_000_000,
  /** How deep a document is nested. */
  depth: 64,
  /** Characters (or bytes) of a document that is given as text. */
  documentText: 16 * 1024 * 1024,
  /** Tokens of a document in YAML; larger ones are given as JSON or as an object. */
  yamlTokens: 1_000_000,
  /** Anchors and aliases of a document in YAML. */
  yamlAnchors: 1000,
  /** Characters of a text that `parseIpvsadm` reads. */
  ipvsadmText: 64 * 1024 * 1024,
  /** Characters of the JSON text of a snapshot. */
  snapshotText: 256 * 1024 * 1024,
  /** Bytes of a path (PATH_MAX without its NUL, include/uapi/linux/limits.h). */
  path: 4095,
  /** Characters of the value of a sysctl. The longest is a list of 32 768 separate ports. */
  sysctlValue: 256 * 1024,
  /** Characters of a value in an error message. */
  shown: 200,
  /** Characters of an error message. */
  message: 16_384,
} as const;
