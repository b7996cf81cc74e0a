/** Certificates as people compare them: whose, from when to when, and the thumbprint (SHA-1, as OPC UA servers show it). Needs no library. */
import { X509Certificate } from "node:crypto";
import { unixMs, type UnixMs } from "../../agent/contract/time.ts";

export interface CertificateFacts {
  readonly thumbprint: string;
  readonly subject: string;
  readonly applicationUri: string | null;
  readonly from: UnixMs;
  readonly until: UnixMs;
}

/** From PEM or DER. Throws when it is none. */
export function factsOf(certificate: string | Uint8Array): CertificateFacts {
  const { fingerprint, subject, subjectAltName = "", validFrom, validTo } = new X509Certificate(certificate);
  return {
    thumbprint: fingerprint.replaceAll(":", "").toLowerCase(),
    subject: subject.split("\n").filter((part) => /^(?:CN|O)=/u.test(part)).join(", ") || subject.replaceAll("\n", ", "),
    applicationUri: /URI:([^,\s]+)/u.exec(subjectAltName)?.[1] ?? null,
    from: unixMs(Date.parse(validFrom)), until: unixMs(Date.parse(validTo)),
  };
}

/** As the thumbprint is written in menus: with or without colons and blanks, in either case. */
export const plainThumbprint = (text: string): string => text.replaceAll(/[\s:]/gu, "").toLowerCase();

const day = (at: UnixMs): string => new Date(at).toISOString().slice(0, 10);
/** "CN=SINUMERIK, thumbprint 3f…, valid from 2020-01-01 to 2030-01-01". */
export const certificateWords = ({ subject, thumbprint, from, until }: CertificateFacts): string => `${subject}, thumbprint ${thumbprint}, valid from ${day(from)} to ${day(until)}`;

/** Null: it is valid at `now`. Says which date is wrong, and that the clock may be. */
export function wrongTime({ from, until }: CertificateFacts, now: UnixMs): string | null {
  if (now >= from && now <= until) return null;
  const clock = new Date(now).toISOString().slice(0, 16).replace("T", " ");
  return now < from
    ? `it is valid only from ${day(from)} on, and this gateway's clock shows ${clock} UTC: set the clock (is the time server reached?)`
    : `it was valid until ${day(until)}, and this gateway's clock shows ${clock} UTC: renew the certificate, or set the clock if it is wrong`;
}
