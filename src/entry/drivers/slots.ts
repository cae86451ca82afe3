/**
 * slots: as many objects in a page as fit, in runs of free slots.
 *
 * @module
 */
export { SlotsPool, type SlotsPoolOptions, slotsDriver } from "../../drivers/slots/index.ts";
