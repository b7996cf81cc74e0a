/** Who trusts whom, and who we are: certificates both ways, dates, users, and what each refusal says. */
import { X509Certificate } from "node:crypto";
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { opcuaCommands } from "../../../agent/cli/opcua.ts";
import { runCli } from "../../../agent/cli/cli.ts";
import { DESTINATION_KINDS, SOURCE_KINDS } from "../../../agent/registry.ts";
import { startSinumerik, type SimulatedSinumerik } from "../../../agent/simulate/opcua/sinumerik.ts";
import type { Ports } from "../../../agent/contract/ports.ts";
import { unixMs } from "../../../agent/contract/time.ts";
import { certificateCare } from "../../../protocols/opcua/care.ts";
import { factsOf, plainThumbprint } from "../../../protocols/opcua/certificate.ts";
import { explain } from "../../../protocols/opcua/explain.ts";
import { freePort } from "../../support/free-port.ts";
import { testPorts } from "../../support/ports.ts";
import { AGENT, config, failure, reading, temporaryFolder, type Folder } from "./support.ts";

let folder: Folder;
let control: SimulatedSinumerik;
beforeAll(async () => {
  folder = temporaryFolder("opcua-security");
  control = await startSinumerik({ port: await freePort(), folder: `${folder.path}/server`, secured: true, trusting: false, users: { cellgate: "read-only" } });
}, 60_000);
afterAll(async () => {
  await control.close();
  folder[Symbol.dispose]();
});
const SECRETS = { "/secrets/opcua": "read-only", "/secrets/wrong": "guessed" };
const ports = (changes: Partial<Ports> = {}): ReturnType<typeof testPorts> => testPorts(changes, SECRETS);
const keys = (more: Readonly<Record<string, unknown>> = {}) => config({ url: control.url, profile: "sinumerik", security: "encrypt", trust: "first", username: "cellgate", password: { file: "/secrets/opcua" }, ...more });
const at = (name: string): string => join(folder.path, name);
const ownCertificate = (dataDir: string, file = "cellgate.pem"): Buffer => new X509Certificate(readFileSync(join(dataDir, "opcua/own/certs", file))).raw;
const accept = (dataDir: string, file?: string): Promise<void> => control.trustClient(ownCertificate(dataDir, file), true);
/** A data folder whose certificate the server accepts. */
async function known(name: string): Promise<string> {
  await certificateCare(() => ports().log).own({ agentId: AGENT, dataDir: at(name) }, unixMs(Date.now()));
  await accept(at(name));
  return at(name);
}

describe("which side trusts which certificate", () => {
  it("an unknown server is refused with its thumbprint and what to do; then trusted by it, and never before", async () => {
    const dataDir = await known("listed");
    const refused = await failure(keys({ trust: "listed" }), dataDir, ports());
    expect(refused).toMatchObject({ fault: "refused", retry: { afterMs: 30_000 } });
    const [, thumbprint = ""] = /cellgate opcua trust ([0-9a-f]{40})/u.exec(refused.message) ?? [];
    expect(refused.message).toMatch(/is not trusted by us: .*valid from \d{4}-\d\d-\d\d to/u);
    const file = at("listed.yaml");
    writeFileSync(file, `agent: {id: ${AGENT}, site: lyon, timezone: UTC, data_dir: ${dataDir}}\ndestinations: [{type: mqtt, name: b, url: "mqtt://127.0.0.1:1"}]\nmachines: [{id: M, sources: [{type: opcua, url: "${control.url}", profile: sinumerik}]}]\n`);
    expect(await command(["opcua", "trust", "00".repeat(20), "--config", file])).toMatchObject({ code: 2, err: expect.stringContaining(thumbprint) as string });
    expect(await command(["opcua", "trust", thumbprint.toUpperCase().replaceAll(/(..)(?=.)/gu, "$1:"), "--config", file])).toMatchObject({ code: 0, out: expect.stringContaining(thumbprint) as string });
    await using running = await reading(keys({ trust: "listed" }), dataDir, ports());
    expect(running.session.peer).toContain("SINUMERIK");
    expect(readdirSync(join(dataDir, "opcua/rejected"))).toEqual([]);
    const { out } = await command(["opcua", "certificate", "show", "--config", file]);
    expect(out).toMatch(/ours: .*CN=Cellgate cell-7[\s\S]*urn:cellgate:cell-7[\s\S]*trusted: /u);
    const { out: pem } = await command(["opcua", "certificate", "export", "--config", file]);
    expect(factsOf(pem).thumbprint).toBe(factsOf(ownCertificate(dataDir)).thumbprint);
    expect(await command(["opcua", "certificate", "export", "--out", at("ours.der"), "--config", file])).toMatchObject({ code: 0 });
    expect(readFileSync(at("ours.der")).equals(ownCertificate(dataDir))).toBe(true);
  });

  it("trust: first takes the first certificate of a server, says so, and refuses another one later", async () => {
    const dataDir = await known("first");
    const own = ports();
    await using running = await reading(keys(), dataDir, own);
    expect(running.session.peer).toContain("SINUMERIK");
    expect(own.lines).toContainEqual(expect.objectContaining({ level: "warn", sentence: expect.stringContaining("trust: first") as string }));
    for (const name of readdirSync(join(dataDir, "opcua/trusted/certs"))) rmSync(join(dataDir, "opcua/trusted/certs", name));
    const [first] = readdirSync(join(dataDir, "opcua/first"));
    writeFileSync(join(dataDir, "opcua/first", first ?? ""), `${"ab".repeat(20)}\n`);
    expect((await failure(keys(), dataDir, ports())).message).toMatch(/another than at first contact/u);
  });

  it("a server that does not know us: it is said where to accept our certificate", async () => {
    const error = await failure(keys(), at("stranger"), ports());
    expect(error.fault).toBe("refused");
    expect(error.message).toMatch(/our certificate: accept it there/u);
    await accept(at("stranger"));
    await using running = await reading(keys(), at("stranger"), ports());
    expect(running.session.peer).toContain("SINUMERIK");
  });

  it("dates that do not fit name the dates and this gateway's clock", async () => {
    const dataDir = await known("clock");
    const shifted = (years: number) => ports({ network: { ...ports().network, now: () => ({ ...ports().network.now(), unixMs: unixMs(Date.now() + years * 365 * 86_400_000) }) } });
    expect((await failure(keys(), dataDir, shifted(-3))).message).toMatch(/valid only from \d{4}.*clock shows \d{4}-\d\d-\d\d \d\d:\d\d UTC: set the clock/u);
    expect((await failure(keys(), dataDir, shifted(30))).message).toMatch(/was valid until \d{4}.*clock shows/u);
  });
});

describe("our certificate", () => {
  it("is made once, also when two sources begin together; carries the agent's own URI, and begins some days back", async () => {
    const dataDir = await known("together");
    const [one, two] = await Promise.all([reading(keys(), dataDir, ports()), reading(keys(), dataDir, ports())]);
    await one[Symbol.asyncDispose]();
    await two[Symbol.asyncDispose]();
    const facts = factsOf(ownCertificate(dataDir));
    expect(facts).toMatchObject({ applicationUri: "urn:cellgate:cell-7" });
    expect(facts.from).toBeLessThan(Date.now() - 5 * 86_400_000);
    expect(facts.until).toBeGreaterThan(Date.now() + 9 * 365 * 86_400_000);
    expect(statSync(join(dataDir, "opcua/own/private/private_key.pem")).mode & 0o077).toBe(0);
  });

  it("in a folder that cannot be used: the folder is named, at once", async () => {
    writeFileSync(at("occupied"), "a file");
    const error = await failure(keys(), at("occupied"), ports());
    expect(error.message).toContain(`${at("occupied")}/opcua`);
    expect(error.message).toContain("must be able to write there");
  });

  it("renewed, the one before is used at a server that does not take the new one yet; then the new one", async () => {
    const dataDir = await known("renewed");
    const care = certificateCare(() => ports().log);
    const { now, before } = await care.renew({ agentId: AGENT, dataDir }, unixMs(Date.now()));
    expect(now.thumbprint).not.toBe(before.thumbprint);
    const own = ports();
    await using running = await reading(keys(), dataDir, own);
    expect(running.session.peer).toContain("SINUMERIK");
    expect(own.lines).toContainEqual(expect.objectContaining({ sentence: expect.stringContaining("does not take our renewed certificate yet") as string }));
    await accept(dataDir);
    const later = ports();
    await using again = await reading(keys(), dataDir, later);
    expect(again.session.peer).toContain("SINUMERIK");
    expect(later.lines.filter(({ level }) => level === "warn")).toEqual([]);
  });

  it("that ends within 60 days is warned of", async () => {
    const dataDir = await known("ending");
    const { network } = ports();
    const { until } = factsOf(ownCertificate(dataDir));
    const days = (before: number) => ports({ network: { ...network, now: () => ({ ...network.now(), unixMs: unixMs(until - before * 86_400_000) }) } });
    const warned = async (own: ReturnType<typeof ports>): Promise<number> => {
      await (await reading(keys(), dataDir, own))[Symbol.asyncDispose]();
      return own.lines.filter(({ level, sentence }) => level === "warn" && sentence.includes("ends soon")).length;
    };
    expect(await warned(days(59))).toBe(1);
    expect(await warned(days(61))).toBe(0);
  });
});

describe("security and users", () => {
  it.each([
    ["sign", "Basic256Sha256"], ["encrypt", "Basic256Sha256"], ["encrypt", "Aes128_Sha256_RsaOaep"], ["encrypt", "Aes256_Sha256_RsaPss"],
  ])("%s with %s", async (security, policy) => {
    await using running = await reading(keys({ security, policy }), await known("policies"), ports());
    await running.until(() => running.last("execution") !== undefined, "values");
    expect(running.last("execution")?.value).toBe("READY");
  });

  it("a user certificate instead of a name", async () => {
    const dataDir = await known("by-certificate");
    const files = { certificate: join(dataDir, "opcua/own/certs/cellgate.pem"), key: join(dataDir, "opcua/own/private/private_key.pem") };
    await using running = await reading(keys({ username: undefined, password: undefined, user_certificate: files }), dataDir, ports());
    await running.until(() => running.last("execution") !== undefined, "values");
    expect(running.last("execution")?.value).toBe("READY");
  });

  it("a wrong password, nobody where a user is needed, and a password nobody may see are told apart", async () => {
    const dataDir = await known("users");
    const wrong = await failure(keys({ password: { file: "/secrets/wrong" } }), dataDir, ports());
    expect(wrong).toMatchObject({ fault: "refused", retry: { afterMs: 60_000 } });
    expect(wrong.message).toMatch(/refuses our user/u);
    expect(wrong.message).not.toContain("guessed");
    expect((await failure(keys({ username: undefined, password: undefined }), dataDir, ports())).message).toMatch(/lets nobody in without a user/u);
    // A session whose login failed is the server's to end, after its timeout: the library has no handle for it. Asked again no sooner.
    expect(control.sessions).toBeLessThanOrEqual(1);
  });

  it("what the server does not offer is said with what it does", async () => {
    const plain = await startSinumerik({ port: await freePort(), folder: at("plain-server"), more: { hostname: "cnc-4711.invalid", host: "127.0.0.1" } });
    try {
      // What it calls itself nobody can reach: the configured address is used.
      await using running = await reading(config({ url: plain.url, profile: "sinumerik" }), at("plain"), ports());
      expect(running.session.peer).toContain("127.0.0.1");
      const error = await failure(config({ url: plain.url, profile: "sinumerik", security: "encrypt" }), at("plain"), ports());
      expect(error).toMatchObject({ fault: "unsupported" });
      expect(error.message).toMatch(/does not offer security: encrypt; it offers none/u);
    } finally {
      await plain.close();
    }
  });
});

describe("what the library says, in words", () => {
  it.each([
    ["connect ECONNREFUSED 10.0.0.1:4840", true, "refused", /nothing listens there/u],
    ["BadCertificateUriInvalid (0x80170000)", true, "refused", /application URI/u],
    ["serviceResult = BadTooManySessions (0x80560000)", false, "refused", /all sessions of the server are taken/u],
    ["The connection may have been rejected by server,\n socket has been disconnected by third party", true, "refused", /does not trust our certificate|not trust our certificate/u],
    ["socket has been disconnected by third party", false, "lost", /connection was cut/u],
    ["Invalid server nonce length", true, "unsupported", /Basic128Rsa15/u],
    ["something never seen", false, "protocol", /something never seen/u],
  ] as const)("%s", (text, secured, fault, words) => {
    const error = explain(new Error(text), "10.0.0.1:4840", secured);
    expect(error.fault).toBe(fault);
    expect(error.message).toMatch(words);
    expect(error.message).toContain("10.0.0.1:4840");
  });
  it("a thumbprint is the same with colons, blanks and capitals", () => {
    expect(plainThumbprint("AB:cd 0F")).toBe("abcd0f");
  });
});

async function command(argv: readonly string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  let [out, err] = ["", ""];
  stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const commands = opcuaCommands({ kinds: { sources: SOURCE_KINDS, destinations: DESTINATION_KINDS }, ports, ...certificateCare(() => ports().log) });
  const code = await runCli(argv, commands, { stdout, stderr, outIsTerminal: false, errorIsTerminal: false }, new AbortController().signal);
  return { code, out, err };
}
