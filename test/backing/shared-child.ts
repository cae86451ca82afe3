/** A process that shares a file, and does what its parent says: see shared-process.ts. */

import { systemIo } from "../../src/backing/file/io.ts";
import { FileBacking, type FileIo, verifyFileIndex } from "../../src/backing/index.ts";
import { ZbudError } from "../../src/base/index.ts";
import { checkRecordOf, keyOf, recordOf } from "./records.ts";
import type { Answer, Order } from "./shared-process.ts";

let backing: FileBacking | null = null;
/** Calls of the file that do not end, by their names. */
const hanging = new Set<string>();
const held: unknown[] = [];

function hangingIo(): FileIo {
  const io = systemIo();
  const maybe = async <T>(name: string, call: () => Promise<T>): Promise<T> => {
    if (!hanging.has(name)) return await call();
    process.send?.({ hangs: name });
    // Kept, as the system keeps a call: else nothing would refer to who waits, and the collector took its files away.
    return await new Promise((resolve) => held.push(resolve));
  };
  return {
    ...io,
    read: (...call) => maybe("read", () => io.read(...call)),
    write: (...call) => maybe("write", () => io.write(...call)),
    sync: (...call) => maybe("sync", () => io.sync(...call)),
  };
}

function opened(): FileBacking {
  if (backing === null) throw new Error("nothing is open");
  return backing;
}

async function obey(order: Order): Promise<unknown> {
  switch (order.do) {
    case "open":
      backing = await FileBacking.open(order.path, order.options, { io: hangingIo() });
      return { ...backing.opened, id: backing.id };
    case "write": {
      const [outcome] = await opened().write([recordOf(order.number, order.version, order.length)]);
      return outcome instanceof ZbudError ? outcome.code : outcome;
    }
    case "read": {
      const record = await opened().read(keyOf(order.number));
      return record === null ? null : checkRecordOf(order.number, record);
    }
    case "delete":
      opened().delete(keyOf(order.number));
      return;
    case "clear":
      await opened().clear();
      return;
    case "flush":
      await opened().flush();
      return;
    case "stats":
      return opened().stats();
    case "recover":
      return opened().recover();
    case "verify":
      opened().inside().look(verifyFileIndex);
      return;
    case "close":
      await opened().close();
      return;
    case "hang":
      hanging.add(order.call);
      return;
  }
}

process.on("message", (message: { id: number; order: Order }) => {
  const answer = (rest: Omit<Answer, "id">): void => void process.send?.({ id: message.id, ...rest });
  obey(message.order).then(
    (result) => answer({ result }),
    (error: Error & { code?: string }) =>
      answer({ error: { code: error.code ?? "", message: error.message } }),
  );
});
