import { readFileSync, statSync } from "node:fs";
import { ZbudError } from "../base/index.ts";

/** Turns a failed open of a process's files into a message that says what to do. */
export function processError(pid: number, root: string, cause: unknown): ZbudError {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === "ENOENT" || code === "ESRCH") {
    return new ZbudError("ENOENT", `no such process: ${pid} (ps lists those that run)`, { cause });
  }
  if (code !== "EACCES" && code !== "EPERM") {
    return new ZbudError("EINVAL", `cannot read the memory of process ${pid} (${code})`, { cause });
  }
  return new ZbudError("EACCES", `no permission to read the memory of process ${pid}: ${remedy(pid, root)}`, {
    cause,
  });
}

function remedy(pid: number, root: string): string {
  const owner = ownerOf(pid, root);
  const sudo = "with sudo (it needs CAP_SYS_PTRACE)";
  if (owner !== null && owner !== process.getuid?.()) {
    return `it belongs to another user (uid ${owner}); run as that user, or ${sudo}`;
  }
  const scope = readScope(root);
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
