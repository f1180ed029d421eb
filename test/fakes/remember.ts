interface Memory<K, V> {
  get(key: K): V | undefined;
  set(key: K, value: V): unknown;
}

/** The value of an earlier call with this key. Sequences of thousands of steps ask for the same things again and again. */
export function remember<K, V>(memory: Memory<K, V>, key: K, work: (key: K) => V): V {
  const known = memory.get(key);
  if (known !== undefined) {
    return known;
  }
  const value = work(key);
  memory.set(key, value);
  return value;
}
