import { systemIo } from "../../src/backing/file/io.ts";
import type { FileIo } from "../../src/backing/index.ts";
import { type FaultPlan, systemError } from "./faults.ts";

/** A file in which every call may go wrong, as the plan has it. */
export function faultyIo(plan: FaultPlan, io: FileIo = systemIo()): FileIo {
  /** What of the bytes a write with this fault writes. */
  const written = (bytes: Uint8Array, fault: string | null): Uint8Array => {
    if (fault === "ENOSPC" || fault === "EIO") throw systemError(fault);
    if (fault === "short") return bytes.subarray(0, plan.below(bytes.length));
    if (fault !== "corrupt" || bytes.length === 0) return bytes;
    const other = bytes.slice();
    other[plan.below(other.length)] ^= 1 << plan.below(8);
    return other;
  };
  /** What a read with this fault gives. */
  const spoil = (bytes: Uint8Array, read: number, fault: string | null): number => {
    if (fault === "ENOSPC" || fault === "EIO") throw systemError("EIO");
    if (fault === "short") return plan.below(read + 1);
    if (fault === "corrupt" && read > 0) bytes[plan.below(read)] ^= 1 << plan.below(8);
    return read;
  };
  return {
    ...io,
    write: async (file, bytes, position) => {
      const fault = plan.draw();
      await plan.wait(fault);
      const some = written(bytes, fault);
      return some.length === 0 && bytes.length > 0 ? 0 : await io.write(file, some, position);
    },
    writeSync: (file, bytes, position) => {
      const some = written(bytes, plan.draw());
      return some.length === 0 && bytes.length > 0 ? 0 : io.writeSync(file, some, position);
    },
    read: async (file, bytes, position) => {
      const fault = plan.draw();
      await plan.wait(fault);
      return spoil(bytes, await io.read(file, bytes, position), fault);
    },
    readSync: (file, bytes, position) => spoil(bytes, io.readSync(file, bytes, position), plan.draw()),
    sync: async (file) => {
      const fault = plan.draw();
      await plan.wait(fault);
      if (fault === "ENOSPC" || fault === "EIO") throw systemError(fault);
      await io.sync(file);
    },
  };
}
