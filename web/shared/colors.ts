const SERIES = 6;
const known = new Map<string, string>();
let probe: HTMLElement | null = null;

/** The colour of the `i`-th series, as a name of the theme. */
export function seriesName(i: number): string {
  return `--c${i % SERIES}`;
}

/**
 * What a colour of the theme is now, light or dark, in a form that a canvas takes.
 *
 * @param alpha - from 0 to 1.
 */
export function colorOf(name: string, alpha = 1): string {
  const key = `${name} ${alpha}`;
  let color = known.get(key);
  if (color === undefined) {
    if (probe === null) {
      probe = document.createElement("i");
      probe.hidden = true;
      document.body.append(probe);
    }
    probe.style.color =
      alpha === 1 ? `var(${name})` : `color-mix(in srgb, var(${name}) ${alpha * 100}%, transparent)`;
    color = getComputedStyle(probe).color;
    known.set(key, color);
  }
  return color;
}

/** Calls back whenever the reader's system turns from light to dark or back, and for paper, which is light. */
export function onScheme(redraw: () => void): void {
  for (const query of ["(prefers-color-scheme: dark)", "print"]) {
    matchMedia(query).addEventListener("change", () => {
      known.clear();
      redraw();
    });
  }
}
