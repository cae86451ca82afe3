/** Whether the platform has memory that threads share: a browser's page that is not isolated has none. */
export const CAN_SHARE: boolean = typeof SharedArrayBuffer !== "undefined";

/** The values of `shared` to test with. */
export const SHARING: readonly boolean[] = CAN_SHARE ? [false, true] : [false];
