export { createPageMemory, type PageMemory } from "./page-memory.ts";
