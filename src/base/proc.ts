import { builtin } from "./builtin.ts";

/** The system's number of the thread that calls (Linux), or 0 where it does not say. */
export function threadNumber(): number {
  try {
    // A link to `PID/task/NUMBER`.
    const target = builtin<typeof import("node:fs")>("node:fs")?.readlinkSync("/proc/thread-self") ?? "";
    return Number(/\/task\/(\d+)$/.exec(target)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/**
 * When a process or a thread started, in clock ticks since the system did (Linux): numbers are used again, pairs of
 * number and start are not.
 *
 * @param task - below `/proc`: `"self"`, a process's number, or `PID/task/NUMBER`.
 * @returns digits; `"gone"` if there is none; `"unknown"` where the system does not say.
 */
export function startOf(task: string): string | "gone" | "unknown" {
  let stat: string;
  try {
    stat = builtin<typeof import("node:fs")>("node:fs")?.readFileSync(`/proc/${task}/stat`, "latin1") ?? "";
  } catch (error) {
    // Anything else, no file descriptor left for one, says nothing about the task.
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "ESRCH" ? "gone" : "unknown";
  }
  // The name, in brackets, may hold anything; field 3 follows the last bracket, and the start is field 22.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // What ended and was not collected yet is a zombie (Z) or dead (X).
  if (fields[0] === "Z" || fields[0] === "X") return "gone";
  return /^\d+$/.test(fields[19] ?? "") ? fields[19] : "unknown";
}
