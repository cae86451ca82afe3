import { styleText } from "node:util";

/** Marks for text on a terminal. On anything else, and with NO_COLOR, they change nothing. */
export interface Style {
  title(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  bad(text: string): string;
  bar(text: string): string;
}

/** Marks for one stream; Node decides by the stream, NO_COLOR and FORCE_COLOR. */
export function styleFor(stream: NodeJS.WritableStream): Style {
  const mark =
    (format: Parameters<typeof styleText>[0]) =>
    (text: string): string =>
      styleText(format, text, { stream });
  return {
    title: mark("bold"),
    dim: mark("dim"),
    good: mark(["bold", "green"]),
    bad: mark(["bold", "red"]),
    bar: mark("cyan"),
  };
}

/** Marks that change nothing. */
export const PLAIN: Style = {
  title: (text) => text,
  dim: (text) => text,
  good: (text) => text,
  bad: (text) => text,
  bar: (text) => text,
};
