/** Typos further away than this many edits are no typos, they are other words. */
function tolerance(length: number): number {
  if (length <= 3) {
    return 1;
  }
  return length <= 6 ? 2 : 3;
}

/** Bounds the work for hostile input; no known word is longer. */
const maxLength = 80;

/**
 * The known word that was probably meant.
 * @param answers maps each spelling to the word to answer with; on a tie the earlier one wins.
 * @param maxEdits bounds the distance further where a wrong guess does harm.
 */
export function suggest(word: string, answers: ReadonlyMap<string, string>, maxEdits = 3): string | undefined {
  if (word.length > maxLength) {
    return undefined;
  }
  const typed = normalise(word);
  const limit = Math.min(tolerance(typed.length), maxEdits);
  let best: { readonly answer: string; readonly distance: number } | undefined;
  for (const [spelling, answer] of answers) {
    const distance = editDistance(typed, normalise(spelling));
    if (distance <= limit && distance < (best?.distance ?? Number.POSITIVE_INFINITY)) {
      best = { answer, distance };
    }
  }
  return best?.answer;
}

/** bridge-name, bridgeName, BRIDGE.NAME and bridge_name are the same word. */
function normalise(word: string): string {
  return word
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_|_$/g, "");
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let beforeLast: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1];
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      current.push(
        Math.min(
          at(last, column) + 1,
          at(current, column - 1) + 1,
          at(last, column - 1) + (same ? 0 : 1),
          swapped ? at(beforeLast, column - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    beforeLast = last;
    last = current;
  }
  return at(last, b.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
