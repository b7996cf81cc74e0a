import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startSinumerik } from "../../../../agent/simulate/opcua/sinumerik.ts";
import { freePort } from "../../../support/free-port.ts";
import { loadedFrom } from "../../../support/loaded.ts";
import { cellgate, cellgateFolder, shop, stranger } from "./shop.ts";

interface Told {
  readonly found: readonly { readonly kind: string; readonly port: number; readonly words: string; readonly facts: Record<string, string>; readonly source: Record<string, unknown> }[];
  readonly others: readonly { readonly kind: string; readonly port: number; readonly message: string }[];
}
const asFile = (stanzas: string): string => `agent: {site: lyon}\ndestinations:\n  - {name: bridge, url: "mqtt://127.0.0.1:1883"}\n${stanzas}`;

const kindsOf = (file: string): ReadonlySet<string> => new Set(loadedFrom(file).machines.flatMap(({ sources }) => sources.map(({ kind }) => kind)));

describe("a shop with a control of each kind", () => {
  it("finds all by their answers, writes nothing, leaves nothing open, and each stanza is a source that the configuration takes", async () => {
    using own = cellgateFolder();
    await using all = await shop();
    const sinumerik = await startSinumerik({ port: await freePort(), folder: own.path });
    try {
      const list = [...Object.entries(all.targets).map(([kind, at]) => `${kind}@${at}`), `opcua@127.0.0.1:${new URL(sinumerik.url).port}`].join(",");
      const ran = await cellgate(["discover", list, "--config", own.configuration(), "--rate", "1000"]);
      expect(ran.code).toBe(0);
      expect(kindsOf(asFile(ran.out))).toEqual(new Set(["focas", "haas", "modbus", "mtconnect", "opcua", "shdr"]));
      expect(ran.out).toContain("FANUC 31i-B M");
      expect(ran.out).toContain("Haas VF-2SS, serial number");
      expect(ran.out).toMatch(/profile: sinumerik/);
      expect(ran.err).toMatch(/6 of 6 addresses looked at, 6 found/);
      expect([all.focas.stats.writes, all.shdr.writes, sinumerik.counts.writes, sinumerik.counts.calls]).toEqual([0, 0, 0, 0]);
      await expect.poll(() => all.focas.stats).toMatchObject({ opened: 1, closed: 1, forgotten: 0 });
      await expect.poll(() => [all.shdr.clients, all.modbus.bus.connections, all.haas.port.clients, sinumerik.sessions]).toEqual([0, 0, 0, 0]);
    } finally {
      await sinumerik.close();
    }
  });

  it("says it as JSON, with what each says of itself", async () => {
    using own = cellgateFolder();
    await using all = await shop();
    const { focas = "", shdr = "" } = all.targets;
    const ran = await cellgate(["discover", `focas@${focas},shdr@${shdr}`, "--config", own.configuration(), "--json", "--rate", "1000"]);
    const { found } = JSON.parse(ran.out) as Told;
    expect(found.map(({ kind }) => kind).toSorted()).toEqual(["focas", "shdr"]);
    expect(found.find(({ kind }) => kind === "focas")?.facts).toMatchObject({ model: "FANUC 31i-B", axes: "X Y Z" });
    expect(found.find(({ kind }) => kind === "shdr")?.source["map"]).toMatchObject({ pexecution: "execution", plogic: "alarm" });
  });

  it("a FOCAS control whose connections are all taken is found all the same", async () => {
    using own = cellgateFolder();
    await using all = await shop();
    const { focas = "" } = all.targets;
    const holding = new AbortController();
    const others = [1, 2].map(() => cellgate(["probe", "focas", focas, "--config", own.configuration(), "--seconds", "60"], { signal: holding.signal }));
    await expect.poll(() => all.focas.stats.opened).toBe(2);
    const ran = await cellgate(["discover", `focas@${focas}`, "--config", own.configuration(), "--rate", "1000"]);
    holding.abort(new Error("enough"));
    await Promise.all(others);
    expect(ran.out).toContain("all its FOCAS connections are taken");
    expect(loadedFrom(asFile(ran.out)).machines).toHaveLength(1);
    await expect.poll(() => all.focas.stats).toMatchObject({ closed: 2, refused: 1 });
  });
});

describe("what is none", () => {
  it.each(["mtconnect", "modbus", "focas", "opcua", "shdr", "haas"])("%s: garbage, silence and a closed port are told apart, and nobody is left waiting", async (kind) => {
    using own = cellgateFolder();
    await using babbling = await stranger((socket) => void socket.write(Buffer.from("\u0007GARBAGE \u001b[2J\u0000\u00ff\r\n".repeat(40), "latin1")));
    await using silent = await stranger();
    const closed = await freePort();
    const list = [babbling.port, silent.port, closed].map((port) => `${kind}@127.0.0.1:${port}`).join(",");
    const ran = await cellgate(["discover", list, "--config", own.configuration(), "--json", "--rate", "1000", "--timeout", "200"]);
    expect(ran.code).toBe(0);
    const { found, others } = JSON.parse(ran.out) as Told;
    expect(found).toEqual([]);
    expect(new Set(others.map(({ port }) => port))).toEqual(new Set([babbling.port, silent.port]));
    await expect.poll(() => [babbling.open, silent.open]).toEqual([0, 0]);
    expect([babbling.connections, silent.connections]).toEqual([1, 1]);
  });

  it("a port that gives back what it is sent is nothing", async () => {
    using own = cellgateFolder();
    await using echo = await stranger((socket) => void socket.on("data", (bytes: Buffer) => void socket.write(bytes)));
    const list = ["mtconnect", "modbus", "focas", "opcua", "shdr", "haas"].map((kind) => `${kind}@127.0.0.1:${echo.port}`).join(",");
    const ran = await cellgate(["discover", list, "--config", own.configuration(), "--json", "--rate", "1000", "--timeout", "200"]);
    const { found, others } = JSON.parse(ran.out) as Told;
    expect([found, new Set(others.map(({ kind }) => kind)).size]).toEqual([[], 6]);
  });

  it("what a stranger says reaches no terminal as it is, and no YAML either", async () => {
    using own = cellgateFolder();
    const device = (name: string): string => `<Device id="${name.length}" name="${name}" uuid="u${name.length}"><DataItems><DataItem id="a${name.length}" type="AVAILABILITY" category="EVENT"/></DataItems></Device>`;
    const model = `<MTConnectDevices><Header version="1.3" instanceId="1"/><Devices>${device("X&#10;  - id: evil &#9;\u202e")}${device("{a: b}# &quot;")}</Devices></MTConnectDevices>`;
    await using hostile = await stranger((socket) => socket.once("data", () => void socket.end(`HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: ${Buffer.byteLength(model)}\r\n\r\n${model}`)));
    const ran = await cellgate(["discover", `mtconnect@127.0.0.1:${hostile.port}`, "--config", own.configuration(), "--rate", "1000"]);
    expect(ran.err + ran.out.replaceAll("\n", "")).not.toMatch(/[^\n\P{Cc}]|\u202e/u);
    expect(loadedFrom(asFile(ran.out)).machines.map(({ id, sources }) => [id, ...sources.map(({ config }) => (config as { readonly device: string }).device)])).toEqual([["mtconnect-127-0-0-1", "X\n  - id: evil \t\u202e"], ["mtconnect-127-0-0-1-2", '{a: b}# "']]);
  });
});

describe("manners", () => {
  it("Ctrl-C ends it: what was found is printed, and every connection is closed", async () => {
    using own = cellgateFolder();
    await using all = await shop();
    await using silent = await stranger();
    const { focas = "" } = all.targets;
    const stopping = new AbortController();
    const running = cellgate(["discover", `focas@${focas},${["opcua", "haas", "modbus", "mtconnect"].map((kind) => `${kind}@127.0.0.1:${silent.port}`).join(",")}`, "--config", own.configuration(), "--rate", "1000", "--timeout", "60000"], { signal: stopping.signal });
    await expect.poll(() => [all.focas.stats.closed, silent.open]).toEqual([1, 4]);
    stopping.abort(new Error("stopped by SIGINT"));
    const ran = await running;
    expect(ran).toMatchObject({ code: 1, out: expect.stringContaining("FANUC 31i-B") as string, err: expect.stringContaining("stopped by SIGINT") as string });
    await expect.poll(() => silent.open).toBe(0);
  });

  it("a port that may be anything is sent nothing until somebody says what it is", async () => {
    using own = cellgateFolder();
    await using line = await stranger();
    const ran = await cellgate(["discover", `127.0.0.1:${line.port}`, "--config", own.configuration()]);
    expect(ran).toMatchObject({ code: 2, err: expect.stringMatching(/no kind of source has this port usually: say which it may be, mtconnect@127/) as string });
    expect(line.connections).toBe(0);
  });

  it.each([
    [["0.0.0.0/0"], /loopback and private addresses only/], [["10.0.0.0/21"], /add --yes/], [["fokas@10.0.0.1:9"], /did you mean focas/], [["10.0.0.1", "--kind", "focus"], /did you mean focas/],
    [["10.0.0.1", "--rate", "0"], /--rate needs a number above 0/],
  ] as const)("%j", async (words, why) => {
    using own = cellgateFolder();
    expect(await cellgate(["discover", ...words, "--config", own.configuration()])).toMatchObject({ code: 2, out: "", err: expect.stringMatching(why) as string });
  });

  it("serial adapters are named by their stable paths, never opened, and their stanzas are comments that hold when they are taken out", async () => {
    using own = cellgateFolder();
    const byId = join(own.path, "by-id");
    mkdirSync(byId);
    writeFileSync(join(byId, "usb-FTDI_USB-RS485_FT1A2B3C-if00-port0"), "never read");
    const closed = await freePort();
    const ran = await cellgate(["discover", `focas@127.0.0.1:${closed}`, "--config", own.configuration()], { serialFolder: byId });
    expect(ran.out).toContain(`path: ${byId}/usb-FTDI_USB-RS485_FT1A2B3C-if00-port0`);
    expect(ran.out.split("\n").slice(1).filter((line) => line !== "" && !line.startsWith("  # "))).toEqual([]);
    const taken = ran.out.replaceAll(/^ {2}# (?=(?:- id| {2,}))/gmu, "  ");
    expect(kindsOf(asFile(taken))).toEqual(new Set(["haas", "modbus"]));
  });
});
