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
    format: "{bar} {percentage} %  {doing}",
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 24,
    clearOnComplete: true,
    stopOnComplete: false,
    hideCursor: true,
    linewrap: false,
    gracefulExit: false,
    stream: process.stderr,
  });
  let started = false;
  // Whatever ends the process, the terminal gets its cursor and its line breaks back.
  const restore = (): void => {
    if (started) bar.stop();
    started = false;
  };
  return {
    at(share, doing) {
      const percent = Math.floor(share * 100);
      if (started) bar.update(percent, { doing });
      else bar.start(100, percent, { doing });
      if (!started) process.on("exit", restore);
      started = true;
    },
    stop() {
      restore();
      process.off("exit", restore);
    },
  };
}
