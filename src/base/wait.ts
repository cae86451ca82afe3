/**
 * Waits for something, but not longer than a time, and not beyond an abort. What is waited for goes on; its
 * failure is nobody's news then.
 *
 * @param timeoutMs - Infinity: as long as it takes; negative: the time is over.
 * @param late - makes the error that is thrown when the time is over.
 * @throws what `promise` rejects with, what `late` made, or the signal's reason.
 */
export function waitAtMost<Result>(
  promise: Promise<Result>,
  timeoutMs: number,
  late: () => Error,
  signal?: AbortSignal,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    const onAbort = (): void => {
      end();
      // Whatever the caller of abort() gave, as fetch does it.
      reject(signal?.reason as Error);
    };
    // First: of two that have come already, the signal counts.
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener("abort", onAbort);
    if (timeoutMs !== Number.POSITIVE_INFINITY && signal?.aborted !== true) {
      timer = setTimeout(
        () => {
          end();
          reject(late());
        },
        Math.max(0, timeoutMs),
      );
    }
    promise.then(
      (result) => {
        end();
        resolve(result);
      },
      (error: unknown) => {
        end();
        reject(error as Error);
      },
    );
  });
}

/** The promise's result, or a rejection with the signal's reason as soon as it is aborted. */
export function withSignal<Result>(
  promise: Promise<Result>,
  signal: AbortSignal | undefined,
): Promise<Result> {
  return signal === undefined ? promise : waitAtMost(promise, Number.POSITIVE_INFINITY, neverLate, signal);
}

function neverLate(): Error {
  return new Error("a wait without an end is over");
}

/** Lets a time pass. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
