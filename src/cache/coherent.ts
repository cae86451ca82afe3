import type { FleetLock, TagName } from "../backing/index.ts";
import type { FoundEntry } from "../engine/index.ts";
import type { EncodedKey } from "./key.ts";
import type { Lease } from "./leases.ts";

/**
 * What a second tier does besides that several machines share as one truth. Its code comes with the backing store, so a
 * cache without one does not bundle it.
 */
export interface Coherent {
  /** Begins to listen; the engine is there. */
  begin(): void;
  /** Right after the start: until the server tells, but not for long. What is loaded before is not kept. Null: no need. */
  readonly ready: Promise<void> | null;
  /** Whether an entry that was found is known to be what the server has, within the bound. */
  trusts(found: FoundEntry): boolean;
  /** A key was put: it is written to the server, by the value that memory has of it now. */
  wrote(key: EncodedKey, lease: Lease | null): void;
  /** Whether everything that others change is told at this moment. */
  readonly hears: boolean;
  /** Whether nothing went unheard since the lease began. */
  holds(lease: Lease): boolean;
  /** A tag was deleted here. */
  deleteTag(tag: TagName): void;
  /** Leave to load a key, for one of all machines; `"busy"`: somebody else loads it; null: nobody can be asked. */
  lock(key: EncodedKey, takes?: boolean): Promise<FleetLock | "busy" | null>;
  /** Waits until somebody changed the key of a lease, or for a while. */
  untilChanged(lease: Lease, signal: AbortSignal): Promise<void>;
}
