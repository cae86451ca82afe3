/** What of the public surface is awaited, found in its types: a method that is new is missed by `npm run check`. */

import type * as bentocache from "../../src/adapters/bentocache.ts";
import type * as keyv from "../../src/adapters/keyv.ts";
import type * as next from "../../src/adapters/next.ts";
import type * as promClient from "../../src/adapters/prom-client.ts";
import type * as undici from "../../src/adapters/undici.ts";
import type * as unstorage from "../../src/adapters/unstorage.ts";
import type * as backing from "../../src/backing/index.ts";
import type * as cache from "../../src/cache/index.ts";
import type * as codecs from "../../src/codecs/index.ts";
import type * as log from "../../src/drivers/log/index.ts";
import type * as slots from "../../src/drivers/slots/index.ts";
import type * as zbud from "../../src/drivers/zbud/index.ts";
import type * as zsmalloc from "../../src/drivers/zsmalloc/index.ts";
import type * as root from "../../src/entry/index.ts";
import type * as zpool from "../../src/entry/zpool.ts";
import type * as estimate from "../../src/estimate/index.ts";
import type * as store from "../../src/store/index.ts";
import type * as trace from "../../src/trace/index.ts";
import type * as viewer from "../../src/viewer/index.ts";

type Call = (...args: never[]) => unknown;
type Awaited<Result> =
  Extract<Result, PromiseLike<unknown> | AsyncIterator<unknown>> extends never ? false : true;
type Label<Name> = Name extends string
  ? Name
  : Name extends typeof Symbol.asyncDispose
    ? "asyncDispose"
    : never;

/** Names of an object's methods that give something to be awaited. */
type MethodsOf<Target> = {
  [Name in keyof Target]-?: NonNullable<Target[Name]> extends (...args: never[]) => infer Result
    ? Awaited<Result> extends true
      ? Label<Name>
      : never
    : never;
}[keyof Target];

/** `open` of a class itself, `#close` of what it makes; of a function what it gives, or itself. */
type Of<Name extends string, Export> = Export extends Call
  ? Export extends (...args: never[]) => infer Result
    ? Awaited<Result> extends true
      ? Name
      : Result extends readonly unknown[] | ArrayBufferView
        ? never
        : Result extends object
          ? `${Name}()#${MethodsOf<Result>}`
          : never
    : never
  : Export extends { prototype: infer Made }
    ? `${Name}#${MethodsOf<Made>}` | `${Name}.${MethodsOf<Export>}`
    : never;

type OfModule<Module> = { [Name in keyof Module & string]: Of<Name, Module[Name]> }[keyof Module & string];

/** Everything that a user may await: `Class#method`, `Class.method`, `function`, `function()#method`. */
export type Awaitable =
  | OfModule<typeof root>
  | OfModule<typeof zpool>
  | OfModule<typeof zbud>
  | OfModule<typeof slots>
  | OfModule<typeof log>
  | OfModule<typeof zsmalloc>
  | OfModule<typeof codecs>
  | OfModule<typeof backing>
  | OfModule<typeof cache>
  | OfModule<typeof store>
  | OfModule<typeof trace>
  | OfModule<typeof estimate>
  | OfModule<typeof viewer>
  | OfModule<typeof keyv>
  | OfModule<typeof unstorage>
  | OfModule<typeof undici>
  | OfModule<typeof bentocache>
  | OfModule<typeof next>
  | OfModule<typeof promClient>;

/** What layers give each other, and no entry gives a user. */
type Inner = "QueuedBacking" | "CoherentTier";

/** What has methods to be awaited, or is awaited itself. */
export type Owner = Exclude<
  Awaitable extends infer Name ? (Name extends `${infer Of}#${string}` ? Of : Name) : never,
  Inner
>;

/** The methods of one. */
export type MethodOf<Of extends string> = Awaitable extends infer Name
  ? Name extends `${Of}#${infer Method}`
    ? Method
    : never
  : never;
