import { readFileSync, statSync } from "node:fs";
import { ZbudError } from "../base/index.ts";

/** Turns a failed open of a process's files into a message that says what to do. */
export function processError(
  pid: number,
  root: string,
  cause: unknown,
  uid: number | undefined = process.getuid?.(),
): ZbudError {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === "ENOENT" || code === "ESRCH") {
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
  // Root is kept out by what its container may do: no other user of it may do more.
  if (uid === 0 && scope !== "3") {
    return (
      "root here lacks CAP_SYS_PTRACE, which a container withholds by default: " +
      "start the container with --cap-add SYS_PTRACE, or run on the host"
    );
  }
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
