import { checkHello, checkTick } from "../../src/viewer/check.ts";
import { decodeFrame, type Frame } from "../../src/viewer/snapshot-frame.ts";
import type { Hello, PlayerCommand, Tick } from "../../src/viewer/types.ts";

/** Where a viewer gets what it shows. */
export interface Source {
  /** Calls back with the greeting, with every tick, and whether there is anybody to hear. */
  start(heard: {
    hello: (hello: Hello) => void;
    tick: (tick: Tick) => void;
    connected: (connected: boolean) => void;
  }): void;
  /** All pages now; null: not at the moment. */
  frame(): Promise<Frame | null>;
  control(command: PlayerCommand): Promise<void>;
}

/** Hands on what has the form of it; what has not, another server's or version's, is passed over. */
function hear<T>(data: string, check: (value: unknown) => T, tell: (value: T) => void): void {
  let value: T;
  try {
    value = check(JSON.parse(data));
  } catch {
    return;
  }
  tell(value);
}

/** The server that this page came from. */
export class HttpSource implements Source {
  /** Number of the snapshot that was had last. */
  #last = 0;

  start(heard: Parameters<Source["start"]>[0]): void {
    // Connects again by itself when the connection is lost.
    const events = new EventSource("events");
    events.addEventListener("open", () => heard.connected(true));
    events.addEventListener("error", () => heard.connected(false));
    events.addEventListener("hello", (event) => {
      // Perhaps another program by now, that counts anew.
      this.#last = 0;
      hear(event.data, checkHello, heard.hello);
    });
    events.addEventListener("message", (event) => hear(event.data, checkTick, heard.tick));
  }

  async frame(): Promise<Frame | null> {
    try {
      const response = await fetch(`snapshot?after=${this.#last}`);
      if (!response.ok) return null;
      const frame = decodeFrame(await response.arrayBuffer());
      const number = Number(response.headers.get("Snapshot-Number"));
      this.#last = Number.isSafeInteger(number) ? number : 0;
      return frame;
    } catch {
      return null;
    }
  }

  async control(command: PlayerCommand): Promise<void> {
    const headers = { "Content-Type": "application/json" };
    await fetch("control", { method: "POST", headers, body: JSON.stringify(command) });
  }
}
