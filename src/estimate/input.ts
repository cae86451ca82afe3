import { show, ZbudError } from "../base/index.ts";
import type { ProcessHost } from "./process-memory.ts";

/** What to estimate: any of paths and pid together, or a stream, or bytes. */
export interface EstimateInput {
  /** Files, and folders with all that is in them. */
  paths?: readonly string[];
  /** A process whose memory to read; Linux only. */
  pid?: number;
  /** The processes of a control group: its folder, or its path below `/sys/fs/cgroup`; Linux only. */
  cgroup?: string;
  /** All processes but this one; Linux only. */
  system?: boolean;
  /** Of the memory of processes only what nobody uses for so many seconds: 1 to 86400. */
  cold?: number;
  /** Bytes in some order, of unknown length; a Node stream without an encoding is one. */
  stream?: AsyncIterable<Uint8Array>;
  /** Bytes in memory. */
  bytes?: Uint8Array;
  /** What to call it; default: made from the above. */
  label?: string;
  /** For tests: where to look for the process. */
  processHost?: ProcessHost;
}

const COLD_SECONDS_MAX = 86_400;
const PID_MAX = 2 ** 22;

/**
 * @throws {ZbudError} `EINVAL` for an input that is none, names nothing, names a stream or bytes together with
 *   other things, or has a value of another type; the message names it.
 */
export function checkInput(input: EstimateInput): void {
  if (typeof input !== "object" || input === null) {
    throw wrong(`an input is an object such as { paths: ["data.json"] }, not ${show(input)}`);
  }
  const { paths, pid, cgroup, system, stream, bytes, label } = input;
  if (paths !== undefined) checkPaths(paths);
  if (pid !== undefined && !(Number.isInteger(pid) && pid >= 1 && pid <= PID_MAX)) {
    throw wrong(`pid must be a whole number from 1 to ${PID_MAX}, not ${show(pid)}`);
  }
  // Symbol.asyncIterator in a string or number would throw or find nothing: both are no streams.
  if (stream !== undefined && typeof stream?.[Symbol.asyncIterator] !== "function") {
    throw wrong(`stream must be an async iterable of Uint8Array, such as a Node stream, not ${show(stream)}`);
  }
  if (bytes !== undefined && !(bytes instanceof Uint8Array)) {
    throw wrong(`bytes must be a Uint8Array, not ${show(bytes)}: take new Uint8Array(its buffer)`);
  }
  if (label !== undefined && typeof label !== "string") {
    throw wrong(`label must be a string, not ${show(label)}`);
  }
  checkScope(input);
  const ofProcesses = pid !== undefined || cgroup !== undefined || system === true;
  const seekable = (paths !== undefined && paths.length > 0) || ofProcesses;
  if (Number(seekable) + Number(stream !== undefined) + Number(bytes !== undefined) !== 1) {
    throw wrong("name what to estimate: files, folders or a process; or a stream; or bytes");
  }
  if (bytes?.length === 0) throw wrong("there are no bytes to estimate");
}

function checkScope({ pid, cgroup, system, cold }: EstimateInput): void {
  if (cgroup !== undefined && (typeof cgroup !== "string" || cgroup === "" || cgroup.includes("\0"))) {
    throw wrong(`cgroup must be the folder of a control group, not ${show(cgroup)}`);
  }
  if (system !== undefined && typeof system !== "boolean") {
    throw wrong(`system must be true or false, not ${show(system)}`);
  }
  const scopes = Number(pid !== undefined) + Number(cgroup !== undefined) + Number(system === true);
  if (scopes > 1) throw wrong("name one of pid, cgroup and system (--pid, --cgroup, --system), not several");
  if (cold === undefined) return;
  if (!(Number.isInteger(cold) && cold >= 1 && cold <= COLD_SECONDS_MAX)) {
    throw wrong(`cold (--cold) must be whole seconds from 1 to ${COLD_SECONDS_MAX}, not ${show(cold)}`);
  }
  if (scopes === 0) throw wrong("cold (--cold) is of the memory of processes: name pid, cgroup or system");
}

function checkPaths(paths: unknown): void {
  if (!Array.isArray(paths)) throw wrong(`paths must be an array of strings, not ${show(paths)}`);
  for (const path of paths) {
    if (typeof path !== "string" || path === "" || path.includes("\0")) {
      throw wrong(`a path must be a string with something in it, not ${show(path)}`);
    }
  }
}

function wrong(message: string): ZbudError {
  return new ZbudError("EINVAL", message);
}
