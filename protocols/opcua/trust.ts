/** May this server be spoken to? Its certificate's dates, and whether a person, or the first contact, has trusted it. */
import { LinkError } from "../../agent/contract/errors.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import { certificateWords, factsOf, wrongTime } from "./certificate.ts";
import type { OpcuaConfig } from "./config.ts";
import { firstShown, rememberFirst, type Pki } from "./pki.ts";

export interface Judged {
  readonly config: OpcuaConfig;
  readonly ports: Ports;
  readonly pki: Pki;
  /** DER. */
  readonly certificate: Buffer;
  readonly where: string;
}

/** Throws LinkError with what to compare and what to do. An unknown certificate is kept among the rejected ones, to be trusted by its thumbprint. */
export async function judgeServer({ config, ports, pki, certificate, where }: Judged): Promise<void> {
  if (certificate.length === 0) throw new LinkError("protocol", { afterMs: 60_000 }, `OPC UA server at ${where} has no certificate: security: ${config.security} cannot be used`);
  const facts = factsOf(certificate);
  const late = wrongTime(facts, ports.network.now().unixMs);
  if (late !== null) throw new LinkError("refused", "backoff", `the certificate of the OPC UA server at ${where} (${certificateWords(facts)}) is not accepted by us: ${late}`);
  // The command `trust` moves files while we run.
  await pki.manager.reloadCertificates();
  const status = (await pki.manager.checkCertificate(certificate)).name;
  if (status === "Good") return;
  if (status !== "BadCertificateUntrusted") throw new LinkError("refused", { afterMs: 60_000 }, `the certificate of the OPC UA server at ${where} (${certificateWords(facts)}) is not accepted by us: ${status}`);
  const first = config.trust === "first" ? await firstShown(pki.folder, where) : null;
  if (config.trust === "first" && first === null) {
    await pki.manager.trustCertificate(certificate);
    await rememberFirst(pki.folder, where, facts.thumbprint);
    ports.log.warn({ server: where, thumbprint: facts.thumbprint, subject: facts.subject }, "a server's certificate was trusted because it was the first it showed (trust: first): compare its thumbprint at the machine");
    return;
  }
  const changed = first === null ? "" : `, and it is another than at first contact (${first}): it was renewed, or somebody stands in between`;
  throw new LinkError("refused", { afterMs: 30_000 }, `the certificate of the OPC UA server at ${where} is not trusted by us${changed}: ${certificateWords(facts)}. Compare the thumbprint at the machine, then: cellgate opcua trust ${facts.thumbprint}`);
}
