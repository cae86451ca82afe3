/** A process that opens segments when it is told to; as a worker thread, one that takes a place and waits to be ended. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { systemOf } from "../../src/memory/system-calls.ts";
import type { Answer, Task } from "./segment-process.ts";
import { adoptSegment, type OpenSegment, openSegment } from "./segments.ts";

let open: OpenSegment | undefined;
let worker: Worker | undefined;
let spawned: ChildProcess | undefined;

async function answer(task: Task): Promise<Answer> {
  switch (task.do) {
    case "open":
      open = openSegment(task.options);
      return { isNew: open.isNew, inode: statSync(open.segment.path).ino, member: open.member };
    case "close":
      open?.registry.leave(open.member);
      open?.segment.close();
      return {};
    case "lock folder":
      systemOf().tryLockWhole(openSync(dirname(open?.segment.path ?? ""), "r"));
      return {};
    case "spawn":
      spawned = spawn("sleep", ["100"], { stdio: "ignore", detached: true });
      return { pid: spawned.pid ?? 0 };
    case "start worker": {
      worker = new Worker(new URL(import.meta.url), {
        workerData: open?.segment.send(),
      });
      const [member] = (await once(worker, "message")) as [number];
      return { member };
    }
    case "terminate worker":
      await worker?.terminate();
      return {};
    case "end worker": {
      const ended = worker === undefined ? null : once(worker, "exit");
      worker?.postMessage("end");
      await ended;
      return {};
    }
  }
}

if (isMainThread) {
  process.on("message", (task: Task) => {
    answer(task).then(
      (said) => process.send?.(said),
      (error: NodeJS.ErrnoException) =>
        process.send?.({ error: error.code ?? error.name, message: error.message }),
    );
  });
} else {
  const { member } = adoptSegment(workerData);
  parentPort?.once("message", () => {});
  parentPort?.postMessage(member);
}
