/**
 * Readers of plain data, such as parsed JSON: small functions that check a value and return it typed,
 * and together name every field that is wrong.
 */

/**
 * @param value What the data holds here; `undefined` if it holds nothing.
 * @param path Where, such as "training.schedule.factor"; empty at the top.
 * @throws {SchemaError} If the value breaks the reader's rule.
 */
export type Reader<T> = (value: unknown, path: string) => T;

/** What is wrong with some data: one line for each field, which names it, its rule and its value. */
export class SchemaError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "SchemaError";
  }
}

/** A value that passes a test. @param rule Ends the sentence "... must be". */
export function value<T>(
  rule: string,
  test: (value: unknown) => value is T,
): Reader<T> {
  return (value, path) => {
    if (test(value)) return value;
    throw broken(rule, value, path);
  };
}

/** A finite number. @param rule Names the numbers that pass `test`. */
export function number(
  rule = "a number",
  test: (value: number) => boolean = () => true,
): Reader<number> {
  return value(rule, (value): value is number => {
    return typeof value === "number" && Number.isFinite(value) && test(value);
  });
}

/** A whole number in `[min, max]`. */
export function wholeNumber(min: number, max: number): Reader<number> {
  return number(`a whole number from ${min} to ${max}`, (value) => {
    return Number.isInteger(value) && value >= min && value <= max;
  });
}

/** A string. @param rule Names the strings that match `pattern`. */
export function text(rule: string, pattern: RegExp): Reader<string> {
  return value(rule, (value): value is string => {
    return typeof value === "string" && pattern.test(value);
  });
}

/** `true` or `false`. */
export const boolean = value("true or false", (value): value is boolean => {
  return typeof value === "boolean";
});

/** One of some strings or numbers. */
export function oneOf<const T extends string | number>(
  ...choices: T[]
): Reader<T> {
  const list = choices.map((choice) => JSON.stringify(choice)).join(", ");
  return (value, path) => {
    const found = choices.find((choice) => choice === value);
    if (found !== undefined) return found;
    const near = typeof value === "string" ? didYouMean(value, choices) : "";
    throw broken(`one of ${list}`, value, path, near);
  };
}

/** A list of at least `minimum` items. @param rule Ends the sentence "... must be". */
export function list<T>(
  rule: string,
  item: Reader<T>,
  minimum = 1,
): Reader<T[]> {
  return (value, path) => {
    if (!Array.isArray(value) || value.length < minimum) {
      throw broken(rule, value, path);
    }
    return all(value, (each, i) => item(each, `${path}[${i}]`));
  };
}

/** The fallback where the data holds nothing; what is there must pass. */
export function optional<T>(reader: Reader<T>): Reader<T | undefined>;
export function optional<T>(reader: Reader<T>, fallback: T): Reader<T>;
export function optional<T>(
  reader: Reader<T>,
  fallback?: T,
): Reader<T | undefined> {
  return (value, path) => {
    return value === undefined ? fallback : reader(value, path);
  };
}

/** An object of these fields and no others. */
export function record<T extends object>(
  fields: { [K in keyof T]-?: Reader<T[K]> },
): Reader<T> {
  const names = Object.keys(fields) as (keyof T & string)[];
  return (value, path) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw broken(`an object of ${names.join(", ")}`, value, path);
    }
    const at = (name: string) => path ? `${path}.${name}` : name;
    const data = value as Record<string, unknown>;
    const unknown = Object.keys(data)
      .filter((name) => !Object.hasOwn(fields, name))
      .map((name) => {
        const remedy = didYouMean(name, names) ||
          `; the fields here are ${names.join(", ")}`;
        return `${at(name)}: unknown field${remedy}`;
      });
    const entries = all(names, (name) => {
      return [name, fields[name](data[name], at(name))] as const;
    }, unknown);
    const present = entries.filter(([, field]) => field !== undefined);
    return Object.fromEntries(present) as T;
  };
}

/** An object whose field `kind` says which of some kinds of object it is. */
export function kinds<T extends { kind: string }>(
  readers: { [K in T["kind"]]: Reader<Extract<T, { kind: K }>> },
): Reader<T> {
  const names = Object.keys(readers) as T["kind"][];
  const outer = value(
    `an object whose kind is one of ${names.join(", ")}`,
    (value): value is { kind?: unknown } => {
      return typeof value === "object" && value !== null &&
        !Array.isArray(value);
    },
  );
  return (value, path) => {
    const { kind } = outer(value, path);
    return readers[oneOf(...names)(kind, path ? `${path}.kind` : "kind")](
      value,
      path,
    );
  };
}

/** Reads all items, and throws the problems of all of them together with those already `found`. */
function all<T, R>(
  items: readonly T[],
  read: (item: T, index: number) => R,
  found: readonly string[] = [],
): R[] {
  const problems = [...found];
  const results = items.flatMap((item, i) => {
    try {
      return [read(item, i)];
    } catch (error) {
      if (!(error instanceof SchemaError)) throw error;
      problems.push(...error.problems);
      return [];
    }
  });
  if (problems.length > 0) throw new SchemaError(problems);
  return results;
}

function broken(
  rule: string,
  value: unknown,
  path: string,
  remedy = "",
): SchemaError {
  const where = path || "the top level";
  const got = value === undefined ? "but is missing" : `got ${shown(value)}`;
  return new SchemaError([`${where} must be ${rule}, ${got}${remedy}`]);
}

/** A value in few characters, for an error message. */
function shown(value: unknown): string {
  // JSON has no NaN and no infinities.
  const json = typeof value === "number" ? `${value}` : JSON.stringify(value);
  return json.length > 60 ? `${json.slice(0, 57)}...` : json;
}

/** A suggestion for a misspelt name, or nothing where no known name is near. */
function didYouMean(
  name: string,
  known: readonly (string | number)[],
): string {
  const [nearest] = known
    .map((other) => ({ other, distance: editDistance(name, `${other}`) }))
    .filter(({ distance }) => distance <= Math.max(1, name.length / 3))
    .sort((a, b) => a.distance - b.distance);
  return nearest ? `; did you mean ${nearest.other}?` : "";
}

/** Characters to insert, delete or replace, upper and lower case alike (Levenshtein). */
function editDistance(a: string, b: string): number {
  const other = [...b.toLowerCase()];
  let row = [0, ...other.map((_, j) => j + 1)];
  for (const [i, character] of [...a.toLowerCase()].entries()) {
    const next = [i + 1];
    other.forEach((each, j) => {
      const replaced = row[j]! + (each === character ? 0 : 1);
      next.push(Math.min(replaced, row[j + 1]! + 1, next[j]! + 1));
    });
    row = next;
  }
  return row.at(-1)!;
}
