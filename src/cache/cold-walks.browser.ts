/** What stands for `cold-walks.ts` in a bundle for browsers (`browser` in package.json), which have no zstd. */
export class ColdWalks {
  readonly codec = "none";

  work(): boolean {
    return false;
  }
}
