/** Keeps Node from saying on standard error that its `node:ffi` is experimental: who runs a command did not choose it. */
export function hideFfiWarning(): void {
  const emit = process.emitWarning.bind(process) as (...about: unknown[]) => void;
  process.emitWarning = (...about: unknown[]): void => {
    const isOfFfi = about[1] === "ExperimentalWarning" && String(about[0]).startsWith("FFI ");
    if (!isOfFfi) emit(...about);
  };
}
