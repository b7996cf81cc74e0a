/**
 * What differs between agents of different age: error form and status, part heads, attribute order, software version.
 * Facts: mtconnect.md §3 to §5. `cpp1`, `cpp2` are the reference agents, `net` is MTConnect.NET's way of streaming.
 */

export type Family = "cpp1" | "cpp2" | "net";

export interface Dialect {
  /** Schema version: decides namespaces. */
  readonly schema: string;
  /** Agent software version, which is another thing (mtconnect.md §3). */
  readonly software: string;
  readonly family: Family;
  /** single: one Error under the root (1.0, 1.1); list: Errors/Error; named: Errors/OutOfRange… (2.6 on). */
  readonly errorForm: "single" | "list" | "named";
  readonly since: (version: string) => boolean;
}

const number = (version: string): number => {
  const [major = "0", minor = "0"] = version.split(".");
  return Number(major) * 1000 + Number(minor);
};

/** Throws when `schema` is not a version from 1.0 to 2.x. */
export function dialectOf(schema: string, family?: Family): Dialect {
  if (!/^[12]\.\d+$/u.test(schema)) throw new Error(`schema "${schema}" is not an MTConnect version; use 1.0 to 2.7`);
  const since = (version: string): boolean => number(schema) >= number(version);
  return {
    schema,
    software: since("2.0") ? `${schema}.0.9` : `${schema}.0.17`,
    family: family ?? (since("2.0") ? "cpp2" : "cpp1"),
    errorForm: since("2.6") ? "named" : since("1.2") ? "list" : "single",
    since,
  };
}
