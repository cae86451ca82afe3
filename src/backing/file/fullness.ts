/** How long a file that was full is not asked again, twice as long each time, unless room came before. */
const PAUSE_MS_MIN = 50;
const PAUSE_MS_MAX = 5000;

/**
 * What a file had no room for, and until when it need not be asked for as much again. Shorter records may still fit
 * where a long one does not.
 */
export class Fullness {
  /** Records of so many bytes and more are refused. */
  #from: number = Number.POSITIVE_INFINITY;
  /** What of the file was in use then; with less there is room that was not there. */
  #unitsUsed = 0;
  #since = 0;
  #pauseMs = 0;

  /**
   * @param unitsUsed - units of the file in use; Infinity if that is not why, but the disk is full.
   */
  noteRefused(span: number, unitsUsed: number, now: number): void {
    this.#from = Math.min(this.#from, span);
    this.#unitsUsed = unitsUsed === Number.POSITIVE_INFINITY ? 0 : unitsUsed;
    this.#since = now;
    this.#pauseMs = Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS_MIN, 2 * this.#pauseMs));
  }

  noteWritten(span: number): void {
    if (span < this.#from) return;
    this.#from = Number.POSITIVE_INFINITY;
    this.#pauseMs = 0;
  }

  /** Something was deleted. Whether that is enough, the next write shows. */
  noteRoom(): void {
    this.#from = Number.POSITIVE_INFINITY;
  }

  /** Whether a record of so many bytes would be refused, as far as is known. */
  refuses(span: number, unitsUsed: number, now: number): boolean {
    if (span < this.#from || unitsUsed < this.#unitsUsed) return false;
    // A clock that was set back says nothing.
    return now >= this.#since && now < this.#since + this.#pauseMs;
  }
}
