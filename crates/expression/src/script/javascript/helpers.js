((Map, ArrayBuffer, DataView, Array, Number, String, Object) => {
  // Objects and arrays of the input get a prototype between them and their own,
  // which answers the calls of Java's maps and lists.
  const define = (proto, calls) => {
    for (const name of Object.keys(calls)) {
      Object.defineProperty(proto, name, {
        __proto__: null, value: calls[name], writable: true, configurable: true, enumerable: false,
      });
    }
    return proto;
  };
  const has = (map, key) => Object.prototype.hasOwnProperty.call(map, key);
  const javaMap = define(Object.create(Object.prototype), {
    get(key) { return has(this, key) ? this[key] : null; },
    getOrDefault(key, other) { return has(this, key) ? this[key] : other; },
    put(key, value) { const old = has(this, key) ? this[key] : null; this[key] = value; return old; },
    containsKey(key) { return has(this, key); },
    size() { return Object.keys(this).length; },
    isEmpty() { return Object.keys(this).length === 0; },
    keySet() { return javaCalls(Object.keys(this)); },
    values() { return javaCalls(Object.values(this)); },
  });
  const javaList = define(Object.create(Array.prototype), {
    get(index) { return this[index]; },
    size() { return this.length; },
    isEmpty() { return this.length === 0; },
    contains(value) { return this.includes(value); },
  });
  const javaCalls = (value) => {
    if (value === null || typeof value !== 'object') return value;
    const isList = Array.isArray(value);
    for (const child of isList ? value : Object.values(value)) javaCalls(child);
    return Object.setPrototypeOf(value, isList ? javaList : javaMap);
  };
  return {
    addJavaCalls(value) { javaCalls(value); },
    // A Map as pairs, a view of bytes as its numbers, undefined for anything else.
    pairs(value) {
      return value instanceof Map ? Array.from(value, ([key, member]) => [String(key), member])
        : undefined;
    },
    numbers(value) {
      return ArrayBuffer.isView(value) && !(value instanceof DataView) ? Array.from(value)
        : undefined;
    },
    number(value) { return Number(value); },
    wellFormed(text) { return text.toWellFormed(); },
  };
})(Map, ArrayBuffer, DataView, Array, Number, String, Object)
