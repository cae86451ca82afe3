import { ZbudError } from "./errors.ts";

/** The oldest Node that has all that is used here; also in package.json. */
const OLDEST = [22, 19];

/** The versions of what runs a program, as `process.versions` has them. */
interface Versions {
  readonly node?: string;
  readonly bun?: string;
  readonly deno?: string;
}

/**
 * Makes sure that Node, if it is Node, is new enough: in an older one the first call that needs what it has not
 * would throw a bare TypeError, which may be late.
 *
 * @throws {ZbudError} `ENOTSUP`, with the version that is needed and the one that it is.
 */
export function checkNode(versions: Versions | undefined = globalThis.process?.versions): void {
  const { node, bun, deno } = versions ?? {};
  // Others say which Node they stand in for, and have their own gaps.
  if (node === undefined || bun !== undefined || deno !== undefined) return;
  const [major, minor] = node.split(".").map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return;
  throw new ZbudError("ENOTSUP", `zbud needs Node ${OLDEST.join(".")} or newer, and this is ${node}`);
}
