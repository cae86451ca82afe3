/**
 * Every code a {@link ZbudError} can carry. They are the system's own names where one fits.
 *
 * | code | what happened |
 * | --- | --- |
 * | `EINVAL` | an argument or option is not what the function takes |
 * | `EBADF` | a handle that this pool did not issue, or that was freed since |
 * | `ECLOSED` | a call after `close()` |
 * | `ENOENT` | no driver, codec, file or process of this name |
 * | `EEXIST` | the name is taken |
 * | `EBUSY` | still in use |
 * | `EAGAIN` | a lock was held for too long by another thread |
 * | `ESTALE` | a value that was being read by parts was replaced or removed meanwhile |
 * | `EDEADLK` | a load of a cache waits for itself |
 * | `ENOMEM` | the system gave no memory |
 * | `EBADMSG` | bytes from outside are damaged: a compressed block, a trace, a saved file |
 * | `ENOTSUP` | this platform cannot do it |
 * | `EACCES` | the system does not permit it |
 * | `EIO` | a disk or a server did not do what it was asked |
 * | `ENOSPC` | the file system is full |
 * | `ETIMEDOUT` | a disk or a server did not answer in time |
 * | `ECORRUPT` | a pool's metadata contradicts itself: a bug in this library, please report it |
 */
export type ZbudErrorCode =
  | "EINVAL"
  | "EBADF"
  | "ECLOSED"
  | "ENOENT"
  | "EEXIST"
  | "EBUSY"
  | "EAGAIN"
  | "ESTALE"
  | "EDEADLK"
  | "ENOMEM"
  | "EBADMSG"
  | "ENOTSUP"
  | "EACCES"
  | "EIO"
  | "ENOSPC"
  | "ETIMEDOUT"
  | "ECORRUPT";

/**
 * What this library throws: misuse by the caller, or damage from outside. An expected refusal (a full
 * pool, an object that never fits) is a returned value instead.
 *
 * The message says what happened, with which value, and what to do; `cause` holds the error beneath, if
 * there is one.
 */
export class ZbudError extends Error {
  readonly code: ZbudErrorCode;

  /**
   * @param code - one of {@link ZbudErrorCode}.
   * @param message - one sentence for the person who reads it.
   * @param options - `cause`: the error that led to this one.
   */
  constructor(code: ZbudErrorCode, message: string, options?: { cause?: unknown }) {
    super(`${message} (${code})`, options);
    this.name = "ZbudError";
    this.code = code;
  }
}

/** Shows a value in an error message: short, on one line, strings quoted. */
export function show(value: unknown): string {
  switch (typeof value) {
    case "string":
      return value.length > 40 ? `${JSON.stringify(value.slice(0, 40))}…` : JSON.stringify(value);
    case "bigint":
      return `${value}n`;
    case "function":
      return "a function";
    case "object":
      return value === null ? "null" : showObject(value);
    default:
      return String(value);
  }
}

/** What an object is, even if it lies about it or its proxy was revoked. */
function showObject(value: object): string {
  try {
    if (Array.isArray(value)) return `an array of ${value.length}`;
    const name = value.constructor?.name;
    if (typeof name !== "string" || name === "") return "an object";
    return value instanceof Uint8Array ? `${name}(${value.length})` : name;
  } catch {
    return "an object";
  }
}

/** Whether a call gave up as somebody keeps a lock: a thread that is stopped, since one that is gone keeps none. */
export function isLockBusy(error: unknown): boolean {
  return error instanceof ZbudError && error.code === "EAGAIN";
}

/** Does what nobody waits for, unless somebody is stopped within a lock: then it is done some time later. Whether it was done. */
export function unlessLockBusy(act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (!isLockBusy(error)) throw error;
    return false;
  }
}
