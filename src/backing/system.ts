import { builtin, show, ZbudError, type ZbudErrorCode } from "../base/index.ts";

/**
 * A module of Node.js, for what works nowhere else.
 *
 * @throws {ZbudError} `ENOTSUP` where there is none.
 */
export function required<M extends object>(name: `node:${string}`, what: string): M {
  const module = builtin<M>(name);
  if (module === undefined) {
    throw new ZbudError("ENOTSUP", `${what} needs ${name}, which is not there; use Node.js, Deno or Bun`);
  }
  return module;
}

/** What the system's codes are called here; all others are `EIO`. */
const CODES: Readonly<Record<string, ZbudErrorCode>> = {
  // Node.js: an error's code.
  ENOSPC: "ENOSPC",
  EDQUOT: "ENOSPC",
  // The limit of the process or of the file system on a file's length.
  EFBIG: "ENOSPC",
  EACCES: "EACCES",
  EPERM: "EACCES",
  EROFS: "EACCES",
  ENOENT: "ENOENT",
  ETIMEDOUT: "ETIMEDOUT",
  // Browsers: a DOMException's name.
  QuotaExceededError: "ENOSPC",
  NoModificationAllowedError: "EBUSY",
  SecurityError: "EACCES",
  NotAllowedError: "EACCES",
  NotFoundError: "ENOENT",
  TypeMismatchError: "EINVAL",
};

/** A fault of the system or of a server as an error of this library, with the cause in it. */
export function faultOf(what: string, cause: unknown): ZbudError {
  if (cause instanceof ZbudError) return cause;
  const { code, name, message } = (cause ?? {}) as Readonly<Record<"code" | "name" | "message", unknown>>;
  // A DOMException's code is a number that new kinds of it do not have.
  const word = typeof code === "string" ? code : name;
  const known = typeof word === "string" ? CODES[word] : undefined;
  const why = typeof message === "string" ? message : show(cause);
  return new ZbudError(known ?? "EIO", `${what}: ${why}`, { cause });
}
