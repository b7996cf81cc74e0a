/**
 * What certificates say about time: which expire soon, and whether a refused one is bad or our clock is not set (a
 * gateway without a battery clock boots in the past, and every certificate looks as if it were from the future).
 */
import { X509Certificate } from "node:crypto";
import type { PeerCertificate, DetailedPeerCertificate } from "node:tls";
import { unixMs, type UnixMs } from "../../agent/contract/time.ts";

export interface Certificate {
  /** "the broker's certificate broker.example.com". */
  readonly what: string;
  readonly notBefore: UnixMs;
  readonly notAfter: UnixMs;
}

const DAY_MS = 86_400_000;
const SOON_MS = 30 * DAY_MS;
const LONGEST_CHAIN = 10;

const day = (at: number): string => new Date(at).toISOString().slice(0, 10);
const minute = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;

/** A peer may name anything in its certificate: shown short, and printable only. */
export const printable = (name: string): string => name.replace(/[^\x20-\x7e]/g, "?").slice(0, 100);
const commonName = (subject: PeerCertificate["subject"] | undefined): string => {
  const name: unknown = subject?.CN;
  return printable(Array.isArray(name) ? String(name[0]) : typeof name === "string" ? name : "without a name");
};

/** The broker's own certificate and what it is signed by, as far as the broker sent that or we had it. */
export function peerCertificates(peer: DetailedPeerCertificate): readonly Certificate[] {
  const found: Certificate[] = [];
  const seen = new Set<string>();
  for (let at: DetailedPeerCertificate | undefined = peer; at && found.length < LONGEST_CHAIN && !seen.has(at.fingerprint256); at = at.issuerCertificate) {
    if (typeof at.valid_to !== "string") break; // An empty object: the peer has shown none.
    seen.add(at.fingerprint256);
    found.push({ what: `${found.length === 0 ? "the broker's certificate" : "the broker's authority"} ${commonName(at.subject)}`, ...validity(at.valid_from, at.valid_to) });
  }
  return found;
}

/** Of the file under tls.cert; empty when it is none: the handshake says that in its own words. */
export function ownCertificate(pem: string): readonly Certificate[] {
  try {
    const { subject, validFrom, validTo } = new X509Certificate(pem);
    return [{ what: `our certificate (tls.cert) ${printable(/CN=([^\n]*)/.exec(subject)?.[1] ?? "without a name")}`, ...validity(validFrom, validTo) }];
  } catch {
    return [];
  }
}

const validity = (from: string, to: string): { readonly notBefore: UnixMs; readonly notAfter: UnixMs } => ({ notBefore: unixMs(Date.parse(from)), notAfter: unixMs(Date.parse(to)) });

/** One line for each that has expired or will within 30 days. */
export function expiryWarnings(certificates: readonly Certificate[], now: UnixMs): readonly string[] {
  return certificates.filter(({ notAfter }) => notAfter - now < SOON_MS).map(({ what, notAfter }) => {
    const days = Math.floor((notAfter - now) / DAY_MS);
    return notAfter <= now
      ? `${capital(what)} expired on ${day(notAfter)}: the next connection will fail. Renew it.`
      : `${capital(what)} expires on ${day(notAfter)}, in ${days} ${days === 1 ? "day" : "days"}. Renew it.`;
  });
}

/** What is wrong with the dates of these, as the end of "… cannot be reached: "; null when nothing is. */
export function dateProblem(certificates: readonly Certificate[], now: UnixMs, releasedAt: UnixMs): string | null {
  const early = certificates.find(({ notBefore }) => now < notBefore);
  if (early && now < releasedAt) return `this machine's clock is not set: it says ${minute(now)}, which is before this software was made, and ${early.what} is valid from ${day(early.notBefore)}. Nothing is wrong with the certificate: it works as soon as the clock is set (NTP, or a battery clock).`;
  if (early) return `${early.what} is only valid from ${minute(early.notBefore)}, and this machine's clock says ${minute(now)}. Wait, set the clock, or renew the certificate.`;
  const late = certificates.find(({ notAfter }) => now > notAfter);
  if (late) return `${late.what} expired on ${day(late.notAfter)}, and this machine's clock says ${minute(now)}. Renew it, or set this machine's clock.`;
  return null;
}

const capital = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1);
