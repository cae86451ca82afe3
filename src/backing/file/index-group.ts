import { PLACES, pause, unlessLockBusy, ZbudError } from "../../base/index.ts";
import { inFolder, type Segment } from "../../memory/index.ts";
import type { FileState } from "./file-state.ts";
import { lastHeader, settleHeader, writeHeader } from "./header-file.ts";
import {
  CLOSED,
  CLOSING,
  emptyIndexWords,
  F_DEVICE,
  F_HEADER,
  F_INODE,
  type IndexWords,
  OPEN,
  UNREAD,
  W_CLOSED,
  W_GROUP,
  W_HEADER_DRAW,
  W_KEEPER,
  W_RECORDS,
  W_UNDER_WAY,
} from "./index-words.ts";
import type { FileIo } from "./io.ts";
import { type OpenedFile, takeUpFile } from "./open-index.ts";
import type { OpenSettings } from "./options.ts";
import type { OwnerNotes } from "./owner.ts";
import type { Ownership } from "./record-file.ts";

/** How often what dead processes were writing is looked for. */
const RECOVER_EVERY_MS = 10_000;
/** How long another process is waited for that opens or closes the file, as a multiple of `timeoutMs`. */
const PATIENCE = 10;
const LOOK_MS = 2;

/**
 * The threads of several processes that have one file, and its index in memory that outlives them, as one of these
 * threads takes part.
 *
 * A thread is *user* while it reads and writes the file: its member is in `users`, at its place. The first user opens
 * the file for all, and the last one closes it; while one does so it is the *keeper* ({@link W_KEEPER}), and the
 * others wait. All of this is changed under the lock of the index:
 *
 *   G1  while a user lives, the index is OPEN, it is that of the file, and there is no keeper that lives.
 *   G2  a user has its note at the file (owner.ts) from before it is one until after.
 *
 * So whoever finds a user that lives may use the index at once: nobody else can have had the file meanwhile. Whoever
 * finds none, because all were killed or are about to close, becomes the keeper and looks whether the file's header is
 * the one that the index knows: then the index, repaired, is all that was in the file; else somebody else had the
 * file, and what the file itself says is taken up, by the rules for one process.
 */
export class IndexGroup implements Ownership {
  readonly endsAll = false;
  readonly #state: FileState;
  readonly #io: FileIo;
  readonly #segment: Segment;
  readonly #notes: OwnerNotes;
  #recovering: ReturnType<typeof setInterval> | undefined;

  constructor(state: FileState, io: FileIo, segment: Segment, notes: OwnerNotes) {
    this.#state = state;
    this.#io = io;
    this.#segment = segment;
    this.#notes = notes;
  }

  /**
   * Becomes a user.
   *
   * @returns null: somebody removed the memory meanwhile: begin anew.
   * @throws {ZbudError} `EBUSY` if the others have another file open, or one that opens or closes it does not end;
   *   `EINVAL`, `EBADMSG`, `ENOTSUP`, `ENOSPC`, `EIO` of the file; `ENOMEM`.
   */
  async enter(settings: OpenSettings): Promise<OpenedFile | null> {
    const { locked, words, settings: own } = this.#state;
    const { header } = words;
    const end = performance.now() + PATIENCE * own.timeoutMs;
    for (;;) {
      const role = locked(() => this.#roleNow());
      if (role === "stranger") throw this.#otherFile();
      if (role === "user") return { found: "shared", records: header[W_RECORDS] };
      if (role === "keeper") break;
      if (performance.now() > end) throw this.#keeperHangs();
      await pause(LOOK_MS);
    }
    try {
      if (!hasName(this.#segment)) return null;
      const opened = await this.#open(settings);
      locked(() => {
        Atomics.store(header, W_CLOSED, OPEN);
        this.#beUser();
      });
      return opened;
    } finally {
      locked(() => this.#endKeeping());
    }
  }

  /**
   * Becomes a user beside others, before it returns.
   *
   * @throws {ZbudError} `ECLOSED` if there are none.
   */
  enterBeside(): void {
    const { locked } = this.#state;
    this.#state.takeOver();
    const isIn = locked(() => {
      if (!this.#hasUsers()) return false;
      this.#beUser();
      return true;
    });
    if (isIn) return;
    this.#state.leave();
    throw this.#state.closedError();
  }

  isLast(): boolean {
    const { locked, words, member } = this.#state;
    return locked(() => {
      words.users[member % PLACES] = 0;
      if (this.#hasUsers()) return false;
      Atomics.store(words.header, W_CLOSED, CLOSING);
      words.header[W_KEEPER] = member;
      return true;
    });
  }

  /** The memory goes with the last one that has it, if the file has all that is in it. */
  release(): void {
    clearInterval(this.#recovering);
    const leave = (): void => {
      this.#notes.release();
      this.#state.leave();
    };
    try {
      // Whoever joins does so before, and is seen, or afterwards, and finds neither the memory nor this note.
      inFolder(this.#segment.path, () => {
        leave();
        const isClosed = Atomics.load(this.#state.words.header, W_CLOSED) === CLOSED;
        if (isClosed && this.#state.isAlone) this.#segment.removeName();
      });
    } catch {
      // The folder is gone, or its lock was not to be had: then the memory stays, and says that the file is closed.
      leave();
    }
    this.#segment.close();
  }

  /** The lock is held. `"stranger"`: the others have another file open. */
  #roleNow(): "user" | "keeper" | "waiting" | "stranger" {
    const state = this.#state;
    const { header, numbers } = state.words;
    const keeper = header[W_KEEPER];
    if (keeper !== 0 && !state.isGone(keeper)) return "waiting";
    if (!this.#hasUsers()) {
      header[W_KEEPER] = state.member;
      return "keeper";
    }
    const { device, inode } = this.#io.statSync(state.file);
    if (device !== numbers[F_DEVICE] || inode !== numbers[F_INODE]) return "stranger";
    this.#beUser();
    return "user";
  }

  /** Whether another thread uses the file. The lock is held. */
  #hasUsers(): boolean {
    const state = this.#state;
    if (state.words.header[W_CLOSED] !== OPEN) return false;
    return state.words.users.some((user) => user !== 0 && user !== state.member && !state.isGone(user));
  }

  #beUser(): void {
    const state = this.#state;
    state.words.users[state.member % PLACES] = state.member;
    this.#recovering = setInterval(() => {
      if (state.words.header[W_UNDER_WAY] > 0) unlessLockBusy(() => void state.recover());
    }, RECOVER_EVERY_MS);
    this.#recovering.unref();
  }

  #endKeeping(): void {
    const { words, member } = this.#state;
    if (words.header[W_KEEPER] === member) words.header[W_KEEPER] = 0;
  }

  /** Opens the file for all. Nobody uses it. */
  async #open(settings: OpenSettings): Promise<OpenedFile> {
    const state = this.#state;
    const { file, words, settings: own, locked } = state;
    const { header, numbers } = words;
    const { size, device, inode } = this.#io.statSync(file);
    const isRead = header[W_CLOSED] !== UNREAD;
    if (isRead && size > 0) await settleHeader(this.#io, file, words);
    const last = size === 0 ? null : await lastHeader(own.path, file, this.#io);
    const found = last?.header ?? null;
    const isSame =
      found !== null && found.number === numbers[F_HEADER] && found.draw === header[W_HEADER_DRAW] >>> 0;
    let opened: OpenedFile;
    if (isRead && isSame) {
      state.recover();
      if (found.isClean) {
        await writeHeader(this.#io, file, words, { ...found, number: found.number + 1, isClean: false });
      }
      opened = { found: "shared", records: header[W_RECORDS] };
    } else {
      locked(() => {
        Atomics.store(header, W_CLOSED, UNREAD);
        emptyIndexWords(words);
      });
      opened = await takeUpFile(file, this.#io, words, last, settings, locked);
    }
    numbers[F_DEVICE] = device;
    numbers[F_INODE] = inode;
    return opened;
  }

  #otherFile(): ZbudError {
    return new ZbudError(
      "EBUSY",
      `the processes that share ${this.#segment.path} have a file open that ${this.#state.settings.path} was before it was removed or replaced; close it in all of them, then open it again`,
    );
  }

  #keeperHangs(): ZbudError {
    const { path, timeoutMs } = this.#state.settings;
    return new ZbudError(
      "EBUSY",
      `another process has been opening or closing ${path} for ${PATIENCE * timeoutMs} ms; look whether it was stopped (kill -CONT), or end it`,
    );
  }
}

/** Whether memory can still be found by its name. */
export function hasName(segment: Segment): boolean {
  try {
    segment.check();
    return true;
  } catch (error) {
    if (error instanceof ZbudError && error.code === "ENOENT") return false;
    throw error;
  }
}

/** Names a new group. */
export function drawGroup({ header }: IndexWords): void {
  header.set(globalThis.crypto.getRandomValues(new Int32Array(2)), W_GROUP);
}

export function groupIdOf({ header }: IndexWords): string {
  return `${header[W_GROUP] >>> 0} ${header[W_GROUP + 1] >>> 0}`;
}
