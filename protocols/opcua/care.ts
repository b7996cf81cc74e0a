/** What a person does with certificates, for the commands: look, hand out ours, make a new one, trust a server's. */
import { readFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import type { Log } from "../../agent/contract/ports.ts";
import type { Place } from "../../agent/contract/source.ts";
import type { UnixMs } from "../../agent/contract/time.ts";
import { factsOf, type CertificateFacts } from "./certificate.ts";
import { loadLibrary } from "./library.ts";
import { beforeFile, certificatesIn, folderOf, openPki, ownFile, rejectedFolder, renewCertificate, trust, trustedFolder } from "./pki.ts";

interface Kept {
  readonly file: string;
  readonly facts: CertificateFacts;
}
export interface Shown {
  /** Null: none was made yet. */
  readonly own: Kept | null;
  /** The one before the last renewal; null: none, or it has ended. */
  readonly before: Kept | null;
  readonly trusted: readonly CertificateFacts[];
  /** Seen at a server, and trusted by nobody yet. */
  readonly waiting: readonly CertificateFacts[];
}
export interface CertificateCare {
  show(place: Place): Promise<Shown>;
  /** Makes ours where there is none. */
  own(place: Place, now: UnixMs): Promise<Kept & { readonly pem: string }>;
  renew(place: Place, now: UnixMs): Promise<{ readonly now: CertificateFacts; readonly before: CertificateFacts }>;
  /** Null: no server has shown such a certificate. */
  trust(place: Place, thumbprint: string): Promise<CertificateFacts | null>;
}

export const certificateCare = (log: () => Log): CertificateCare => ({
  async show(place) {
    const folder = folderOf(place);
    const [trusted, waiting] = await Promise.all([certificatesIn(trustedFolder(folder)), certificatesIn(rejectedFolder(folder))]);
    return { own: await kept(ownFile(folder)), before: await kept(beforeFile(folder)), trusted: trusted.map(({ facts }) => facts), waiting: waiting.map(({ facts }) => facts) };
  },
  async own(place, now) {
    const { certificates } = await loadLibrary(log());
    const file = ownFile((await openPki(certificates, place, now)).folder);
    const pem = await readFile(file, "utf8");
    return { file, pem, facts: factsOf(pem) };
  },
  renew: async (place, now) => renewCertificate((await loadLibrary(log())).certificates, place, now),
  trust: (place, thumbprint) => trust(folderOf(place), thumbprint),
});

const kept = async (file: string): Promise<Kept | null> => (existsSync(file) ? { file, facts: factsOf(await readFile(file)) } : null);
