/** Basic authentication and TLS with an authority of our own. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import * as https from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { testPorts } from "../../support/ports.ts";
import { describeNeeding, findTool } from "../../support/needs.ts";
import { run } from "./reading.ts";
import { TinyAgent } from "./tiny-agent.ts";

it("sends user name and password, read from where they lie", async () => {
  await using agent = new TinyAgent({ user: "edge:püss word" });
  const url = await agent.listen();
  const ports = testPorts({}, { "/run/secret": "püss word" });
  const keys = { url, username: "edge", password: { file: "/run/secret" } };
  expect((await run(keys, { ports, until: () => true })).error).toBeNull();
  expect((await run({ ...keys, username: "other" }, { ports })).error).toMatchObject({ fault: "refused" });
});

describeNeeding(["openssl"], "an agent with TLS", () => {
  const folder = mkdtempSync(join(tmpdir(), "mtconnect-tls-"));
  const file = (name: string): string => join(folder, name);
  const openssl = (...words: readonly string[]): void => void execFileSync(findTool("openssl") ?? "openssl", words, { cwd: folder, stdio: "ignore" });
  beforeAll(() => {
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=shop authority");
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "agent.key", "-out", "agent.csr", "-subj", "/CN=agent.shop", "-addext", "subjectAltName=DNS:agent.shop");
    openssl("x509", "-req", "-in", "agent.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-out", "agent.pem", "-days", "2", "-copy_extensions", "copy");
  });
  afterAll(() => { rmSync(folder, { recursive: true }); });
  const secured = (): TinyAgent => new TinyAgent({}, (listener) => https.createServer({ key: readFileSync(file("agent.key")), cert: readFileSync(file("agent.pem")) }, listener));

  it("is read when its authority and name are configured, and refused otherwise with what to do", async () => {
    await using agent = secured();
    const url = (await agent.listen()).replace("http:", "https:");
    const good = await run({ url, tls: { ca: file("ca.pem"), servername: "agent.shop" } }, { until: (_, all) => all.length === 3 });
    expect(good.error).toBeNull();
    expect(good.readings).toHaveLength(6);
    const problem = async (tls: object | undefined): Promise<string | undefined> => (await run({ url, ...(tls && { tls }) })).error?.message;
    expect(await problem(undefined)).toMatch(/authority we do not know: name that under tls: ca/u);
    expect(await problem({ ca: file("ca.pem") })).toMatch(/for another name: set tls: servername/u);
    expect(await problem({ ca: file("missing.pem") })).toMatch(/missing\.pem \(tls: ca\) cannot be read/u);
  });

  it("says so when only one side speaks TLS", async () => {
    await using plain = new TinyAgent();
    expect((await run({ url: (await plain.listen()).replace("http:", "https:") })).error?.message).toMatch(/does not speak TLS as it should/u);
    await using agent = secured();
    expect((await run({ url: await agent.listen() })).error).not.toBeNull();
  });
});
