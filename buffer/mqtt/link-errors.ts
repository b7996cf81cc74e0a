/** Why a link to a broker could not be made or has ended, in words for a technician and as what it does next (reason-codes.ts). */
import { LinkError, type Retry } from "../../agent/contract/errors.ts";
import { connectRefusal, dismissal, type Next } from "./reason-codes.ts";

/** For refusals that only a person can cure: not hammered, never given up. */
export const LONG_BACKOFF: Retry = { afterMs: 30_000 };

/** closed: without a word. reset: the same, broken off. told: DISCONNECT with a reason code. else: silence, a broken network, a packet out of order, us. */
export interface Loss {
  readonly error: LinkError;
  readonly how: "closed" | "reset" | "told" | "else";
  readonly code: number | null;
  readonly next: Next;
}

/** The broker does not want something that we can do without: this version of MQTT, or a will that is to be kept. */
export class OptionRefused extends LinkError {
  readonly option: "version" | "retain";
  constructor(option: "version" | "retain", retry: Retry, message: string, options?: ErrorOptions) {
    super("unsupported", retry, message, options);
    this.option = option;
  }
}

export const isReset = (cause: Error): boolean => "code" in cause && (cause.code === "ECONNRESET" || cause.code === "EPIPE");

/** `dates`: what is wrong with the dates of the certificates, in words; null when nothing is. */
interface Place {
  readonly where: string;
  readonly dates: string | null;
}

export function lostBy({ where, dates }: Place, cause: Error): LinkError {
  if (cause.message === "Keepalive timeout") return new LinkError("timeout", "backoff", `The broker at ${where} has gone silent: no answer to a ping.`, { cause });
  const code = "code" in cause ? cause.code : null;
  if (typeof code === "string" && /SSL.*ALERT/.test(code)) {
    const alert = /alert [a-z ]+/.exec(cause.message)?.[0] ?? code;
    return new LinkError("refused", LONG_BACKOFF, `The broker at ${where} does not accept our certificate (tls.cert): ${dates ?? `${alert}. Is it signed by an authority that the broker knows?`}`, { cause });
  }
  const isOfTheNetwork = typeof code === "string" && !code.startsWith("WS_");
  return new LinkError(isOfTheNetwork ? "lost" : "protocol", "backoff", `The link to the broker at ${where} broke: ${cause.message}`, { cause });
}

/** CONNACK with a code, or no CONNACK at all. */
export function refusedBy(place: Place, cause: Error): LinkError {
  const { where } = place;
  if (!("code" in cause) || typeof cause.code !== "number") {
    if ("code" in cause && typeof cause.code === "string") return lostBy(place, cause);
    return new LinkError("protocol", "backoff", `The broker at ${where} gave no proper answer to CONNECT: ${cause.message}`, { cause });
  }
  const { next, text } = connectRefusal(cause.code);
  const message = `The broker at ${where} refused us: ${text}`;
  if (next === "version" || next === "retain") return new OptionRefused(next, LONG_BACKOFF, message, { cause });
  return new LinkError("refused", next === "person" ? LONG_BACKOFF : "backoff", message, { cause });
}

export function dismissed(where: string, code: number): [LinkError, Pick<Loss, "how" | "code" | "next">] {
  const { next, text } = dismissal(code);
  const message = next === "taken"
    ? `The broker at ${where} ended the link because another client came with our client id. Give each agent its own client_id.`
    : `The broker at ${where} ended the link: ${text}`;
  return [new LinkError(next === "taken" || next === "person" ? "refused" : "lost", next === "person" ? LONG_BACKOFF : "backoff", message), { how: "told", code, next }];
}
