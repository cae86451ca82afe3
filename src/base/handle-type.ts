declare const unit: unique symbol;

/** A number of one kind. Two kinds do not mix, though both are plain numbers at run time. */
export type Branded<Kind extends string> = number & { readonly [unit]: Kind };

/**
 * Opaque name of one object in one pool; never 0. An integer below 2^53.
 *
 * Handles live in a `Float64Array` when there are many: an ordinary array or a Map would box the large
 * ones.
 */
export type Handle = Branded<"Handle">;
