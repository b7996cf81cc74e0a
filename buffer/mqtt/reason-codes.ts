/**
 * Every reason code a broker can say to us, and what each does: one table for PUBACK, SUBACK, CONNACK and DISCONNECT
 * (MQTT 5 §2.4, §3.2.2.2, §3.4.2.1, §3.9.3, §3.14.2.1; the CONNACK codes 1 to 5 of 3.1.1 §3.2.2.3; facts/mqtt.md §1).
 * A code in a place where the specification does not have it is treated as one that is not known.
 */

/**
 * accepted: settled. refused: the same bytes will never be taken, to the dead letters at once. retry: tried again
 * later, and refused after `MAXIMUM_TRIES`. stop: the whole link pauses and is made anew, as often as it takes.
 */
export type Verdict = "accepted" | "refused" | "retry" | "stop";
/**
 * What a refused or ended link does next. soon: again after the ordinary back-off. person: at least 30 s, because only a
 * person can cure it. version, retain: again at once without it. slower: the same, and throttled. window: half of it. taken: another
 * client came with our id. message: it is about what we sent, which then goes alone to see which one it is.
 */
export type Next = "soon" | "person" | "version" | "retain" | "slower" | "window" | "taken" | "message";

interface Code {
  readonly words: string;
  readonly puback?: Verdict;
  readonly suback?: "granted" | "denied";
  readonly connack?: Next;
  readonly disconnect?: Next;
  /** What the person can do, where there is more to say than the words. */
  readonly remedy?: string;
}

/** Tries of one record that the broker refuses, before it goes to the dead letters; they are spread over minutes. */
export const MAXIMUM_TRIES = 5;
export const NO_SUBSCRIBERS = 0x10;
export const QUOTA_EXCEEDED = 0x97;
export const NOT_AUTHORISED = 0x87;

const RIGHTS = "Check username, password and the broker's access rules.";
const QUOTA = "A rate_limit would keep us under the broker's quota.";
const OTHER_PLACE = "We go nowhere by ourselves: put the other broker's address under url.";

const CODES: Readonly<Record<number, Code>> = {
  0x00: { words: "success", puback: "accepted", suback: "granted", disconnect: "soon" },
  0x01: { words: "QoS 1", suback: "granted" },
  0x02: { words: "QoS 2", suback: "granted" },
  0x04: { words: "disconnect with will message", disconnect: "soon" },
  0x10: { words: "no matching subscribers", puback: "accepted" },
  0x80: { words: "unspecified error", puback: "retry", suback: "denied", connack: "soon", disconnect: "soon" },
  0x81: { words: "malformed packet", connack: "person", disconnect: "message" },
  0x82: { words: "protocol error", connack: "person", disconnect: "message" },
  0x83: { words: "implementation specific error", puback: "retry", suback: "denied", connack: "soon", disconnect: "message" },
  0x84: { words: "unsupported protocol version", connack: "version" },
  0x85: { words: "client identifier not valid", connack: "person", remedy: "It does not accept our client id: set client_id to one it knows." },
  0x86: { words: "wrong user name or password", connack: "person", remedy: "Check username and password." },
  0x87: { words: "not authorised", puback: "retry", suback: "denied", connack: "person", disconnect: "message", remedy: RIGHTS },
  0x88: { words: "server unavailable", connack: "soon" },
  0x89: { words: "server busy", connack: "soon", disconnect: "soon" },
  0x8a: { words: "banned", connack: "person", remedy: RIGHTS },
  0x8b: { words: "server shutting down", disconnect: "soon" },
  0x8c: { words: "bad authentication method", connack: "person", remedy: "The broker wants a way of authentication that we do not have." },
  0x8d: { words: "keep alive timeout", disconnect: "soon" },
  0x8e: { words: "session taken over", disconnect: "taken" },
  0x8f: { words: "topic filter invalid", suback: "denied", disconnect: "message" },
  0x90: { words: "topic name invalid", puback: "refused", connack: "person", disconnect: "message", remedy: "Check the template under topic." },
  0x91: { words: "packet identifier in use", puback: "stop", suback: "denied" },
  0x93: { words: "receive maximum exceeded", disconnect: "window" },
  0x94: { words: "topic alias invalid", disconnect: "soon" },
  0x95: { words: "packet too large", connack: "person", disconnect: "message" },
  0x96: { words: "message rate too high", disconnect: "slower", remedy: QUOTA },
  0x97: { words: "quota exceeded", puback: "stop", suback: "denied", connack: "soon", disconnect: "slower", remedy: QUOTA },
  0x98: { words: "administrative action", disconnect: "person", remedy: "Somebody at the broker ended the connection." },
  0x99: { words: "payload format invalid", puback: "refused", connack: "person", disconnect: "message" },
  0x9a: { words: "retain not supported", connack: "retain", disconnect: "message" },
  0x9b: { words: "QoS not supported", connack: "person", disconnect: "person", remedy: "It takes only QoS 0, which acknowledges nothing. Use a broker with QoS 1." },
  0x9c: { words: "use another server", connack: "person", disconnect: "person", remedy: OTHER_PLACE },
  0x9d: { words: "server moved", connack: "person", disconnect: "person", remedy: OTHER_PLACE },
  0x9e: { words: "shared subscriptions not supported", suback: "denied", disconnect: "soon" },
  0x9f: { words: "connection rate exceeded", connack: "person", disconnect: "person" },
  0xa0: { words: "maximum connect time", disconnect: "soon" },
  0xa1: { words: "subscription identifiers not supported", suback: "denied", disconnect: "soon" },
  0xa2: { words: "wildcard subscriptions not supported", suback: "denied", disconnect: "soon" },
};

/** MQTT 3.1.1 has five of its own; each means what one of MQTT 5 does. */
const CONNACK_OF_3_1_1: Readonly<Record<number, number>> = { 1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87 };

const hex = (code: number): string => `0x${code.toString(16).padStart(2, "0")}`;
const named = (code: number, known: string | undefined): string => `${known ?? (code < 0x80 ? "success" : "unknown reason")} (${hex(code)})`;

/** PUBACK. */
export function verdict(code: number): { readonly verdict: Verdict; readonly words: string } {
  const known = CODES[code];
  return { verdict: known?.puback ?? (code < 0x80 ? "accepted" : "retry"), words: named(code, known?.words) };
}

/** SUBACK: null when granted, else why not, in words. 3.1.1 only knows 0x80. */
export function subscriptionRefusal(code: number): string | null {
  const known = CODES[code];
  const granted = known?.suback === "granted" || (known?.suback === undefined && code < 0x80);
  return granted ? null : named(code, known?.words);
}

export interface Refusal {
  readonly next: Next;
  /** Words with the code, and what to do. */
  readonly text: string;
}
const refusal = (code: number, next: Next | undefined): Refusal => {
  const { words, remedy } = CODES[code] ?? {};
  return { next: next ?? "soon", text: `${named(code, words)}.${remedy === undefined ? "" : ` ${remedy}`}` };
};

/** CONNACK of either version; both number their codes apart. */
export function connectRefusal(code: number): Refusal {
  const same = CONNACK_OF_3_1_1[code] ?? code;
  return refusal(same, CODES[same]?.connack);
}

/** DISCONNECT from the broker, MQTT 5 only. */
export const dismissal = (code: number): Refusal => refusal(code, CODES[code]?.disconnect);

/** A DISCONNECT that, with one message in flight, can only mean that one, whatever else the broker takes. */
export const isAboutTheMessage = (code: number): boolean => [0x90, 0x95, 0x99].includes(code);
