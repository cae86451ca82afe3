/**
 * A module that is part of Node.js, or undefined elsewhere. An import would keep what runs in browsers from
 * being loaded there at all.
 *
 * `M` is the module's type: `builtin<typeof import("node:fs")>("node:fs")`. This declaration names none, since
 * it has to compile without Node's types.
 */
export function builtin<M extends object>(name: `node:${string}`): M | undefined {
  return globalThis.process?.getBuiltinModule?.(name) as M | undefined;
}
