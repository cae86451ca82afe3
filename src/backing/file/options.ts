import { checkNames, integerOption, show, ZbudError } from "../../base/index.ts";
import { UNIT_BYTES_DEFAULT, UNIT_BYTES_MAX, UNIT_BYTES_MIN } from "./layout.ts";

/** What {@link FileBacking.open} takes besides the path. */
export interface FileBackingOptions {
  /**
   * The file's length at most, a number of bytes from 65,536 on: `2 ** 30` is 1 GiB. The file gets this length at
   * once, and takes disk as it fills.
   */
  readonly maxBytes: number;
  /** What a record takes on average, in bytes; the index is made for as many as would fit. Default 2048. */
  readonly averageBytes?: number;
  /** Records are rounded up to multiples of this: a power of two from 64 to 65,536. Default 128. */
  readonly unitBytes?: number;
  /**
   * What a write gets when there is no room: `"reject"` (the default): the outcome `"ENOSPC"`; `"drop"`: the
   * room of the records that were written longest ago. For the second tier of a cache take `"drop"`: with
   * `"reject"` a full file keeps the old entries, and what is evicted later is lost.
   */
  readonly whenFull?: "reject" | "drop";
  /**
   * What is found in a file that was not closed: `"empty"` (the default): nothing; `"flushed"`: what it had at
   * the last flush. For that, room of records that were deleted since is not used before the next flush, so a
   * full store needs a flush, and does not go with `whenFull: "drop"`.
   */
  readonly unclean?: "empty" | "flushed";
  /** Writes beyond it have the outcome `"EAGAIN"`. Default: no bound. */
  readonly writeBytesPerSecond?: number;
  /** Bytes of records under way, for each thread; writes beyond it have the outcome `"EAGAIN"`. Default 8 MiB. */
  readonly maxInFlightBytes?: number;
  /** How long a write or read may take before it counts as failed, in ms. Default 30,000. */
  readonly timeoutMs?: number;
  /** The time in ms since 1970. Default `Date.now`. */
  readonly now?: () => number;
}

/** The options as the store uses them. */
export type FileOptions = Required<Omit<FileBackingOptions, "now">> & { readonly now: () => number };

const NAMES = [
  "maxBytes",
  "averageBytes",
  "unitBytes",
  "whenFull",
  "unclean",
  "writeBytesPerSecond",
  "maxInFlightBytes",
  "timeoutMs",
  "now",
];

/**
 * @param more - names of options that the caller reads.
 * @throws {ZbudError} `EINVAL` naming the option that is not what it should be.
 */
export function readFileOptions(options: FileBackingOptions, more: readonly string[] = []): FileOptions {
  checkNames("a file store", options, [...NAMES, ...more]);
  const unitBytes = integerOption(
    "unitBytes",
    options.unitBytes ?? UNIT_BYTES_DEFAULT,
    UNIT_BYTES_MIN,
    UNIT_BYTES_MAX,
  );
  if ((unitBytes & (unitBytes - 1)) !== 0) {
    throw new ZbudError("EINVAL", `unitBytes must be a power of two, not ${unitBytes}`);
  }
  const whenFull = choice("whenFull", options.whenFull, ["reject", "drop"]);
  const unclean = choice("unclean", options.unclean, ["empty", "flushed"]);
  if (whenFull === "drop" && unclean === "flushed") {
    throw new ZbudError(
      "EINVAL",
      'whenFull: "drop" and unclean: "flushed" do not go together, since what a flush wrote must stay until the next one; leave one of them out',
    );
  }
  const now = options.now ?? (() => Date.now());
  if (typeof now !== "function") throw new ZbudError("EINVAL", `now must be a function, not ${show(now)}`);
  if (typeof options.maxBytes !== "number") {
    throw new ZbudError(
      "EINVAL",
      `maxBytes must be a number of bytes, such as 2 ** 30 (1 GiB), not ${show(options.maxBytes)}`,
    );
  }
  return {
    maxBytes: integerOption("maxBytes", options.maxBytes, 65_536, 2 ** 46),
    averageBytes: integerOption("averageBytes", options.averageBytes ?? 2048, 64, 2 ** 26),
    unitBytes,
    whenFull,
    unclean,
    writeBytesPerSecond: integerOption("writeBytesPerSecond", options.writeBytesPerSecond ?? 0, 0, 2 ** 46),
    maxInFlightBytes: integerOption("maxInFlightBytes", options.maxInFlightBytes ?? 2 ** 23, 4096, 2 ** 40),
    timeoutMs: integerOption("timeoutMs", options.timeoutMs ?? 30_000, 1, 2 ** 27),
    now,
  };
}

function choice<Name extends string>(
  option: string,
  value: Name | undefined,
  names: readonly [Name, ...Name[]],
): Name {
  if (value === undefined) return names[0];
  if (names.includes(value)) return value;
  throw new ZbudError("EINVAL", `${option} must be ${names.map(show).join(" or ")}, not ${show(value)}`);
}
