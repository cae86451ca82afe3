/** Words of the shared state memory: what this window has so far, the best gain of one, windows of rest, and the gain that the last trial expects. */
const WEIGHED = 52;
const PLAIN = 53;
const STORED = 54;
const BEST = 55;
const REST = 56;
const EXPECTED = 57;

/** Weighed values of a window: one of 127 is, so some 2,000 sets. */
const WINDOW = 16;
/** Gains are in thousandths: what a dictionary saves of what the values would take without it. */
const GAIN_MIN = 50;
/** Below this share of the best gain that there was, it may no longer be the right one. */
const SHARE_MIN = 0.75;
/** After each trial the rest is twice as long, up to 8 million sets. */
const REST_FIRST = 2;
const RESTS_DOUBLED = 11;

/** Notes what the dictionary saves that a trial found best, 0 to 1, before it is known to all. */
export function expectGain(words: Int32Array, gain: number): void {
  // By lz4. Other codecs save less by it.
  words[EXPECTED] = 800 * gain;
}

/** A dictionary, or none, comes into use: what was before does not count. */
export function beginWindows(words: Int32Array, trial: number): void {
  words.fill(0, WEIGHED, BEST);
  words[BEST] = words[EXPECTED];
  words[REST] = REST_FIRST << Math.min(trial, RESTS_DOUBLED);
}

/**
 * Notes what a value takes without the dictionary and with it. Threads that do so at once may spoil a window, which costs
 * one trial to learn.
 *
 * @returns whether the dictionary saves so little by now that it should be tried to learn another one.
 */
export function paysNoLonger(words: Int32Array, plain: number, stored: number): boolean {
  Atomics.add(words, PLAIN, plain);
  Atomics.add(words, STORED, stored);
  if (Atomics.add(words, WEIGHED, 1) + 1 < WINDOW) return false;
  const [weighed, before, after] = [WEIGHED, PLAIN, STORED].map((word) => Atomics.exchange(words, word, 0));
  // Another thread was quicker.
  if (weighed < WINDOW) return false;
  const gain = before > 0 ? 1000 * (1 - after / before) : 0;
  words[BEST] = Math.max(gain, words[BEST]);
  // Two threads at once may both count it down.
  if (words[REST] > 0) words[REST]--;
  else return gain < Math.max(GAIN_MIN, words[BEST] * SHARE_MIN);
  return false;
}
