import { readFileSync, statSync } from "node:fs";
import { ZbudError } from "../base/index.ts";

/** Its bit in CapEff of /proc/PID/status. */
const CAP_SYS_PTRACE = 19n;

/** Turns a failed open of a process's files into a message that says what to do. */
export function processError(
  pid: number,
  root: string,
  cause: unknown,
  uid: number | undefined = process.getuid?.(),
): ZbudError {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === "ENOENT" || code === "ESRCH") {
    // A thread of the kernel is listed as a process, and has no memory to open.
    if (ownerOf(pid, root) !== null) {
      return new ZbudError(
        "ENOENT",
        `process ${pid} has no memory to read: it is part of the kernel, or has just ended`,
        {
          cause,
        },
      );
    }
    return new ZbudError("ENOENT", `no such process: ${pid} (ps lists those that run)`, { cause });
  }
  if (code !== "EACCES" && code !== "EPERM") {
    return new ZbudError("EINVAL", `cannot read the memory of process ${pid} (${code})`, { cause });
  }
  return new ZbudError(
    "EACCES",
    `no permission to read the memory of process ${pid}: ${remedy(pid, root, uid)}`,
    {
      cause,
    },
  );
}

function remedy(pid: number, root: string, uid: number | undefined): string {
  const scope = readScope(root);
  if (uid === 0 && scope !== "3") return rootRemedy(root);
  const owner = ownerOf(pid, root);
  const sudo = "with sudo (it needs CAP_SYS_PTRACE)";
  if (owner !== null && owner !== uid) {
    return `it belongs to another user (uid ${owner}); run as that user, or ${sudo}`;
  }
  if (scope === "1" || scope === "2") {
    return `kernel.yama.ptrace_scope is ${scope}; run ${sudo}, or set it to 0`;
  }
  if (scope === "3") return "kernel.yama.ptrace_scope is 3, which forbids it to everybody until a restart";
  return `it protects itself or runs with more rights; run ${sudo}`;
}

/** What lets processes be read that were left out because this user may not. */
export function othersRemedy(root = "/proc", uid: number | undefined = process.getuid?.()): string {
  return uid === 0 ? rootRemedy(root) : "run with sudo (it needs CAP_SYS_PTRACE)";
}

/** Root is kept out by what its container may do, or by a security module: no other user may do more. */
function rootRemedy(root: string): string {
  return mayTrace(root)
    ? "a security module (SELinux, AppArmor and the like) or a sandbox keeps it from root too"
    : "root here lacks CAP_SYS_PTRACE, which a container withholds by default: " +
        "start the container with --cap-add SYS_PTRACE, or run on the host";
}

function mayTrace(root: string): boolean {
  try {
    const [, mask] = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync(`${root}/self/status`, "latin1")) ?? [];
    return mask !== undefined && ((BigInt(`0x${mask}`) >> CAP_SYS_PTRACE) & 1n) === 1n;
  } catch {
    return false;
  }
}

function ownerOf(pid: number, root: string): number | null {
  try {
    return statSync(`${root}/${pid}`).uid;
  } catch {
    return null;
  }
}

function readScope(root: string): string {
  try {
    return readFileSync(`${root}/sys/kernel/yama/ptrace_scope`, "latin1").trim();
  } catch {
    return "";
  }
}
