/**
 * Upper limits of arguments. Each is checked before the value is traversed, so that no argument can block the event
 * loop or exhaust the heap. An argument above a limit fails with `ERR_IPVS_INVALID_ARGUMENT`.
 */
export const limits = {
  /** Entries of a list of objects: changes, flows, marks, rules, servers, saved services. */
  entries: 1_048_576,
  /** Failed flows after which `createAll` ends: it keeps each with its error. */
  failures: 65_536,
  /** Entries of a list of names or small numbers: status names, event types, scheduler flags, labels, next hops. */
  names: 1024,
  /** Values of an object or a document. A value that an alias repeats counts each time. */
  values: 4_000_000,
  /** Levels of nesting of a document. */
  depth: 64,
  /** Characters (or bytes) of a document in text form. */
  documentText: 16 * 1024 * 1024,
  /** Tokens of a document in YAML. Pass a larger document as JSON or as an object. */
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
