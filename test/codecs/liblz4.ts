import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { temporaryFolder } from "../../scripts/tools.ts";

/** What to ask of liblz4. */
export interface Request {
  operation: "compress" | "decompress";
  source: Uint8Array;
  /** Bytes of the target. */
  room: number;
  dictionary?: Uint8Array | undefined;
}

const folder = temporaryFolder("liblz4");
const program = join(folder, "lz4-blocks");

/**
 * Compiles the C program beside this file.
 *
 * @returns why that is impossible here, or null.
 * @throws {Error} instead, in CI: there it must be possible.
 */
export function liblz4Missing(): string | null {
  const source = join(import.meta.dirname, "lz4-blocks.c");
  const compiler = process.env.CC ?? "cc";
  const result = spawnSync(compiler, ["-O2", source, "-o", program, "-llz4"], { encoding: "utf8" });
  if (result.status === 0) return null;
  const why = result.error ? `"${compiler}" does not start` : result.stderr.trim();
  const message = `no comparison with liblz4 (a C compiler and the package liblz4-dev are needed): ${why}`;
  if (process.env.CI) throw new Error(message);
  return message;
}

/** Has liblz4 carry out requests, in one process. An answer is null when it refused. */
export function liblz4(requests: readonly Request[]): (Uint8Array | null)[] {
  const input: Uint8Array[] = [];
  for (const { operation, source, room, dictionary } of requests) {
    const head = new Int32Array([operation.charCodeAt(0), dictionary?.length ?? 0, source.length, room]);
    input.push(new Uint8Array(head.buffer), dictionary ?? new Uint8Array(0), source);
  }
  const { status, stdout, stderr, error } = spawnSync(program, [], {
    input: Buffer.concat(input),
    maxBuffer: 2 ** 30,
  });
  if (status !== 0) throw new Error(`lz4-blocks ended with ${status}: ${stderr}`, { cause: error });
  let at = 0;
  return requests.map(() => {
    const size = stdout.readInt32LE(at);
    at += 4;
    if (size < 0) return null;
    at += size;
    return stdout.subarray(at - size, at);
  });
}
