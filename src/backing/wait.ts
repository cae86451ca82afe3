/**
 * Waits for something, but not longer than a time, and not beyond an abort. What is waited for goes on; its
 * failure is nobody's news then.
 *
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
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    const timer = setTimeout(() => {
      end();
      reject(late());
    }, timeoutMs);
    const onAbort = (): void => {
      end();
      // Whatever the caller of abort() gave, as fetch does it.
      reject(signal?.reason as Error);
    };
    if (signal?.aborted === true) {
      onAbort();
      promise.catch(() => undefined);
      return;
    }
    signal?.addEventListener("abort", onAbort);
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

/** Lets a time pass. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
