import {
  checkNames,
  choiceOption,
  clockOption,
  integerOption,
  type Size,
  sizeOption,
  ZbudError,
} from "../../base/index.ts";
import { UNIT_BYTES_DEFAULT, UNIT_BYTES_MAX, UNIT_BYTES_MIN } from "./index-words.ts";

/** What {@link FileBacking.open} takes besides the path. */
export interface FileBackingOptions {
  /**
   * The most bytes that the file takes on the disk, as a number or `"1GiB"`; at least 65,536: records with their place
   * in the index. It takes them as it fills. Its length is up to half more from the start, since that has holes for as
   * large an index as there may have to be; with {@link averageBytes} it is `maxBytes` at most.
   */
  readonly maxBytes: Size;
  /**
   * What a record takes on average, in bytes: the index has room for as many as then fit into the file, and no more.
   * Default: the index grows as records come, so that only bytes are a bound; beyond 8,388,608 records, one for each
   * 1024 bytes of `maxBytes`. Give it where the file's length must not be above `maxBytes`, as on a disk whose file
   * system has no holes, or to have more records than that. `OpfsBacking`, whose files have none, has 512 as default.
   */
  readonly averageBytes?: Size;
  /** Records are rounded up to multiples of this: a power of two from 64 to 65,536. Default 128. */
  readonly unitBytes?: Size;
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
  /**
   * The most bytes written a second; writes beyond it have the outcome `"EAGAIN"`. It does not wait: what a cache evicts
   * beyond it is lost. To write no faster than so, give the option of this name to the cache or the page store, which
   * wait. Default: no bound.
   */
  readonly maxWriteBytesPerSecond?: Size;
  /**
   * The most bytes of records that are being written, for each thread; writes beyond it have the outcome `"EAGAIN"`, but
   * for a longer record while no other is under way. Default 8 MiB.
   */
  readonly maxInFlightBytes?: Size;
  /** How long a write or read may take before it counts as failed, in ms. Default 30,000. */
  readonly timeoutMs?: number;
  /** Gives milliseconds since 1970. Default `Date.now`. */
  readonly clock?: () => number;
  /**
   * A name, such as `"app-tier"`, or a path: all processes of this machine that open the file with it use the file at
   * once, with one index in memory that they share and that outlives them. Give the name of no cache. Default: one
   * process has the file, with all its threads.
   */
  readonly shared?: string;
  /**
   * With a name in `shared`: what to do where the index of another file, or of one with other options, has it.
   * `"reject"`, the default, is an error that names them; `"replace"` puts a new index in its place, unless processes
   * that have this file open use the other.
   */
  readonly whenDifferent?: "reject" | "replace";
}

/** The options as the store uses them. */
export interface OpenSettings {
  readonly maxBytes: number;
  /** Null: the index grows. */
  readonly averageBytes: number | null;
  readonly unitBytes: number;
  readonly whenFull: "reject" | "drop";
  readonly unclean: "empty" | "flushed";
  /** 0: no bound. */
  readonly maxWriteBytesPerSecond: number;
  readonly maxInFlightBytes: number;
  readonly timeoutMs: number;
  readonly clock: () => number;
}

const NAMES = [
  "maxBytes",
  "averageBytes",
  "unitBytes",
  "whenFull",
  "unclean",
  "maxWriteBytesPerSecond",
  "maxInFlightBytes",
  "timeoutMs",
  "clock",
];

/**
 * @param more - names of options that the caller reads.
 * @param averagePreset - the default of `averageBytes`; null: the index grows.
 * @throws {ZbudError} `EINVAL` naming the option that is not what it should be.
 */
export function readFileOptions(
  options: Omit<FileBackingOptions, "shared" | "whenDifferent">,
  more: readonly string[],
  averagePreset: number | null,
): OpenSettings {
  checkNames("a file store", options, [...NAMES, ...more]);
  const { maxWriteBytesPerSecond } = options;
  const unitBytes = sizeOption(
    "unitBytes",
    options.unitBytes ?? UNIT_BYTES_DEFAULT,
    UNIT_BYTES_MIN,
    UNIT_BYTES_MAX,
    null,
  );
  if ((unitBytes & (unitBytes - 1)) !== 0) {
    throw new ZbudError("EINVAL", `unitBytes must be a power of two, not ${unitBytes}`);
  }
  const whenFull = choiceOption("whenFull", options.whenFull ?? "reject", ["reject", "drop"]);
  const unclean = choiceOption("unclean", options.unclean ?? "empty", ["empty", "flushed"]);
  if (whenFull === "drop" && unclean === "flushed") {
    throw new ZbudError(
      "EINVAL",
      'whenFull: "drop" and unclean: "flushed" do not go together, since what a flush wrote must stay until the next one; leave one of them out',
    );
  }
  return {
    maxBytes: sizeOption("maxBytes", options.maxBytes, 65_536, 2 ** 46, null),
    averageBytes:
      options.averageBytes === undefined
        ? averagePreset
        : sizeOption("averageBytes", options.averageBytes, 64, 2 ** 26, null),
    unitBytes,
    whenFull,
    unclean,
    maxWriteBytesPerSecond:
      maxWriteBytesPerSecond === undefined
        ? 0
        : sizeOption("maxWriteBytesPerSecond", maxWriteBytesPerSecond, 1, 2 ** 50, null),
    maxInFlightBytes: sizeOption(
      "maxInFlightBytes",
      options.maxInFlightBytes ?? 2 ** 23,
      4096,
      2 ** 40,
      null,
    ),
    timeoutMs: integerOption("timeoutMs", options.timeoutMs ?? 30_000, 1, 2 ** 27),
    clock: clockOption(options.clock),
  };
}
