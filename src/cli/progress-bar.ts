/** Shows how far a long work is. */
export interface Progress {
  at(share: number, doing: string): void;
  stop(): void;
}

/** A bar on standard error if that is a terminal, and nothing otherwise. */
export async function createProgress(wanted: boolean): Promise<Progress> {
  if (!wanted || !process.stderr.isTTY) return { at() {}, stop() {} };
  // Loaded only where it is seen: a pipe need not wait for it.
  const { SingleBar } = (await import("cli-progress")).default;
  const bar = new SingleBar({
    format: "{bar} {percentage} % {left}{doing}",
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: (process.stderr.columns ?? 80) < 60 ? 8 : 24,
    clearOnComplete: true,
    stopOnComplete: false,
    hideCursor: true,
    linewrap: false,
    gracefulExit: false,
    stream: process.stderr,
  });
  let started = false;
  let begun = 0;
  // Whatever ends the process, the terminal gets its cursor and its line breaks back.
  const restore = (): void => {
    if (started) bar.stop();
    started = false;
  };
  return {
    at(share, doing) {
      const percent = Math.floor(share * 100);
      if (!started) begun = performance.now();
      const shown = { doing, left: leftText(share, performance.now() - begun) };
      if (started) bar.update(percent, shown);
      else bar.start(100, percent, shown);
      if (!started) process.on("exit", restore);
      started = true;
    },
    stop() {
      restore();
      process.off("exit", restore);
    },
  };
}

/** Less than this is over before it is read; and of too small a share nothing can be said. */
const SECONDS_SAID_MIN = 3;
const SHARE_SAID_MIN = 0.02;

/** The time that is left if all goes on as it did, with what parts it from the next text; nothing if it is short. */
export function leftText(share: number, passedMs: number): string {
  if (share < SHARE_SAID_MIN) return "";
  const seconds = Math.round((passedMs / share - passedMs) / 1000);
  if (seconds < SECONDS_SAID_MIN) return "";
  return `${seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`} left: `;
}
