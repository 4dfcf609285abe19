/**
 * Names are the program's: a wrong one throws at once, before anything is sent. (Numbers are the data's, and never
 * throw.)
 */

const NAME_LENGTH_MAX = 128;
const CANDIDATES_MAX = 1_000;
// Control, format, unassigned and surrogate code points, and all separators but the ordinary space.
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u;
const IDENTITY = /^[!-~]+$/;

/** Tells whether `value` is a name as the API wants it: 1 to 128 printable characters, not only spaces. */
export function isName(value: string): boolean {
  const length = Array.from(value).length; // in code points, as the sidecar counts
  return length >= 1 && length <= NAME_LENGTH_MAX && !UNPRINTABLE.test(value) && value.trim() !== "";
}

/**
 * Returns `value`, which must be a name.
 *
 * @throws TypeError when it is not a string, RangeError when it is empty, too long or does not print.
 */
export function name(what: string, value: unknown): string {
  if (typeof value !== "string") throw new TypeError(`${what} must be a string, not ${typeof value}`);
  if (!isName(value)) {
    throw new RangeError(
      `${what} must have 1 to ${NAME_LENGTH_MAX} printable characters, not only spaces, got ${JSON.stringify(value.slice(0, 200))}`,
    );
  }
  return value;
}

/**
 * Returns `value`, which must be a decision id: 1 to 128 printable ASCII characters without spaces.
 *
 * @throws TypeError when it is not a string, RangeError when it is not such an id.
 */
export function identity(value: unknown): string {
  const checked = name("decisionId", value);
  if (!IDENTITY.test(checked)) {
    throw new RangeError(`decisionId must have printable ASCII characters without spaces, got "${checked}"`);
  }
  return checked;
}

/**
 * Returns the candidates, the baseline first.
 *
 * @throws TypeError when they are not an array of strings, RangeError when there is none, there are more than 1,000,
 * one is there twice, or one is not a name.
 */
export function arms(candidates: unknown): string[] {
  if (!Array.isArray(candidates)) {
    throw new TypeError(`candidates must be an array of arms, not ${candidates === null ? "null" : typeof candidates}`);
  }
  if (candidates.length < 1 || candidates.length > CANDIDATES_MAX) {
    throw new RangeError(`candidates must have 1 to ${CANDIDATES_MAX} arms, got ${candidates.length}`);
  }
  const checked = candidates.map((arm) => name("arm", arm));
  if (new Set(checked).size !== checked.length) {
    throw new RangeError(`candidates must have each arm once, got ${JSON.stringify(checked)}`);
  }
  return checked;
}
