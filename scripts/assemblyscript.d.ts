/**
 * What scripts/ uses of "assemblyscript/asc" (tsconfig.json points here). The package's own declarations
 * replace `console` and other globals for the whole project.
 */
export interface CompilerOptions {
  readFile?(name: string, baseDir: string): string | null | Promise<string | null>;
  writeFile?(name: string, contents: Uint8Array | string, baseDir: string): void | Promise<void>;
}

export interface CompilerResult {
  error: Error | null;
  stdout: { toString(): string };
  stderr: { toString(): string };
}

declare const asc: {
  main(args: readonly string[], options?: CompilerOptions): Promise<CompilerResult>;
};
export default asc;
