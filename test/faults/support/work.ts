/**
 * The work of the storage cases: two machines, each telling fact 1, 2, 3 … Fact n of a machine is the same record, with
 * the same id and body, whenever it is told: as after a restart, when it is told again from the checkpoint on.
 */
import type { NewRecord, RecordType } from "../../../agent/contract/record.ts";
import { record } from "../../buffer/records.ts";
import { seeded } from "../../support/seeded.ts";
import type { Due } from "../checker/check.ts";

/** The storage process ends with it when its buffer was set aside while it worked. */
export const REPLACED = 3;

export const MACHINES = ["M1", "M2"] as const;
/** `bridge` takes everything, `cycles` little, and `picky` refuses some for good, which losses then name. */
export const DESTINATIONS = [{ name: "bridge", types: null }, { name: "cycles", types: ["cycle", "downtime"] }, { name: "picky", types: null }] as const satisfies readonly Due[];
const TYPES: readonly RecordType[] = ["state", "state", "cycle", "count", "state", "alarm", "cycle", "downtime", "summary", "connection"];
/** Each so manyth fact corrects the one before it. */
const CORRECTS = 9;
const TEXT_LIMIT = 600;

/** Fact `n` (from 1) of a machine. */
export function fact(machine: string, n: number): NewRecord {
  const own = (MACHINES as readonly string[]).indexOf(machine) * 0x1000_0000;
  const corrects = n % CORRECTS === 0;
  const at = corrects ? n - 1 : n;
  const random = seeded(own + n);
  const made = record(own + at, TYPES[at % TYPES.length] ?? "state", { machine, n, corrects, text: "x".repeat(Math.floor(random() * TEXT_LIMIT)) });
  return { ...made, rev: corrects ? 2 : 1 };
}

/** What the machines told through their facts `upTo`, for the checker. */
export function toldThrough(upTo: Readonly<Record<string, number>>): { readonly id: string; readonly type: string }[] {
  return Object.entries(upTo).flatMap(([machine, last]) => Array.from({ length: last }, (_, index) => {
    const { id, type } = fact(machine, index + 1);
    return { id, type };
  }));
}
