/**
 * What stands for `foreign-options.ts` in a bundle for browsers (`browser` in package.json): an option that there is not is
 * refused there too, with the names of those that there are.
 */
export const FOREIGN: Readonly<Record<string, string>> = {};
