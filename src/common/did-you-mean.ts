/** Longest name that is compared, in characters. */
const LONGEST = 50;

/**
 * Returns the known name that a misspelt one most likely means, as `; did you mean 'scheduler'?`, or an empty text. A name
 * is likely if at most a third of its characters, and at most two, were added, left out, changed or swapped.
 */
export function didYouMean(given: string, known: readonly string[]): string {
  if (given.length > LONGEST) return '';
  const most = Math.min(2, Math.floor(given.length / 3));
  const [best] = known
    .map((name) => ({ name, edits: editsBetween(given.toLowerCase(), name.toLowerCase()) }))
    .filter(({ edits }) => edits <= most)
    .toSorted((a, b) => a.edits - b.edits);
  return best === undefined ? '' : `; did you mean '${best.name}'?`;
}

/** Returns the number of edits (optimal string alignment) that turn one text into the other. */
function editsBetween(one: string, other: string): number {
  let before: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    for (let column = 1; column <= other.length; column++) {
      const same = one[row - 1] === other[column - 1] ? 0 : 1;
      const swapped = one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      current[column] = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + same,
        swapped ? (before[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    [before, last] = [last, current];
  }
  return last[other.length] ?? 0;
}
