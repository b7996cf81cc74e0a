/**
 * Record ids (design.md P3): a UUIDv5 of agent, machine, type and natural key, so the same fact always has the same id.
 * The one file of the detectors that hashes.
 */
import { hash } from "node:crypto";
import type { RecordType } from "../contract/record.ts";
import type { Observation } from "../contract/observation.ts";
import type { UnixMs } from "../contract/time.ts";

/** A namespace of our own, drawn once. Changing it changes every id. */
const NAMESPACE = Buffer.from("5b0f5e3c3c8e5d1a9a6f0c6d6a1b7e42", "hex");

const SCRATCH = Buffer.concat([NAMESPACE, Buffer.alloc(1_024)]);

/** `key`: the natural key within machine and type; its parts are kept apart, so ["a", "bc"] and ["ab", "c"] differ. */
export function recordId(of: { readonly agent: string; readonly machine: string }, type: RecordType, key: readonly (string | number | null)[]): string {
  const name = JSON.stringify([of.agent, of.machine, type, ...key]);
  // A character takes at most three bytes of UTF-8; longer names than the scratch holds are rare (alarm keys of free text).
  const fits = name.length * 3 <= SCRATCH.length - 16;
  const digest = hash("sha1", fits ? SCRATCH.subarray(0, 16 + SCRATCH.write(name, 16)) : Buffer.concat([NAMESPACE, Buffer.from(name)]), "hex");
  const variant = ((Number.parseInt(digest.slice(16, 18), 16) & 0x3f) | 0x80).toString(16);
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-${variant}${digest.slice(18, 20)}-${digest.slice(20, 32)}`;
}

/**
 * The natural key of what an observation opened: instance and position where the source numbers its observations, else
 * the unshifted stamp. A stamp that was clamped may be shared by several observations: then the place on our axis.
 */
export function originOf(observation: Observation | undefined, at: UnixMs): string {
  // What was already so when we began to look, or looked again, opened something before: its place is the instant of the look.
  if (observation === undefined || observation.initial === true) return `t${at}`;
  if (observation.position !== undefined) return `${observation.instance ?? ""}:${observation.position}`;
  if (observation.basis !== "shifted" || observation.clamped === true) return `t${at}`;
  return `t${observation.sourceTime ?? at}`;
}
