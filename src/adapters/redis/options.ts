import {
  checkNames,
  choiceOption,
  clockOption,
  integerOption,
  type Size,
  show,
  sizeOption,
  ZbudError,
} from "../../base/index.ts";

const NAMES = [
  "prefix",
  "coherence",
  "ttlMs",
  "graceMs",
  "heartbeatMs",
  "timeoutMs",
  "lockMs",
  "maxInFlightBytes",
  "maxRecordBytes",
  "maxPendingKeys",
  "clock",
];

/** What {@link redisTier} takes besides a client. */
export interface RedisTierOptions {
  /**
   * What all keys begin with; the server tells what changes under it, so nothing else should. All machines have the same. A
   * `{` in it must be that of a part in braces, which says where in a cluster all keys lie.
   * Default `"zbud:"`.
   */
  readonly prefix?: string;
  /**
   * `"tracking"`: the server tells at once what others change. `"ttl"`: it tells nothing, and what a machine keeps is
   * compared with the server when it was not for `ttlMs`; for servers that cannot tell. Default `"tracking"`.
   */
  readonly coherence?: "tracking" | "ttl";
  /** With `coherence: "ttl"`: for how long entries are served without asking, in ms. Default 1000. */
  readonly ttlMs?: number;
  /** For how long entries are served after the line to the server broke, in ms; 0: not at all. Default 500. */
  readonly graceMs?: number;
  /** How often the server is asked whether it is there, in ms. Default 1000. */
  readonly heartbeatMs?: number;
  /** How long a call may take, in ms. Default 1000. */
  readonly timeoutMs?: number;
  /**
   * After what time another machine loads a key whose loader died, in ms. One that lives keeps its lock for as long as it
   * takes. Default 3000.
   */
  readonly lockMs?: number;
  /**
   * The most bytes of values that are on their way to the server, as a number or `"64MiB"`; what is beyond is given up, the
   * key is deleted there, and `stats()` say so. Default 64 MiB.
   */
  readonly maxInFlightBytes?: Size;
  /** The most bytes of a record, as a number or `"64MiB"`; a longer one is not kept there. Default 16 MiB. */
  readonly maxRecordBytes?: Size;
  /**
   * The most keys, and the most tags, of which the server was not told yet, of some 400 bytes each. With one more, all is
   * cleared, on all machines. Default 262,144.
   */
  readonly maxPendingKeys?: number;
  /** Gives milliseconds since 1970. Default `Date.now`. */
  readonly clock?: () => number;
}

export interface RedisTierSettings {
  readonly prefix: string;
  readonly ttlMs: number;
  readonly graceMs: number;
  readonly heartbeatMs: number;
  readonly timeoutMs: number;
  readonly lockMs: number;
  readonly maxInFlightBytes: number;
  readonly maxRecordBytes: number;
  readonly maxPendingKeys: number;
  readonly clock: () => number;
}

/** @throws {ZbudError} `EINVAL` naming the option that is not what it should be. */
export function readOptions(options: RedisTierOptions): RedisTierSettings {
  checkNames("redisTier", options, NAMES);
  const { prefix = "zbud:", coherence = "tracking" } = options;
  if (typeof prefix !== "string" || prefix === "" || prefix.length > 1024 || !prefix.isWellFormed()) {
    throw new ZbudError(
      "EINVAL",
      `prefix must be what the keys begin with, such as "app:", of 1 to 1024 characters, not ${show(prefix)}`,
    );
  }
  if (/^[^{]*\{(\}|[^}]*$)/.test(prefix)) {
    throw new ZbudError(
      "EINVAL",
      `prefix must have no { without text and } behind it, since a cluster looks for them in each key, not ${show(prefix)}`,
    );
  }
  const isTtl = choiceOption("coherence", coherence, ["tracking", "ttl"]) === "ttl";
  if (!isTtl && options.ttlMs !== undefined) {
    throw new ZbudError("EINVAL", 'ttlMs is for coherence: "ttl"; give that too, or leave ttlMs out');
  }
  return {
    prefix,
    ttlMs: isTtl ? integerOption("ttlMs", options.ttlMs ?? 1000, 1, 2 ** 27) : 0,
    graceMs: integerOption("graceMs", options.graceMs ?? 500, 0, 2 ** 27),
    heartbeatMs: integerOption("heartbeatMs", options.heartbeatMs ?? 1000, 10, 2 ** 27),
    timeoutMs: integerOption("timeoutMs", options.timeoutMs ?? 1000, 1, 2 ** 27),
    lockMs: integerOption("lockMs", options.lockMs ?? 3000, 100, 2 ** 27),
    maxInFlightBytes: sizeOption(
      "maxInFlightBytes",
      options.maxInFlightBytes ?? 2 ** 26,
      4096,
      2 ** 40,
      null,
    ),
    maxRecordBytes: sizeOption("maxRecordBytes", options.maxRecordBytes ?? 2 ** 24, 1024, 2 ** 28, null),
    maxPendingKeys: integerOption("maxPendingKeys", options.maxPendingKeys ?? 2 ** 18, 1, 2 ** 24),
    clock: clockOption(options.clock),
  };
}
