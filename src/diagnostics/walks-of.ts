import { ZbudError } from "../base/index.ts";
import { BUILT_IN_WALKS } from "../drivers/index.ts";
import type { Allocator, Walks } from "../pool/index.ts";

/** How to walk over an allocator: as it says itself, or as the built-in driver of this name has it. */
export function walksOf(type: string, { columns, verify }: Allocator): Walks {
  return (
    BUILT_IN_WALKS.get(type) ?? {
      columns: (allocator) => {
        if (columns === undefined) throw lacking(type, "columns");
        return columns.call(allocator);
      },
      verify: (allocator, reclaims) => {
        if (verify === undefined) throw lacking(type, "verify");
        verify.call(allocator, reclaims);
      },
    }
  );
}

function lacking(type: string, name: string): ZbudError {
  return new ZbudError(
    "ENOTSUP",
    `the allocator of driver "${type}" has no ${name}(); give it one to look into it`,
  );
}
