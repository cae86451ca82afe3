/** What stands for `proc.ts` in a bundle for browsers (`browser` in package.json): they say nothing of threads. */
export function threadNumber(): number {
  return 0;
}

export function startOf(): string {
  return "unknown";
}
