/**
 * Has Node.js, Deno and Bun show objects of a class as what their `toString()` says, in `console.log` and in
 * debuggers. For a static block: declarations of types cannot have a method of this name.
 */
export function inspectAsText(prototype: { toString(): string }): void {
  Object.defineProperty(prototype, Symbol.for("nodejs.util.inspect.custom"), {
    value(this: { toString(): string }): string {
      return this.toString();
    },
  });
}
