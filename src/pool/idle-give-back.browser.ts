/** What stands for `idle-give-back.ts` in a bundle for browsers (`browser` in package.json): nothing can go back there. */
export function giveBackWhenIdle(): void {}

export function stopGivingBack(): void {}
