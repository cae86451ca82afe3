import { builtin } from "./builtin.ts";
import { ZbudError } from "./errors.ts";

/**
 * The memory that this process may use: the lowest limit of its control group and of those around it
 * (containers have one), or else the machine's.
 *
 * @returns bytes.
 * @throws {ZbudError} `ENOTSUP` where neither is known, as in browsers: give a number of bytes there.
 */
export function memoryBytes(): number {
  const os = builtin<typeof import("node:os")>("node:os");
  const fs = builtin<typeof import("node:fs")>("node:fs");
  if (os === undefined || fs === undefined) {
    throw new ZbudError(
      "ENOTSUP",
      "this system does not tell how much memory there is, which a percentage needs; give a number of bytes",
    );
  }
  return groupLimits(fs).reduce((low, limit) => Math.min(low, limit), os.totalmem());
}

/** Limits that apply to this process by its control group (Linux, cgroups version 2 and 1). */
function groupLimits(fs: typeof import("node:fs")): number[] {
  const read = (path: string): string => {
    try {
      return fs.readFileSync(path, "utf8");
    } catch {
      return "";
    }
  };
  const limits: number[] = [];
  for (const line of read("/proc/self/cgroup").split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    const isUnified = controllers === "";
    if (!isUnified && !controllers.split(",").includes("memory")) continue;
    const root = isUnified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    const file = isUnified ? "memory.max" : "memory.limit_in_bytes";
    // In a container the path may be that outside of it, where the file system shows its own group as root.
    const parts = path.split("/").filter((part) => part !== "");
    for (let depth = parts.length; depth >= 0; depth--) {
      const limit = Number(read([root, ...parts.slice(0, depth), file].join("/")).trim() || Number.NaN);
      if (Number.isSafeInteger(limit) && limit > 0) limits.push(limit);
    }
  }
  return limits;
}
