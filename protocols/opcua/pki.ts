/**
 * The agent's own folder of certificates, `data_dir/opcua`, in the layout OPC UA tools know:
 *
 *   own/certs, own/private   ours: cellgate.pem, and cellgate-before.pem until servers accept a renewed one
 *   trusted/certs            server certificates that may be spoken to        rejected/   seen, and not trusted
 *   first/                   which certificate each server showed first (trust: first)
 *
 * One certificate manager for all sources: several that make the first certificate at once would race (facts §4.5).
 * Ours is never renewed by itself, because that breaks the trust on every control.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import type { OPCUACertificateManager } from "node-opcua-certificate-manager";
import { LinkError } from "../../agent/contract/errors.ts";
import type { Place } from "../../agent/contract/source.ts";
import type { UnixMs } from "../../agent/contract/time.ts";
import { factsOf, plainThumbprint, type CertificateFacts } from "./certificate.ts";
import type { Certificates } from "./library.ts";

export interface Pki {
  readonly folder: string;
  readonly manager: OPCUACertificateManager;
  readonly applicationUri: string;
  /** PEM files, the one to try first first. */
  own(): readonly string[];
  readonly keyFile: string;
  /** One after the other: several sources may meet one server, or the same folder, at once. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
}

/** Servers refuse a certificate that begins in their future: some days back, for their clocks. */
const BACKDATE_MS = 7 * 86_400_000;
const VALID_DAYS = 3_650;
/** A clock that shows less is not set (a Pi has no battery): no certificate is dated by it. */
const EARLIEST_MS = Date.UTC(2026, 10, 1);
export const WARN_BEFORE_MS = 60 * 86_400_000;

export const folderOf = ({ dataDir }: Pick<Place, "dataDir">): string => join(dataDir, "opcua");
/** Of the agent, not of the host: a new host name, or an image copied to another Pi, must not change it. */
const applicationUriOf = ({ agentId }: Pick<Place, "agentId">): string => `urn:cellgate:${encodeURIComponent(agentId)}`;
export const ownFile = (folder: string): string => join(folder, "own", "certs", "cellgate.pem");
export const beforeFile = (folder: string): string => join(folder, "own", "certs", "cellgate-before.pem");
const keyFileOf = (folder: string): string => join(folder, "own", "private", "private_key.pem");

/** By folder: there is one for each agent in this process. */
const opened = new Map<string, Promise<Pki>>();

/** Makes the folder and our certificate where they are missing. */
export function openPki(certificates: Certificates, place: Place, now: UnixMs): Promise<Pki> {
  const folder = folderOf(place);
  const known = opened.get(folder);
  if (known !== undefined) return known;
  const opening = open(certificates, place, now);
  opened.set(folder, opening);
  // One that failed is tried anew by the next connection.
  opening.catch(() => opened.delete(folder));
  return opening;
}

async function open({ OPCUACertificateManager }: Certificates, place: Place, now: UnixMs): Promise<Pki> {
  const folder = folderOf(place);
  const applicationUri = applicationUriOf(place);
  try {
    await mkdir(folder, { recursive: true, mode: 0o750 });
    const manager = new OPCUACertificateManager({ rootFolder: folder, automaticallyAcceptUnknownCertificate: false, keySize: 2048, disableFileWatchers: true });
    await manager.initialize();
    // Ours: clients that end must not dispose of it.
    manager.referenceCounter += 1;
    if (!existsSync(ownFile(folder))) await makeCertificate(manager, { agentId: place.agentId, applicationUri, outputFile: ownFile(folder), now });
    return { folder, manager, applicationUri, keyFile: keyFileOf(folder), own: () => [ownFile(folder), beforeFile(folder)].filter((file) => existsSync(file)), inTurn: turns() };
  } catch (cause) {
    throw new LinkError("internal", { afterMs: 60_000 }, `the folder for OPC UA certificates, ${folder}, cannot be used: ${cause instanceof Error ? cause.message : String(cause)}; this agent's user must be able to write there`, { cause });
  }
}

function turns(): Pki["inTurn"] {
  let last: Promise<unknown> = Promise.resolve();
  return async (work) => {
    const turn = last.then(work);
    // The next one does not mind how this one ended.
    last = turn.catch(() => undefined);
    return turn;
  };
}

interface Making {
  readonly agentId: string;
  readonly applicationUri: string;
  readonly outputFile: string;
  readonly now: UnixMs;
}

/** Self-signed, RSA 2048, for ten years. */
async function makeCertificate(manager: OPCUACertificateManager, { agentId, applicationUri, outputFile, now }: Making): Promise<void> {
  const draft = `${outputFile}.new`;
  await manager.createSelfSignedCertificate({
    outputFile: draft, subject: `/CN=Cellgate ${agentId.replaceAll(/[^A-Za-z0-9 ._-]/gu, "-")}/O=Cellgate`, applicationUri, dns: [hostname()], ip: [],
    startDate: new Date(Math.max(now, EARLIEST_MS) - BACKDATE_MS), validity: VALID_DAYS,
  });
  await rename(draft, outputFile);
}

/** A new certificate for the same key; the one before stays for servers that do not know the new one yet. */
export async function renewCertificate(certificates: Certificates, place: Place, now: UnixMs): Promise<{ readonly now: CertificateFacts; readonly before: CertificateFacts }> {
  const { folder, manager, applicationUri } = await openPki(certificates, place, now);
  const before = await readFile(ownFile(folder), "utf8");
  await writeFile(`${beforeFile(folder)}.new`, before);
  await rename(`${beforeFile(folder)}.new`, beforeFile(folder));
  await makeCertificate(manager, { agentId: place.agentId, applicationUri, outputFile: ownFile(folder), now });
  return { now: factsOf(await readFile(ownFile(folder))), before: factsOf(before) };
}

/** What lies in a folder of certificates; files that are none are passed over. */
export async function certificatesIn(folder: string): Promise<readonly { readonly file: string; readonly facts: CertificateFacts }[]> {
  const names = await readdir(folder).catch(() => []);
  const read = await Promise.all(names.filter((name) => /\.(?:pem|der|crt|cer)$/iu.test(name)).map(async (name) => {
    const file = join(folder, name);
    try {
      return [{ file, facts: factsOf(await readFile(file)) }];
    } catch {
      return [];
    }
  }));
  return read.flat();
}

export const rejectedFolder = (folder: string): string => join(folder, "rejected");
export const trustedFolder = (folder: string): string => join(folder, "trusted", "certs");

/** Moves it from rejected to trusted: a copy that stays in rejected keeps it untrusted (facts §4.5). Null: no server showed such a one. */
export async function trust(folder: string, thumbprint: string): Promise<CertificateFacts | null> {
  const wanted = plainThumbprint(thumbprint);
  const found = (await certificatesIn(rejectedFolder(folder))).filter(({ facts }) => facts.thumbprint === wanted);
  const [first, ...copies] = found;
  if (first === undefined) return (await certificatesIn(trustedFolder(folder))).find(({ facts }) => facts.thumbprint === wanted)?.facts ?? null;
  await mkdir(trustedFolder(folder), { recursive: true, mode: 0o750 });
  await rename(first.file, join(trustedFolder(folder), `${wanted}.pem`));
  for (const { file } of copies) await rm(file);
  return first.facts;
}

/** The thumbprint that the server at this address showed first; null: it is the first time. */
export async function firstShown(folder: string, host: string): Promise<string | null> {
  return readFile(firstFile(folder, host), "utf8").then((text) => text.trim(), () => null);
}
export async function rememberFirst(folder: string, host: string, thumbprint: string): Promise<void> {
  await mkdir(join(folder, "first"), { recursive: true, mode: 0o750 });
  await writeFile(firstFile(folder, host), `${thumbprint}\n`);
}
const firstFile = (folder: string, host: string): string => join(folder, "first", host.replaceAll(/[^A-Za-z0-9.-]/gu, "_"));
