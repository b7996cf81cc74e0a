/**
 * Damage between two lives: bytes flipped, files cut short, overwritten in part or removed (the database, its log, the
 * mark beside it, the lock), after a clean end or a kill. One destination was away in the life before, so everything is
 * still due to it. What is gone must be told, what is left delivered, and service be back within 10 s.
 */
import { closeSync, existsSync, openSync, readSync, rmSync, statSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { FaultCase, Tally } from "../case.ts";
import { judged } from "../support/evidence.ts";
import { life, recovered } from "../support/storage.ts";
import { added } from "../support/tallies.ts";
import { DESTINATIONS } from "../support/work.ts";

const ROUNDS = 8;
const FACTS = 120;
const BACK_MS = 10_000;
const FILES = ["cellgate.db", "cellgate.db", "cellgate.db", "cellgate.db-wal", "cellgate.db-wal", "cellgate.db-tail", "cellgate.lock", "cellgate.ballast"];
const FLIPS = [1, 1, 1, 4, 40];
const STRETCH = 5_000;

type Random = () => number;
const below = (limit: number, random: Random): number => Math.floor(random() * limit);
const one = <T>(all: readonly T[], random: Random): T => all[below(all.length, random)] as T;

function overwrite(path: string, at: number, bytes: Buffer): void {
  const descriptor = openSync(path, "r+");
  writeSync(descriptor, bytes, 0, bytes.length, at);
  closeSync(descriptor);
}
function flip(path: string, at: number, random: Random): void {
  const descriptor = openSync(path, "r+");
  const byte = Buffer.alloc(1);
  readSync(descriptor, byte, 0, 1, at);
  writeSync(descriptor, Buffer.from([(byte[0] ?? 0) ^ (1 << below(8, random))]), 0, 1, at);
  closeSync(descriptor);
}

/** Does it, and says what it did. */
function damage(dataDir: string, random: Random): string {
  const name = one(FILES.filter((file) => (statSync(join(dataDir, file), { throwIfNoEntry: false })?.size ?? 0) > 0), random);
  const path = join(dataDir, name);
  const { size } = statSync(path);
  const kind = random();
  if (kind < 0.6) {
    const count = one(FLIPS, random);
    for (let flips = 0; flips < count; flips++) flip(path, below(size, random), random);
    return `${count} bits of ${name} flipped`;
  }
  if (kind < 0.8) {
    truncateSync(path, below(size, random));
    return `${name} cut from ${size} to ${statSync(path).size} bytes`;
  }
  if (kind < 0.9) {
    const at = below(size, random);
    overwrite(path, at, Buffer.alloc(Math.min(STRETCH, size - at), random() < 0.5 ? 0 : 0xff));
    return `${name} overwritten from byte ${at} on`;
  }
  rmSync(path);
  return `${name} removed`;
}

export const damageCase: FaultCase = {
  name: "damage",
  what: "the buffer alone, bits flipped in its files, or a file cut, overwritten or removed, between two lives",
  runs: { short: 2, long: 40 },
  longestMs: 180_000,
  async run({ folder: parent, seed, random }) {
    const tallies: Tally[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const folder = join(parent, `round-${round}`);
      const isKilled = random() < 0.5;
      await life(folder, { connection: "before", seed: seed + round, facts: isKilled ? null : FACTS, away: ["bridge"], ...(isKilled && { killAfterWorkMs: 100 + below(400, random) }) });
      const done = damage(join(folder, "data"), random);
      const { wrong, backMs } = await recovered(folder, { connection: "after", seed: seed + round, facts: 15 });
      const tally = judged(folder, { destinations: DESTINATIONS, exact: false, faults: 1, also: [...wrong, ...(backMs > BACK_MS ? [`back in service after ${Math.round(backMs)} ms`] : [])], backMs });
      tallies.push({ ...tally, violations: tally.violations.map((words) => `round ${round}, ${isKilled ? "killed" : "ended"}, ${done}: ${words}`), ...(existsSync(join(folder, "data", "quarantine")) && { note: "set aside" }) });
    }
    return added(tallies);
  },
};
