import { REGISTRY_WORDS, show, ZbudError } from "../base/index.ts";
import { type Agreement, Segment, whenDifferentOption } from "../memory/index.ts";
import type { DriverOptions, PoolDriver } from "./driver.ts";
import type { Pool } from "./pool.ts";
import { checkMade } from "./registry.ts";
import { LAYOUT_VERSION } from "./table-header.ts";

/** Version of all that lies in a pool's memory. */
export const POOL_LAYOUT: string = `pool ${LAYOUT_VERSION}`;

/**
 * Makes a pool; with a name in `shared` joins the pool that processes have under it, if there is one.
 *
 * @throws {ZbudError} as the driver, and as {@link Segment.open}.
 */
export function makePool(driver: PoolDriver, options: DriverOptions): Pool {
  const { shared, whenDifferent, ...others } = options ?? {};
  if (typeof shared !== "string") return checkMade(driver, driver.create(options));
  if (others.lock === "caller") {
    throw new ZbudError(
      "EINVAL",
      `a pool that processes share has a lock of its own; leave lock: "caller" out`,
    );
  }
  const { onEvict, giveBack = true } = others;
  const wish = {
    name: shared,
    kind: "pool",
    layout: POOL_LAYOUT,
    agreement: agreementOf(driver, others),
    whenDifferent: whenDifferentOption(whenDifferent),
  };
  const { made } = Segment.open(
    wish,
    (segment) => {
      const pool = checkMade(
        driver,
        driver.create({ ...others, shared: true, giveBack }, { shared: segment }),
      );
      const sent = pool.buffers();
      const words = new Int32Array(sent.table, 0, sent.fast?.words ?? 0);
      return { made: pool, shared: sent, threads: [words, words.length - REGISTRY_WORDS] };
    },
    (sent) => checkMade(driver, driver.attach(sent as never, { onEvict })),
    (pool) => pool.close(),
  );
  return made;
}

/** What all processes must agree about: what follows from the options, as a pool made with them says it. */
function agreementOf(driver: PoolDriver, options: DriverOptions): Agreement {
  const pool = checkMade(driver, driver.create({ ...options, shared: false, giveBack: false }));
  const agreement: Record<string, string | number> = { driver: driver.type };
  for (const [name, value] of Object.entries(pool.shape)) {
    agreement[name] = typeof value === "number" ? value : show(value);
  }
  pool.close();
  return agreement;
}
