import { pause, waitAtMost } from "../../base/index.ts";
import type { FileState } from "./file-state.ts";
import { settleHeader, writeHeader } from "./header-file.ts";
import { clearPins, writeIndex } from "./index-file.ts";
import {
  CLOSE_FAILED,
  CLOSED,
  CLOSING,
  F_HEADER,
  F_SEQUENCE,
  W_AREA,
  W_CLOSED,
  W_FLUSHER,
  W_GENERATION,
  W_UNDER_WAY,
  W_USER,
} from "./index-words.ts";

/** A flush may take as many times longer than a single write or read. */
const PATIENCE = 10;

/**
 * Makes what is in the store now what a later process finds: the records reach the disk, then the index does,
 * in the area that the last header does not name, then a header that names it. Whenever the process or the
 * system ends, the header that counts names an index that is whole.
 *
 * @param isClean - whether nothing will be written any more: the owner's last flush. One of another thread that comes
 *   to its turn after that leaves the file alone, which is somebody else's by then.
 * @throws {ZbudError} `EIO`, `ENOSPC`, `ETIMEDOUT`: the file has the state of the flush before; `ECLOSED`: so has it
 *   after a last flush that failed.
 */
export async function flushFile(state: FileState, isClean: boolean): Promise<void> {
  const { io, file, words, settings } = state;
  const { header, numbers } = words;
  const timeoutMs = settings.timeoutMs * PATIENCE;
  await takeTurn(state, timeoutMs);
  const giveTurn = (): void => void Atomics.compareExchange(header, W_FLUSHER, state.member, 0);
  const closed = Atomics.load(header, W_CLOSED);
  if (closed === CLOSED || closed === CLOSE_FAILED) {
    giveTurn();
    if (closed === CLOSED) return;
    throw state.closedError();
  }
  const end = (how: number): void => {
    if (isClean) Atomics.compareExchange(header, W_CLOSED, CLOSING, how);
  };
  const work = async (): Promise<void> => {
    if (header[W_UNDER_WAY] > 0) state.recover();
    await settleHeader(io, file, words);
    const area = header[W_AREA] === 0 ? 1 : 0;
    await clearPins(words, area, state.locked);
    const written = await writeIndex(io, file, words, area, state.locked);
    await io.sync(file);
    await writeHeader(io, file, words, {
      storeNumber: state.storeNumber,
      number: numbers[F_HEADER] + 1,
      isClean,
      area,
      ...written,
      sequence: numbers[F_SEQUENCE],
      geometry: words.geometry,
      generation: header[W_GENERATION] >>> 0,
      user: header[W_USER],
    });
    end(CLOSED);
    await clearPins(words, area === 0 ? 1 : 0, state.locked);
  };
  const working = work().finally(() => {
    end(CLOSE_FAILED);
    giveTurn();
  });
  try {
    await waitAtMost(working, timeoutMs, () => state.timeout("a flush"));
  } catch (cause) {
    end(CLOSE_FAILED);
    throw state.fault("the index cannot be written", cause);
  }
}

/** One flush at a time, over all threads. */
async function takeTurn(state: FileState, timeoutMs: number): Promise<void> {
  const { header } = state.words;
  for (const start = performance.now(); ; ) {
    const taken = Atomics.compareExchange(header, W_FLUSHER, 0, state.member);
    if (taken === 0) return;
    if (taken !== state.member && state.isGone(taken)) {
      Atomics.compareExchange(header, W_FLUSHER, taken, 0);
      continue;
    }
    if (performance.now() - start > timeoutMs) throw state.timeout("the flush before this one");
    await pause(2);
  }
}
