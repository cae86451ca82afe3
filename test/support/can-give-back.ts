import { createPageMemory } from "../../src/memory/index.ts";

/** Whether the calls of the system can be had that memory between processes and giving back need. */
export const CAN_GIVE_BACK: boolean = createPageMemory(4096, 1, null).unitBytes() > 0;
