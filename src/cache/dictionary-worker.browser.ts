/** What stands for `dictionary-worker.generated.ts` in a bundle for browsers: the text is for worker threads of Node. */
export const DICTIONARY_WORKER: string = "";
