import { countText } from "../base/index.ts";
import type { Key } from "./key-presses.ts";
import type { Style } from "./style.ts";

const HOME = "\x1b[H";
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";
const CLEAR = "\x1b[2J";

/** Lines that stay, and lines that are scrolled below them. None is wider than the terminal. */
export interface ScrollText {
  readonly head: readonly string[];
  readonly body: readonly string[];
}

/** A terminal whose lines do not all fit: some stay, of the others a part is seen, and the last says which. */
export class ScrollScreen {
  readonly #out: NodeJS.WriteStream;
  readonly #style: Style;
  /** Whether keys come, so that there is a way to see the rest. */
  readonly #hasKeys: boolean;
  #text: ScrollText = { head: [], body: [] };
  #from = 0;
  #hint = "";
  #isClear = false;

  constructor(out: NodeJS.WriteStream, style: Style, hasKeys: boolean) {
    this.#out = out;
    this.#style = style;
    this.#hasKeys = hasKeys;
  }

  get columns(): number {
    // A terminal that does not know its size has none.
    return this.#out.columns || 80;
  }

  get rows(): number {
    return this.#out.rows || 24;
  }

  /** @param hint - what other keys do. */
  show(text: ScrollText, hint: string): void {
    this.#text = text;
    this.#hint = hint;
    this.#draw();
  }

  /** Scrolls, if the key says so. */
  key(key: Key): void {
    const page = Math.max(1, this.#room() - 1);
    const last = this.#text.body.length;
    const by = { up: -1, down: 1, pageUp: -page, pageDown: page, home: -last, end: last, space: 0, quit: 0 }[
      key
    ];
    if (by === 0) return;
    this.#from += by;
    this.#draw();
  }

  /** After the terminal got another size. */
  clear(): void {
    this.#isClear = false;
  }

  /** Lines of the body that are seen. The last line of a terminal is left, so that nothing scrolls. */
  #room(): number {
    return Math.max(1, this.rows - 1 - this.#text.head.length - 1);
  }

  #draw(): void {
    const { head, body } = this.#text;
    const room = this.#room();
    this.#from = Math.max(0, Math.min(this.#from, body.length - room));
    const seen = body.slice(this.#from, this.#from + room);
    const lines = [...head.slice(0, this.rows - 2), ...seen, this.#style.dim(this.#status(seen.length))];
    // Written over, not cleared first: nothing flickers.
    const text = lines.map((line) => `${line}${CLEAR_LINE}\n`).join("");
    this.#out.write(`${this.#isClear ? "" : CLEAR}${HOME}${text}${CLEAR_BELOW}`);
    this.#isClear = true;
  }

  #status(seen: number): string {
    const { length } = this.#text.body;
    if (!this.#hasKeys) {
      return seen < length ? `and ${countText(length - seen)} more in a taller window` : "";
    }
    const place = `${countText(this.#from + 1)}–${countText(this.#from + seen)} of ${countText(length)}`;
    const scroll = seen < length ? `${place}  ↑↓ PgUp PgDn  ` : "";
    const whole = `${scroll}${this.#hint}`;
    if (whole.length <= this.columns) return whole;
    return `${seen < length ? `${place} ↑↓ ` : ""}${this.#hint}`.slice(0, this.columns);
  }
}

/** Text in lines of at most so many characters, broken at spaces; all but the first are indented. */
export function wrapText(text: string, columns: number, indent = 0): string[] {
  const lines: string[] = [];
  let line = "";
  const room = (): number => columns - (lines.length === 0 ? 0 : indent);
  const push = (piece: string): void => {
    lines.push(`${lines.length === 0 ? "" : " ".repeat(indent)}${piece}`);
  };
  for (let word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > room()) {
      push(line);
      line = "";
    }
    while (word.length > room()) {
      push(word.slice(0, room()));
      word = word.slice(room());
    }
    line = line === "" ? word : `${line} ${word}`;
  }
  if (line !== "" || lines.length === 0) push(line);
  return lines;
}
