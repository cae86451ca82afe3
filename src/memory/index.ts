export { attachPageMemory, createPageMemory, type PageMemory } from "./page-memory.ts";
