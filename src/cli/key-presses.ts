/** A key that a command knows. */
export type Key = "up" | "down" | "pageUp" | "pageDown" | "home" | "end" | "space" | "quit";

const CTRL_C = "\x03";
const ESCAPE = "\x1b";
const NAMES: Readonly<Record<string, Key>> = {
  "\x1b[A": "up",
  "\x1bOA": "up",
  k: "up",
  "\x1b[B": "down",
  "\x1bOB": "down",
  j: "down",
  "\x1b[5~": "pageUp",
  b: "pageUp",
  "\x1b[6~": "pageDown",
  f: "pageDown",
  "\x1b[H": "home",
  "\x1bOH": "home",
  "\x1b[1~": "home",
  g: "home",
  "\x1b[F": "end",
  "\x1bOF": "end",
  "\x1b[4~": "end",
  G: "end",
  " ": "space",
  q: "quit",
  Q: "quit",
};
/** What a terminal sends for one key. */
const ONE_KEY = new RegExp(`${ESCAPE}(?:\\[[\\d;]*[A-Za-z~]|O[A-Z])|[^${ESCAPE}]`, "g");

/** The keys of a terminal. While they are listened for, the terminal hands over each at once. */
export class Keys {
  readonly #hear: (key: Key) => void;
  /** Whether there are any to be heard. */
  readonly areHeard: boolean;

  /** @param wanted - false: nobody listens, and no key ever comes. */
  constructor(wanted: boolean, hear: (key: Key) => void) {
    const { stdin } = process;
    this.#hear = hear;
    this.areHeard = wanted && stdin.isTTY === true;
    if (!this.areHeard) return;
    stdin.setRawMode(true);
    stdin.setEncoding("utf8");
    stdin.on("data", this.#take);
  }

  dispose(): void {
    if (!this.areHeard) return;
    process.stdin.off("data", this.#take).pause();
    process.stdin.setRawMode(false);
  }

  readonly #take = (text: string): void => {
    // The terminal makes no signal of it meanwhile.
    if (text.includes(CTRL_C)) {
      process.kill(process.pid, "SIGINT");
      return;
    }
    for (const [piece] of text.matchAll(ONE_KEY)) {
      const key = NAMES[piece];
      if (key !== undefined) this.#hear(key);
    }
  };
}
