/** What a broker's answer to a publish means for the record: MQTT 5 §3.4.2.1, facts/mqtt.md §1 (PUBACK codes → action). */

/**
 * accepted: settled. refused: the same bytes will never be taken, to the dead letters at once. retry: tried again
 * later, and refused after `MAXIMUM_TRIES`. stop: the whole link pauses and is made anew, as often as it takes.
 */
export type Verdict = "accepted" | "refused" | "retry" | "stop";

/** Tries of one record that the broker refuses, before it goes to the dead letters; they are spread over minutes. */
export const MAXIMUM_TRIES = 5;
export const NO_SUBSCRIBERS = 0x10;

const CODES: Readonly<Record<number, readonly [Verdict, string]>> = {
  0x00: ["accepted", "success"],
  0x10: ["accepted", "no matching subscribers"],
  0x80: ["retry", "unspecified error"],
  0x83: ["retry", "implementation specific error"],
  0x87: ["retry", "not authorised"],
  0x90: ["refused", "topic name invalid"],
  0x91: ["stop", "packet identifier in use"],
  0x97: ["stop", "quota exceeded"],
  0x99: ["refused", "payload format invalid"],
};

export function verdict(code: number): { readonly verdict: Verdict; readonly words: string } {
  const [known, words] = CODES[code] ?? (code < 0x80 ? ["accepted", "success"] : ["retry", "unknown reason"]);
  return { verdict: known, words: `${words} (0x${code.toString(16).padStart(2, "0")})` };
}
