/**
 * Every line once, then only last revisions. Keeps per record the facts that are checked and per revision a hash of its
 * body, never the body: some 500 bytes a record, so that a year of one machine fits in a few hundred megabytes.
 */
import { hash } from "node:crypto";
import type { Line } from "./decode.ts";
import type { Fact } from "./fact.ts";
import type { Findings } from "./finding.ts";

/** A record is revised a few times; more revisions than this point to a loop, and only the last hashes are kept. */
const REVISIONS_KEPT = 64;
const UUID_V5 = /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

interface Entry {
  last: Fact;
  /** Hash of the body, by revision. */
  readonly bodies: Map<number, string>;
  seen: number;
}

export const subject = (fact: Fact): { machine: string | null; at: number; ids: readonly string[] } => ({ machine: fact.machine, at: fact.start, ids: [fact.id] });

export class Ledger {
  readonly #entries = new Map<string, Entry>();
  readonly #findings: Findings;
  constructor(findings: Findings) {
    this.#findings = findings;
  }

  get size(): number {
    return this.#entries.size;
  }

  add({ fact, body, envelopeProblem }: Line): void {
    if (!UUID_V5.test(fact.id)) this.#findings.add("id-form", subject(fact), `the id ${JSON.stringify(fact.id)} is no UUIDv5`);
    if (envelopeProblem !== null) this.#findings.add("id-form", subject(fact), `${envelopeProblem}, but the record is ${fact.type} ${fact.id} revision ${fact.rev}`);
    const digest = hash("sha256", body, "base64").slice(0, 22);
    const entry = this.#entries.get(fact.id);
    if (!entry) {
      this.#entries.set(fact.id, { last: fact, bodies: new Map([[fact.rev, digest]]), seen: 1 });
      return;
    }
    const before = entry.bodies.get(fact.rev);
    if (before === digest) return;
    if (before !== undefined) return this.#findings.add("one-body", subject(fact), `revision ${fact.rev} of this ${fact.type} came with two different bodies`);
    if (fact.type !== entry.last.type || fact.machine !== entry.last.machine) this.#findings.add("one-body", subject(fact), `one id for a ${entry.last.type} of ${entry.last.machine} and a ${fact.type} of ${fact.machine}`);
    entry.bodies.set(fact.rev, digest);
    entry.seen += 1;
    if (entry.bodies.size > REVISIONS_KEPT) entry.bodies.delete(Math.min(...entry.bodies.keys()));
    if (fact.rev > entry.last.rev) entry.last = fact;
  }

  /** Looks for holes in the revisions; then the last revision of everything that was not voided. */
  conclude(): readonly Fact[] {
    const standing: Fact[] = [];
    for (const { last, seen } of this.#entries.values()) {
      if (seen !== last.rev) this.#findings.add("revision-hole", subject(last), `${seen} of the ${last.rev} revisions of this ${last.type} are here`);
      if (last.status !== "void") standing.push(last);
    }
    return standing;
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }
}
