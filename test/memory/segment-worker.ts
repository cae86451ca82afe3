/** A thread that takes a place in a segment, and ends when it is told to. */

import { parentPort, workerData } from "node:worker_threads";
import { adoptSegment } from "./segments.ts";

const { member } = adoptSegment(workerData);
parentPort?.once("message", () => {});
parentPort?.postMessage(member);
