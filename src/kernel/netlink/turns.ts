import { setImmediate as nextTurn } from "node:timers/promises";

/** Some milliseconds of work. */
const itemsPerTurn = 500;

/** Like Array.map; tables of the kernel have thousands of entries, and calls must not wait until all of them are read. */
export async function mapInTurns<Item, Result>(items: readonly Item[], map: (item: Item) => Result): Promise<Result[]> {
  const results: Result[] = [];
  for (let at = 0; at < items.length; at += itemsPerTurn) {
    if (at > 0) {
      await nextTurn();
    }
    for (const item of items.slice(at, at + itemsPerTurn)) {
      results.push(map(item));
    }
  }
  return results;
}
