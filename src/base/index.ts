export { assert } from "./assert.ts";
export { builtin } from "./builtin.ts";
export { checkBytes } from "./bytes.ts";
export { copyBytes } from "./copy.ts";
export { crc32, crc32ByTables } from "./crc32.ts";
export { isLockBusy, show, unlessLockBusy, ZbudError, type ZbudErrorCode } from "./errors.ts";
export { fallbacks, noteFallback } from "./fallbacks.ts";
export { fillWith, isFilled, wordAt } from "./filled.ts";
export type { Handle } from "./handle-type.ts";
export { type IdleWork, stopWorking, workWhenIdle } from "./idle-work.ts";
export { inspectAsText } from "./inspect.ts";
export { ThreadLock } from "./lock.ts";
export {
  type LockMemory,
  lockableBuffer,
  lockableBufferOf,
  memoryBehind,
  newLockMemory,
} from "./lock-memory.ts";
export {
  availableBytes,
  type MachineMemory,
  MemoryReader,
  machineMemory,
  memoryBytes,
} from "./machine-memory.ts";
export { nearestOf } from "./nearest.ts";
export { checkNode } from "./node-version.ts";
export { bytesText, countOf, countText, percentText, ratioText, timeText } from "./number-text.ts";
export { powerOfTwoAtLeast } from "./numbers.ts";
export {
  checkNames,
  checkSignal,
  choiceOption,
  clockOption,
  flagOption,
  integerOption,
  sharedOption,
  signalOption,
} from "./options.ts";
export { ownBytes, ownWords } from "./own-memory.ts";
export { Prng } from "./prng.ts";
export { startOf, threadNumber } from "./proc.ts";
export { canGrow, canShare, isSharedBuffer, notShared, sharedBuffer } from "./shared-buffer.ts";
export { parseBytes, type Size, type SizeRange, sizeOption, sizeRangeOption } from "./size.ts";
export { noteProcessMemory, type Places, placesOf } from "./thread-places.ts";
export {
  checkThreadId,
  lookingOnly,
  type NotedThread,
  PLACES,
  REGISTRY_WORDS,
  ThreadRegistry,
} from "./thread-registry.ts";
export { nextTurn } from "./turn.ts";
export { pause, waitAtMost, withSignal } from "./wait.ts";
export { WriteBudget } from "./write-budget.ts";
